"""The vice of those that poison the job database: entries and bytes that no copy may hold, and rooms that never were."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sgnus.core import inputs as ins
from sgnus.crypto.identity import Identity
from sgnus.messages.fields import Message
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import (
    CancelBody,
    DoneBody,
    DoneStatus,
    EntryKind,
    ReviseBody,
    RoomBody,
    SettledBody,
    TakenBody,
)
from sgnus.sim.pens import CheapPen, address_of
from sgnus.sim.vice import Deed, Poison, Vice, View, Written
from sgnus.wire.codec import encode

MINUTE_MS: Final = 60_000
ROOM_LIVES_MS: Final = tuple(minutes * MINUTE_MS for minutes in (-50, 1, 10, 15, 180, 43_200))
"""Over; as they should be; as long as they may be, or nearly, by a clock that is wrong; far too long."""
MICROJOBS: Final = (0, 0, 0, 1, 2, 1 << 20)
DOZEN: Final = 12


class Poisoner(Vice):
    """It writes to the job database what it may not: ends of others' jobs and the like, rooms by the dozen, in its own name and
    in those of keys that it made up, what nobody signed, and bytes that are no entry.
    """

    def adds(self, view: View, given: ins.Input) -> Iterable[Deed]:
        if not view.job or not view.rolls(100):
            return ()
        dice = view.dice
        match dice.randrange(5):
            case 0:
                return [Poison(dice.randbytes(dice.choice((0, 1, 40, 3_000))))]
            case 1:
                return [Poison(b"\xa8" + dice.randbytes(100))]
            case 2:
                return [Written(*dice.choice(_not_its_own(view)))]
            case 3:
                return [_room(view, None, is_signed=not view.rolls(300)) for _ in range(DOZEN)]
            case _:
                microjob = dice.choice(MICROJOBS)
                return [_room(view, _made_up_key(view), microjob) for _ in range(DOZEN)]


def _not_its_own(view: View) -> list[tuple[EntryKind, Message]]:
    """What the job's author alone may say of it, or a SGNUS node."""
    microjob, digest = view.dice.randrange(5), view.dice.randbytes(32)
    return [
        (EntryKind.CANCEL, CancelBody(reason="it is mine")),
        (EntryKind.DONE, DoneBody(status=DoneStatus.COMPLETED, reason="")),
        (EntryKind.REVISE, ReviseBody(priority=1, paused=True)),
        (EntryKind.TAKEN, TakenBody(microjob=microjob, root=bytes(32), receipt=digest)),
        (EntryKind.SETTLED, SettledBody(microjob=microjob, receipt=digest, audited=False)),
    ]


def _made_up_key(view: View) -> Identity:
    return Identity.from_seed(view.dice.randbytes(32))


def _room(view: View, by: Identity | None, microjob: int | None = None, *, is_signed: bool = True) -> Written:
    """A room that never was."""
    address = view.core.own.address if by is None else address_of(CheapPen(PeerId(by.peer_id)))
    body = RoomBody(
        microjob=view.dice.choice(MICROJOBS) if microjob is None else microjob,
        instance=view.dice.randbytes(32).hex(),
        epoch=1,
        address=encode(address) if view.dice.randrange(8) else b"nowhere",
    )
    return Written(EntryKind.ROOM, body, view.dice.choice(ROOM_LIVES_MS), by, is_signed)
