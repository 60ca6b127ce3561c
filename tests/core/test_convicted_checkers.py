"""The draw names a checker that is convicted before it has checked: it is given no inputs any more, and nobody waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core import proving
from sgnus.core.node import NodeCore
from sgnus.core.patience import patience_ms
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import HeldNotice, SignedEnvelope, SignedKind, Suspicion
from sgnus.wire.codec import decode
from tests.core.round_table import STEP_MS, VERDICT_MS, Table
from tests.core.test_hostile_rounds import node_of
from tests.core.test_round import committed
from tests.round_support import Round


def convict(table: Table, *peers: PeerId) -> None:
    """All members hear of it."""
    for member in table.members.values():
        member.banned = peers


def verifier_of(of: Round) -> PeerId:
    verifier = Table(of).proven().draw.verifier
    assert verifier is not None
    return verifier


def test_a_convicted_checker_is_passed_over_at_once() -> None:
    verifier = verifier_of(committed())
    table = Table(committed())
    table.runs[verifier] = None
    table.sit(VERDICT_MS, lambda: bool(table.members[verifier].moments.due))
    convict(table, verifier)
    drawn_ms = table.now_ms
    proven = table.proven()
    assert proven.draw.skipped == (verifier,)
    assert table.now_ms - drawn_ms < VERDICT_MS


def test_what_it_said_before_it_was_convicted_counts() -> None:
    verifier = verifier_of(committed())
    table = Table(committed())
    table.sit(VERDICT_MS, lambda: SignedKind.VERDICT in table.kinds(verifier))
    convict(table, verifier)
    assert not table.proven().draw.skipped


def test_a_round_that_only_the_convicted_could_end_is_over() -> None:
    of = committed(2)
    one, other = of.peers
    table = Table(of)
    table.runs[other] = None
    convict(table, other)
    assert not table.sit(VERDICT_MS, lambda: table.court.receipt is not None)
    assert table.members[one].is_over, "the other's own chunk has nobody else to check it"


def sealed_by_three(*, banned: int, dead: int) -> tuple[Table, PeerId]:
    """A round of three, drawn: then so many are convicted, the checker first, and so many die. The table, and who is left."""
    of = committed(3)
    checker = verifier_of(committed(3))
    others = [peer for peer in of.peers if peer != checker]
    convicts, lost, me = [checker, *others][:banned], others[:dead], others[-1]
    table = Table(of)
    table.runs.update(dict.fromkeys([*convicts, *lost]))
    table.sit(VERDICT_MS, lambda: bool(table.members[me].moments.due))
    table.mute = lambda who, _kind: who in (*convicts, *lost)
    for peer in lost:
        proving.severed(table.members[me], peer, table.now_ms)
    convict(table, *convicts)
    return table, me


@pytest.mark.parametrize(("banned", "dead"), [(1, 1), (2, 0)])
def test_a_room_whose_convicted_checker_cannot_be_passed_over_ends_its_round_after_the_patience(
    banned: int, dead: int
) -> None:
    table, me = sealed_by_three(banned=banned, dead=dead)
    until_ms = table.now_ms + patience_ms(VERDICT_MS) + 1_000
    assert table.sit(until_ms, lambda: table.members[me].is_over)


def test_a_room_that_may_pass_it_over_goes_on() -> None:
    table, me = sealed_by_three(banned=1, dead=0)
    assert not table.sit(table.now_ms + 1_000, lambda: table.members[me].is_over)


def test_a_round_goes_on_waiting_for_who_is_slow() -> None:
    of = committed(2)
    one, other = of.peers
    table = Table(of)
    table.runs[other] = None
    table.sit(VERDICT_MS - STEP_MS)
    assert not table.members[one].is_over


def told(node: NodeCore, of: Round, banned: Sequence[PeerId]) -> None:
    facts = node.jobs[of.terms.job].facts
    node.handle(ins.JobChanged(replace(facts, banned=tuple(banned))), 40)


def suspected(effects: Sequence[fx.Effect]) -> list[PeerId]:
    """Whom a node says that it has not heard."""
    sent = [one.message for one in effects if isinstance(one, fx.Send)]
    words = [one for one in sent if isinstance(one, SignedEnvelope) and one.kind is SignedKind.SUSPICION]
    return [PeerId(decode(Suspicion, word.payload).silent) for word in words]


def drawn_by(of: Round, me: PeerId, *, banned: Sequence[PeerId] = ()) -> NodeCore:
    """A whole node in a round whose checkers are drawn, and have not spoken; of a job that convicted these before."""
    table = Table(of, lambda _who, kind: kind is SignedKind.VERDICT)
    table.sit(2_000)
    node = node_of(of, me)
    told(node, of, banned)
    node.handle(ins.PeerSaid(of.publisher.peer, HeldNotice(held=of.held)), 20)
    for who, envelope in dict.fromkeys(table.said):
        node.handle(ins.PeerSaid(who, envelope), 30)
    return node


def test_who_cannot_run_its_chunks_tries_again_now_and_then() -> None:
    of = committed()
    node = drawn_by(of, verifier_of(committed()))
    (round_,) = node.rounds.running.values()
    refused = ins.Reexecuted(round_.docket.round.instance, round_.steps.asked, None)
    effects, tries = node.handle(refused, 41), 0
    for now_ms in range(100, 20_000, 50):
        asked = [one for one in effects if isinstance(one, fx.Reexecute)]
        tries += len(asked)
        effects = [effect for _ in asked for effect in node.handle(refused, now_ms)]
        effects += node.handle(ins.Tick(), now_ms)
    assert 5 <= tries <= 7, "every three seconds"


def test_a_node_passes_on_to_its_rounds_who_was_convicted() -> None:
    of = committed()
    verifier = verifier_of(committed())
    me = next(peer for peer in of.peers if peer != verifier)
    node = drawn_by(of, me)
    assert suspected(node.handle(ins.Tick(), 1_000)) == []
    told(node, of, [verifier])
    assert suspected(node.handle(ins.Tick(), 2_000)) == [verifier]


def test_a_round_that_begins_knows_who_was_convicted_before() -> None:
    of = committed()
    verifier = verifier_of(committed())
    me = next(peer for peer in of.peers if peer != verifier)
    assert [one.banned for one in drawn_by(of, me, banned=[verifier]).rounds.running.values()] == [
        (verifier,)
    ]
