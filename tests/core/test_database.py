"""Who may say what about a job, for how long, how often, and what it comes to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sgnus.core.database import Orphans, check_life, is_expired
from sgnus.core.shelf import Shelf, fold
from sgnus.messages.errors import OurFault, PeerFault
from sgnus.messages.limits import CLOCK_SKEW_MS_MAX, ENTRY_LIFE_MS_MAX
from sgnus.messages.v1.types import (
    CancelBody,
    DoneStatus,
    EntryKind,
    FraudBody,
    JobState,
    ReviseBody,
    SettledBody,
    Share,
    TakenBody,
)
from sgnus.wire.entry import OpenedEntry
from tests.database_support import (
    AUTHOR,
    DAY_MS,
    NOW_MS,
    SETTLER,
    STRANGER,
    done,
    job_body,
    job_entry,
    room,
    sealed,
    taken,
)

JOB = job_entry()


def revise(priority: int, seq: int, *, paused: bool = False) -> OpenedEntry:
    return sealed(EntryKind.REVISE, ReviseBody(priority=priority, paused=paused), JOB.cid, seq=seq)


def cancel(reason: str = "no more", *, seq: int = 5) -> OpenedEntry:
    return sealed(EntryKind.CANCEL, CancelBody(reason=reason), JOB.cid, seq=seq)


def test_a_new_job_is_queued_and_open() -> None:
    view = fold([JOB])
    assert (view.block_id, view.author, view.state, view.is_open) == (
        JOB.cid,
        AUTHOR.peer_id,
        JobState.QUEUED,
        True,
    )
    assert (view.priority, view.paused, view.cancelled, view.done) == (0, False, None, None)
    assert view.body == job_body()


def test_a_strangers_cancel_revise_taken_and_done_have_no_effect() -> None:
    strangers = [
        sealed(EntryKind.CANCEL, CancelBody(reason="mine now"), JOB.cid, by=STRANGER),
        sealed(EntryKind.REVISE, ReviseBody(priority=-100, paused=True), JOB.cid, by=STRANGER),
        taken(JOB.cid, 0, by=STRANGER),
    ]
    assert fold([JOB, *strangers]) == fold([JOB])
    for opened in strangers:
        with pytest.raises(PeerFault, match="not the author"):
            Shelf(JOB).add(opened)


def test_the_authors_cancel_closes_the_job_with_its_reason() -> None:
    view = fold([cancel("wrong picture"), JOB])
    assert (view.state, view.cancelled, view.is_open) == (JobState.CANCELLED, "wrong picture", False)


def test_the_revise_with_the_highest_seq_counts() -> None:
    view = fold([revise(9, 3), revise(-2, 8, paused=True), JOB, revise(5, 7)])
    assert (view.priority, view.paused) == (-2, True)
    assert view.contested == ()


def test_two_revises_with_one_seq_are_kept_as_proof() -> None:
    first, second = sorted((revise(1, 4), revise(2, 4)), key=lambda opened: opened.digest)
    view = fold([JOB, first, second])
    assert view.priority == second.body.priority
    assert [(one.counted, one.other) for one in view.contested] == [(second.cid, first.cid)]


def test_two_roots_for_one_microjob_are_kept_as_proof() -> None:
    view = fold([JOB, taken(JOB.cid, 3, 1, seq=1), taken(JOB.cid, 3, 2, seq=2), taken(JOB.cid, 4, 1, seq=3)])
    assert view.taken == {3: b"\2" * 32, 4: b"\1" * 32}
    assert [(one.kind, one.microjob, one.author) for one in view.contested] == [
        (EntryKind.TAKEN, 3, AUTHOR.peer_id)
    ]


def test_a_value_signed_again_is_no_second_value() -> None:
    again = [taken(JOB.cid, 3, 1, seq=seq) for seq in (4, 5)]
    assert fold([JOB, *again]).contested == ()
    assert Shelf(JOB).add(again[0]) == []
    # Repeating one value does not push the proof of the other one out.
    view = fold([JOB, *again, taken(JOB.cid, 3, 2, seq=0)])
    assert view.taken == {3: b"\1" * 32}
    assert len(view.contested) == 1


def test_a_completed_job_stays_completed_whatever_is_said_later() -> None:
    view = fold([JOB, cancel(seq=50), done(JOB.cid)])
    assert (view.state, view.is_open) == (JobState.COMPLETED, False)
    assert fold([JOB, done(JOB.cid, DoneStatus.FAILED)]).state is JobState.FAILED
    assert fold([JOB, cancel(), done(JOB.cid, DoneStatus.FAILED)]).state is JobState.CANCELLED


def test_rooms_and_taken_microjobs_make_a_job_run() -> None:
    assert fold([JOB, taken(JOB.cid, 0)]).state is JobState.RUNNING
    view = fold([JOB, room(JOB.cid, 2), room(JOB.cid, 1, epoch=4)])
    assert view.state is JobState.RUNNING
    assert [(claim.microjob, claim.host, claim.epoch) for claim in view.rooms] == [
        (1, STRANGER.peer_id, 4),
        (2, STRANGER.peer_id, 1),
    ]


def test_a_hosts_later_claim_replaces_its_earlier_one() -> None:
    view = fold([JOB, room(JOB.cid, 0, seq=2, epoch=2), room(JOB.cid, 0, seq=1, epoch=1)])
    assert [claim.epoch for claim in view.rooms] == [2]


def test_settled_counts_only_by_nodes_that_the_network_lists() -> None:
    body = SettledBody(microjob=1, receipt=b"r" * 32, audited=True)
    settled = sealed(EntryKind.SETTLED, body, JOB.cid, by=SETTLER)
    assert fold([JOB, settled]).settled == {}
    view = fold([JOB, settled], frozenset([SETTLER.peer_id]))
    assert view.settled == {1: b"r" * 32}
    assert view.settlements[1].node == SETTLER.peer_id


def test_a_settlement_is_full_if_every_chunk_that_was_made_was_run_again() -> None:
    shares = (Share(peer="a", made=5, checked=1), Share(peer="b", made=3, checked=1))

    def is_full(rerun: int | None, **changed: object) -> bool:
        body = SettledBody(microjob=1, receipt=b"r" * 32, audited=True, shares=shares, rerun=rerun)
        settled = sealed(EntryKind.SETTLED, replace(body, **changed), JOB.cid, by=SETTLER)  # type: ignore[arg-type]
        return fold([JOB, settled], frozenset([SETTLER.peer_id])).settlements[1].is_full

    assert is_full(8)
    assert not is_full(7)
    assert not is_full(None)
    assert not is_full(8, audited=False)
    assert not is_full(0, shares=())


def test_taken_names_its_receipt_if_it_has_one() -> None:
    with_receipt = sealed(EntryKind.TAKEN, TakenBody(microjob=1, root=b"x" * 32, receipt=b"r" * 32), JOB.cid)
    assert fold([JOB, with_receipt, taken(JOB.cid, 2)]).receipts == {1: b"r" * 32}


def test_a_proof_of_fraud_may_come_from_anybody() -> None:
    body = FraudBody(accused=AUTHOR.peer_id, proof=b"proof")
    entry = sealed(EntryKind.FRAUD, body, JOB.cid, by=STRANGER)
    assert fold([JOB, entry]).frauds == (entry,)


def test_what_the_author_says_expires_with_its_job() -> None:
    for expires in (JOB.entry.expires - 1, JOB.entry.expires + 1):
        early = sealed(EntryKind.CANCEL, CancelBody(reason=""), JOB.cid, expires=expires)
        with pytest.raises(PeerFault, match="expires with its job"):
            Shelf(JOB).add(early)
    body = FraudBody(accused=AUTHOR.peer_id, proof=b"")
    late = sealed(EntryKind.FRAUD, body, JOB.cid, by=STRANGER, expires=JOB.entry.expires + 1)
    with pytest.raises(PeerFault, match="outlives"):
        Shelf(JOB).add(late)


def test_a_full_slot_keeps_the_best_and_says_what_it_displaced() -> None:
    shelf = Shelf(JOB)
    first, second, third = (taken(JOB.cid, 0, root, seq=root) for root in (1, 2, 3))
    assert shelf.add(second) == []
    assert shelf.add(third) == []
    assert shelf.add(first) == [first]
    assert shelf.entries() == [JOB, second, third]
    assert first not in shelf
    assert second in shelf


def test_an_entry_of_another_job_on_a_shelf_is_our_own_fault() -> None:
    with pytest.raises(OurFault):
        Shelf(JOB).add(taken(job_entry(1).cid, 0))
    with pytest.raises(OurFault):
        fold([taken(JOB.cid, 0)])


def test_rooms_of_many_strangers_are_bounded_in_a_slot() -> None:
    shelf = Shelf(JOB)
    identities = [AUTHOR.__class__.from_seed(bytes([40 + number]) * 32) for number in range(12)]
    for identity in identities:
        shelf.add(room(JOB.cid, 0, by=identity))
    assert len(shelf.view().rooms) == 8


def test_the_expired_leave_a_shelf_and_the_job_stays() -> None:
    shelf = Shelf(JOB)
    claim = room(JOB.cid, 0)
    shelf.add(claim)
    shelf.add(taken(JOB.cid, 0))
    assert shelf.remove_expired(claim.entry.expires + 1) == [claim]
    assert shelf.view() == fold([JOB, taken(JOB.cid, 0)])


def test_life_is_bounded_by_fourteen_days_and_the_skew() -> None:
    longest = NOW_MS + ENTRY_LIFE_MS_MAX + CLOCK_SKEW_MS_MAX
    check_life(job_entry(expires=longest), NOW_MS)
    with pytest.raises(PeerFault, match="ahead"):
        check_life(job_entry(expires=longest + 1), NOW_MS)


def test_an_entry_is_expired_only_when_every_clock_within_the_skew_agrees() -> None:
    assert not is_expired(NOW_MS - CLOCK_SKEW_MS_MAX + 1, NOW_MS)
    assert is_expired(NOW_MS - CLOCK_SKEW_MS_MAX, NOW_MS)
    with pytest.raises(PeerFault, match="expired"):
        check_life(job_entry(expires=NOW_MS - DAY_MS), NOW_MS)


def test_a_room_claim_is_short_lived() -> None:
    claim = sealed(EntryKind.ROOM, room(JOB.cid, 0).body, JOB.cid, by=STRANGER, expires=NOW_MS + DAY_MS)
    with pytest.raises(PeerFault, match="ROOM"):
        check_life(claim, NOW_MS)


def test_an_absurd_microjob_is_refused() -> None:
    with pytest.raises(PeerFault, match="microjob"):
        check_life(taken(JOB.cid, 1 << 20), NOW_MS)


def test_orphans_wait_for_their_job_in_a_bounded_ring() -> None:
    orphans = Orphans(count_max=3)
    waiting = [taken(JOB.cid, microjob) for microjob in range(4)]
    for opened in (*waiting, waiting[3]):
        orphans.add(opened)
    assert (len(orphans), orphans.dropped) == (3, 1)
    assert waiting[0] not in orphans
    assert orphans.claim(JOB.cid) == waiting[1:]
    assert (len(orphans), orphans.claim(JOB.cid)) == (0, [])


def test_orphans_are_bounded_in_bytes_and_expire() -> None:
    orphans = Orphans(bytes_max=2 * len(taken(JOB.cid, 0).raw))
    for microjob in range(3):
        orphans.add(taken(JOB.cid, microjob))
    assert len(orphans) == 2
    orphans.remove_expired(NOW_MS + 2 * DAY_MS)
    assert len(orphans) == 0
