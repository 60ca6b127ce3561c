"""What a member commits to when it signs a result: one salted leaf per chunk, of which others see the root alone.

Without the salt, a member could guess that its neighbour's digest equals its own and copy the commit; with job,
instance and peer inside, no leaf serves anybody else or elsewhere (docs/protocol/verification.md).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

import cbor2

from sgnus.crypto.digests import DIGEST_BYTES
from sgnus.crypto.merkle import Tree, leaf_hash
from sgnus.messages.errors import OurFault
from sgnus.messages.ids import BlockId, InstanceId, PeerId


def chunk_salt(seed: bytes, chunk: int) -> bytes:
    """Salt of chunk number `chunk` of the job, from the member's secret seed for the instance."""
    return hmac.digest(seed, chunk.to_bytes(8, "big"), hashlib.sha256)


def commit_leaf(
    job: BlockId, instance: InstanceId, peer: PeerId, *, chunk: int, salt: bytes, digest: bytes
) -> bytes:
    """`SHA256(0x00 || dag-cbor [job, instance, peer, chunk, salt, digest])`, the hash of one leaf.

    Ids are text, `chunk` is an unsigned integer, salt and digest are 32 bytes.
    """
    if len(salt) != DIGEST_BYTES or len(digest) != DIGEST_BYTES:
        raise OurFault("salt and digest are 32 bytes each")
    return leaf_hash(cbor2.dumps([job, instance, peer, chunk, salt, digest], canonical=True))


def commit_root(leaves: Sequence[bytes]) -> bytes:
    """Root over the leaves of a sub-block, which are leaf hashes already."""
    return Tree(leaves).root


def commit_root_of(
    job: BlockId,
    instance: InstanceId,
    peer: PeerId,
    *,
    seed: bytes,
    chunks: Sequence[int],
    digests: Sequence[bytes],
) -> bytes:
    """Root that `peer` commits to with its `seed` for `digests` of the output chunks numbered `chunks`."""
    if len(chunks) != len(digests):
        raise OurFault(f"{len(digests)} digests for {len(chunks)} chunks")
    return commit_root(
        [
            commit_leaf(job, instance, peer, chunk=chunk, salt=chunk_salt(seed, chunk), digest=digest)
            for chunk, digest in zip(chunks, digests, strict=True)
        ]
    )
