"""A member's steps in a round of verification: propose, seal, reveal, examine, open, prove.

Words come in any order; after each, every step that has become due is taken. It must never seal two R of one attempt, nor
seal after it revealed, nor open a commit before all verdicts are signed, nor convict anybody for silence.
docs/protocol/verification.md.
"""

from __future__ import annotations

from typing import Final

from sgnus.core import claims, findings, receipt
from sgnus.core import effects as fx
from sgnus.core import roster as rosters
from sgnus.core.draw import Draw
from sgnus.core.patience import patience_ms, unsealed_ms
from sgnus.core.sealing import Sealing, majority
from sgnus.core.verification import Verification
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import (
    ATTEMPT_STEPS_MAX,
    ATTEMPTS_MAX,
    BEACON_MS,
    PROPOSE_MS,
    PROPOSE_STAGGER_MS,
    RECEIPT_MS,
    REPEAT_MS,
    ROUND_MS_MAX,
    ROUND_STALLED_MS,
    SEVERED_MS,
    SILENT_MS,
    VERIFICATION_TICK_MS,
)
from sgnus.messages.v1.types import (
    BeaconMissed,
    Proposal,
    ReceiptGiven,
    Reveal,
    Seal,
    SignedEnvelope,
    SignedKind,
    Suspicion,
    Verdict,
)

Awaited = tuple[PeerId, int | None, int]


# ---- doors
def hear(own: Verification, envelope: SignedEnvelope, now_ms: int) -> None:
    """A signed word of somebody. Faults: PeerFault."""
    if own.docket.take(envelope):
        own.moments.moved_ms = now_ms
        if envelope.kind is SignedKind.PROPOSAL:
            _wait_with_proposing(own, now_ms)
        advance(own, now_ms)


def examined(own: Verification, chunks: tuple[int, ...], digests: bytes, now_ms: int) -> None:
    """Our own run of the chunks that we are to check: sign it before anything is opened."""
    if (
        chunks
        and chunks == own.steps.asked
        and not any(one in own.docket.judged_by(own.me) for one in chunks)
    ):
        said = own.docket.round
        verdict = Verdict(instance=said.instance, round=said.number, chunks=chunks, digests=digests)
        own.say(SignedKind.VERDICT, verdict)
        advance(own, now_ms)


def not_examined(own: Verification, now_ms: int) -> None:
    """Our run could not be: it is asked for again when time has passed."""
    own.steps.asked = ()
    own.steps.again_ms = now_ms + REPEAT_MS


def severed(own: Verification, peer: PeerId, now_ms: int) -> None:
    """The stream with a member broke."""
    own.moments.severed.setdefault(peer, now_ms)


def joined(own: Verification, peer: PeerId) -> None:
    """It stands again: say what it may have missed."""
    own.moments.severed.pop(peer, None)
    if peer in own.audience():
        own.out += [fx.Send((peer,), word) for word in own.words()]


def tick(own: Verification, now_ms: int) -> None:
    """Time passed."""
    if now_ms - own.moments.born_ms >= ROUND_MS_MAX:
        own.end("it came to no end in time")
        return
    if now_ms - own.moments.moved_ms >= ROUND_STALLED_MS + findings.longest_ms(own.docket, own.verdict_ms):
        own.end("nothing happened any more")
        return
    if _is_nobody_left(own, now_ms):
        own.end("nobody is left to check all of it")
        return
    if now_ms - own.moments.born_ms >= unsealed_ms(own.verdict_ms) and not own.docket.sealed():
        # Whom a host seated may be nobody: where these are the most, no attempt is ever sealed by all or without them.
        own.end("its members do not seal it")
        return
    advance(own, now_ms)
    if now_ms >= own.moments.repeat_ms:
        own.moments.repeat_ms = now_ms + REPEAT_MS
        own.out += [fx.Send(own.audience(), word) for word in own.words()]


def advance(own: Verification, now_ms: int) -> None:
    """Everything that is due by now, step after step."""
    for step in _STEPS:
        if not own.is_over:
            step(own, now_ms)


def wakes(own: Verification, now_ms: int) -> bool:
    """Whether it has something to look at by itself, and when next."""
    if now_ms < own.moments.wake_ms:
        return False
    own.moments.wake_ms = now_ms + VERIFICATION_TICK_MS
    return True


# ---- steps
def _propose(own: Verification, now_ms: int) -> None:
    """Anybody may: what is proposed follows from the room's records. A new attempt leaves out who is not heard."""
    basis, docket = own.basis, own.docket
    if basis is None or docket.sealed() or own.steps.revealed is not None:
        return
    if now_ms < own.moments.propose_ms and not _can_do_better(own):
        return
    mine = [number for number, by in docket.attempts if by == own.me]
    attempt = max([*(number for number, _by in own.steps.sealed), *mine], default=-1) + 1
    if attempt >= ATTEMPTS_MAX:
        return
    proposal = Proposal(
        job=docket.terms.job,
        microjob=own.microjob,
        instance=docket.round.instance,
        round=docket.round.number,
        attempt=attempt,
        list=basis.list,
        held=basis.held,
        leaves=(),
        suspicions=_suspicions(own),
    )
    _wait_with_proposing(own, now_ms)
    own.tell(f"proposes a seal (attempt {attempt})")
    if not own.say(SignedKind.PROPOSAL, proposal):
        own.end(
            "too few are left to verify it"
        )  # Those that are not heard any more may be in a room that can.


