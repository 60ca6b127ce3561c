"""A publisher's rounds: which proposals it hears, what a receipt ends, and what follows when somebody signed a falsehood.

Never takes a microjob without a receipt that it checked itself, and never voids a result but that of a member whose own
signature is false, or who is not there to have it verified.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from sgnus.core import arbiter, claims, findings, receipt, sealing
from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core.arbiter import Arbitration, Guilt, Since
from sgnus.core.beacon import Beacon
from sgnus.core.docket import Docket, RoundId
from sgnus.core.publication import Publication, Shelf
from sgnus.core.sealing import Sealing
from sgnus.core.terms import Terms
from sgnus.crypto.merkle import split_digests
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import (
    RECHECK_WAIT_MS,
    ROUNDS_AT_ONCE_MAX,
    ROUNDS_PER_MICROJOB_MAX,
    STRANGERS_WAIT_MS,
    STRANGERS_WAIT_MS_ALONE,
)
from sgnus.messages.v1.types import CloseReason, Held, Proposal, RoomClosed, SignedEnvelope, SignedKind


def propose(own: Publication, envelope: SignedEnvelope, now_ms: int, connected: Collection[PeerId]) -> None:
    """A proposal begins a round, if it seals exactly what we hold. Faults: PeerFault."""
    terms = own.facts.terms
    if terms is None or own.is_done:
        return
    checked = sealing.read(own.pen, terms, envelope)
    proposal = checked.proposal
    shelf = own.shelf(proposal.microjob)
    if shelf.taken or not _holds(shelf, proposal):
        return
    if sealing.is_of_convicted(checked, (*own.court.banned, *own.facts.banned)):
        return
    instance = InstanceId(proposal.instance)
    if instance in own.court.rounds or instance in own.court.ended:
        return
    if _is_early(own, checked, terms.policy.min_members, connected, now_ms):
        return
    if not any(one.microjob == proposal.microjob for one in own.court.rounds.values()):
        shelf.absence.away_ms.clear()  # Nobody looked meanwhile.
    _make_room(own, proposal.microjob)
    docket = Docket(own.pen, terms, RoundId(instance, proposal.round))
    beacon = Beacon(docket, proposal.microjob, now_ms, own.court.spoken.get(instance))
    own.court.rounds[instance] = Arbitration(beacon, shelf.openings, Since(now_ms))
    own.tell(f"{_room(proposal.microjob, instance)}: {checked.proposer[-6:]} proposes to verify it")


def _holds(shelf: Shelf, proposal: Proposal) -> bool:
    """Whether what is to be sealed is what we hold: all of it, and nothing that we took back."""
    held = [shelf.held[number].payload for number in sorted(shelf.held)]
    return held == [one.payload for one in proposal.held]


def _is_early(
    own: Publication, checked: Sealing, members_min: int, connected: Collection[PeerId], now_ms: int
) -> bool:
    """Whether a room with somebody who had no seat where the work was done must wait for the rooms in which it was: else
    anybody founds one over the results of others, to be drawn from with its friends.
    """
    shelf = own.shelf(checked.proposal.microjob)
    made = Counter(commit.instance for commit in checked.commits)
    homes = [name for name in made if made[name] == max(made.values())]
    homes.append(InstanceId(shelf.preferred))
    listed = [shelf.instances[name].roster.peers for name in homes if name in shelf.instances]
    if checked.proposal.instance in homes or not any(len(peers) >= members_min for peers in listed):
        return False
    at_home = {peer: None for peers in listed for peer in peers}
    at_home.update((commit.member, None) for commit in checked.commits)
    if all(peer in at_home for peer in checked.members):
        return False
    if shelf.strangers_ms is None:
        shelf.strangers_ms = now_ms
    rounds = [one for name, one in own.court.rounds.items() if name in homes]
    is_under_way = any(_is_under_way(one, connected) for one in rounds)
    return now_ms - shelf.strangers_ms < (STRANGERS_WAIT_MS if is_under_way else STRANGERS_WAIT_MS_ALONE)


def _is_under_way(one: Arbitration, connected: Collection[PeerId]) -> bool:
    """More than half of those that it proposes to draw from sealed that, and are there."""
    return any(
        sealing.majority(sum(peer in connected for peer in tried.seals), len(tried.sealing.members))
        for tried in one.docket.attempts.values()
    )


def _make_room(own: Publication, microjob: int) -> None:
    """Rounds are bounded, for a microjob and in all; the one of the lowest standing gives way to another."""
    rounds = own.court.rounds
    of_it = [name for name, one in rounds.items() if one.microjob == microjob]
    crowd = of_it if len(of_it) >= ROUNDS_PER_MICROJOB_MAX else list(rounds)
    if crowd is of_it or len(rounds) >= ROUNDS_AT_ONCE_MAX:
        del rounds[min(crowd, key=lambda name: rounds[name].docket.standing())]


def hear(own: Publication, instance: InstanceId, envelope: SignedEnvelope, now_ms: int) -> None:
    """A signed word of a round of ours. Whoever began it over what we hold must not end it over what we took back: other
    proposals count as little later as at the beginning. Faults: PeerFault.
    """
    arbitration = own.court.rounds[instance]
    if envelope.kind is SignedKind.PROPOSAL:
        proposal = own.pen.open(envelope, SignedKind.PROPOSAL, Proposal)
        if not _holds(own.shelf(arbitration.microjob), proposal):
            return
    try:
        arbiter.hear(arbitration, envelope, now_ms)
    finally:
        settle(own, instance, now_ms)


def take_receipt(own: Publication, instance: InstanceId, data: bytes, now_ms: int) -> None:
    """A member brings the receipt. Faults: PeerFault."""
    if not arbiter.take_receipt(own.court.rounds[instance], data):
        own.tell("a receipt without a beacon waits for a SGNUS node's audit")
    settle(own, instance, now_ms)


def take_settled(own: Publication, given: ins.ReceiptFetched) -> None:
    """A SGNUS node settled a microjob while we were away, and gave us its receipt: if we hold the same results, it is as
    good as one that a member brings. Faults: PeerFault.
    """
    terms = own.facts.terms
    if terms is None or own.is_done:
        return
    shelf = own.shelf(given.microjob)
    if shelf.taken:
        return
    proven = receipt.check(own.pen, terms, given.receipt)
    if proven.microjob != given.microjob:
        raise PeerFault("the receipt is of another microjob than the one that was settled")
    settled = [opening.digests for opening in receipt.read(given.receipt).openings]
    lacking = [number for number, digests in enumerate(settled) if not _has(shelf, number, digests)]
    if lacking:
        _run_settled(own, given.microjob, lacking)
        return
    own.tell(f"microjob {given.microjob} was settled: its receipt is here now")
    _take(own, terms, given.microjob, given.receipt)


def _has(shelf: Shelf, number: int, digests: bytes) -> bool:
    """Whether the result that we hold is this one, whoever made it."""
    opening = shelf.openings.get(number)
    return number in shelf.held and opening is not None and opening.digests == digests


def _run_settled(own: Publication, microjob: int, lacking: Sequence[int]) -> None:
    """We voided results that the receipt is over. No room does a settled microjob any more, so we run them ourselves: what is
    right is the same whoever runs it. PeerFault if our own run gave something else than the receipt says.
    """
    shelf = own.shelf(microjob)
    for number in lacking:
        if number in shelf.held and _member_of(own, shelf.held[number]) == own.pen.peer:
            raise PeerFault("the receipt is of other results than we got ourselves")
    differing = [number for number in lacking if number in shelf.held]
    for number in differing:
        _void(own, microjob, number)
    if differing:
        open_again(own, microjob)  # Rounds over them must not end with a receipt any more.
    for number in lacking:
        if (microjob, number) not in own.running_here:
            own.running_here.append((microjob, number))
            own.tell(f"runs sub-block {microjob}/{number} itself: the microjob is settled without it")
            own.out.append(fx.RunHere(own.facts.job, microjob, number))


def tick(own: Publication, now_ms: int, connected: Collection[PeerId] = ()) -> None:
    """Time passed. `connected` are the peers that we have a stream with."""
    if own.is_done:
        own.court.rounds.clear()
    for instance in list(own.court.rounds):
        arbitration = own.court.rounds.get(instance)
        if arbitration is None:
            continue  # Another round of its microjob just ended it.
        if arbitration.beacon.is_late(now_ms):
            own.tell(f"{_room(arbitration.microjob, instance)}: its verification came to no end")
            open_again(own, arbitration.microjob)
            continue
        arbiter.advance(arbitration, now_ms)
        settle(own, instance, now_ms)
    for microjob in dict.fromkeys(one.microjob for one in own.court.rounds.values()):
        _redo_of_absent(own, microjob, connected, now_ms)


def _redo_of_absent(own: Publication, microjob: int, connected: Collection[PeerId], now_ms: int) -> None:
    """What those did who are gone is done again, where their rounds cannot do without them."""
    shelf = own.shelf(microjob)
    rounds = [one for one in own.court.rounds.values() if one.microjob == microjob]
    # Asked twice a second of each HELD; opening one may take a check of its signature.
    known = shelf.absence.makers
    makers = {one: known.get(one) or PeerId(_member_of(own, one)) for one in shelf.held.values()}
    shelf.absence.makers = makers
    others = {n: makers[one] for n, one in sorted(shelf.held.items()) if makers[one] != own.pen.peer}
    is_in_touch = any(peer in connected for peer in (*others.values(), *own.court.workers))
    gone = shelf.absence.look(
        rounds, others, connected, own.facts.deadline_ms, now_ms, is_in_touch=is_in_touch
    )
    for number in gone:
        _void(own, microjob, number)
    if gone:
        own.tell(
            f"microjob {microjob}: who did {len(gone)} of its sub-blocks is gone, and they are done again"
        )
        open_again(own, microjob)


def examined(own: Publication, given: ins.Reexecuted, now_ms: int) -> None:
    """We ran a chunk on which two differ: one of them is guilty by its own signature."""
    arbitration = own.court.rounds.get(given.instance)
    if arbitration is None or given.digests is None:
        if arbitration is not None:
            arbitration.asked = ()
        return
    digests = split_digests(given.digests, len(given.chunks))
    guilty = arbiter.convict(arbitration, dict(zip(given.chunks, digests, strict=True)))
    ended = {arbitration.microjob: None} if guilty else {}
    for guilt in guilty:
        if guilt.peer not in own.facts.banned:
            _accuse(own, arbitration, guilt)
        ended.update(dict.fromkeys(void(own, guilt.peer)))
    for microjob in ended:
        open_again(own, microjob)


def settle(own: Publication, instance: InstanceId, now_ms: int) -> None:
    """Take a round's effects, and the microjob if its receipt is here, and no result of it is being run again by us."""
    arbitration = own.court.rounds[instance]
    own.out += arbitration.out
    arbitration.out = []
    spoken = arbitration.docket.spoken
    if spoken is not None and spoken.envelope is not None:
        if own.court.spoken.get(instance) != spoken.envelope:
            _tell_drawn(own, arbitration, instance)
        own.court.spoken[instance] = spoken.envelope
    shelf = own.shelf(arbitration.microjob)
    if arbitration.receipt is None or shelf.taken or _waits(shelf, arbitration, now_ms):
        return
    _take(own, arbitration.docket.terms, arbitration.microjob, arbitration.receipt)
    own.tell(f"{_room(arbitration.microjob, instance)}: its receipt is here and right; the microjob is taken")


