"""The directory of peers while one of them is shut out."""

from __future__ import annotations

from sgnus.adapters.peers.certificates import authority_pem
from sgnus.adapters.peers.directory import Directory
from sgnus.crypto.identity import Identity
from sgnus.messages.ids import NetworkId, PeerId
from sgnus.messages.v1.types import Endpoint, SignedEnvelope
from sgnus.wire.envelope import seal_address

NETWORK = NetworkId("0d" * 16)
FLOODER = Identity.from_seed(bytes([9]) * 32)


def record(sequence: int) -> SignedEnvelope:
    """The flooder's record; its port is the record's number."""
    place = (Endpoint(host="127.0.0.1", port=sequence),)
    return seal_address(FLOODER, NETWORK, endpoints=place, sequence=sequence, expires_ms=60_000)


def directory(shut_out: list[PeerId], capacity: int = 8) -> Directory:
    return Directory(NETWORK, lambda: 1_000, lambda _: False, shut_out.__contains__, capacity)


def test_an_older_record_replaces_none_while_its_peer_is_shut_out() -> None:
    shut_out: list[PeerId] = []
    known = directory(shut_out)
    known.admit(record(2))
    shut_out.append(FLOODER.peer_id)
    known.shut_out(FLOODER.peer_id)
    for sequence in (1, 3, 2):
        assert not known.admit(record(sequence))
    assert not known.is_admitted(FLOODER.peer_id)
    shut_out.clear()
    known.readmit(FLOODER.peer_id)
    assert [place.port for place in known.endpoints(FLOODER.peer_id)] == [3]


def test_tls_takes_who_is_shut_out_also_if_it_was_not_known_before() -> None:
    shut_out = [FLOODER.peer_id]
    known = directory(shut_out)
    known.admit(record(1))
    assert known.changed_roots() == authority_pem(FLOODER.peer_id)


def test_who_cannot_be_admitted_again_is_forgotten_by_tls_too() -> None:
    shut_out = [FLOODER.peer_id]
    now_ms = [1_000]
    known = Directory(NETWORK, lambda: now_ms[0], lambda _: False, shut_out.__contains__)
    known.admit(record(1))
    shut_out.clear()
    now_ms[0] = 10**9
    known.readmit(FLOODER.peer_id)
    assert not known.is_admitted(FLOODER.peer_id) and known.changed_roots() == b""
