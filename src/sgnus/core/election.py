"""How a room gets another host: suspect, stand, vote, claim. `ballot.py` has the rules, this file their use.

Nobody who hears the host votes, unless the job's author convicted it. A member that finds no quorum makes no claim: it
goes back to the lobby.
"""

from __future__ import annotations

from sgnus.core import ballot as ballots
from sgnus.core import effects as fx
from sgnus.core import roster as rosters
from sgnus.core.membership import request_work
from sgnus.core.pacing import note_news
from sgnus.core.patience import quorum_ms
from sgnus.core.room import Hosting, Phase, Room
from sgnus.core.seating import close_all
from sgnus.core.succession import History, check_claim
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import (
    DURATION_MS_MAX,
    EPOCHS_AHEAD_MAX,
    HOPELESS_MS,
    SILENCE_MS_MAX,
    SUSPICION_MS,
    TAKEOVER_GRACE_MS,
    VOTE_MS_MAX,
    VOTE_REQUESTS_PENDING_MAX,
)
from sgnus.messages.v1.types import (
    CloseReason,
    MemberLeft,
    OnHostChanged,
    OnPeerListChanged,
    Removal,
    RemovalReason,
    SignedEnvelope,
    SignedKind,
    Vote,
    VoteGiven,
    VoteRequest,
)


def watch_host(room: Room, now_ms: int) -> None:
    """Suspect, stand when our turn comes, give up in time."""
    ballot = room.ballot
    _answer_waiting(room, now_ms)
    if not room.is_host_gone(SILENCE_MS_MAX, now_ms):
        if ballot.since_ms is not None:
            ballot.rest()
            room.phase = Phase.MEMBER
        return
    if ballot.since_ms is None:
        ballot.since_ms = now_ms
        room.tell(f"host {room.host[-6:]} is suspected")
    heard = _heard(room, now_ms)
    if room.book.is_complete():
        room.close("complete")
    elif now_ms - ballot.since_ms > quorum_ms(room.seat.deadline_ms) or _is_hopeless(room, heard, now_ms):
        ballot.is_given_up = bool(heard)
        room.close("no quorum for another host")
    elif room.phase is Phase.STANDING and now_ms >= ballot.until_ms:
        room.phase = Phase.MEMBER
    elif room.phase is Phase.MEMBER and _is_our_turn(room, now_ms):
        stand(room, now_ms)


def _heard(room: Room, now_ms: int) -> list[PeerId]:
    """The other electors that are here."""
    others = [peer for peer in ballots.electors(room.roster) if peer != room.seat.me]
    return [peer for peer in others if not room.pulse.is_gone(peer, SILENCE_MS_MAX, now_ms)]


def _is_hopeless(room: Room, heard: list[PeerId], now_ms: int) -> bool:
    """For long we have heard others, but too few for a quorum. Who hears nobody at all may be the one that is cut off."""
    ballot = room.ballot
    if not heard or ballots.has_quorum(room.roster, 1 + len(heard)):
        ballot.hopeless_ms = None
        return False
    if ballot.hopeless_ms is None:
        ballot.hopeless_ms = now_ms
    return now_ms - ballot.hopeless_ms >= HOPELESS_MS


def host_leaves(room: Room, sender: PeerId, left: MemberLeft, now_ms: int) -> None:
    """The host hands over: no silence need be waited for. Of all others, the host's next list says that they left."""
    if sender == room.host and left.leave.author == sender:
        room.pulse.note_left(sender)
        room.tell(f"host {sender[-6:]} leaves")
        watch_host(room, now_ms)


def next_epoch(room: Room) -> int:
    """The epoch that we would stand for: the next in which we have not voted. No request can push it far ahead."""
    epoch = max(room.roster.epoch, room.ballot.epoch) + 1
    while epoch in room.ballot.voted:
        epoch += 1
    return epoch


def _is_our_turn(room: Room, now_ms: int) -> bool:
    turn_ms = stand_ms(room)
    return turn_ms is not None and now_ms >= turn_ms


def stand_ms(room: Room) -> int | None:
    """When our turn comes; at once if an app asks us to host, but once: two apps that ask would split the votes for ever. Never
    if we could not show how this room came to its host: our claim would be refused.
    """
    if not history_of(room).may_be_followed():
        return None
    if room.ballot.hurry:
        return room.ballot.until_ms
    since = max(room.ballot.since_ms or 0, room.ballot.until_ms)
    return ballots.stand_at_ms(room.roster, next_epoch(room), room.seat.me, since)


