"""What follows when somebody was convicted: no round goes on, begins, or ends with a receipt over what was taken back."""

from __future__ import annotations

from sgnus.core import inputs as ins
from sgnus.core import sealing as sealings
from sgnus.core.roster import Roster
from sgnus.messages.fields import Message
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import (
    ProcessedRecord,
    Proposal,
    Reveal,
    Seal,
    SignedEnvelope,
    SignedKind,
    Verdict,
    Verify,
)
from sgnus.sim.courts import other_results
from tests.laws.corrupt import say
from tests.laws.round_grid import RoundGrid
from tests.laws.small_grid import JOB, Shape, false

PUBLISHER, MALLORY, ANN, BOB, EVE = (PeerId(name) for name in ("pub", "mallory", "ann", "bob", "eve"))
PEERS = (PUBLISHER, MALLORY, ANN, BOB)
MOMENTS_MAX = 60


def convicted() -> tuple[RoundGrid, tuple[SignedEnvelope, ...]]:
    """Mallory's one result was false, and was taken back; and what it was."""
    grid = RoundGrid(Shape(PEERS, (MALLORY, EVE), 1, Verify.FULL, workers=0), are_checkers_lying=False)
    before = grid.held
    for _ in range(MOMENTS_MAX):
        if grid.facts.banned:
            return grid, before
        grid.pass_a_while()
    raise AssertionError("nobody was convicted")


def done_again(grid: RoundGrid) -> None:
    """By Ann, who is right."""
    room = grid.founded((ANN, BOB), 7)
    root, opening = grid.works.committed(ANN, room.instance, (0, 0))
    record = ProcessedRecord(
        job=JOB,
        microjob=0,
        instance=room.instance,
        sub_block=0,
        chunks=1,
        root=root,
        elapsed_ms=1,
        vrf_key=grid.pens[ANN].vrf_key,
    )
    signed = grid.pens[ANN].sign(SignedKind.RECORD, record)
    grid.give(PUBLISHER, ins.OutputsStored(0, JOB, 0, room.instance, 0, ANN, root, signed, opening))


def proposed(grid: RoundGrid, room: Roster, attempt: int, held: tuple[SignedEnvelope, ...]) -> None:
    """By Eve, who is not convicted, to the publisher, in a room that seats Mallory, too."""
    proposal = Proposal(
        job=JOB,
        microjob=0,
        instance=room.instance,
        round=1,
        attempt=attempt,
        list=room.envelope,
        held=held,
        leaves=(),
        suspicions=(),
    )
    told(grid, EVE, SignedKind.PROPOSAL, proposal)


def told(grid: RoundGrid, liar: PeerId, kind: SignedKind, message: Message) -> None:
    envelope = grid.pens[liar].sign(kind, message)
    grid.overheard.signed.append(envelope)
    say(grid, PUBLISHER, ins.PeerSaid(liar, envelope))


def test_after_a_conviction_nothing_goes_on_over_what_was_taken_back() -> None:
    grid, _before = convicted()
    assert not other_results(grid.cores[PUBLISHER])
    grid.deliver_all()
    for peer in (ANN, BOB):
        core = grid.cores[peer]
        assert core.room is None and not core.rounds.running, (
            f"{peer} goes on over what is no result any more"
        )


def test_a_round_over_what_was_taken_back_does_not_begin() -> None:
    grid, before = convicted()
    proposed(grid, grid.founded((EVE, MALLORY), 9), 0, before)
    assert not grid.cores[PUBLISHER].publications[JOB].court.rounds


def test_liars_who_begin_a_round_over_the_truth_do_not_end_it_over_what_was_taken_back() -> None:
    grid, before = convicted()
    done_again(grid)
    room = grid.founded((EVE, MALLORY), 9)
    proposed(grid, room, 0, grid.held)
    docket = grid.cores[PUBLISHER].publications[JOB].court.rounds[room.instance].docket
    proposed(grid, room, 1, before)
    r = sealings.read(grid.pens[MALLORY], docket.terms, grid.overheard.signed[-1]).r
    for liar in (MALLORY, EVE):
        told(grid, liar, SignedKind.SEAL, Seal(instance=room.instance, round=1, attempt=1, r=r))
    for liar in (MALLORY, EVE):
        proof = grid.pens[liar].prove(r)
        told(grid, liar, SignedKind.REVEAL, Reveal(instance=room.instance, round=1, r=r, proof=proof))
    verdict = Verdict(instance=room.instance, round=1, chunks=(0,), digests=false(0))
    told(grid, EVE, SignedKind.VERDICT, verdict)
    told(grid, MALLORY, SignedKind.OPENING, grid.openings[0])
    for _ in range(MOMENTS_MAX):
        grid.pass_a_while()
    assert not [key for key in grid.disks[PUBLISHER] if key[0] == "receipt"], (
        "a receipt over the false result"
    )
