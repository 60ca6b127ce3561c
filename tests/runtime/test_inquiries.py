"""The inquiries of a node: accused peers that ask for a seat, one trial at a time, and what a restart remembers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from sgnus.adapters.store.memory import FakeStore
from sgnus.core.inputs import Input, PeersRefused
from sgnus.core.inquiry import Accusation, Finding
from sgnus.core.shelf import JobView, fold
from sgnus.messages.errors import OurFault, WorldFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import FORGER_MS, INQUIRY_REST_MS_MIN
from sgnus.messages.v1.types import EntryKind, FraudBody
from sgnus.runtime.database import Database
from sgnus.runtime.inquiries import Inquiries, accusing_jobs
from sgnus.runtime.jobs import unix_ms
from sgnus.runtime.trials import Trial
from tests.database_support import AUTHOR, DAY_MS, NETWORK, SETTLER, STRANGER, job_body, sealed
from tests.runtime.timeless import timeless

LIAR, ANOTHER = PeerId("liar"), PeerId("another")
JOB = sealed(EntryKind.JOB, job_body(), expires=unix_ms() + DAY_MS)


def view_of(*accused: PeerId, by: object = STRANGER) -> JobView:
    bodies = [FraudBody(accused=peer, proof=b"proof") for peer in accused]
    return fold(
        [
            JOB,
            *(
                sealed(EntryKind.FRAUD, body, JOB.cid, by=by, expires=JOB.entry.expires)  # type: ignore[arg-type]
                for body in bodies
            ),
        ]
    )


@dataclass
class Host:
    """A node that hosts, as far as inquiries see it. `finds` is what every trial ends with."""

    store: FakeStore = field(default_factory=FakeStore)
    finds: Finding = Finding.GUILTY
    cost_ms: int | None = None
    here: tuple[PeerId, ...] = ()
    told: list[Input] = field(default_factory=list)
    tried: list[Accusation] = field(default_factory=list)
    tried_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inquiries = Inquiries(
            PeerId(AUTHOR.peer_id),
            self.store,
            self.put,
            hold=self.hold,
            is_here=lambda peer: peer in self.here,
            sgnus_nodes=(PeerId(SETTLER.peer_id),),
        )

    def put(self, given: Input) -> bool:
        self.told.append(given)
        return True

    async def hold(self, one: Accusation) -> Trial:
        self.tried.append(one)
        self.tried_s.append(asyncio.get_running_loop().time())
        return Trial(self.finds, "so it is", self.cost_ms)

    async def settled(self, trials: int) -> None:
        """So many trials were held, and what came of them is kept."""
        async with asyncio.timeout(1_000):
            while len(self.tried) < trials or self.inquiries.inquiry.running is not None:  # noqa: ASYNC110
                await asyncio.sleep(1)


@timeless
async def test_an_accused_that_asks_for_a_seat_is_tried_once_and_refused_if_the_proof_holds() -> None:
    host = Host()
    await host.inquiries.start([view_of(LIAR, ANOTHER)])
    assert host.tried == []
    host.inquiries.asked(PeerId("nobody"))
    host.inquiries.asked(LIAR)
    host.inquiries.asked(LIAR)
    await host.settled(1)
    host.inquiries.asked(LIAR)
    await host.settled(1)
    assert [one.accused for one in host.tried] == [LIAR]
    assert host.told == [PeersRefused((LIAR,))]
    await host.inquiries.stop()


@timeless
async def test_what_was_proven_here_outlives_a_restart() -> None:
    host = Host()
    await host.inquiries.start([view_of(LIAR)])
    host.inquiries.asked(LIAR)
    await host.settled(1)
    await host.inquiries.stop()
    again = Host(host.store)
    await again.inquiries.start([])
    assert again.told == [PeersRefused((LIAR,))]
    assert again.inquiries.inquiry.docks.guilty == {LIAR: JOB.entry.expires}
    await again.inquiries.stop()


@timeless
async def test_the_author_of_a_false_proof_is_refused_after_a_restart_as_well_and_the_accused_is_not() -> (
    None
):
    host = Host(finds=Finding.FALSE)
    await host.inquiries.start([view_of(LIAR)])
    host.inquiries.asked(LIAR)
    await host.settled(1)
    await host.inquiries.stop()
    again = Host(host.store)
    await again.inquiries.start([view_of(ANOTHER)])
    again.inquiries.asked(ANOTHER)
    assert (again.inquiries.inquiry.waiting, again.told) == ([], [PeersRefused((PeerId(STRANGER.peer_id),))])
    (until_ms,) = again.inquiries.inquiry.docks.forgers.values()
    assert 0 <= unix_ms() + FORGER_MS - until_ms < 60_000
    await again.inquiries.stop()


@timeless
async def test_what_nobody_can_decide_has_no_effect() -> None:
    host = Host(finds=Finding.UNDECIDED)
    await host.inquiries.start([view_of(LIAR)])
    host.inquiries.asked(LIAR)
    await host.settled(1)
    assert host.told == []
    assert await host.store.facts("guilty") == await host.store.facts("forger") == {}
    await host.inquiries.stop()


@timeless
async def test_trials_that_cost_something_have_a_rest_between_them() -> None:
    host = Host(finds=Finding.UNDECIDED, cost_ms=1)
    await host.inquiries.start([view_of(LIAR, ANOTHER)])
    host.inquiries.asked(LIAR)
    host.inquiries.asked(ANOTHER)
    await host.settled(2)
    first_s, second_s = host.tried_s
    assert second_s - first_s >= INQUIRY_REST_MS_MIN / 1000
    await host.inquiries.stop()


@timeless
async def test_who_is_accused_while_it_sits_here_is_tried_without_asking_again() -> None:
    host = Host(here=(LIAR,))
    await host.inquiries.start([])
    host.inquiries.note(JOB.cid, view_of(LIAR, ANOTHER))
    host.inquiries.note(JOB.cid, view_of(LIAR, ANOTHER))
    await host.settled(1)
    assert [one.accused for one in host.tried] == [LIAR]
    host.inquiries.note(JOB.cid, None)
    assert host.inquiries.inquiry.known == {}
    await host.inquiries.stop()


@timeless
async def test_our_own_accusation_needs_no_trial() -> None:
    host = Host()
    await host.inquiries.start([view_of(LIAR, by=AUTHOR)])
    assert (host.told, host.tried) == ([PeersRefused((LIAR,))], [])
    await host.inquiries.stop()


@timeless
async def test_the_word_of_the_publisher_and_of_a_sgnus_node_is_weighty() -> None:
    host = Host()
    for author, is_weighty in ((AUTHOR, True), (SETTLER, True), (STRANGER, False)):
        host.inquiries.note(JOB.cid, view_of(LIAR, by=author))
        assert [one.is_weighty for one in host.inquiries.inquiry.of_job[JOB.cid]] == [is_weighty]


@timeless
async def test_the_jobs_in_which_somebody_is_accused_are_found_at_the_start() -> None:
    store = FakeStore()
    clock_ms = JOB.entry.expires - DAY_MS
    database = Database(
        store,
        AUTHOR,
        NETWORK,
        clock_ms=lambda: clock_ms,
        publish=lambda _payload: None,
        on_change=lambda _job: None,
    )
    await database.start()
    accused = await database.submit(EntryKind.JOB, None, job_body(1))
    await database.submit(EntryKind.JOB, None, job_body(2))
    await database.submit(EntryKind.FRAUD, accused, FraudBody(accused=LIAR, proof=b"proof"))
    assert [view.block_id for view in await accusing_jobs(store, database)] == [accused]
    await database.stop()


@timeless
async def test_a_bug_in_one_trial_does_not_end_the_others() -> None:
    class Failing(Host):
        async def hold(self, one: Accusation) -> Trial:
            await super().hold(one)
            raise OurFault("a bug")

    host = Failing()
    await host.inquiries.start([view_of(LIAR, ANOTHER)])
    host.inquiries.asked(LIAR)
    host.inquiries.asked(ANOTHER)
    await host.settled(2)
    assert host.told == []
    await host.inquiries.stop()


@timeless
async def test_a_disk_that_refuses_costs_the_memory_of_it_alone() -> None:
    class Full(FakeStore):
        async def put_facts(self, *_given: object, **_more: object) -> None:
            raise WorldFault("the disk is full")

    host = Host(Full())
    await host.inquiries.start([view_of(LIAR, ANOTHER)])
    host.inquiries.asked(LIAR)
    await host.settled(1)
    host.inquiries.asked(ANOTHER)
    await host.settled(2)
    assert host.told[-1] == PeersRefused((ANOTHER, LIAR))
    await host.inquiries.stop()
