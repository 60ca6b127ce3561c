"""Laws that no run breaks can be broken: a step that should never be is told to them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sgnus.core import effects as fx
from sgnus.core.inputs import PeerSaid, Tick
from sgnus.core.room import Phase
from sgnus.core.roster import successor
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import BeaconOutput, Held, HeldNotice, Reveal, Seal, SignedKind, Vote, VoteGiven
from sgnus.sim.grid import Grid
from sgnus.sim.laws import NEWS_MS_MAX, Broken
from sgnus.sim.peer import Peer
from sgnus.sim.setting import Setting
from sgnus.wire.codec import decode


def test_a_lease_of_what_is_held_for_long_breaks_a_law_although_the_host_never_heard_of_it() -> None:
    grid, host, lease = host_and_a_lease_of_what_is_held()
    laws = grid.steps.laws
    held_ms = max(laws.persisted_ms[0, lease.sub_block], laws.in_touch_ms[host.name])
    laws.effect(host, lease, held_ms + NEWS_MS_MAX)
    with pytest.raises(Broken, match="law 'news'"):
        laws.effect(host, lease, held_ms + NEWS_MS_MAX + 1)


def test_a_host_that_was_out_of_touch_with_the_publisher_may_not_know() -> None:
    grid, host, lease = host_and_a_lease_of_what_is_held()
    laws = grid.steps.laws
    grid.freeze(grid.publisher)
    grid.run(grid.agenda.now_ms + NEWS_MS_MAX + 1_000)
    assert host.name not in laws.in_touch_ms
    grid.thaw(grid.publisher)
    grid.run(grid.agenda.now_ms + 2_000)
    assert host in hosts(grid) and host.name in laws.in_touch_ms
    laws.known.clear()
    laws.effect(host, lease, grid.agenda.now_ms)


def test_two_words_of_an_honest_peer_where_one_may_be_break_a_law_and_saying_one_again_does_not() -> None:
    grid = Grid(Setting(5, peers=3, sub_blocks=1, faults=(), faults_ms=0))
    peer, laws = list(grid.peers.values())[1], grid.steps.laws
    room = {"instance": "i", "round": 1}
    first = [
        (SignedKind.SEAL, Seal(**room, attempt=0, r=b"r" * 32)),
        (SignedKind.REVEAL, Reveal(**room, r=b"r" * 32, proof=b"")),
        (SignedKind.BEACON, BeaconOutput(**room, reveals=(), proof=b"")),
        (SignedKind.SEAL, Seal(**room, attempt=0, r=b"r" * 32)),
    ]
    second = [
        (SignedKind.SEAL, Seal(**room, attempt=0, r=b"s" * 32)),
        (SignedKind.SEAL, Seal(**room, attempt=1, r=b"r" * 32)),
        (SignedKind.REVEAL, Reveal(**room, r=b"s" * 32, proof=b"")),
        (SignedKind.BEACON, BeaconOutput(**room, reveals=(), proof=b"other")),
    ]
    for kind, word in first:
        laws.effect(peer, fx.Send((PeerId("p00"),), peer.pen.sign(kind, word)), 0)
    for kind, word in second:
        with pytest.raises(Broken, match="law 'word'"):
            laws.effect(peer, fx.Send((PeerId("p00"),), peer.pen.sign(kind, word)), 0)


def test_a_second_vote_in_an_epoch_breaks_a_law_unless_it_is_for_the_same_candidate() -> None:
    grid = Grid(Setting(5, peers=3, sub_blocks=1, faults=(), faults_ms=0))
    peer, laws = list(grid.peers.values())[1], grid.steps.laws

    def give(candidate: str, epoch: int) -> None:
        vote = Vote(instance="i", epoch=epoch, candidate=candidate, list=bytes(32))
        given = VoteGiven(vote=peer.pen.sign(SignedKind.VOTE, vote))
        laws.effect(peer, fx.Send((PeerId("p00"),), given), 0)

    for _ in range(2):
        give("p00", 2)
    give("p02", 3)
    with pytest.raises(Broken, match="law 'word'"):
        give("p02", 2)


def test_a_word_that_was_taken_back_and_stays_in_a_room_breaks_a_law_once_the_new_one_is_heard() -> None:
    grid, host, _lease = host_and_a_lease_of_what_is_held()
    core, laws, publisher = host.core, grid.steps.laws, grid.publisher
    assert core is not None and core.room is not None
    book = core.room.book
    assert grid.run(grid.agenda.now_ms + 2_000, lambda: book.delivered() > 0)
    (first, *_others) = book.held_envelopes()
    again = publisher.pen.sign(SignedKind.HELD, replace(decode(Held, first.payload), turn=1))
    heard = PeerSaid(publisher.name, HeldNotice(held=(again,)))
    with pytest.raises(Broken, match="law 'recall'"):
        laws.after(host, core, heard)
    core.handle(heard, host.clock.says(grid.agenda.now_ms))
    laws.after(host, core, heard)


def test_another_host_in_the_same_epoch_of_a_room_breaks_a_law_and_in_the_next_one_does_not() -> None:
    grid, host, _lease = host_and_a_lease_of_what_is_held()
    other = next(peer for peer in grid.peers.values() if peer is not host)
    room = host.core.room if host.core is not None else None
    assert room is not None
    own = room.roster
    for epoch in (own.epoch + 1, own.epoch):
        grid.steps.laws.restarted(host)
        room.roster = own
        grid.steps.laws.before(host, Tick())
        room.roster = successor(other.pen, own, own.list.members, (), epoch)
        if epoch > own.epoch:
            grid.steps.laws.before(host, Tick())
    with pytest.raises(Broken, match="law 'host'"):
        grid.steps.laws.before(host, Tick())


def host_and_a_lease_of_what_is_held() -> tuple[Grid, Peer, fx.ProcessingStarted]:
    """A host that is not the publisher, long in touch with it; and its lease of something held, which it does not know of."""
    grid = Grid(Setting(5, peers=5, sub_blocks=10, faults=(), faults_ms=0, compute_ms=(3_000, 4_000)))
    grid.begin()
    laws = grid.steps.laws
    assert grid.run(10_000, lambda: bool(laws.persisted_ms) and len(hosts(grid)) == 1)
    (host,) = hosts(grid)
    assert host is not grid.publisher
    assert grid.run(20_000, lambda: host.name in laws.in_touch_ms)
    laws.known.clear()
    core = host.core
    assert core is not None and core.room is not None
    seat = core.room.seat
    (held, *_more) = [sub_block for _microjob, sub_block in laws.persisted_ms]
    return grid, host, fx.ProcessingStarted(seat.job, seat.microjob, seat.instance, held, host.name, 0)


def hosts(grid: Grid) -> list[Peer]:
    return [
        peer
        for peer in grid.peers.values()
        if peer.core is not None and peer.core.room is not None and peer.core.room.phase is Phase.HOST
    ]
