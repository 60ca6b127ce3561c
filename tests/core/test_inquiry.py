"""Accusations by others: what is looked into, in which order, how often, and what comes of it for whom."""

from __future__ import annotations

from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core.inquiry import Accusation, Docks, Finding, Inquiry
from sgnus.core.node import NodeCore
from sgnus.core.node_table import ROUTES
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.limits import (
    ACCUSATIONS_MAX,
    ENTRY_LIFE_MS_MAX,
    FORGER_MS,
    HEARTBEAT_MS,
    INQUIRIES_WAITING_MAX,
    INQUIRY_AGAIN_MS,
    INQUIRY_REST_FACTOR,
    INQUIRY_REST_MS_MIN,
    REFUSED_MAX,
)
from sgnus.messages.v1.types import (
    JoinAnswer,
    JoinReason,
    JoinRequest,
    OnPeerListChanged,
    RemovalReason,
    SignedKind,
)
from tests.core.test_hostile_rounds import node_of
from tests.round_support import FULL, Round

ME, LIAR, ACCUSER, FORGER = (PeerId(name) for name in ("me", "liar", "accuser", "forger"))
JOB = BlockId("job")
UNIX_MS = 1_000_000
EXPIRES_MS = UNIX_MS + 5_000


def accusation(
    name: str = "one",
    author: PeerId = ACCUSER,
    accused: PeerId = LIAR,
    job: BlockId = JOB,
    expires_ms: int = EXPIRES_MS,
    *,
    weighty: bool = False,
) -> Accusation:
    return Accusation(BlockId(name), author, accused, job, expires_ms, weighty)


def noted(*accusations: Accusation) -> Inquiry:
    inquiry = Inquiry(ME)
    assert inquiry.note(JOB, accusations) == []
    return inquiry


def taken(inquiry: Inquiry, now_ms: int = 0) -> list[str]:
    """What is looked into one after the other, if nobody can say anything of it and it costs nothing."""
    found = []
    while (one := inquiry.next(now_ms, UNIX_MS)) is not None:
        found.append(str(one.entry))
        inquiry.end(one, Finding.UNDECIDED, now_ms, UNIX_MS, cost_ms=None)
    return found


def test_nothing_is_looked_into_before_the_accused_asks_for_a_seat() -> None:
    inquiry = noted(accusation())
    assert inquiry.next(0, UNIX_MS) is None
    inquiry.ask(PeerId("another"), 0, UNIX_MS)
    assert inquiry.next(0, UNIX_MS) is None
    inquiry.ask(LIAR, 0, UNIX_MS)
    assert inquiry.next(0, UNIX_MS) == accusation()


def test_an_accused_is_innocent_until_its_proof_held() -> None:
    inquiry = noted(accusation())
    inquiry.ask(LIAR, 0, UNIX_MS)
    one = inquiry.next(0, UNIX_MS)
    assert one is not None and inquiry.docks.peers(UNIX_MS) == ()
    inquiry.end(one, Finding.GUILTY, 1, UNIX_MS, cost_ms=1)
    assert inquiry.docks.peers(UNIX_MS) == (LIAR,)


def test_who_is_convicted_is_refused_until_the_entry_expires_and_for_fourteen_days_at_most() -> None:
    inquiry = noted(accusation(), accusation("late", accused=FORGER, expires_ms=10 * ENTRY_LIFE_MS_MAX))
    for peer in (LIAR, FORGER):
        inquiry.ask(peer, 0, UNIX_MS)
        one = inquiry.next(0, UNIX_MS)
        assert one is not None
        inquiry.end(one, Finding.GUILTY, 0, UNIX_MS, cost_ms=None)
    assert inquiry.docks.peers(EXPIRES_MS - 1) == (FORGER, LIAR)
    assert inquiry.docks.peers(EXPIRES_MS) == (FORGER,)
    assert inquiry.docks.peers(UNIX_MS + ENTRY_LIFE_MS_MAX) == ()


