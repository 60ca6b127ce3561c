"""What gossip lets in and keeps waiting, beside a naive model: the neighbour that delivers a message pays for it, never the
author that it claims; and what waits for one neighbour is bounded, in order, urgent things first.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2

from sgnus.adapters.gossip import gate as gates
from sgnus.adapters.gossip.budget import NeighbourAllowance
from sgnus.adapters.gossip.gate import SIGNING_PREFIX, MessageGate
from sgnus.adapters.gossip.rpc_queue import FrameQueue
from sgnus.adapters.overruns import Overruns
from sgnus.crypto.identity import Identity
from sgnus.messages.limits import (
    GOSSIP_BYTES_MAX,
    GOSSIP_FORGERY_MESSAGES,
    GOSSIP_OUTBOUND_BYTES_MAX,
    GOSSIP_OUTBOUND_ITEMS_MAX,
)
from tests.laws.profile import scripts

SELVES = tuple(Identity.from_seed(bytes([number]) * 32) for number in range(3))
IDS = tuple(ID.from_string(identity.peer_id) for identity in SELVES)
NEIGHBOURS = (IDS[1], *(ID(bytes([0, 36, number]) + bytes(35)) for number in range(2)))
"""One of them is also an author."""
ALLOWANCE = NeighbourAllowance(
    messages_per_s=3,
    messages_burst=7,
    bytes_per_s=1_000,
    bytes_burst=4_000,
    authored_per_s=1,
    authored_burst=2,
)
FORGERY = 5
TOPICS = ("jobs", "elsewhere")
neighbours = st.sampled_from(NEIGHBOURS)


@cache
def message_of(author: int, number: int, topic: str, is_signed: bool, size: int) -> Any:
    """A message of one of three authors, the first of which is ourselves."""
    said = rpc_pb2.Message(
        data=bytes(size), topicIDs=[topic], from_id=IDS[author].to_bytes(), seqno=number.to_bytes(8, "big")
    )
    if is_signed:
        said.signature = SELVES[author].sign(SIGNING_PREFIX + said.SerializeToString())
    else:
        said.signature = bytes(64)
    return said


class Purse:
    """What a neighbour may still spend: flows in steadily, and no further than the burst."""

    def __init__(self, rate: int, burst: int) -> None:
        self.rate, self.burst = rate, burst
        self.left = Fraction(burst)

    def flow(self, ms: int) -> None:
        self.left = min(Fraction(self.burst), self.left + Fraction(self.rate * ms, 1_000))

    def spend(self, size: int) -> bool:
        if size > self.left:
            return False
        self.left -= size
        return True


class Gates(RuleBasedStateMachine):
    """Three neighbours, of which any may bring messages of any author."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0
        self.usual = gates._now_ms
        gates._now_ms = lambda: self.now_ms
        gates.GOSSIP_FORGERY_MESSAGES = FORGERY  # type: ignore[misc]
        self.overruns = Overruns(lambda: self.now_ms)
        self.gate = MessageGate(IDS[0], TOPICS[:1], ALLOWANCE, self.overruns)
        self.messages = {one: Purse(3, 7) for one in NEIGHBOURS}
        self.bytes = {one: Purse(1_000, 4_000) for one in NEIGHBOURS}
        self.authored = {(one, author): Purse(1, 2) for one in NEIGHBOURS for author in range(3)}
        self.seen: list[tuple[int, int]] = []

    def teardown(self) -> None:
        gates._now_ms = self.usual
        gates.GOSSIP_FORGERY_MESSAGES = GOSSIP_FORGERY_MESSAGES  # type: ignore[misc]

    @rule(ms=st.sampled_from((1, 90, 334, 2_000)))
    def time_passes(self, ms: int) -> None:
        self.now_ms += ms
        for purse in (*self.messages.values(), *self.bytes.values(), *self.authored.values()):
            purse.flow(ms)

    @rule(neighbour=neighbours, size=st.sampled_from((0, 1, 999, 3_000, 4_001)))
    def a_frame_comes(self, neighbour: ID, size: int) -> None:
        assert self.gate.allows_frame(neighbour, size) is self.bytes[neighbour].spend(size)

    @rule(
        neighbour=neighbours,
        author=st.integers(0, 2),
        number=st.integers(0, 5),
        topic=st.sampled_from((*TOPICS[:1], *TOPICS)),
        is_signed=st.booleans(),
        size=st.sampled_from((1, 1, 1, GOSSIP_BYTES_MAX, GOSSIP_BYTES_MAX + 1)),
    )
    def a_message_comes(
        self, *, neighbour: ID, author: int, number: int, topic: str, is_signed: bool, size: int
    ) -> None:
        said = message_of(author, number, topic, is_signed, size)
        refusal = self.gate.refusal(neighbour, said)
        assert refusal == self.expected(neighbour, (author, number), topic, is_signed=is_signed, size=size)
        if refusal is None:
            self.gate.note(said)
        if refusal is None or (is_signed and not self.is_room):
            self.seen.append((author, number))

    def expected(
        self, neighbour: ID, named: tuple[int, int], topic: str, *, is_signed: bool, size: int
    ) -> str | None:
        """The first check that fails, the cheap ones first; the budget is charged before the author is looked at, and that of the
        author once it is known to be it.
        """
        self.is_room = True
        if size > GOSSIP_BYTES_MAX:
            return "dropped_oversize"
        if not self.messages[neighbour].spend(1):
            return "dropped_over_budget"
        if topic not in TOPICS[:1]:
            return "dropped_unsubscribed"
        if named[0] == 0:
            return "own_echoes"
        if named in self.seen:
            return "duplicates"
        if not is_signed:
            self.messages[neighbour].left -= FORGERY
            return "dropped_bad_signature"
        self.is_room = self.authored[neighbour, named[0]].spend(1)
        if self.is_room:
            return None
        return "dropped_over_budget" if neighbour == IDS[named[0]] else "dropped_over_authored"


