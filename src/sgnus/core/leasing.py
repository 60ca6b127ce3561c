"""The host's part about work: who gets which sub-block, what comes back, what goes to the publisher.

Nothing is leased before the publisher's view is known (it tells a founder what it holds already), nor while it is away.
"""

from __future__ import annotations

from sgnus.core import effects as fx
from sgnus.core.leases import Lease
from sgnus.core.pacing import note_news
from sgnus.core.room import Phase, Room
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import REMIND_MS
from sgnus.messages.v1.types import (
    LeaseRequest,
    LeaseReturned,
    OnPeerListChanged,
    OnSubBlockProcessingStarted,
    PublisherView,
    ReturnReason,
    SubBlockAbandoned,
)


def take_request(room: Room, sender: PeerId, asked: LeaseRequest, now_ms: int) -> None:
    """A member says what it can take."""
    if room.roster.member(sender) is None or asked.epoch != room.roster.epoch:
        return
    numbers = [number for number in asked.working_on if number < room.seat.sub_blocks]
    room.board.note_capacity(sender, asked.free, numbers, now_ms)
    lease_out(room, now_ms)


def take_back(room: Room, sender: PeerId, returned: LeaseReturned, now_ms: int) -> None:
    """A member gives a sub-block back; a missing input is nobody's fault."""
    if room.roster.member(sender) is None:
        return
    abandoned = returned.reason in (ReturnReason.ABANDONED, ReturnReason.TRAPPED)
    room.tell(f"{sender[-6:]} returns sub-block {returned.sub_block}: {returned.detail}")
    if returned.reason is ReturnReason.LEAVING:
        take_from_leaver(room, returned.sub_block, sender, now_ms)
    else:
        room.board.note_returned(returned.sub_block, sender, now_ms, abandoned=abandoned)
    ask_publisher(room, returned.detail)
    lease_out(room, now_ms)


def take_from_leaver(room: Room, sub_block: int, member: PeerId, now_ms: int) -> None:
    """A member stops, and says LEAVE when what is nearly done is done: it gets no lease any more, and what it gives back
    waits for nothing, since nothing is wrong with it.
    """
    if member not in room.board.leaving:
        room.board.leaving.append(member)
    room.board.note_returned(sub_block, member, now_ms, abandoned=False)
    room.board.returns.not_before_ms.pop(sub_block, None)


def ask_publisher(room: Room, reason: str) -> None:
    """What enough members abandoned is run by the publisher itself."""
    seat = room.seat
    for number in room.board.to_publisher(room.roster.peers):
        room.say(
            SubBlockAbandoned(
                instance=seat.instance,
                job=seat.job,
                microjob=seat.microjob,
                sub_block=number,
                reason=reason[:256],
            ),
            (seat.publisher,),
        )


def take_view(room: Room, view: PublisherView, now_ms: int) -> None:
    """The publisher's view is here: work may begin. It may have forgotten what it was asked to run: ask again."""
    hosting = room.hosting
    if not hosting.has_view or hosting.preferred != view.preferred:
        note_news(room, now_ms)
    hosting.has_view, hosting.preferred = True, view.preferred
    room.board.returns.asked.clear()
    ask_publisher(room, "asked again")
    lease_out(room, now_ms)


def lease_out(room: Room, now_ms: int) -> None:
    """Give out what is open."""
    hosting = room.hosting
    if not hosting.has_view or hosting.paused_ms is not None or now_ms < hosting.grace_ms:
        return
    workers = [(PeerId(member.peer), member.workers) for member in room.roster.list.members]
    before = len(room.board.open_sub_blocks(now_ms))
    for lease in room.board.grant(workers, now_ms):
        _start(room, lease, now_ms)
    if before and not room.board.open_sub_blocks(now_ms):
        note_news(room, now_ms)


def _start(room: Room, lease: Lease, now_ms: int) -> None:
    seat = room.seat
    room.say(
        OnSubBlockProcessingStarted(
            instance=seat.instance,
            epoch=room.roster.epoch,
            sub_block=lease.sub_block,
            member=lease.member,
            elapsed_ms=0,
            deadline_ms=max(1, lease.deadline_ms - now_ms),
        )
    )
    room.out.append(
        fx.ProcessingStarted(seat.job, seat.microjob, seat.instance, lease.sub_block, lease.member, 0)
    )
    if lease.member == seat.me:
        room.work.running.append(lease.sub_block)
        room.out.append(fx.Process(seat.job, seat.microjob, seat.instance, lease.sub_block, seat.by_app))


def pause_or_resume(room: Room, now_ms: int) -> None:
    """Deadlines stop while the publisher is away."""
    hosting = room.hosting
    if not room.is_publisher_here and hosting.paused_ms is None:
        hosting.paused_ms = now_ms
        room.tell("waits for the publisher")
        note_news(room, now_ms)
    elif room.is_publisher_here and hosting.paused_ms is not None:
        room.board.shift(now_ms - hosting.paused_ms)
        hosting.paused_ms = None
        note_news(room, now_ms)


def remind(room: Room, now_ms: int) -> None:
    """A host that has given out nothing for `REMIND_MS` says its list to the publisher again, and gets its view in answer. A
    stream may lose what was said on it while both sides think that it stands; then each would wait for the other for ever.
    """
    hosting = room.hosting
    is_at_work = hosting.has_view and any(not (lease.late or lease.processed) for lease in room.board.leases)
    if is_at_work or hosting.paused_ms is not None or room.book.is_complete():
        hosting.idle_ms = None
    elif hosting.idle_ms is None:
        hosting.idle_ms = now_ms
    elif now_ms - hosting.idle_ms >= REMIND_MS:
        hosting.idle_ms = now_ms
        show_list(room)


def show_list(room: Room) -> None:
    """A host says to the publisher who is here, and by which votes it hosts: by a list alone anybody could."""
    if room.ballot.claim is not None:
        room.say(room.ballot.claim, (room.seat.publisher,))
    room.say(OnPeerListChanged(list=room.roster.envelope), (room.seat.publisher,))


def expire(room: Room, now_ms: int) -> None:
    """Late sub-blocks go to others, too."""
    if room.phase is Phase.HOST and room.hosting.paused_ms is None:
        for member in room.board.expire(now_ms):
            room.tell(f"{member[-6:]} missed a deadline")
        ask_publisher(room, "abandoned, or late wherever it is not")