def _seal(own: Verification, _now_ms: int) -> None:
    """One R per attempt, and none after we revealed."""
    if own.steps.revealed is not None:
        return
    for number, author in sorted(own.docket.attempts):
        sealing = own.docket.attempts[number, author].sealing
        last = own.steps.sealed[-1][0] if own.steps.sealed else -1
        is_new = last < number <= last + ATTEMPT_STEPS_MAX  # Else one word could use all numbers up.
        if not is_new or own.me not in sealing.members or not _has_all(own, sealing):
            continue
        own.steps.sealed.append((number, author))
        said = own.docket.round
        key = f"{own.docket.terms.job}/{said.instance}/{said.number}/{number}"
        own.out.append(fx.Persist("seal", key, sealing.r))
        own.say(SignedKind.SEAL, Seal(instance=said.instance, round=said.number, attempt=number, r=sealing.r))


def _reveal(own: Verification, _now_ms: int) -> None:
    done, mine = own.docket.sealed(), own.steps.sealed
    mine_done = [one for one in done if (one.proposal.attempt, one.proposer) in mine]
    sealing = next(iter(mine_done), None)
    if sealing is None or own.steps.revealed is not None:
        return
    own.steps.revealed = sealing.r
    said = own.docket.round
    own.out.append(fx.Persist("reveal", f"{own.docket.terms.job}/{said.instance}/{said.number}", sealing.r))
    proof = own.docket.pen.prove(sealing.r)
    own.say(SignedKind.REVEAL, Reveal(instance=said.instance, round=said.number, r=sealing.r, proof=proof))


def _miss(own: Verification, now_ms: int) -> None:
    """All have revealed, and the beacon is not heard: more than half who say so go on without it."""
    docket, r = own.docket, own.steps.revealed
    sealing = docket.with_r(r) if r is not None else None
    if sealing is None or docket.spoken is not None or own.steps.missed:
        return
    if len(docket.lot.reveals.get(sealing.r, {})) < len(sealing.members):
        return
    if own.moments.revealed_ms is None:
        own.moments.revealed_ms = now_ms
    if now_ms - own.moments.revealed_ms >= BEACON_MS:
        own.steps.missed = True
        own.tell("has not heard the beacon")
        said = docket.round
        missed = BeaconMissed(instance=said.instance, round=said.number, r=sealing.r)
        own.say(SignedKind.BEACON_MISSED, missed)


def _suspect(own: Verification, now_ms: int) -> None:
    """Say of whom we have not heard what is due, by our own clock; it takes more than half to pass somebody over. Who was
    convicted can't give it any more.
    """
    for peer, since_ms, limit_ms in _awaited(own, now_ms):
        severed_ms = own.moments.severed.get(peer)
        is_severed = severed_ms is not None and now_ms - severed_ms >= SEVERED_MS
        is_silent = since_ms is not None and now_ms - since_ms >= limit_ms
        mine = own.docket.suspicions.get(peer, {})
        if peer == own.me or own.me in mine or not (is_severed or is_silent or peer in own.banned):
            continue
        own.tell(f"has not heard {peer[-6:]}")
        attempt = max((number for number, _by in own.docket.attempts), default=0)
        said = own.docket.round
        suspicion = Suspicion(instance=said.instance, round=said.number, attempt=attempt, silent=peer)
        own.say(SignedKind.SUSPICION, suspicion)


def _examine(own: Verification, now_ms: int) -> None:
    """If the draw names us: run the samples ourselves, from inputs that we read again."""
    dealt = findings.drawn(own.docket)
    if dealt is None:
        return
    judged = own.docket.judged_by(own.me)
    mine = tuple(chunk for chunk in dealt.dues.get(own.me, ()) if chunk not in judged)
    if mine and own.steps.asked != mine and now_ms >= own.steps.again_ms:
        own.steps.asked = mine
        terms = own.docket.terms
        own.out.append(fx.Reexecute(terms.job, own.microjob, own.docket.round.instance, mine))


def _open(own: Verification, _now_ms: int) -> None:
    """All verdicts are signed: nobody can copy any more."""
    if own.steps.opened or not findings.is_judged(own.docket):
        return
    own.steps.opened = True
    for commit in own.docket.commits():
        opening = own.own.get((commit.instance, commit.sub_block))
        if commit.member == own.me and opening is not None:
            own.say(SignedKind.OPENING, opening)