def stand(room: Room, now_ms: int) -> None:
    """Vote for ourselves and ask the others."""
    epoch = next_epoch(room)
    own = _vote(room, room.roster, epoch, room.seat.me)
    room.ballot.hurry = False
    room.ballot.stand(epoch, own, room.seat.me, now_ms + VOTE_MS_MAX)
    room.phase = Phase.STANDING
    room.tell(f"stands for epoch {epoch}")
    electors = [peer for peer in ballots.electors(room.roster) if peer != room.seat.me]
    request = VoteRequest(instance=room.seat.instance, epoch=epoch, base=room.roster.envelope)
    room.say(request, electors)
    _claim_if_elected(room, now_ms)


def consider(room: Room, sender: PeerId, asked: VoteRequest, now_ms: int) -> None:
    """Somebody stands. We vote once an epoch, on a list as new as ours, and only if we do not hear the host either."""
    base = rosters.read(room.seat.pen, asked.base)
    if base.instance != room.seat.instance or base.epoch > room.roster.epoch:
        return
    if base.epoch == room.roster.epoch and base.host != room.host:
        return  # Votes make a host, not a list.
    is_ours = base.digest == room.roster.digest
    if not is_ours and (base.epoch < room.roster.epoch or base.sequence < room.roster.sequence):
        room.say(OnPeerListChanged(list=room.roster.envelope), (sender,))
        return
    if sender not in ballots.electors(base) or room.seat.me not in ballots.electors(base):
        raise PeerFault("a peer asks for votes that may not host, or asks one that may not vote")
    if not is_ours:
        room.adopt(base, now_ms)
    if not base.epoch < asked.epoch <= base.epoch + EPOCHS_AHEAD_MAX or asked.epoch in room.ballot.voted:
        return
    if len(room.ballot.waiting) < VOTE_REQUESTS_PENDING_MAX:
        room.ballot.waiting[sender] = asked.epoch
    _answer_waiting(room, now_ms)


def count(room: Room, sender: PeerId, given: VoteGiven, now_ms: int) -> None:
    """A vote for us."""
    ballot = room.ballot
    vote = room.seat.pen.open(given.vote, SignedKind.VOTE, Vote)
    if (vote.epoch, vote.list) != (ballot.epoch, room.roster.digest):
        return  # It answers an earlier request of ours; no fault.
    voter = ballots.check_vote(room.seat.pen, room.roster, ballot.epoch, room.seat.me, given.vote)
    if voter != sender:
        raise PeerFault("a vote is brought by another peer")
    ballot.votes[voter] = given.vote
    _claim_if_elected(room, now_ms)


def history_of(room: Room) -> History:
    """What we know of this room's hosts."""
    return History(room.roster, room.ballot.claim)


def take_claim(room: Room, _sender: PeerId, said: OnHostChanged, now_ms: int) -> None:
    """A certified claim: the greater standing wins, at any distance in epochs. That of our own epoch we keep, to show it."""
    history, pen = history_of(room), room.seat.pen
    claimed = check_claim(pen, said, history)
    claim, first = claimed.claim, claimed.first
    if first.instance != room.seat.instance:
        return
    if first.standing() < room.roster.standing():
        if room.phase is Phase.HOST:
            for shown in (first, claimed.base):
                _meet(room, shown, now_ms)
        return
    if first.standing() == room.roster.standing():
        room.ballot.claim = room.ballot.claim or claim  # We were seated after it.
        return
    if claimed.is_outvoted and not room.is_host_gone(SUSPICION_MS, now_ms):
        _object(room, first.host)
        return
    if room.phase is Phase.HOST:
        room.say(claim)
    if room.seat.me not in first.peers:
        room.tell(f"epoch {first.epoch} of {first.host[-6:]} goes on without us")
        room.close("another epoch goes on without us")
        return
    if room.seat.me == first.host:
        # Others may know lists of ours that we do not: we must sign no other ones.
        room.close("we hosted a later epoch, and gave it up")
        return
    room.ballot.rest()
    room.ballot.claim = claim
    room.phase = Phase.MEMBER
    room.hosting = Hosting()
    room.adopt(first, now_ms)
    room.tell(f"host is {first.host[-6:]} in epoch {first.epoch}")
    request_work(room, now_ms)