Gates.TestCase.settings = scripts(40, 40)
TestGates: Any = Gates.TestCase


class Outbound(RuleBasedStateMachine):
    """What waits for one neighbour."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = FrameQueue()
        self.urgent: list[bytes] = []
        self.usual: list[bytes] = []
        self.count = 0

    @rule(
        size=st.sampled_from((9, 500, 70_000, 1 << 20)),
        times=st.sampled_from((1, 2, 600)),
        is_urgent=st.booleans(),
    )
    def frames_are_pushed(self, size: int, times: int, is_urgent: bool) -> None:
        for _ in range(times):
            self.count += 1
            frame = self.count.to_bytes(9, "big") + bytes(size - 9)
            waiting = [*self.urgent, *self.usual]
            is_room = len(waiting) < GOSSIP_OUTBOUND_ITEMS_MAX
            is_room = is_room and sum(map(len, waiting)) + size <= GOSSIP_OUTBOUND_BYTES_MAX
            assert self.queue.push_frame(frame, is_urgent) is is_room
            if not is_room:
                return
            (self.urgent if is_urgent else self.usual).append(frame)

    @rule(times=st.integers(1, 4))
    def some_are_written(self, times: int) -> None:
        for _ in range(times):
            if not len(self.queue):
                return
            written = self.queue._take()
            first = [*self.urgent, *self.usual]
            size = 0
            while size < min(len(written), 64 * 1024) and first:
                size += len(first.pop(0))
            gone = len(self.urgent) + len(self.usual) - len(first)
            assert written == b"".join([*self.urgent, *self.usual][:gone])
            self.usual = self.usual[max(0, gone - len(self.urgent)) :]
            self.urgent = self.urgent[gone:]

    @invariant()
    def both_hold_as_many(self) -> None:
        assert len(self.queue) == len(self.urgent) + len(self.usual)


Outbound.TestCase.settings = scripts(30, 25)
TestOutbound: Any = Outbound.TestCase


def test_who_repeats_what_an_author_said_spends_nothing_of_what_others_bring_of_it() -> None:
    gate = MessageGate(IDS[0], TOPICS[:1], NeighbourAllowance(authored_per_s=1, authored_burst=3), Overruns())
    said = [message_of(2, number, TOPICS[0], True, 1) for number in range(9)]
    by_one = [gate.refusal(NEIGHBOURS[1], message) for message in said[:5]]
    assert by_one == [None] * 3 + ["dropped_over_authored"] * 2
    assert gate.refusal(NEIGHBOURS[2], said[4]) == "duplicates", "its signature is not checked again"
    by_another = [gate.refusal(NEIGHBOURS[2], message) for message in said[5:]]
    assert by_another == [None] * 3 + ["dropped_over_authored"]
