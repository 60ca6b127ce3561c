"""Signed envelopes and address records: what opens, and what does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sgnus.crypto.identity import Identity, verify
from sgnus.messages.errors import OurFault, PeerFault
from sgnus.messages.ids import NetworkId
from sgnus.messages.limits import ADDRESS_LIFE_MS_MAX, CLOCK_SKEW_MS_MAX
from sgnus.messages.v1.types import AddressRecord, Endpoint, SignedEnvelope, SignedKind
from sgnus.wire.codec import encode
from sgnus.wire.envelope import (
    VerifyCache,
    is_newer,
    open_address,
    open_envelope,
    seal,
    seal_address,
    signed_bytes,
)

NETWORK = NetworkId("ab" * 16)
ALICE = Identity.from_seed(b"\1" * 32)
BOB = Identity.from_seed(b"\2" * 32)
NOW_MS = 1_800_000_000_000


def address(who: Identity = ALICE, sequence: int = 1, expires_ms: int = NOW_MS + 1) -> SignedEnvelope:
    endpoint = Endpoint(host="127.0.0.1", port=4001)
    return seal_address(who, NETWORK, endpoints=(endpoint,), sequence=sequence, expires_ms=expires_ms)


def test_what_was_sealed_opens() -> None:
    record = open_address(address(), NETWORK, NOW_MS)
    assert (record.peer, record.endpoints[0].port, record.sequence) == (ALICE.peer_id, 4001, 1)


def test_the_signed_bytes_are_domain_network_and_payload() -> None:
    expected = b"sgnus/v1/address\0" + bytes.fromhex(NETWORK) + b"payload"
    assert signed_bytes(NETWORK, SignedKind.ADDRESS, b"payload") == expected
    assert verify(
        ALICE.peer_id, signed_bytes(NETWORK, SignedKind.ADDRESS, address().payload), address().signature
    )


def test_a_network_id_of_another_length_is_a_fault_of_ours() -> None:
    for name in ("", "ab", "zz" * 16, "ab" * 17):
        with pytest.raises(OurFault, match="network id"):
            signed_bytes(NetworkId(name), SignedKind.ADDRESS, b"")


@pytest.mark.parametrize(
    "change",
    [
        {"payload": address(sequence=2).payload},
        {"signature": bytes(64)},
        {"signature": b""},
        {"author": BOB.peer_id},
        {"author": "nobody"},
        {"author": ""},
        {"kind": SignedKind.JOIN},
    ],
)
def test_a_changed_envelope_does_not_open(change: dict[str, object]) -> None:
    with pytest.raises(PeerFault):
        open_address(replace(address(), **change), NETWORK, NOW_MS)  # type: ignore[arg-type]


def test_a_signature_counts_for_one_network_and_one_kind_only() -> None:
    with pytest.raises(PeerFault, match="for this network"):
        open_address(address(), NetworkId("cd" * 16), NOW_MS)
    elsewhere = replace(address(), kind=SignedKind.JOIN)
    with pytest.raises(PeerFault, match="signature"):
        open_envelope(elsewhere, NETWORK, SignedKind.JOIN, AddressRecord)


def test_a_signed_payload_that_is_malformed_is_a_peers_fault() -> None:
    payload = b"\xff\xff"
    signature = ALICE.sign(signed_bytes(NETWORK, SignedKind.ADDRESS, payload))
    envelope = SignedEnvelope(
        kind=SignedKind.ADDRESS, author=ALICE.peer_id, payload=payload, signature=signature
    )
    with pytest.raises(PeerFault):
        open_address(envelope, NETWORK, NOW_MS)


def test_nobody_signs_the_address_of_another() -> None:
    record = open_address(address(), NETWORK, NOW_MS)
    with pytest.raises(PeerFault, match="signed an address of"):
        open_address(seal(BOB, NETWORK, SignedKind.ADDRESS, record), NETWORK, NOW_MS)


def test_an_address_expires_and_cannot_last_for_ever() -> None:
    assert open_address(address(expires_ms=NOW_MS - CLOCK_SKEW_MS_MAX + 1), NETWORK, NOW_MS)
    with pytest.raises(PeerFault, match="has expired"):
        open_address(address(expires_ms=NOW_MS - CLOCK_SKEW_MS_MAX), NETWORK, NOW_MS)
    latest = NOW_MS + ADDRESS_LIFE_MS_MAX + CLOCK_SKEW_MS_MAX
    assert open_address(address(expires_ms=latest), NETWORK, NOW_MS)
    with pytest.raises(PeerFault, match="too far"):
        open_address(address(expires_ms=latest + 1), NETWORK, NOW_MS)


def test_the_highest_sequence_wins() -> None:
    older, newer = (open_address(address(sequence=number), NETWORK, NOW_MS) for number in (1, 2))
    assert is_newer(newer, older) and is_newer(older, None)
    assert not is_newer(older, newer) and not is_newer(older, older)


def test_the_cache_asks_once_for_what_was_right_and_always_for_what_was_wrong() -> None:
    asked: list[bytes] = []

    def counting(peer_id: str, message: bytes, signature: bytes, /) -> bool:
        asked.append(message)
        return verify(peer_id, message, signature)

    cache = VerifyCache(counting, capacity=2)
    for _ in range(3):
        assert open_address(address(), NETWORK, NOW_MS, verify=cache)
    assert len(asked) == 1
    for _ in range(3):
        with pytest.raises(PeerFault):
            open_address(replace(address(), signature=bytes(64)), NETWORK, NOW_MS, verify=cache)
    assert len(asked) == 4 and len(cache) == 1
    for sequence in (5, 6, 7):
        open_address(address(sequence=sequence), NETWORK, NOW_MS, verify=cache)
    assert len(cache) == 2


def test_a_cheap_signer_and_verifier_may_stand_in() -> None:
    class Cheap:
        peer_id = ALICE.peer_id

        def sign(self, message: bytes, /) -> bytes:
            return b"signed:" + message[:8]

    record = open_address(address(), NETWORK, NOW_MS)
    envelope = seal(Cheap(), NETWORK, SignedKind.ADDRESS, record)
    assert envelope.payload == encode(record)
    opened = open_address(envelope, NETWORK, NOW_MS, verify=lambda *_: _[2] == b"signed:" + _[1][:8])
    assert opened == record