def test_a_false_accusation_costs_its_author_its_seat_and_its_voice_for_a_day() -> None:
    inquiry = noted(accusation("false", FORGER), accusation("next", FORGER, PeerId("innocent")))
    inquiry.ask(LIAR, 0, UNIX_MS)
    one = inquiry.next(0, UNIX_MS)
    assert one is not None
    inquiry.end(one, Finding.FALSE, 0, UNIX_MS, cost_ms=None)
    assert inquiry.docks.peers(UNIX_MS) == (FORGER,)
    inquiry.ask(PeerId("innocent"), 0, UNIX_MS)
    assert inquiry.next(0, UNIX_MS) is None
    assert inquiry.docks.peers(UNIX_MS + FORGER_MS) == ()


def test_what_waits_of_an_author_that_was_found_false_meanwhile_is_not_looked_into() -> None:
    inquiry = noted(accusation("a", FORGER), accusation("b", FORGER), accusation("c"))
    inquiry.ask(LIAR, 0, UNIX_MS)
    one = inquiry.next(0, UNIX_MS)
    assert one is not None
    inquiry.end(one, Finding.FALSE, 0, UNIX_MS, cost_ms=None)
    assert taken(inquiry) == ["c"]


def test_what_nobody_can_decide_costs_nobody_anything_and_is_tried_again_later() -> None:
    inquiry = noted(accusation())
    inquiry.ask(LIAR, 0, UNIX_MS)
    assert taken(inquiry) == ["one"]
    assert inquiry.docks == Docks()
    inquiry.ask(LIAR, INQUIRY_AGAIN_MS - 1, UNIX_MS)
    assert taken(inquiry, INQUIRY_AGAIN_MS - 1) == []
    inquiry.ask(LIAR, INQUIRY_AGAIN_MS, UNIX_MS)
    assert taken(inquiry, INQUIRY_AGAIN_MS) == ["one"]


def test_each_accusation_is_looked_into_once_however_often_the_accused_asks() -> None:
    inquiry = noted(accusation())
    for _ in range(3):
        inquiry.ask(LIAR, 0, UNIX_MS)
    one = inquiry.next(0, UNIX_MS)
    assert one is not None and inquiry.waiting == []
    inquiry.ask(LIAR, 0, UNIX_MS)
    assert inquiry.waiting == [] and inquiry.next(0, UNIX_MS) is None
    inquiry.end(one, Finding.GUILTY, 0, UNIX_MS, cost_ms=None)
    inquiry.ask(LIAR, 0, EXPIRES_MS - 1)
    assert inquiry.waiting == []


def test_what_had_to_be_run_is_followed_by_a_rest_nine_times_as_long() -> None:
    inquiry = noted(accusation("a"), accusation("b"), accusation("c"))
    inquiry.ask(LIAR, 0, UNIX_MS)
    for now_ms, cost_ms, rest_ms in (
        (0, 5, INQUIRY_REST_MS_MIN),
        (20_000, 4_000, 4_000 * INQUIRY_REST_FACTOR),
    ):
        one = inquiry.next(now_ms, UNIX_MS)
        assert one is not None
        inquiry.end(one, Finding.UNDECIDED, now_ms, UNIX_MS, cost_ms=cost_ms)
        assert inquiry.next(now_ms + rest_ms - 1, UNIX_MS) is None
        assert inquiry.waiting
    assert inquiry.next(20_000 + rest_ms, UNIX_MS) is not None


def test_the_publishers_word_is_looked_into_first() -> None:
    inquiry = noted(accusation("a"), accusation("b"), accusation("c", weighty=True))
    inquiry.ask(LIAR, 0, UNIX_MS)
    assert taken(inquiry) == ["c", "a", "b"]


def test_our_own_accusation_holds_and_what_accuses_us_is_nothing_to_us() -> None:
    inquiry, ours = Inquiry(ME), accusation("ours", ME)
    assert inquiry.note(JOB, [ours, accusation("theirs", accused=ME)]) == [ours]
    assert inquiry.of_job[JOB] == (ours,)


def test_what_the_database_holds_no_more_is_not_looked_into() -> None:
    inquiry = noted(accusation("a"), accusation("b"))
    inquiry.note(JOB, [accusation("b")])
    inquiry.ask(LIAR, 0, UNIX_MS)
    assert taken(inquiry) == ["b"]
    inquiry.note(JOB, [])
    assert (inquiry.known, inquiry.of_job) == ({}, {})


