"""The queues between a node's peers and its core, beside lists that hold the same: nothing is lost but what a bound says,
each way keeps its order, nothing is performed before it is durable, and a slow peer delays nobody else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import NoReturn, cast

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sgnus.adapters.overruns import Overruns
from sgnus.adapters.peers.budget import ReadBudget, StreamBudget
from sgnus.adapters.peers.events import Events
from sgnus.adapters.peers.link import Link
from sgnus.adapters.peers.outbox import Outbox
from sgnus.adapters.peers.streams import PairInbox, Surroundings
from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core.node import NodeCore
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.limits import (
    COALESCE_MS,
    FRAME_BYTES_MAX,
    INBOX_ITEMS_MAX,
    PEER_QUEUE_BYTES_MAX,
    PEER_QUEUE_ITEMS_MAX,
)
from sgnus.messages.v1.types import Leave
from sgnus.ports import PeerEvent, PeerSent
from sgnus.runtime.engine import BATCH_INPUTS_MAX, Engine
from sgnus.wire.frames import frame_bytes, split_frame
from tests.laws.profile import scripts
from tests.runtime.timeless import TimelessLoop

PEERS = tuple(PeerId(name) for name in ("ann", "bob", "cid"))
peers = st.sampled_from(PEERS)


async def passed(seconds: float) -> None:
    """Time of the loop's own goes by, which costs none."""
    is_over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, is_over.set)
    await is_over.wait()


class EchoCore:
    """For each input a fact, a word and a line, all of which name it; a bug for those that it is told to fail on."""

    def __init__(self) -> None:
        self.given: list[str] = []

    def handle(self, given: ins.Input, _now_ms: int) -> list[fx.Effect]:
        name = name_of(given)
        self.given.append(name)
        if name.endswith("bug"):
            raise ValueError("a bug")
        return [
            fx.Told(BlockId(name), "heard"),
            fx.Persist("fact", name, b""),
            fx.Send(PEERS, Leave(instance=name)),
        ]

    def abandon_room(self) -> list[fx.Effect]:
        return []

    def wake_ms(self, _now_ms: int) -> int | None:
        return None


def name_of(given: ins.Input) -> str:
    if isinstance(given, ins.PeerSaid):
        return cast(Leave, given.message).instance
    assert isinstance(given, ins.AppLeaves)
    return str(given.job)


class Inboxes(RuleBasedStateMachine):
    """The one way into the core. `waiting` is what stands in it, by name."""

    def __init__(self) -> None:
        super().__init__()
        logging.getLogger("sgnus.engine").disabled = True
        self.loop = TimelessLoop()
        self.core = EchoCore()
        self.durable: list[str] = []
        self.performed: list[tuple[str, str]] = []
        self.engine = Engine(cast(NodeCore, self.core), self.persist, self.perform)
        self.waiting: list[str] = []
        self.taken: list[str] = []
        self.count = self.lost = 0

    def teardown(self) -> None:
        logging.getLogger("sgnus.engine").disabled = False
        self.loop.close()

    async def persist(self, facts: Sequence[fx.Persist]) -> None:
        await asyncio.sleep(0)
        self.durable += [fact.key for fact in facts]

    def perform(self, effect: fx.Effect) -> None:
        assert isinstance(effect, fx.Told | fx.Send)
        named = effect.job if isinstance(effect, fx.Told) else cast(Leave, effect.message).instance
        assert named in self.durable, f"{named} was performed before it was durable"
        self.performed.append((type(effect).__name__, str(named)))

    @rule(peer=peers, count=st.sampled_from((1, 3, 300, INBOX_ITEMS_MAX - 2)), is_bug=st.booleans())
    def a_peer_says_so_much(self, peer: PeerId, count: int, is_bug: bool) -> None:
        for _ in range(count):
            self.count += 1
            name = f"{peer} {self.count}" + " bug" * (is_bug and count < 300)
            is_room = len(self.waiting) < INBOX_ITEMS_MAX
            assert self.engine.put(ins.PeerSaid(peer, Leave(instance=name))) is is_room
            if is_room:
                self.waiting.append(name)
            else:
                self.lost += 1

    @rule(count=st.sampled_from((1, 2, 300)))
    def our_own_parts_say_something(self, count: int) -> None:
        for _ in range(count):
            self.count += 1
            assert self.engine.put(ins.AppLeaves(self.count, BlockId(f"own {self.count}"), 0))
            self.waiting.append(f"own {self.count}")

    @rule(batches=st.integers(1, 3))
    def the_core_takes_some(self, batches: int) -> None:
        for _ in range(batches):
            self.loop.run_until_complete(self.engine._step())
            self.taken += self.waiting[:BATCH_INPUTS_MAX]
            del self.waiting[:BATCH_INPUTS_MAX]

    @invariant()
    def nothing_is_lost_but_what_the_bound_says(self) -> None:
        assert [name_of(given) for given in self.engine.waiting()] == self.waiting
        assert self.core.given == self.taken
        assert self.engine.dropped == self.lost
        good = [name for name in self.taken if not name.endswith("bug")]
        assert self.durable == good
        assert self.performed == [(kind, name) for name in good for kind in ("Told", "Send")]


