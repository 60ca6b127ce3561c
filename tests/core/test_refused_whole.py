"""What is refused is refused whole: nothing of a message counts in which something is wrong."""

from __future__ import annotations

import pytest

from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core import moving, room_table
from sgnus.core import roster as rosters
from sgnus.core.node import NodeCore
from sgnus.core.room import Room
from sgnus.messages.errors import PeerFault
from sgnus.messages.fields import Message
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.v1.types import (
    HeldNotice,
    ProcessedRecord,
    PublisherView,
    Records,
    SignedEnvelope,
    SignedKind,
    VoteRequest,
)
from sgnus.sim.pens import address_of
from tests.core.seats import JOB, PUBLISHER, held, pen, room, roster

A, B, C, EVE = (PeerId(name) for name in ("a", "b", "c", "eve"))


def record(seat: Room, author: PeerId, sub_block: int) -> SignedEnvelope:
    said = ProcessedRecord(
        job=JOB,
        microjob=0,
        instance=seat.seat.instance,
        sub_block=sub_block,
        chunks=1,
        root=bytes(32),
        elapsed_ms=1,
    )
    return pen(author).sign(SignedKind.RECORD, said)


def messages(seat: Room) -> list[tuple[PeerId, Message]]:
    """Each with words that count, before and behind one that cannot be."""
    name = seat.seat.instance
    good, forged, beyond = held(name, 0), held(name, 1, author=EVE), held(name, 9)
    processed = (record(seat, C, 0), record(seat, C, 9))
    return [
        (EVE, HeldNotice(held=(good, forged))),
        (EVE, HeldNotice(held=(good, beyond))),
        (EVE, Records(instance=name, processed=processed, held=(), started=())),
        (EVE, Records(instance=name, processed=processed[:1], held=(good, forged), started=())),
        (PUBLISHER, PublisherView(job=JOB, microjob=0, preferred="", held=(good, beyond), taken=False)),
    ]


@pytest.mark.parametrize("number", range(5))
def test_of_many_words_none_counts_if_one_cannot_be(number: int) -> None:
    seat = room("b", "a", "b", "c")
    sender, message = messages(seat)[number]
    with pytest.raises(PeerFault):
        room_table.handle(seat, sender, message, 10)
    assert seat.book.known() == ((), ())
    assert seat.out == []


def test_a_stranger_that_asks_for_votes_does_not_bring_us_a_list() -> None:
    seat = room("b", "a", "b", "c")
    newer = rosters.successor(pen("a"), seat.roster, seat.roster.list.members[:2], (), 1)
    asked = VoteRequest(instance=seat.seat.instance, epoch=2, base=newer.envelope)
    with pytest.raises(PeerFault, match="may not host"):
        room_table.handle(seat, C, asked, 10)
    assert seat.roster.sequence == 1


def sitting(*jobs: tuple[BlockId, PeerId]) -> NodeCore:
    """A node that looks at these jobs, and sits in a room of the first one."""
    node = NodeCore.create(pen("b"), address_of(pen("b")), 0, 1)
    for job, publisher in jobs:
        facts = ins.JobFacts(
            job=job,
            publisher=publisher,
            address=None,
            processor="builtin:invert@1",
            sub_blocks=3,
            microjobs=1,
            deadline_ms=60_000,
        )
        node.handle(ins.JobChanged(facts), 0)
    moving.sit(node, node.jobs[jobs[0][0]], roster("a", "b", "c"), 1, by_app=False)
    return node


def blamed(effects: list[fx.Effect]) -> list[PeerId]:
    return [effect.peer for effect in effects if isinstance(effect, fx.Blame)]


def test_the_publisher_of_another_job_may_speak_of_what_it_holds() -> None:
    other = PeerId("other publisher")
    node = sitting((JOB, PUBLISHER), (BlockId("other job"), other))
    word = held("of a room that we left", 0, author=other)
    assert blamed(node.handle(ins.PeerSaid(other, HeldNotice(held=(word,))), 10)) == []


def test_nobody_speaks_for_several_publishers_at_once() -> None:
    node = sitting((JOB, PUBLISHER))
    assert node.room is not None
    words = (held(node.room.seat.instance, 0), held(node.room.seat.instance, 1, author=EVE))
    assert blamed(node.handle(ins.PeerSaid(EVE, HeldNotice(held=words)), 10)) == [EVE]
    assert node.room.book.known() == ((), ())
