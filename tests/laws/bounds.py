"""What a node may hold of what others say, whatever they say: every bound that has a name in `limits.py`."""

from __future__ import annotations

from sgnus.core.docket import VERDICTS_MAX, Docket
from sgnus.core.node import NodeCore
from sgnus.core.records import RECORDS_MAX
from sgnus.core.room import Room
from sgnus.core.round_list import Rounds
from sgnus.messages import limits


def assert_bounds(core: NodeCore) -> None:
    """All of a node's."""
    assert len(core.links.addresses) <= limits.ADDRESSES_MAX
    assert len(core.search.claims) <= limits.APP_CLAIMS_MAX
    for lobby in core.jobs.values():
        assert len(lobby.rooms) <= limits.ROOMS_PER_JOB_MAX
        assert len(lobby.doubts.postponed) <= limits.ROOMS_PER_JOB_MAX
        assert len(lobby.finished.believed) <= limits.ROOMS_PER_JOB_MAX
        assert len(lobby.ended) <= 256
    for publication in core.publications.values():
        for shelf in publication.shelves.values():
            assert len(shelf.instances) <= limits.INSTANCES_PER_MICROJOB_MAX
            assert all(len(seen.seated) <= limits.SEATED_MAX for seen in shelf.instances.values())
            assert len(shelf.held) <= limits.SUB_BLOCKS_PER_MICROJOB
        assert len(publication.court.rounds) <= limits.ROUNDS_AT_ONCE_MAX
        for arbitration in publication.court.rounds.values():
            _assert_docket(arbitration.docket)
    if core.room is not None:
        _assert_room(core.room)
    _assert_rounds(core.rounds)


def _assert_room(room: Room) -> None:
    assert len(room.roster.peers) <= limits.ROOM_MEMBERS_MAX
    assert len(room.hosting.door.pending) <= limits.SEATS_PENDING_MAX
    assert len(room.hosting.door.struck) <= limits.STRUCK_MAX
    assert len(room.ballot.waiting) <= limits.VOTE_REQUESTS_PENDING_MAX
    assert len(room.board.leases) <= room.seat.sub_blocks * limits.ROOM_MEMBERS_MAX
    assert len(room.work.running) <= room.seat.sub_blocks
    assert all(len(by) <= limits.ROOM_MEMBERS_MAX for by in room.board.returns.undone.values())
    numbers = range(room.seat.sub_blocks)
    processed, held = room.book.known()
    assert all(number in numbers for number in (*processed, *held))
    for number in processed:
        assert len(room.book._processed[number]) <= RECORDS_MAX


def _assert_rounds(rounds: Rounds) -> None:
    assert len(rounds.running) <= limits.ROUNDS_AT_ONCE_MAX
    assert len(rounds.beacons) <= limits.ROUNDS_AT_ONCE_MAX
    assert len(rounds.early) <= limits.ROUNDS_AT_ONCE_MAX
    assert all(len(words) <= limits.EARLY_WORDS_MAX for words in rounds.early.values())
    assert len(rounds.over) <= limits.ENDED_KEPT_MAX
    assert len(rounds.left) <= limits.ROOMS_LEFT_MAX
    assert len(rounds.own) <= limits.OPENINGS_KEPT_MAX
    for round_ in rounds.running.values():
        _assert_docket(round_.docket)
    for beacon in rounds.beacons.values():
        _assert_docket(beacon.docket)


def _assert_docket(docket: Docket) -> None:
    assert len(docket.attempts) <= limits.ATTEMPTS_KEPT_MAX
    for author in dict.fromkeys(by for _number, by in docket.attempts):
        assert sum(by == author for _number, by in docket.attempts) <= limits.PROPOSALS_MAX
    assert len(docket.early) <= limits.EARLY_WORDS_MAX
    assert all(len(words) <= VERDICTS_MAX for words in docket.verdicts.values())
    seats = docket.seats()
    assert all(peer in seats for peer in docket.suspicions)
