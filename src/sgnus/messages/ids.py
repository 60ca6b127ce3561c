"""Typed ids: a peer, a job, an instance are never mixed up with other strings."""

from typing import NewType

PeerId = NewType("PeerId", str)
"""libp2p peer id of an Ed25519 key, base58btc (`12D3KooW...`)."""

BlockId = NewType("BlockId", str)
"""CIDv1 (dag-cbor, sha2-256) of a job's entry, base32 (`bafyrei...`)."""

InstanceId = NewType("InstanceId", str)
"""Lower-case hex of the 32-byte hash that names one founding of a room."""

NetworkId = NewType("NetworkId", str)
"""Lower-case hex of the 16-byte id of a network."""
