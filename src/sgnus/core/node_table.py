"""Which part of a node an input concerns. One handler each; an input without one is a bug (a test holds that)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sgnus.core import app_seats, departing, judging, moving, observing, pacing, rechecking, rounds, seeking
from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core.admission import Standing
from sgnus.core.doubts import Report
from sgnus.core.lobby import Lobby, forget, is_stalled
from sgnus.core.publication import Publication
from sgnus.core.room import Phase, Room
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.limits import YIELDED_MS
from sgnus.messages.topics import lobby_topic
from sgnus.messages.v1.types import (
    CloseReason,
    HeldNotice,
    JoinAnswer,
    Leave,
    MemberLeft,
    MemberList,
    OnHostChanged,
    OnPeerListChanged,
    OnProcessed,
    OnSubBlockProcessingStarted,
    ProcessedRecord,
    PublisherView,
    ReceiptGiven,
    RoomAnnouncement,
    RoomClosed,
    SignedEnvelope,
    SignedKind,
    SubBlockAbandoned,
    VoteGiven,
    VoteRequest,
)

if TYPE_CHECKING:
    from sgnus.core.node import NodeCore


def _job(node: NodeCore, given: ins.JobChanged, now_ms: int) -> None:
    facts = given.facts
    lobby = node.jobs.get(facts.job)
    if lobby is None and facts.open:
        lobby = node.jobs[facts.job] = Lobby(node.pen.peer, facts, now_ms, now_ms)
        lobby.shunned = {host: until for host, until in node.search.hosts.starving.items() if until > now_ms}
        node.search.seek_ms = now_ms
        node.links.learn(facts.publisher, facts.address)
        node.out.append(fx.Subscribe(lobby_topic(facts.job)))
    elif lobby is not None:
        lobby.facts = facts
    if facts.publisher == node.pen.peer:
        own = node.publications.setdefault(facts.job, Publication(node.pen, facts))
        own.facts = facts
    rounds.job_changed(node, facts)
    if node.room is not None and node.room.seat.job == facts.job:
        node.room.board.banned = node.own.bans(facts)
    if not facts.open:
        _end_job(node, facts, now_ms)


def _job_forgotten(node: NodeCore, given: ins.JobForgotten, now_ms: int) -> None:
    """Until then others may ask for what we published, and for its receipts."""
    lobby, own = node.jobs.get(given.job), node.publications.pop(given.job, None)
    known = lobby or own
    if known is not None:
        facts = replace(known.facts, open=False)
        rounds.job_changed(node, facts)
        _end_job(node, facts, now_ms)


def _end_job(node: NodeCore, facts: ins.JobFacts, now_ms: int) -> None:
    if node.jobs.pop(facts.job, None) is not None:
        node.out.append(fx.Unsubscribe(lobby_topic(facts.job)))
    publication = node.publications.get(facts.job)
    if publication is not None:
        publication.is_done = True
    node.out += node.outbox.drop_job(facts.job)
    room = node.room
    if room is not None and room.seat.job == facts.job and room.phase is not Phase.CLOSED:
        complete = room.book.is_complete()
        moving.leave(node, CloseReason.TAKEN if complete else CloseReason.CANCELLED, now_ms)
    if node.search.pending is not None and node.search.pending.job == facts.job:
        node.search.pending = None


def _said(node: NodeCore, given: ins.PeerSaid, now_ms: int) -> None:
    message = given.message
    if isinstance(message, SignedEnvelope):
        rounds.hear(node, given.peer, message, now_ms)
        return
    if isinstance(message, ReceiptGiven):
        rounds.take_receipt(node, given.peer, message, now_ms)
        return
    if isinstance(message, RoomClosed):
        rounds.closed(node, given.peer, message)
        for lobby in node.jobs.values():
            if given.peer == lobby.facts.publisher:
                forget(lobby, InstanceId(message.instance))
    if isinstance(message, HeldNotice):
        if len(dict.fromkeys(envelope.author for envelope in message.held)) > 1:
            raise PeerFault("a notice of what several publishers hold")
        rounds.take_held(node, message, now_ms)
    if isinstance(message, JoinAnswer):
        seeking.take_answer(node, given.peer, message, now_ms)
        return
    if isinstance(message, OnPeerListChanged | VoteRequest):
        seeking.take_list(node, message, now_ms)
    job = _publication_of(node, message)
    if job is not None and isinstance(message, OnHostChanged):
        node.to_publication(job, observing.see_claim, given.peer, message, node.links.connected)
    elif job is not None and type(message) in _OBSERVED:
        node.to_publication(job, _OBSERVED[type(message)], given.peer, message)
    if isinstance(message, OnPeerListChanged) and message.moves_from:
        moving.follow(node, given.peer, message, now_ms)
        return
    if node.room is not None and _concerns(node, message, node.room):
        node.to_room(given.peer, message, now_ms)
    if isinstance(message, PublisherView):
        _meet_preferred(node, given.peer, message, now_ms)


def _meet_preferred(node: NodeCore, sender: PeerId, view: PublisherView, now_ms: int) -> None:
    """If the instance that the publisher prefers lives, and something is done there, our room need not wait for its next word.
    A view of another microjob, or anybody else's, says nothing of our room.
    """
    room = node.room
    if room is None or room.phase is not Phase.HOST or sender != room.seat.publisher:
        return
    if not _concerns(node, view, room):
        return
    lobby = node.jobs.get(BlockId(view.job))
    known = lobby.rooms.get(InstanceId(view.preferred)) if lobby is not None else None
    if lobby is None or known is None or known.announcement.microjob != view.microjob:
        return
    is_living = any(room is known for room in lobby.living(now_ms))
    if is_living and not is_stalled(lobby, known.host, view.microjob, now_ms):
        node.to_room(known.host, ins.RoomHeard(known.host, known.announcement), now_ms)


def _publication_of(node: NodeCore, message: object) -> Publication | None:
    """The publication that a room's message is about, if it is ours."""
    job = getattr(message, "job", None)
    if isinstance(message, OnPeerListChanged):
        job = _job_of(node, message)
    if job is not None:
        return node.publications.get(BlockId(job))
    instance = InstanceId(_named_instance(node, message))
    for publication in node.publications.values():
        if any(instance in shelf.instances for shelf in publication.shelves.values()):
            return publication
    return None


