"""The publisher's part: what is held, who may write, what is run here, when a microjob is taken."""

from __future__ import annotations

import pytest

from sgnus.core import effects as fx
from sgnus.core import observing
from sgnus.core import roster as rosters
from sgnus.core.inputs import HeldLoaded, JobFacts, OutputsStored, PublisherRan
from sgnus.core.publication import Publication
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import INSTANCES_PER_MICROJOB_MAX, SEATED_MAX
from sgnus.messages.v1.types import (
    DoneBody,
    DoneStatus,
    EntryKind,
    HeldNotice,
    Member,
    OnPeerListChanged,
    PublisherView,
    SubBlockAbandoned,
    TakenBody,
)
from sgnus.sim.pens import address_of
from tests.core.seats import JOB, PUBLISHER, held, pen, roster

A, B = PeerId("a"), PeerId("b")


def publication(sub_blocks: int = 2) -> Publication:
    facts = JobFacts(
        job=JOB,
        publisher=PUBLISHER,
        address=None,
        processor="builtin:x@1",
        sub_blocks=sub_blocks,
        microjobs=(sub_blocks + 9) // 10,
        deadline_ms=1_000,
    )
    return Publication(pen(PUBLISHER), facts)


def stored(sub_block: int, member: str = "b", token: int = 1) -> OutputsStored:
    instance = roster("a", "b").instance
    return OutputsStored(token, JOB, 0, instance, sub_block, PeerId(member), b"r" * 32)


def drained(own: Publication) -> list[fx.Effect]:
    effects, own.out = own.out, []
    return effects


def observed(sub_blocks: int = 2) -> Publication:
    own = publication(sub_blocks)
    observing.see_list(own, A, OnPeerListChanged(list=roster("a", "b").envelope))
    own.out = []
    return own


def test_held_is_durable_before_anybody_hears_of_it() -> None:
    own = observed()
    own.store(stored(0))
    effects = drained(own)
    assert [type(x) for x in effects] == [fx.Persist, fx.Send, fx.Send, fx.Processed, fx.AnswerHeld]
    told = [(x.peers, type(x.message)) for x in effects if isinstance(x, fx.Send)]
    assert told == [((A, B), HeldNotice), ((A,), PublisherView)]


def test_the_second_result_of_a_sub_block_is_answered_with_the_first_held() -> None:
    own = observed()
    own.store(stored(0, "b"))
    first = own.shelves[0].held[0]
    own.out = []
    own.store(stored(0, "a", token=2))
    assert drained(own) == [fx.AnswerHeld(2, first, "")]


def test_a_host_that_shows_its_list_gets_the_view_of_what_is_held() -> None:
    own = observed()
    own.store(stored(1))
    own.out = []
    observing.see_list(own, A, OnPeerListChanged(list=roster("a", "b").envelope))
    (sent,) = drained(own)
    assert isinstance(sent, fx.Send) and isinstance(sent.message, PublisherView)
    assert (sent.peers, sent.message.held) == ((A,), (own.shelves[0].held[1],))


def test_who_never_had_a_seat_may_not_write() -> None:
    own = observed()
    instance = roster("a", "b").instance
    assert own.may_write(B, 0, instance) and own.may_write(PUBLISHER, 0, instance)
    assert not own.may_write(PeerId("eve"), 0, instance)
    assert not own.may_write(B, 0, InstanceId("00"))


def test_the_last_held_takes_the_microjob_and_ends_the_job() -> None:
    own = observed()
    own.store(stored(0))
    own.out = []
    own.store(stored(1))
    entries = [x for x in drained(own) if isinstance(x, fx.PublishEntry)]
    assert [x.kind for x in entries] == [EntryKind.TAKEN, EntryKind.DONE]
    assert isinstance(entries[0].body, TakenBody) and entries[0].body.microjob == 0
    assert entries[1].body == DoneBody(status=DoneStatus.COMPLETED, reason="")