def _take(own: Publication, terms: Terms, microjob: int, data: bytes) -> None:
    """The receipt was checked: the microjob is ours, and what is said of it elsewhere is over."""
    own.out.append(fx.Persist("receipt", f"{own.facts.job}/{microjob}", data))
    own.out += claims.submit(terms, microjob, data)
    own.take(microjob, receipt.digest_of(data))
    for name in [name for name, one in own.court.rounds.items() if one.microjob == microjob]:
        del own.court.rounds[name]
        own.court.spoken.pop(name, None)


def _waits(shelf: Shelf, arbitration: Arbitration, now_ms: int) -> bool:
    """A receipt waits for what we run again ourselves, but not for long."""
    if not shelf.rechecks:
        return False
    if arbitration.since.receipt_ms is None:
        arbitration.since.receipt_ms = now_ms
    return now_ms - arbitration.since.receipt_ms < RECHECK_WAIT_MS


def _tell_drawn(own: Publication, arbitration: Arbitration, instance: InstanceId) -> None:
    """Who checks how much, when the beacon has spoken."""
    dealt, spoken = findings.drawn(arbitration.docket), arbitration.docket.spoken
    if dealt is None or spoken is None:
        return
    drawn = ", ".join(f"{peer[-6:]} checks {len(chunks)}" for peer, chunks in dealt.dues.items())
    own.tell(
        f"{_room(arbitration.microjob, instance)}: the beacon has spoken over {len(spoken.revealed)} reveals; "
        f"of {len(dealt.samples)} samples {drawn or 'nobody checks any'}"
    )