def _connected(node: NodeCore, given: ins.PeerConnected, now_ms: int) -> None:
    if given.peer not in node.links.connected:
        node.links.connected.append(given.peer)
    node.search.unserved.pop(given.peer, None)
    node.outbox.publisher_is_here(given.peer, now_ms)
    node.to_room(given.peer, given, now_ms)
    rounds.connected(node, given.peer)


def _lost(node: NodeCore, given: ins.PeerLost, now_ms: int) -> None:
    if given.peer in node.links.connected:
        node.links.connected.remove(given.peer)
    node.to_room(given.peer, given, now_ms)
    rounds.lost(node, given.peer, now_ms)


def _heard(node: NodeCore, given: ins.RoomHeard, now_ms: int) -> None:
    said = given.announcement
    lobby = node.jobs.get(BlockId(said.job))
    if lobby is None or given.host in lobby.facts.banned:
        return
    lobby.hear(given, now_ms)
    if said.sequence and said.microjob < lobby.facts.microjobs:
        is_excused = said.waiting and not seeking.is_near(node, lobby)
        delivered = min(said.delivered, lobby.facts.sub_blocks_of(said.microjob))
        report = Report(said.instance, delivered, now_ms, _proved(node.room, said))
        silent_ms = pacing.stale_ms(lobby.crowd)
        lobby.doubts.hear(given.host, said.microjob, report, is_excused=is_excused, silent_ms=silent_ms)
    is_ours = node.room is not None and node.room.seat.instance == said.instance
    is_idle = is_stalled(lobby, given.host, said.microjob, now_ms) and not is_ours
    if is_idle or node.search.hosts.starving.get(given.host, now_ms) > now_ms:
        return  # It shall not end our room: whoever sits in its own has nothing to do.
    room = node.room
    if room is not None and room.seat.job == said.job and room.phase is Phase.HOST:
        pacing.note_crowd(room, lobby.crowd, now_ms)
    if room is None or (said.job, said.microjob) != (room.seat.job, room.seat.microjob):
        return
    is_host = room.phase is Phase.HOST
    may_end_ours = said.instance in (room.seat.instance, room.hosting.preferred) or said.closing
    if is_host and not may_end_ours and lobby.doubts.yielded.get(given.host, now_ms) > now_ms:
        return  # Our room ended for one of its rooms a moment ago; it must not end one after the other by words alone.
    node.to_room(given.host, given, now_ms)
    if is_host and room.phase is Phase.HOST and _gives_way(lobby, room, said, now_ms):
        moving.leave(node, CloseReason.MERGED, now_ms)
    if is_host and room.phase is Phase.CLOSED:
        lobby.doubts.yielded = {peer: until for peer, until in lobby.doubts.yielded.items() if until > now_ms}
        lobby.doubts.yielded[given.host] = now_ms + YIELDED_MS


