"""Whatever peers say, the core never raises, its invariants hold, and what it refuses changes nothing."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core.node import NodeCore
from sgnus.messages import limits
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import JoinRequest, RoomAnnouncement, SignedEnvelope, SignedKind
from sgnus.sim.babble import SAID, Babbler
from sgnus.sim.grid import Grid
from sgnus.sim.pens import CheapPen
from sgnus.sim.setting import Setting

STRANGERS = [PeerId("eve"), PeerId("mallory")]
seeds = st.integers(0, 2**32)


def a_node_at_work(seed: int) -> tuple[NodeCore, int, list[str], list[SignedEnvelope], list[PeerId]]:
    """A node in the middle of something: a member, a candidate, a host, or a publisher; and what was overheard so far."""
    dice = random.Random(seed)
    grid = Grid(Setting(seed % 50, peers=4, sub_blocks=15, faults=(), faults_ms=0))
    grid.begin()
    grid.run(dice.randrange(50, 3_000))
    peers = list(grid.peers.values())
    victim = dice.choice(peers)
    if dice.randrange(3) == 0:
        grid.crash(dice.choice([x for x in peers if x is not victim]))
        grid.run(grid.agenda.now_ms + dice.randrange(200, 3_000))
    core = victim.core
    assert core is not None
    words = ["", "x", "00" * 32, str(grid.steps.copies.job), *grid.peers, *STRANGERS]
    if core.room is not None:
        words += [core.room.seat.instance] * 3
    corrupt = [dice.choice([x.name for x in peers if x is not victim]), *STRANGERS]
    return core, victim.clock.says(grid.agenda.now_ms), words, list(grid.steps.overheard), corrupt


def plausible_in(core: NodeCore) -> dict[str, list[Any]]:
    """What a well-informed liar would put into fields of these names."""
    room = core.room
    if room is None:
        return {"sub_block": [0, 1, 9], "workers": [1]}
    roster, seat = room.roster, room.seat
    peers = [*roster.peers, *STRANGERS]
    return {
        "job": [seat.job],
        "microjob": [seat.microjob],
        "instance": [seat.instance],
        "moves_from": [seat.instance],
        "founder": [roster.list.founder],
        "nonce": [roster.list.nonce],
        "epoch": [roster.epoch, roster.epoch + 1, roster.epoch + 2],
        "sequence": [roster.sequence, roster.sequence + 1],
        "previous": [roster.digest],
        "host": peers,
        "member": peers,
        "peer": peers,
        "candidate": peers,
        "sub_block": [0, 1, 2, 9],
        "chunks": [1],
        "workers": [1],
    }


def state_of(core: NodeCore) -> str:
    """All that a refused message may not change. Having heard the sender is not in it."""
    room = core.room
    inside = None
    if room is not None:
        book, board = room.book, room.board
        inside = (
            room.phase,
            room.roster,
            room.ballot,
            room.work,
            room.hosting,
            book.known(),
            board.leases,
            board.free,
            board.returns,
        )
    return repr((inside, core.publications, core.outbox, core.jobs, core.search, core.app))


def assert_bounds(core: NodeCore) -> None:
    assert len(core.links.addresses) <= limits.ADDRESSES_MAX
    for lobby in core.jobs.values():
        assert len(lobby.rooms) <= limits.ROOMS_PER_JOB_MAX
    for publication in core.publications.values():
        for shelf in publication.shelves.values():
            assert len(shelf.instances) <= limits.INSTANCES_PER_MICROJOB_MAX
            assert all(len(seen.seated) <= limits.SEATED_MAX for seen in shelf.instances.values())
    if core.room is not None:
        assert len(core.room.hosting.door.pending) <= limits.SEATS_PENDING_MAX
        assert len(core.room.ballot.waiting) <= limits.VOTE_REQUESTS_PENDING_MAX
        assert len(core.room.board.leases) <= 10 * limits.ROOM_MEMBERS_MAX


def say(core: NodeCore, given_: ins.Input, now_ms: int) -> None:
    core.handle(ins.Tick(), now_ms)
    before = state_of(core)
    effects = core.handle(given_, now_ms)
    core.check()
    blamed = [effect for effect in effects if isinstance(effect, fx.Blame)]
    if blamed and len(blamed) == len(effects):
        assert state_of(core) == before, f"{blamed} changed the state by {given_}"


@settings(max_examples=150, deadline=None, derandomize=True)
@given(world=seeds, script=st.lists(seeds, min_size=1, max_size=25))
def test_no_script_of_lies_raises_or_breaks_an_invariant(world: int, script: list[int]) -> None:
    core, now_ms, words, seen, corrupt = a_node_at_work(world)
    for seed in script:
        dice = random.Random(seed)
        babbler = Babbler(dice, words, corrupt, seen, plausible_in(core))
        sender = dice.choice(corrupt)
        if dice.randrange(6):
            say(core, ins.PeerSaid(sender, babbler.message(dice.choice(SAID))), now_ms)
        elif dice.randrange(2):
            announcement = babbler.message(RoomAnnouncement)
            say(core, ins.RoomHeard(sender, announcement), now_ms)
        else:
            request = babbler.message(JoinRequest)
            envelope = CheapPen(sender).sign(SignedKind.JOIN, request)
            say(core, ins.SeatAsked(sender, request, envelope), now_ms)
        now_ms += dice.choice((0, 1, 60, 700, 5_200))
        core.handle(ins.Tick(), now_ms)
        core.check()
    assert_bounds(core)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(world=seeds)
def test_a_flood_of_rooms_and_askers_stays_within_bounds(world: int) -> None:
    core, now_ms, words, seen, corrupt = a_node_at_work(world)
    for number in range(300):
        babbler = Babbler(
            random.Random(number), [*words, *(f"{number:064x}" for _ in range(9))], corrupt, seen, {}
        )
        sender = PeerId(f"flood{number}")
        core.handle(ins.RoomHeard(sender, babbler.message(RoomAnnouncement)), now_ms)
        request = babbler.message(JoinRequest)
        core.handle(ins.SeatAsked(sender, request, CheapPen(sender).sign(SignedKind.JOIN, request)), now_ms)
    core.check()
    assert_bounds(core)
