"""A member's part: lists, leases to work on, records to keep and repair, heartbeats."""

from __future__ import annotations

from collections.abc import Sequence

from sgnus.core import effects as fx
from sgnus.core import roster as rosters
from sgnus.core.inputs import DeliveryEnded, SubBlockComputed, SubBlockFailed
from sgnus.core.leasing import ask_publisher, lease_out, take_from_leaver
from sgnus.core.pacing import note_news
from sgnus.core.pen import Pen
from sgnus.core.room import Phase, Room
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import HEARTBEAT_MS, IDLE_REQUEST_MS
from sgnus.messages.v1.types import (
    CloseReason,
    Heartbeat,
    Held,
    HeldNotice,
    LeaseRequest,
    LeaseReturned,
    OnPeerListChanged,
    OnProcessed,
    OnSubBlockProcessingStarted,
    ProcessedRecord,
    PublisherView,
    Records,
    RecordsWanted,
    ReturnReason,
    RoomClosed,
    SignedEnvelope,
    SignedKind,
)


# ---- lists
def take_list(room: Room, _sender: PeerId, said: OnPeerListChanged, now_ms: int) -> None:
    """A newer list of the epoch's host, whoever brings it; without us on it, our seat is gone."""
    following = rosters.read(room.seat.pen, said.list)
    if following.instance != room.seat.instance or following.epoch != room.roster.epoch:
        return
    if following.host != room.host:
        raise PeerFault("a list of an epoch by a peer that does not host it")
    if following.sequence == room.roster.sequence and following.digest != room.roster.digest:
        room.tell(f"{room.host[-6:]} signed two lists with one sequence")
        # Not whoever brings the other: it may know of that one alone.
        room.blame(room.host, "it signed two lists with one sequence")
        return
    if following.sequence <= room.roster.sequence:
        return
    if room.seat.me not in following.peers:
        room.work.is_complete_elsewhere = room.work.is_removed = room.work.going_ms is None
        room.close("removed from the list" if room.work.going_ms is None else "left")
        return
    room.adopt(following, now_ms)


# ---- work
def begin(room: Room, sender: PeerId, said: OnSubBlockProcessingStarted, now_ms: int) -> None:
    """The host leased a sub-block: ours to work on, or another's to remember (we may have to succeed the host)."""
    if sender != room.host or said.epoch != room.roster.epoch or said.sub_block >= room.seat.sub_blocks:
        return
    member = PeerId(said.member)
    if room.roster.member(member) is None or room.book.is_held(said.sub_block):
        return
    left_ms = max(1, said.deadline_ms - said.elapsed_ms)
    room.board.note_started(said.sub_block, member, now_ms - said.elapsed_ms, said.elapsed_ms + left_ms)
    seat = room.seat
    room.out.append(
        fx.ProcessingStarted(seat.job, seat.microjob, seat.instance, said.sub_block, member, said.elapsed_ms)
    )
    if member == seat.me and said.sub_block not in room.work.running:
        if said.sub_block in room.work.processed:
            return
        room.work.running.append(said.sub_block)
        if room.work.leaves_ms is not None:
            give_back(room, said.sub_block, "the node is stopping", now_ms)
            return
        room.out.append(fx.Process(seat.job, seat.microjob, seat.instance, said.sub_block, seat.by_app))


def finish(room: Room, _me: PeerId, done: SubBlockComputed, now_ms: int) -> None:
    """Our worker is done: sign the record, tell all, deliver."""
    if done.sub_block not in room.work.running:
        return
    room.work.running.remove(done.sub_block)
    room.work.processed.append(done.sub_block)
    seat = room.seat
    vrf_key = seat.pen.vrf_key if done.opening is not None else None
    record = ProcessedRecord(
        vrf_key=vrf_key,
        job=seat.job,
        microjob=seat.microjob,
        instance=seat.instance,
        sub_block=done.sub_block,
        chunks=done.chunks,
        root=done.root,
        elapsed_ms=done.elapsed_ms,
    )
    envelope = seat.pen.sign(SignedKind.RECORD, record)
    note_record(room, record, envelope, now_ms)
    room.say(OnProcessed(record=envelope))
    room.out.append(
        fx.Deliver(seat.job, seat.microjob, seat.instance, done.sub_block, seat.publisher, envelope)
    )
    lease_if_hosting(room, now_ms)