def _gives_way(lobby: Lobby, room: Room, rival: RoomAnnouncement, now_ms: int) -> bool:
    """The publisher prefers a room that is neither's, and that lives no more or does nothing: of the others the lower instance
    goes on, as where nothing was delivered yet.
    """
    preferred, ours = room.hosting.preferred, room.seat.instance
    if (
        rival.closing
        or not rival.sequence
        or rival.instance >= ours
        or preferred in ("", ours, rival.instance)
    ):
        return False
    known = lobby.rooms.get(InstanceId(preferred))
    if known is None or all(one is not known for one in lobby.living(now_ms)):
        return True
    return is_stalled(lobby, known.host, rival.microjob, now_ms)


def _proved(room: Room | None, said: RoomAnnouncement) -> int | None:
    """How much a rival of the room that we host delivered by itself; None where we do not know it."""
    if room is None or (said.job, said.microjob) != (room.seat.job, room.seat.microjob):
        return None
    is_known = room.phase is Phase.HOST and room.hosting.has_view and said.instance != room.seat.instance
    return room.book.held_of(said.instance) if is_known else None


def _seat_asked(node: NodeCore, given: ins.SeatAsked, now_ms: int) -> None:
    room = node.room
    if room is not None and (given.request.job, given.request.microjob) == (
        room.seat.job,
        room.seat.microjob,
    ):
        node.to_room(given.peer, given, now_ms)


def _delivery(node: NodeCore, given: ins.DeliveryEnded, now_ms: int) -> None:
    held = given.held is not None
    node.out += node.outbox.ended(given.instance, given.sub_block, now_ms, held=held)
    room = node.room
    if room is None:
        return
    # What we did in another instance of its microjob is held as well, by the word of its publisher.
    is_known = given.held is not None and given.held.author == room.seat.publisher
    if is_known or room.seat.instance == given.instance:
        node.to_room(node.pen.peer, given, now_ms)


def _work_ended(node: NodeCore, given: ins.SubBlockComputed | ins.SubBlockFailed, now_ms: int) -> None:
    if isinstance(given, ins.SubBlockComputed) and given.opening is not None:
        node.rounds.keep_opening(given.opening)
    if node.room is not None and node.room.seat.instance == given.instance:
        node.to_room(node.pen.peer, given, now_ms)


def _of_publication(node: NodeCore, given: Any, _now_ms: int) -> None:
    publication = node.publications.get(given.job)
    if publication is None:
        if isinstance(given, ins.OutputsStored):
            node.out.append(fx.AnswerHeld(given.token, None, "this node does not publish that job"))
        return
    node.to_publication(publication, _PUBLICATION[type(given)], given)


def _rechecked(node: NodeCore, given: ins.Rechecked, now_ms: int) -> None:
    own = node.publications.get(given.job)
    if own is not None:
        node.to_publication(own, rechecking.rechecked, given, now_ms)