def _room(microjob: int, instance: InstanceId) -> str:
    """How stories name a room."""
    return f"room {microjob}/{instance[:8]}"


def _accuse(own: Publication, arbitration: Arbitration, guilt: Guilt) -> None:
    commit = findings.commit_with(arbitration.docket, guilt.chunk)
    listing = findings.roster(arbitration.docket).list
    own.court.banned[guilt.peer] = None
    side = "returned" if guilt.is_worker else "accused somebody of"
    own.tell(f"{guilt.peer[-6:]} {side} a false chunk {guilt.chunk}, by its own signature")
    own.out.append(
        fx.Accuse(
            job=own.facts.job,
            microjob=arbitration.microjob,
            accused=guilt.peer,
            chunk=guilt.chunk,
            record=commit.record,
            opening=arbitration.docket.openings[commit.sub_block],
            verdict=guilt.verdict,
            founder=PeerId(listing.founder),
            nonce=listing.nonce,
        )
    )


def void(own: Publication, guilty: PeerId) -> list[int]:
    """All that the guilty delivered is done again, but for what a receipt verifies. Returns the microjobs that are concerned."""
    concerned: dict[int, None] = {}
    for microjob, shelf in sorted(own.shelves.items()):
        if shelf.taken:
            continue
        for number in [n for n, one in sorted(shelf.held.items()) if _member_of(own, one) == guilty]:
            concerned[microjob] = None
            _void(own, microjob, number)
    return list(concerned)