def give_up(room: Room, _me: PeerId, failed: SubBlockFailed, now_ms: int) -> None:
    """Our worker could not: give the lease back."""
    if failed.sub_block not in room.work.running:
        return
    room.work.running.remove(failed.sub_block)
    if room.phase is Phase.HOST:
        abandoned = failed.reason is not ReturnReason.INPUT_MISSING
        room.board.note_returned(failed.sub_block, room.seat.me, now_ms, abandoned=abandoned)
        ask_publisher(room, failed.detail)
        lease_out(room, now_ms)
        return
    _return(room, failed.sub_block, failed.reason, failed.detail)


def give_back(room: Room, sub_block: int, why: str, now_ms: int) -> None:
    """This node stops: somebody else shall do what we have begun, and nobody is to blame."""
    room.stop(sub_block)
    if room.phase is Phase.HOST:
        take_from_leaver(room, sub_block, room.seat.me, now_ms)
    else:
        _return(room, sub_block, ReturnReason.LEAVING, why)


def _return(room: Room, sub_block: int, reason: ReturnReason, detail: str) -> None:
    returned = LeaseReturned(
        instance=room.seat.instance,
        epoch=room.roster.epoch,
        sub_block=sub_block,
        reason=reason,
        detail=detail[:256],
    )
    room.say(returned, (room.host,))


def delivered(room: Room, _me: PeerId, ended: DeliveryEnded, now_ms: int) -> None:
    """The publisher answered us first; the others hear it from the publisher itself."""
    if ended.held is not None:
        _take_held(room, ended.held, now_ms)
        lease_if_hosting(room, now_ms)


def request_work(room: Room, now_ms: int) -> None:
    """Say what we can take: on joining, to a new host, after a reconnection, and now and then while idle."""
    room.work.asked_ms = now_ms + IDLE_REQUEST_MS
    request = LeaseRequest(
        instance=room.seat.instance,
        epoch=room.roster.epoch,
        free=room.work.free(room.seat.workers),
        working_on=tuple(sorted(room.work.running)),
    )
    if room.phase is Phase.HOST:
        room.board.note_capacity(room.seat.me, request.free, request.working_on, now_ms)
        lease_out(room, now_ms)
    else:
        room.say(request, (room.host,))


# ---- records
def take_record(room: Room, _sender: PeerId, said: OnProcessed, now_ms: int) -> None:
    """A member's signed result, whoever brings it."""
    _take_record(room, said.record, now_ms)
    lease_if_hosting(room, now_ms)


def take_held(room: Room, _sender: PeerId, said: HeldNotice, now_ms: int) -> None:
    """The publisher's word, whoever brings it."""
    _take_all(room, (), said.held, now_ms)
    lease_if_hosting(room, now_ms)


def take_view(room: Room, sender: PeerId, view: PublisherView, now_ms: int) -> None:
    """What the publisher holds of this microjob already, of whichever instance."""
    if sender != room.seat.publisher or (view.job, view.microjob) != (room.seat.job, room.seat.microjob):
        raise PeerFault("a view of somebody who is not the publisher, or of another microjob")
    _take_all(room, (), view.held, now_ms)


def take_records(room: Room, _sender: PeerId, said: Records, now_ms: int) -> None:
    """A repair."""
    _take_all(room, said.processed, said.held, now_ms)
    lease_if_hosting(room, now_ms)


def give_records(room: Room, sender: PeerId, wanted: RecordsWanted, _now_ms: int) -> None:
    """Send what the other side lacks."""
    if room.roster.member(sender) is not None:
        room.say(room.book.beyond(wanted.processed, wanted.held, room.seat.instance), (sender,))


def hear_heartbeat(room: Room, sender: PeerId, beat: Heartbeat, now_ms: int) -> None:
    """Repair what differs: ask for records we lack, send our list to who has an older one."""
    if beat.epoch < room.roster.epoch and room.ballot.claim is not None:
        room.say(room.ballot.claim, (sender,))
    if room.roster.member(sender) is None:
        if room.phase is Phase.HOST:
            room.say(OnPeerListChanged(list=room.roster.envelope), (sender,))
        return
    mine = room.book.summary()
    if len(beat.records) == len(mine) and any(
        theirs & ~ours for theirs, ours in zip(beat.records, mine, strict=True)
    ):
        processed, held = room.book.known()
        room.say(RecordsWanted(instance=room.seat.instance, processed=processed, held=held), (sender,))
    if (beat.epoch, beat.sequence) < (room.roster.epoch, room.roster.sequence):
        room.say(OnPeerListChanged(list=room.roster.envelope), (sender,))