def _tick(node: NodeCore, given: ins.Tick, now_ms: int) -> None:
    node.to_room(node.pen.peer, given, now_ms)
    rounds.tick(node, now_ms)


def _refused(node: NodeCore, given: ins.PeersRefused, _now_ms: int) -> None:
    node.own.refused = given.peers
    lobby = node.jobs.get(node.room.seat.job) if node.room is not None else None
    if node.room is not None and lobby is not None:
        node.room.board.banned = node.own.bans(lobby.facts)


def _neighbours(node: NodeCore, given: ins.NeighboursChanged, _now_ms: int) -> None:
    for peer in given.peers:
        if peer not in node.search.neighbours:
            node.search.unserved.pop(peer, None)
    node.search.neighbours = given.peers


def _records(node: NodeCore, given: ins.RecordsChanged, _now_ms: int) -> None:
    node.own.standing = Standing(given.records)
    if node.room is not None:
        node.room.hosting.door.standing = node.own.standing


# ---- reading what others say about which room
def _job_of(node: NodeCore, said: OnPeerListChanged) -> str | None:
    """The job of a signed list."""
    return node.pen.open(said.list, SignedKind.LIST, MemberList).job


def _named_instance(node: NodeCore, message: object) -> str:
    """The instance that a message names, in itself or in what it carries signed. Faults: PeerFault."""
    named = getattr(message, "instance", "")
    if isinstance(message, OnProcessed):
        named = node.pen.open(message.record, SignedKind.RECORD, ProcessedRecord).instance
    elif isinstance(message, OnPeerListChanged):
        named = node.pen.open(message.list, SignedKind.LIST, MemberList).instance
    elif isinstance(message, MemberLeft):
        named = node.pen.open(message.leave, SignedKind.LEAVE, Leave).instance
    return str(named)


def _concerns(node: NodeCore, message: object, room: Room) -> bool:
    """Whether a message is for the room that we sit in; late words of a room that we left are nobody's fault."""
    seat = room.seat
    if isinstance(message, PublisherView):
        return (message.job, message.microjob) == (seat.job, seat.microjob)
    if isinstance(message, HeldNotice):
        # The publisher of a room that we left, in another job, speaks of what it holds there.
        return any(envelope.author == seat.publisher for envelope in message.held)
    if isinstance(message, VoteGiven):
        return True
    return _named_instance(node, message) == seat.instance


_OBSERVED: Final[dict[type, Callable[..., None]]] = {
    OnPeerListChanged: observing.see_list,
    OnSubBlockProcessingStarted: observing.see_started,
    OnProcessed: observing.see_processed,
    SubBlockAbandoned: observing.see_abandoned,
}
_PUBLICATION: Final[dict[type, Callable[..., None]]] = {
    ins.OutputsStored: rechecking.store,
    ins.HeldLoaded: Publication.load,
    ins.PublisherRan: Publication.ran,
    ins.ReceiptFetched: judging.take_settled,
}
ROUTES: Final[dict[type, Callable[[Any, Any, int], None]]] = {
    ins.JobChanged: _job,
    ins.JobForgotten: _job_forgotten,
    ins.RoomHeard: _heard,
    ins.SeatAsked: _seat_asked,
    ins.PeerConnected: _connected,
    ins.PeerLost: _lost,
    ins.PeerSaid: _said,
    ins.Tick: _tick,
    ins.SubBlockComputed: _work_ended,
    ins.SubBlockFailed: _work_ended,
    ins.DeliveryEnded: _delivery,
    ins.OutputsStored: _of_publication,
    ins.HeldLoaded: _of_publication,
    ins.PublisherRan: _of_publication,
    ins.ReceiptFetched: _of_publication,
    ins.Rechecked: _rechecked,
    ins.Reexecuted: rounds.reexecuted,
    ins.PeersRefused: _refused,
    ins.AppJoins: app_seats.app_joins,
    ins.AppHosts: app_seats.app_hosts,
    ins.AppLeaves: app_seats.app_leaves,
    ins.NeighboursChanged: _neighbours,
    ins.RecordsChanged: _records,
    ins.Stopping: departing.stop,
}