def test_what_has_expired_is_not_looked_into() -> None:
    inquiry = noted(accusation())
    inquiry.ask(LIAR, 0, EXPIRES_MS)
    assert inquiry.waiting == []


def test_all_that_is_kept_is_bounded() -> None:
    inquiry = noted(*(accusation(f"{number}") for number in range(INQUIRIES_WAITING_MAX + 9)))
    inquiry.ask(LIAR, 0, UNIX_MS)
    assert len(inquiry.waiting) == INQUIRIES_WAITING_MAX
    for number in range(ACCUSATIONS_MAX + 9):
        inquiry.note(
            BlockId(f"job {number}"), [accusation(f"entry {number}", accused=PeerId(f"peer {number}"))]
        )
    assert sum(len(against) for against in inquiry.known.values()) == inquiry.size == ACCUSATIONS_MAX
    assert JOB not in inquiry.of_job
    for number in range(REFUSED_MAX + 9):
        one = accusation(
            f"guilty {number}", accused=PeerId(f"guilty {number}"), expires_ms=EXPIRES_MS + number
        )
        inquiry.end(one, Finding.GUILTY, 0, UNIX_MS, cost_ms=None)
    assert len(inquiry.docks.guilty) == REFUSED_MAX
    assert PeerId("guilty 0") not in inquiry.docks.guilty


# ---- what the core makes of it
def hosting() -> tuple[NodeCore, Round]:
    of = Round(members=3, policy=FULL).commit()
    return node_of(of, of.peers[0]), of


def sent(effects: list[fx.Effect], kind: type) -> list[fx.Send]:
    return [effect for effect in effects if isinstance(effect, fx.Send) and isinstance(effect.message, kind)]


def asked(node: NodeCore, of: Round, peer: PeerId) -> list[fx.Effect]:
    assert node.room is not None
    request = JoinRequest(
        job=of.terms.job,
        microjob=0,
        instance=of.instance,
        epoch=1,
        workers=1,
        address=node.address,
        nonce=1,
        vrf_key=bytes(32),
    )
    envelope = of.publisher.sign(SignedKind.JOIN, request)
    return node.handle(ins.SeatAsked(peer, request, envelope), 10)


def test_who_is_refused_gets_no_seat_whatever_the_job() -> None:
    node, of = hosting()
    node.handle(ins.PeersRefused((LIAR,)), 5)
    (answer,) = sent(asked(node, of, LIAR), JoinAnswer)
    assert (answer.peers, answer.message.reason) == ((LIAR,), JoinReason.BANNED)  # type: ignore[union-attr]


def test_who_is_refused_loses_its_seat_and_gets_no_lease() -> None:
    node, of = hosting()
    guilty = of.peers[1]
    node.handle(ins.PeersRefused((guilty,)), 5)
    effects = node.handle(ins.Tick(), 5 + HEARTBEAT_MS)
    (listed,) = [effect for effect in effects if isinstance(effect, fx.PeersChanged)]
    assert [(removal.peer, removal.reason) for removal in listed.removals] == [(guilty, RemovalReason.BANNED)]
    assert sent(effects, OnPeerListChanged)
    assert node.room is not None and guilty in node.room.board.banned


def test_who_has_served_its_time_is_refused_no_more() -> None:
    node, of = hosting()
    node.handle(ins.PeersRefused((LIAR,)), 5)
    node.handle(ins.PeersRefused(()), 6)
    assert sent(asked(node, of, LIAR), JoinAnswer) == []
    assert node.room is not None and node.room.hosting.door.pending


def test_a_new_fold_of_the_job_does_not_forget_who_is_refused() -> None:
    node, of = hosting()
    node.handle(ins.PeersRefused((LIAR,)), 5)
    lobby = node.jobs[of.terms.job]
    node.handle(ins.JobChanged(lobby.facts), 6)
    assert node.room is not None and node.room.board.banned == (LIAR,)
    assert ins.PeersRefused in ROUTES


def test_only_a_host_is_asked_who_sits_in_its_room() -> None:
    node, of = hosting()
    assert node.hosts(of.instance) and node.hosts("", of.peers[1])
    assert not node.hosts("another") and not node.hosts("", LIAR)
    assert not node_of(of, of.peers[1]).hosts(of.instance)