def beat(room: Room, now_ms: int) -> None:
    """Our heartbeat, and a request for work if we have been idle for long."""
    if now_ms >= room.work.beat_ms:
        room.work.beat_ms = now_ms + HEARTBEAT_MS
        members = [peer for peer in room.roster.peers if peer != room.seat.me]
        beat = Heartbeat(
            instance=room.seat.instance,
            epoch=room.roster.epoch,
            sequence=room.roster.sequence,
            records=room.book.summary(),
        )
        room.say(beat, members)
    if now_ms >= room.work.asked_ms and not room.book.is_complete():
        request_work(room, now_ms)


def end(room: Room, sender: PeerId, said: RoomClosed, _now_ms: int) -> None:
    """The host ended the room; or the publisher did, since its records hold a falsehood."""
    if sender == room.seat.publisher or (sender == room.host and sender != room.seat.me):
        room.work.is_complete_elsewhere = said.reason is CloseReason.TAKEN and sender == room.host
        room.close(said.reason.name.lower())


def lease_if_hosting(room: Room, now_ms: int) -> None:
    """Results free workers: the next lease rides on the answer to the previous result."""
    if room.phase is Phase.HOST:
        lease_out(room, now_ms)


def open_held(pen: Pen, envelope: SignedEnvelope, publisher: PeerId) -> Held:
    """The publisher's signed word. Faults: PeerFault."""
    if envelope.author != publisher:
        raise PeerFault("HELD is signed by somebody who is not the publisher")
    return pen.open(envelope, SignedKind.HELD, Held)


def note_record(room: Room, record: ProcessedRecord, envelope: SignedEnvelope, now_ms: int) -> None:
    """Keep a checked record."""
    member = PeerId(envelope.author)
    if not room.book.add_processed(record, envelope):
        return
    room.board.note_processed(record.sub_block, member, now_ms)
    seat = room.seat
    room.out.append(
        fx.Processed(seat.job, seat.microjob, seat.instance, record.sub_block, member, held=False)
    )


def _take_all(
    room: Room, records: Sequence[SignedEnvelope], held: Sequence[SignedEnvelope], now_ms: int
) -> None:
    """Many words in one message: all are checked before the first counts, so that none of a message that is refused does."""
    for envelope in records:
        _open_record(room, envelope)
    for envelope in held:
        _open_held(room, envelope)
    for envelope in records:
        _take_record(room, envelope, now_ms)
    for envelope in held:
        _take_held(room, envelope, now_ms)


def _open_record(room: Room, envelope: SignedEnvelope) -> ProcessedRecord:
    """A member's signed record of this room. Faults: PeerFault."""
    record = room.seat.pen.open(envelope, SignedKind.RECORD, ProcessedRecord)
    if record.instance != room.seat.instance or record.sub_block >= room.seat.sub_blocks:
        raise PeerFault("a record of another instance, or of a sub-block that is none")
    return record


def _open_held(room: Room, envelope: SignedEnvelope) -> Held | None:
    """The publisher's word; None of the room that we left a moment ago. Faults: PeerFault."""
    seat = room.seat
    held = open_held(seat.pen, envelope, seat.publisher)
    if (held.job, held.microjob) != (seat.job, seat.microjob):
        return None
    if held.sub_block >= seat.sub_blocks:
        raise PeerFault("HELD of a sub-block that is none")
    return held


def _take_record(room: Room, envelope: SignedEnvelope, now_ms: int) -> None:
    record = _open_record(room, envelope)
    if room.roster.member(PeerId(envelope.author)) is None:
        return  # Of somebody that was removed a moment ago, or of a stranger: only HELD makes it count.
    note_record(room, record, envelope, now_ms)


def _take_held(room: Room, envelope: SignedEnvelope, now_ms: int) -> None:
    held = _open_held(room, envelope)
    if held is None or not room.book.add_held(held, envelope):
        return
    room.board.note_held(held.sub_block)
    room.stop(held.sub_block)
    note_news(room, now_ms)
    seat, member = room.seat, PeerId(held.member)
    room.out.append(fx.Processed(seat.job, seat.microjob, seat.instance, held.sub_block, member, held=True))
