"""What a message on the stream of a pair counts as, beside what the stream counts by itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from sgnus.messages.ids import PeerId
from sgnus.messages.limits import LEASE_REQUEST_MESSAGES, MALFORMED_MESSAGES, UNUSUAL_MESSAGES
from sgnus.messages.v1.types import CloseReason, HeldNotice, LeaseRequest, PeerMessage, RoomClosed
from sgnus.ports import PeerSent
from sgnus.runtime.hearing import Hearing
from sgnus.sim.pens import CheapPen
from sgnus.wire.codec import encode

PEER = PeerId("peer")
ASKED = LeaseRequest(instance="ab" * 32, epoch=1, free=1, working_on=())


def charged(payload: bytes) -> int:
    """How many messages more the peer is charged for this one."""
    charges: list[tuple[PeerId, int]] = []
    drivers = SimpleNamespace(charge=lambda peer, messages: charges.append((peer, messages)))
    hearing = Hearing(CheapPen(PeerId("me")))
    hearing.connect(cast(Any, SimpleNamespace(drivers=drivers, engine=SimpleNamespace(put=lambda _: True))))
    assert hearing.peer_event(PeerSent(PEER, payload))
    assert {peer for peer, _ in charges} == {PEER}
    return sum(messages for _, messages in charges)


def test_what_comes_with_each_sub_block_counts_as_one() -> None:
    assert charged(encode(PeerMessage(body=HeldNotice(held=())))) == 0


def test_a_request_for_work_and_what_is_no_message_count_as_many_and_anything_else_as_some() -> None:
    assert charged(encode(PeerMessage(body=ASKED))) == LEASE_REQUEST_MESSAGES - 1
    assert charged(b"no message") == MALFORMED_MESSAGES
    closed = RoomClosed(instance="ab" * 32, reason=CloseReason.EXPIRED)
    assert charged(encode(PeerMessage(body=closed))) == UNUSUAL_MESSAGES - 1