Inboxes.TestCase.settings = scripts(25, 12)
TestInboxes = pytest.mark.timeout(900)(Inboxes.TestCase)


class Wire:
    """The far end of a stream, which reads only while the test lets it."""

    lingers = False

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.incoming: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.reads = asyncio.Event()
        self.reads.set()

    async def read(self) -> bytes | None:
        return await self.incoming.get()

    async def write(self, data: bytes) -> None:
        await self.reads.wait()
        self.frames.append(data)

    async def finish(self) -> None:
        pass

    def abort(self) -> None:
        pass


async def nobody_dials(_peer: PeerId, _attempt: int, /) -> NoReturn:
    """The streams of this test stand already."""
    raise AssertionError("somebody dials")


class Peer:
    """One pair's stream, with what should be on it: `queued` waits, of which a slow peer holds one frame back."""

    def __init__(self, peer: PeerId, around: Surroundings) -> None:
        self.wire, self.outbox = Wire(), Outbox()
        self.link = Link(self.wire, self.outbox, PairInbox(peer, around))
        self.task = asyncio.create_task(self.link.run())
        self.queued: list[bytes] = []
        self.sent: list[bytes] = []

    def arrived(self) -> list[bytes]:
        """What the far end has read."""
        for frame in self.wire.frames:
            assert len(frame) <= FRAME_BYTES_MAX + 64 * 1024
        return [message for frame in self.wire.frames for message in split_frame(frame).messages]