def meet_list(room: Room, _sender: PeerId, said: OnPeerListChanged, now_ms: int) -> None:
    """We host, and are shown a list of a host before us: newer than the one we were elected on, maybe by too few."""
    _meet(room, rosters.read(room.seat.pen, said.list), now_ms)


def _object(room: Room, claimant: PeerId) -> None:
    """We hear our host, and its newer list has members that were not asked. Who was elected honestly yields once it knows."""
    room.tell(f"{claimant[-6:]} was elected on an older list, by too few for ours")
    proof = [room.ballot.claim] if room.ballot.claim is not None else []
    for word in (*proof, OnPeerListChanged(list=room.roster.envelope)):
        room.say(word, (claimant,))


def _meet(room: Room, shown: rosters.Roster, now_ms: int) -> None:
    """A host before us may have had the greater part of the room. From one that was convicted the room was taken by right."""
    is_yielding = shown.host not in room.board.banned and history_of(room).is_outvoted(room.seat.pen, shown)
    if is_yielding and room.phase is Phase.HOST:
        room.tell("the room goes on with the host before us")
        close_all(room, CloseReason.MERGED, now_ms)


def _answer_waiting(room: Room, now_ms: int) -> None:
    """Vote for the waiting candidate of the highest epoch, now that we suspect the host, too."""
    if not room.is_host_gone(SUSPICION_MS, now_ms) or not room.ballot.waiting:
        return
    requests = sorted((epoch, peer) for peer, epoch in room.ballot.waiting.items())
    room.ballot.waiting.clear()
    for epoch, candidate in reversed(requests):
        if epoch <= room.roster.epoch or epoch in room.ballot.voted:
            continue
        vote = _vote(room, room.roster, epoch, candidate)
        room.ballot.until_ms = now_ms + VOTE_MS_MAX
        room.say(VoteGiven(vote=vote), (candidate,))


def _vote(room: Room, base: rosters.Roster, epoch: int, candidate: PeerId) -> SignedEnvelope:
    """One vote an epoch, durable before it is sent."""
    room.ballot.voted[epoch] = candidate
    key = f"{room.seat.job}/{room.seat.instance}/{epoch}"
    room.out.append(fx.Persist("vote", key, candidate.encode()))
    return ballots.cast(room.seat.pen, base, epoch, candidate)


def _claim_if_elected(room: Room, now_ms: int) -> None:
    """With a majority: the first list of our epoch, without the host that failed."""
    ballot, base = room.ballot, room.roster
    if not ballots.has_quorum(base, len(ballot.votes)):
        return
    failed = base.host
    members = tuple(member for member in base.list.members if member.peer != failed)
    silent_ms = min(DURATION_MS_MAX, max(0, now_ms - room.pulse.heard_ms.get(failed, now_ms)))
    reason = RemovalReason.LEFT if room.pulse.has_left(failed) else RemovalReason.HOST_FAILED
    removal = Removal(peer=failed, reason=reason, sub_blocks=(), silent_ms=silent_ms)
    first = rosters.successor(room.seat.pen, base, members, (removal,), ballot.epoch)
    claim = OnHostChanged(
        job=room.seat.job,
        microjob=room.seat.microjob,
        instance=room.seat.instance,
        epoch=ballot.epoch,
        host=room.seat.me,
        base=base.envelope,
        votes=tuple(ballot.votes[peer] for peer in sorted(ballot.votes)),
        list=first.envelope,
        before=history_of(room).elections() or (),
    )
    told = (*room.audience(), failed)
    room.phase = Phase.HOST
    paused_ms = None if room.is_publisher_here else now_ms
    grace_ms = now_ms + TAKEOVER_GRACE_MS
    room.hosting = Hosting(grace_ms=grace_ms, silent_ms=grace_ms, paused_ms=paused_ms)
    room.adopt(first, now_ms)
    room.tell(f"hosts in epoch {first.epoch}")
    room.say(claim, dict.fromkeys(told))
    ballot.rest()
    ballot.claim = claim
    note_news(room, now_ms)
    request_work(room, now_ms)