def test_what_was_held_before_a_restart_is_held_after_it() -> None:
    own = publication()
    own.load(HeldLoaded(JOB, (held("i", 0), held("i", 1))))
    kinds = [x.kind for x in drained(own) if isinstance(x, fx.PublishEntry)]
    assert kinds == [EntryKind.TAKEN, EntryKind.DONE]


def test_held_of_another_signer_is_not_loaded() -> None:
    own = publication()
    forged = held("i", 0)
    with pytest.raises(PeerFault):
        own.load(HeldLoaded(JOB, (pen("eve").sign(forged.kind, roster("a").list),)))
    assert own.delivered() == 0


def abandoned(sub_block: int) -> SubBlockAbandoned:
    return SubBlockAbandoned(
        instance=roster("a", "b").instance, job=JOB, microjob=0, sub_block=sub_block, reason="it traps"
    )


def test_what_a_host_hands_back_is_run_here_once() -> None:
    own = observed()
    observing.see_abandoned(own, A, abandoned(1))
    assert fx.RunHere(JOB, 0, 1) in drained(own)
    observing.see_abandoned(own, A, abandoned(1))
    assert drained(own) == []


def test_who_does_not_host_hands_nothing_back_and_is_not_blamed_for_an_old_belief() -> None:
    own = observed()
    observing.see_abandoned(own, B, abandoned(1))
    assert drained(own) == [] and own.running_here == []


def test_what_ran_here_is_run_here_again_if_its_result_was_voided() -> None:
    own = observed()
    observing.see_abandoned(own, A, abandoned(1))
    own.ran(PublisherRan(JOB, 0, 1, b"r" * 32, ""))
    del own.shelf(0).held[1]
    drained(own)
    observing.see_abandoned(own, A, abandoned(1))
    assert fx.RunHere(JOB, 0, 1) in drained(own)


def test_what_fails_here_too_fails_the_job_with_its_reason() -> None:
    own = observed()
    own.ran(PublisherRan(JOB, 0, 1, b"", "it traps"))
    (entry,) = drained(own)
    assert isinstance(entry, fx.PublishEntry)
    assert entry.body == DoneBody(status=DoneStatus.FAILED, reason="sub-block 1: it traps")


def test_what_ran_here_is_told_to_the_members() -> None:
    own = observed()
    own.ran(PublisherRan(JOB, 0, 1, b"r" * 32, ""))
    notices = [x for x in drained(own) if isinstance(x, fx.Send) and isinstance(x.message, HeldNotice)]
    assert [x.peers for x in notices] == [(A, B)]


def test_instances_and_seats_that_peers_make_up_are_bounded() -> None:
    own = publication()
    for number in range(INSTANCES_PER_MICROJOB_MAX + 9):
        founder = f"f{number}"
        observing.see_list(own, PeerId(founder), OnPeerListChanged(list=roster(founder).envelope))
    assert len(own.shelves[0].instances) == INSTANCES_PER_MICROJOB_MAX
    seen = next(iter(own.shelves[0].instances.values()))
    for number in range(SEATED_MAX + 20):
        seen.seat((A, PeerId(f"s{number}")))
    assert len(seen.seated) == SEATED_MAX and A in seen.seated


def test_a_flood_of_rooms_by_one_peer_forgets_its_own_and_not_those_of_others() -> None:
    own = observed()
    honest = roster("a", "b").instance
    liar = pen("liar")
    for nonce in range(INSTANCES_PER_MICROJOB_MAX * 2):
        seat = Member(peer="liar", workers=1, address=address_of(liar))
        listed = rosters.found(liar, JOB, 0, nonce, (seat,))
        observing.see_list(own, PeerId("liar"), OnPeerListChanged(list=listed.envelope))
    assert len(own.shelves[0].instances) == INSTANCES_PER_MICROJOB_MAX
    assert own.may_write(B, 0, honest)