class Streams(RuleBasedStateMachine):
    """Three peers, each with a queue and a writer of its own, and the one way from all of them to the runtime."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = TimelessLoop()
        self.is_taking = True
        self.heard: list[PeerEvent] = []
        self.told: list[tuple[PeerId, bytes]] = []
        self.count = 0
        self.events = Events(self.take)
        self.pairs: dict[PeerId, Peer] = self.loop.run_until_complete(self.begin())

    async def begin(self) -> dict[PeerId, Peer]:
        around = Surroundings(
            own=PeerId("we"),
            events=self.events,
            dial=nobody_dials,
            is_reachable=lambda _peer: True,
            count=lambda _name: None,
            budget=StreamBudget(Overruns(), clock_ms=lambda: int(self.loop.time() * 1_000)),
        )
        return {peer: Peer(peer, around) for peer in PEERS}

    def teardown(self) -> None:
        tasks = [pair.task for pair in self.pairs.values()]
        for task in tasks:
            task.cancel()
        self.events.stop()
        self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.run_until_complete(passed(1))
        self.loop.close()

    def take(self, event: PeerEvent) -> bool:
        """The runtime's inbox, which may be full."""
        if self.is_taking:
            self.heard.append(event)
        return self.is_taking

    def pass_ms(self, ms: int) -> None:
        self.loop.run_until_complete(passed(ms / 1000))

    @rule(
        peer=peers,
        sizes=st.lists(st.sampled_from((10, 300, 512 * 1024)), min_size=1, max_size=12),
        times=st.sampled_from((1, 1, 1, 1_000)),
        is_urgent=st.booleans(),
    )
    def we_send(self, peer: PeerId, sizes: list[int], times: int, is_urgent: bool) -> None:
        pair = self.pairs[peer]
        self.note_left(pair)
        for size in sizes * times:
            self.count += 1
            message = self.count.to_bytes(8, "big") + bytes(size - 8)
            waiting = len(pair.queued) < PEER_QUEUE_ITEMS_MAX
            is_room = waiting and sum(map(len, pair.queued)) + size <= PEER_QUEUE_BYTES_MAX
            assert pair.outbox.put(message, urgent=is_urgent) is is_room
            if not is_room:
                break
            pair.queued.append(message)

    @rule(peer=peers)
    def a_peer_reads_no_more(self, peer: PeerId) -> None:
        self.pairs[peer].wire.reads.clear()

    @rule(peer=peers)
    def a_peer_reads_again(self, peer: PeerId) -> None:
        self.pairs[peer].wire.reads.set()

    @rule(peer=peers, count=st.integers(1, 5))
    def a_peer_sends(self, peer: PeerId, count: int) -> None:
        messages = [f"{self.count} {number}".encode() for number in range(count)]
        self.count += 1
        self.pairs[peer].wire.incoming.put_nowait(frame_bytes(messages))
        self.told += [(peer, message) for message in messages]

    @rule(is_taking=st.booleans())
    def the_runtime_is_full_or_not(self, is_taking: bool) -> None:
        self.is_taking = is_taking

    @rule(frames=st.integers(1, 8))
    def time_passes(self, frames: int) -> None:
        """So many frames at least can go to each who reads, whoever does not."""
        before = {peer: len(pair.arrived()) for peer, pair in self.pairs.items()}
        owed = {peer: len(pair.sent) + len(pair.queued) for peer, pair in self.pairs.items()}
        self.pass_ms(frames * (COALESCE_MS + 1))
        for peer, pair in self.pairs.items():
            arrived = pair.arrived()
            if pair.wire.reads.is_set():
                frames_due = min(owed[peer], before[peer] + frames)
                assert len(arrived) >= frames_due, f"{peer} reads, and waits for others"
            self.note_left(pair)

    def note_left(self, pair: Peer) -> None:
        """What has left the queue, in the order in which it came."""
        gone = len(pair.queued) - len(pair.outbox)
        pair.sent += pair.queued[:gone]
        del pair.queued[:gone]

    @invariant()
    def each_way_keeps_its_order_and_loses_nothing(self) -> None:
        for pair in self.pairs.values():
            assert not pair.task.done()
            arrived = pair.arrived()
            self.note_left(pair)
            assert arrived == pair.sent[: len(arrived)]
            if pair.wire.reads.is_set() and not pair.outbox:
                self.pass_ms(0)
                assert pair.arrived() == pair.sent

    @invariant()
    def what_was_heard_is_what_was_said(self) -> None:
        for peer in PEERS:
            heard = [one.payload for one in self.heard if isinstance(one, PeerSent) and one.peer == peer]
            said = [message for who, message in self.told if who == peer]
            assert heard == said[: len(heard)]

    @precondition(lambda self: self.is_taking)
    @rule()
    def the_runtime_hears_all(self) -> None:
        self.pass_ms(50)
        assert len(self.heard) == len(self.told)


Streams.TestCase.settings = scripts(40, 25)
TestStreams = pytest.mark.timeout(900)(Streams.TestCase)


class Budgets(RuleBasedStateMachine):
    """What peers may read: each has its own bucket, which alone makes it wait."""

    RATE, BURST = 1_000, 5_000

    def __init__(self) -> None:
        super().__init__()
        self.loop = TimelessLoop()
        self.budget = ReadBudget(self.RATE, self.BURST)
        self.debts = dict.fromkeys(PEERS, 0.0)
        self.at_s = dict.fromkeys(PEERS, 0.0)

    def teardown(self) -> None:
        self.loop.close()

    @rule(peer=peers, size=st.sampled_from((0, 1, 700, 5_000, 9_000)))
    def a_peer_reads(self, peer: PeerId, size: int) -> None:
        now_s = self.loop.time()
        left = max(0.0, self.debts[peer] - (now_s - self.at_s[peer]) * self.RATE)
        self.debts[peer], self.at_s[peer] = left + size, now_s
        self.loop.run_until_complete(self.budget.spend(peer, size))
        waits_s = max(0.0, (self.debts[peer] - self.BURST) / self.RATE)
        assert abs(self.loop.time() - now_s - waits_s) < 0.01

    @rule(ms=st.integers(1, 9_000))
    def time_passes(self, ms: int) -> None:
        self.loop.run_until_complete(passed(ms / 1000))


Budgets.TestCase.settings = scripts(30, 25)
TestBudgets = pytest.mark.timeout(900)(Budgets.TestCase)