def _void(own: Publication, microjob: int, number: int) -> None:
    """The sub-block is not held any more; the next result of it has a higher turn."""
    shelf = own.shelf(microjob)
    del shelf.held[number]
    shelf.openings.pop(number, None)
    shelf.rechecks.pop(number, None)
    shelf.turns[number] = shelf.turns.get(number, 0) + 1
    key = f"{own.facts.job}/{microjob}/{number}"
    own.out.append(fx.Persist("turn", key, shelf.turns[number].to_bytes(4, "big")))
    own.out.append(fx.Persist("held", key, b""))
    own.out.append(fx.Voided(own.facts.job, microjob, number))


def _member_of(own: Publication, envelope: SignedEnvelope) -> str:
    return own.pen.open(envelope, SignedKind.HELD, Held).member


def open_again(own: Publication, microjob: int) -> None:
    """Rooms and rounds of the microjob end without a receipt: it is for another room."""
    shelf = own.shelf(microjob)
    told: dict[InstanceId, dict[PeerId, None]] = {}
    for name, observed in shelf.instances.items():
        told[name] = dict.fromkeys(observed.roster.peers)
    for name in [name for name, one in own.court.rounds.items() if one.microjob == microjob]:
        arbitration = own.court.rounds.pop(name)
        own.out += arbitration.out
        told.setdefault(name, {}).update(dict.fromkeys(arbitration.audience()))
    for name, peers in told.items():
        own.court.end(name)
        own.out.append(fx.Send(tuple(peers), RoomClosed(instance=name, reason=CloseReason.FAILED)))
    shelf.instances.clear()
    shelf.strangers_ms = None
    shelf.absence.away_ms.clear()
    shelf.preferred = ""
