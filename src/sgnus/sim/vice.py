"""What a hostile peer of a simulated grid is: the honest core, and between it and the world somebody who means harm.

A vice sees all that its peer sees, holds its peer's key and no other honest one, and knows every word that was ever signed.
What it does is said with the effects of an honest core, and with `Poison` and `Written` for what no honest database would write.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core.node import NodeCore
from sgnus.core.room import Phase, Room
from sgnus.crypto.identity import Identity
from sgnus.messages.fields import Message
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.v1.types import EntryKind, SignedEnvelope, SignedKind

ADDS_MS: Final = 20
NO_JOB: Final = BlockId("")


@dataclass(frozen=True, slots=True)
class Poison:
    """Bytes for everybody's database, as they are."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """An entry about the job that lives as long as its author likes: the peer itself, or `by`. Its signature may be none."""

    kind: EntryKind
    body: Message
    lives_ms: int | None = None
    """None: as long as the job."""
    by: Identity | None = None
    is_signed: bool = True


Deed = fx.Effect | Poison | Written


@dataclass(slots=True)
class View:
    """What a vice knows and has. `overheard` are words of anybody, the newest last; `friends` are hostile as well."""

    core: NodeCore
    dice: random.Random
    overheard: Collection[SignedEnvelope]
    peers: tuple[PeerId, ...]
    friends: tuple[PeerId, ...]
    job: BlockId = NO_JOB
    now_ms: int = 0

    @property
    def me(self) -> PeerId:
        return self.core.pen.peer

    @property
    def room(self) -> Room | None:
        room = self.core.room
        return room if room is not None and room.phase is not Phase.CLOSED else None

    @property
    def hosted(self) -> Room | None:
        """The room that it hosts."""
        return self.room if self.room is not None and self.room.phase is Phase.HOST else None

    @property
    def hearers(self) -> tuple[PeerId, ...]:
        """Whom it can talk to."""
        return tuple(self.core.links.connected)

    def rolls(self, permille: int) -> bool:
        """Whether it does something now."""
        return self.dice.randrange(1_000) < permille

    def some_overheard(self, count: int, kinds: Collection[SignedKind] = ()) -> list[SignedEnvelope]:
        """Words of anybody."""
        words = [word for word in self.overheard if not kinds or word.kind in kinds]
        return self.dice.sample(words, min(count, len(words)))

    def forged(self, word: SignedEnvelope, author: PeerId) -> SignedEnvelope:
        """The same, as if another had signed it."""
        return SignedEnvelope(
            kind=word.kind, author=author, payload=word.payload, signature=self.dice.randbytes(64)
        )


class Vice:
    """No vice at all: what each place does in an honest peer. Each vice overrides what it needs."""

    def hears(self, view: View, given: ins.Input) -> ins.Input | None:
        """What its core is given instead."""
        del view
        return given

    def does(self, view: View, effect: fx.Effect) -> Iterable[Deed]:
        """What it does instead."""
        del view
        return [effect]

    def adds(self, view: View, given: ins.Input) -> Iterable[Deed]:
        """What it does besides, when something happened."""
        del view, given
        return ()


@dataclass(slots=True)
class Villain:
    """A hostile peer's vice, and what it sees. It adds something of its own `ADDS_MS` after the last time at the earliest: what
    answers it would otherwise have it do ever more in no time at all.
    """

    vice: Vice
    view: View
    next_ms: int = 0

    def hears(self, core: NodeCore, given: ins.Input, now_ms: int) -> ins.Input | None:
        """What its core is given."""
        self.view.core, self.view.now_ms = core, now_ms
        return self.vice.hears(self.view, given)

    def deeds(self, effects: Iterable[fx.Effect], given: ins.Input) -> list[Deed]:
        """What it does."""
        done: list[Deed] = [deed for effect in effects for deed in self.vice.does(self.view, effect)]
        if self.view.now_ms >= self.next_ms:
            self.next_ms = self.view.now_ms + ADDS_MS
            done += self.vice.adds(self.view, given)
        return done


def own(view: View, effect: fx.Effect, kind: SignedKind) -> SignedEnvelope | None:
    """The peer's own signed word of this kind, if that is what is sent."""
    message = effect.message if isinstance(effect, fx.Send) else None
    is_word = isinstance(message, SignedEnvelope) and message.kind is kind and message.author == view.me
    return message if is_word and isinstance(message, SignedEnvelope) else None
