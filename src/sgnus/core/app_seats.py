"""An app that processes on this node: it takes, keeps and gives back the one seat. The pool gives way to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sgnus.core import asking, moving
from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core.room import Phase, Room
from sgnus.messages.ids import BlockId
from sgnus.messages.limits import APP_CLAIMS_MAX, ELECTION_MS_MAX, SILENCE_MS_MAX, SUSPICION_MS
from sgnus.messages.v1.types import (
    CloseReason,
    RoomJoinStatus,
)

if TYPE_CHECKING:
    from sgnus.core.node import NodeCore


@dataclass(slots=True)
class AppSeat:
    """An app processes on this node: in this room, or (token) still asking for it."""

    job: BlockId
    microjob: int
    token: int | None


@dataclass(frozen=True, slots=True)
class AppClaim:
    """An app that waits for the room's next host. The election may begin `SILENCE_MS_MAX` after the host's last word."""

    token: int
    job: BlockId
    microjob: int
    epoch: int
    until_ms: int


def answer_app(node: NodeCore, status: RoomJoinStatus, detail: str) -> None:
    app = node.app
    if app is None or app.token is None:
        return
    host = node.room.host if node.room is not None else ""
    node.out.append(fx.AnswerApp(app.token, status, host, app.microjob, detail))
    if status is RoomJoinStatus.OK:
        app.token = None
    else:
        node.app = None


def _is_refused(node: NodeCore, token: int, microjob: int) -> bool:
    """A node that stops gives no seat to apps."""
    if node.own.is_stopping:
        detail = "the node is stopping"
        node.out.append(fx.AnswerApp(token, RoomJoinStatus.REFUSED, "", microjob, detail))
    return node.own.is_stopping


def app_joins(node: NodeCore, given: ins.AppJoins, now_ms: int) -> None:
    """An app wants this room: our pool gives way, since we sit in one room at a time."""
    room = node.room
    if _is_refused(node, given.token, given.microjob):
        return
    if (
        room is not None
        and room.seat.by_app
        and (room.seat.job, room.seat.microjob) == (given.job, given.microjob)
    ):
        node.out.append(fx.AnswerApp(given.token, RoomJoinStatus.OK, room.host, given.microjob, ""))
        return
    if node.app is not None:
        node.out.append(
            fx.AnswerApp(given.token, RoomJoinStatus.BUSY, "", given.microjob, "an app has a seat already")
        )
        return
    lobby = node.jobs.get(given.job)
    known = lobby.room_of(given.microjob, now_ms) if lobby else None
    if lobby is None or known is None or known.host == node.pen.peer:
        detail = "no such room is known"
        status = RoomJoinStatus.ROOM_DOES_NOT_EXIST
        node.out.append(fx.AnswerApp(given.token, status, "", given.microjob, detail))
        return
    moving.leave(node, None, now_ms)
    node.room, node.search.pending = None, None
    node.app = AppSeat(given.job, given.microjob, given.token)
    asking.ask(node, lobby, known, now_ms)


def app_hosts(node: NodeCore, given: ins.AppHosts, now_ms: int) -> None:
    """An app asks us to host: by votes in its own room, else by founding the next microjob without a room.

    The one that the app names comes first; where that has a room already, another will do.
    """
    room = node.room
    if _is_refused(node, given.token, given.microjob or 0):
        return
    here = (room.seat.job, room.seat.microjob) if room is not None else None
    if room is not None and room.seat.by_app and here == (given.job, given.microjob):
        _claim(node, room, given.token, now_ms)
        return
    lobby = node.jobs.get(given.job)
    free = [number for number in lobby.without_room(now_ms) if here != (given.job, number)] if lobby else []
    free.sort(key=lambda number: number != given.microjob)
    if lobby is None or not free or node.app is not None:
        detail = "no microjob of this job is without a room"
        status = RoomJoinStatus.BUSY if node.app is not None else RoomJoinStatus.DONE
        node.out.append(fx.AnswerApp(given.token, status, "", given.microjob or 0, detail))
        return
    moving.leave(node, None, now_ms)
    node.app = AppSeat(given.job, free[0], None)
    moving.found(node, lobby, free[0], now_ms, by_app=True)
    node.out.append(fx.AnswerApp(given.token, RoomJoinStatus.OK, node.pen.peer, free[0], ""))


def _claim(node: NodeCore, room: Room, token: int, now_ms: int) -> None:
    """If the host is gone, we stand first; the app hears who hosts once that is known (`answer_claims`)."""
    if len(node.search.claims) >= APP_CLAIMS_MAX:
        detail = "too many apps wait for this room's host already"
        node.out.append(fx.AnswerApp(token, RoomJoinStatus.BUSY, "", room.seat.microjob, detail))
        return
    until_ms = now_ms + SILENCE_MS_MAX + ELECTION_MS_MAX
    node.search.claims.append(AppClaim(token, room.seat.job, room.seat.microjob, room.roster.epoch, until_ms))
    if room.phase is not Phase.HOST:
        room.ballot.hurry = room.pulse.is_gone(room.host, SUSPICION_MS, now_ms)
        node.to_room(node.pen.peer, ins.Tick(), now_ms)


def answer_claims(node: NodeCore, now_ms: int) -> None:
    """Answer every claim whose room has a host again, has ended, or has had its time."""
    waiting, node.search.claims = node.search.claims, []
    for claim in waiting:
        answer = _outcome(node.room, claim, now_ms)
        if answer is None:
            node.search.claims.append(claim)
        else:
            node.out.append(answer)


def _outcome(room: Room | None, claim: AppClaim, now_ms: int) -> fx.AnswerApp | None:
    """What there is to say by now. A host that is gone is never named."""
    if room is None or (room.seat.job, room.seat.microjob) != (claim.job, claim.microjob):
        detail = "this node has no seat in that room any more"
        return fx.AnswerApp(claim.token, RoomJoinStatus.ROOM_DOES_NOT_EXIST, "", claim.microjob, detail)
    is_here = room.phase is Phase.HOST or not room.pulse.is_gone(room.host, SUSPICION_MS, now_ms)
    if is_here or room.roster.epoch > claim.epoch:
        room.ballot.hurry = False
        return fx.AnswerApp(claim.token, RoomJoinStatus.OK, room.host, claim.microjob, "")
    if now_ms >= claim.until_ms:
        detail = "the room has no other host yet"
        return fx.AnswerApp(claim.token, RoomJoinStatus.BUSY, "", claim.microjob, detail)
    return None


def app_leaves(node: NodeCore, given: ins.AppLeaves, now_ms: int) -> None:
    """The app is gone or has had enough."""
    room = node.room
    had = node.app is not None and (node.app.job, node.app.microjob) == (given.job, given.microjob)
    if had and room is not None and room.seat.by_app:
        alone = room.phase is Phase.HOST and len(room.roster.peers) == 1
        moving.leave(node, CloseReason.EXPIRED if alone else None, now_ms)
    if had:
        node.app = None
    status = RoomJoinStatus.OK if had else RoomJoinStatus.ROOM_DOES_NOT_EXIST
    node.out.append(fx.AnswerApp(given.token, status, "", given.microjob, ""))
