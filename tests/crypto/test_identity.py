"""Ed25519 identities and peer ids."""

from __future__ import annotations

import subprocess
import sys

import base58
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.id import ID

from sgnus.crypto.identity import (
    Identity,
    base58_decode,
    base58_encode,
    key_of_multihash,
    peer_id_bytes,
    public_key_of,
    verify,
)
from sgnus.messages.errors import OurFault, PeerFault
from sgnus.messages.ids import PeerId

GOLDEN_SEED = bytes([1]) * 32
GOLDEN_PEER = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"


def test_a_known_seed_has_a_known_peer_id() -> None:
    assert Identity.from_seed(GOLDEN_SEED).peer_id == GOLDEN_PEER


@settings(deadline=None, derandomize=True)
@given(st.binary(min_size=32, max_size=32))
def test_peer_ids_and_signatures_are_those_of_libp2p(seed: bytes) -> None:
    identity, keys = Identity.from_seed(seed), create_new_key_pair(seed)
    theirs = ID.from_pubkey(keys.public_key)
    assert identity.peer_id == theirs.to_base58()
    assert peer_id_bytes(identity.peer_id) == theirs.to_bytes()
    assert public_key_of(identity.peer_id) == keys.public_key.to_bytes()
    assert key_of_multihash(theirs.to_bytes()) == identity.public_key
    assert keys.private_key.sign(b"words") == identity.sign(b"words")


@settings(deadline=None, derandomize=True)
@given(st.binary(max_size=64))
def test_base58_is_its_own_inverse_and_that_of_the_base58_package(raw: bytes) -> None:
    text = base58_encode(raw)
    assert text == base58.b58encode(raw).decode()
    assert base58_decode(text) == raw


def test_only_the_author_of_the_very_message_verifies() -> None:
    one, other = Identity.from_seed(bytes(32)), Identity.from_seed(GOLDEN_SEED)
    signature = one.sign(b"words")
    assert verify(one.peer_id, b"words", signature)
    assert not verify(one.peer_id, b"word", signature)
    assert not verify(other.peer_id, b"words", signature)
    assert not verify(one.peer_id, b"words", signature[:-1])
    assert not verify("nobody", b"words", signature)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nobody",
        GOLDEN_PEER[:-1],
        GOLDEN_PEER + "1",
        GOLDEN_PEER[:-1] + "0",
        "1" * 52,
        "z" * 52,
        "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
        "1" * 1_000_000,
    ],
    ids=lambda text: text[:8],
)
def test_what_is_no_ed25519_peer_id_is_the_peers_fault(text: str) -> None:
    with pytest.raises(PeerFault):
        public_key_of(PeerId(text))


def test_a_seed_of_another_length_is_our_fault() -> None:
    with pytest.raises(OurFault, match="32 bytes, not 31"):
        Identity.from_seed(bytes(31))


def test_a_seed_is_never_printed() -> None:
    assert "seed" not in repr(Identity.from_seed(GOLDEN_SEED))


def test_identities_and_the_gossip_package_do_not_import_libp2p() -> None:
    program = (
        "import sys, sgnus.crypto.identity, sgnus.adapters.identity_file, sgnus.adapters.gossip;"
        "sys.exit(bool({'libp2p', 'trio'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