def _prove(own: Verification, now_ms: int) -> None:
    """The verifier brings the receipt; after a while anybody does."""
    if own.steps.proven or not findings.is_proven(own.docket):
        return
    dealt = findings.drawn(own.docket)
    if dealt is None or own.me not in dealt.order:
        return
    if own.moments.open_ms is None:
        own.moments.open_ms = now_ms
    if now_ms < own.moments.open_ms + RECEIPT_MS * dealt.order.index(own.me):
        return
    own.steps.proven = True
    own.tell("brings the receipt")
    given = ReceiptGiven(instance=own.docket.round.instance, receipt=receipt.assemble(own.docket))
    own.out.append(fx.Send((own.docket.terms.publisher,), given))
    own.out += claims.submit(own.docket.terms, own.microjob, given.receipt)


def _awaited(own: Verification, now_ms: int) -> list[tuple[PeerId, int | None, int]]:
    """From whom a word is due, since when, and how long it may take."""
    docket = own.docket
    dealt = findings.drawn(docket)
    if dealt is not None:
        _note_dues(own, dealt, now_ms)
        late = [peer for peer in dealt.dues if not findings.is_judged_by(docket, dealt, peer)]
        limits_ms = {peer: findings.verdict_ms(docket, dealt.dues[peer], own.verdict_ms) for peer in late}
        return [(peer, own.moments.due[peer][1], limits_ms[peer]) for peer in late]
    if docket.sealed() or not own.steps.sealed:
        return []
    attempt = docket.attempts[own.steps.sealed[-1]]
    missing = [peer for peer in attempt.sealing.members if peer not in attempt.seals]
    return [(peer, own.moments.proposed_ms, SILENT_MS) for peer in missing]


def _note_dues(own: Verification, dealt: Draw, now_ms: int) -> None:
    """Who is named for more, because others fell silent or the beacon came late, has its time from then on: else one silent
    checker would make all that come after it late at once, and whoever signs without running anything would be first.
    """
    if not own.moments.due:
        names = ", ".join(peer[-6:] for peer in dealt.dues)
        own.tell(f"drawn: {names} check {len(dealt.samples)} chunks")
    for peer, chunks in dealt.dues.items():
        if own.moments.due.get(peer, ((), 0))[0] != chunks:
            own.moments.due[peer] = (chunks, now_ms)


def _can_do_better(own: Verification) -> bool:
    """We made the newest proposal, and know by now whom it had better left out."""
    docket = own.docket
    if not own.steps.sealed or own.steps.sealed[-1][1] != own.me:
        return False
    attempt = docket.attempts[own.steps.sealed[-1]]
    missing = [peer for peer in attempt.sealing.members if peer not in attempt.seals]
    return bool(missing) and all(docket.is_suspected(peer, own.seats()) for peer in missing)


def _suspicions(own: Verification) -> tuple[SignedEnvelope, ...]:
    """Those that count for what we propose: of our room's own seats, by our room's own seats."""
    docket, seats = own.docket, own.seats()
    return tuple(
        docket.suspicions[silent][author]
        for silent in sorted(docket.suspicions)
        if silent in seats and docket.is_suspected(silent, seats)
        for author in sorted(docket.suspicions[silent])
        if author in seats
    )


def _has_all(own: Verification, sealing: Sealing) -> bool:
    """The records are those that we know, since the publisher holds one of each sub-block, and one alone; and the list is
    by the host that we know, in its epoch: whoever signs another one seats whom it likes.
    """
    if own.basis is None:
        return True
    ours, theirs = (rosters.read(own.docket.pen, one) for one in (own.basis.list, sealing.proposal.list))
    if (ours.host, ours.epoch) != (theirs.host, theirs.epoch):
        return False
    mine = [envelope.payload for envelope in own.basis.held]
    return mine == [envelope.payload for envelope in sealing.proposal.held]


def _is_nobody_left(own: Verification, now_ms: int) -> bool:
    """Some of the samples could be checked by those alone that were passed over, or cannot check any more and are not passed over
    for want of a majority, and none of them is there. Who is slow, or was slandered, has its time; who was convicted has none.
    """
    docket = own.docket
    dealt, spoken = findings.drawn(docket), docket.spoken
    if dealt is None or spoken is None:
        return False
    wait_ms, severed = patience_ms(own.verdict_ms), own.moments.severed
    gone = [
        peer
        for peer in (*spoken.sealing.members, *dealt.skipped)
        if peer in own.banned or now_ms - severed.get(peer, now_ms) >= wait_ms
    ]
    if dealt.unchecked:
        return all(peer in gone for peer in dealt.skipped)
    owes = any(peer in own.banned and not findings.is_judged_by(docket, dealt, peer) for peer in dealt.dues)
    others = len(spoken.sealing.members) - 1
    able = [peer for peer in spoken.sealing.members if peer not in gone]
    return owes and not majority(len(able), others)


def _wait_with_proposing(own: Verification, now_ms: int) -> None:
    """Give what was proposed the time to be sealed: nobody is late with it before."""
    own.moments.proposed_ms = now_ms
    own.moments.propose_ms = now_ms + PROPOSE_MS + own.place() * PROPOSE_STAGGER_MS


_STEPS: Final = (_propose, _seal, _reveal, _miss, _suspect, _examine, _open, _prove)
