"""Messages that no honest peer would send: well formed, plausible in parts, and wrong."""

from __future__ import annotations

import random
from typing import Any

from sgnus.messages.fields import Field, Kind, Message
from sgnus.messages.ids import PeerId
from sgnus.messages.v1 import types as v1
from sgnus.messages.v1.types import SignedEnvelope, SignedKind
from sgnus.sim.pens import CheapPen
from sgnus.wire.codec import encode

SAID: tuple[type[Message], ...] = tuple(
    field.type
    for field in v1.PeerMessage.FIELDS
    if field.type is not None and issubclass(field.type, Message)
)
SIGNED: dict[SignedKind, type[Message]] = {
    SignedKind.ADDRESS: v1.AddressRecord,
    SignedKind.JOIN: v1.JoinRequest,
    SignedKind.LIST: v1.MemberList,
    SignedKind.VOTE: v1.Vote,
    SignedKind.RECORD: v1.ProcessedRecord,
    SignedKind.HELD: v1.Held,
    SignedKind.LEAVE: v1.Leave,
    SignedKind.PROPOSAL: v1.Proposal,
    SignedKind.SUSPICION: v1.Suspicion,
    SignedKind.SEAL: v1.Seal,
    SignedKind.REVEAL: v1.Reveal,
    SignedKind.BEACON: v1.BeaconOutput,
    SignedKind.BEACON_MISSED: v1.BeaconMissed,
    SignedKind.VERDICT: v1.Verdict,
    SignedKind.OPENING: v1.Opening,
}
KIND_OF = {
    "list": SignedKind.LIST,
    "base": SignedKind.LIST,
    "vote": SignedKind.VOTE,
    "votes": SignedKind.VOTE,
    "record": SignedKind.RECORD,
    "processed": SignedKind.RECORD,
    "held": SignedKind.HELD,
    "leave": SignedKind.LEAVE,
    "join": SignedKind.JOIN,
    "address": SignedKind.ADDRESS,
    "leaves": SignedKind.LEAVE,
    "suspicions": SignedKind.SUSPICION,
    "reveals": SignedKind.REVEAL,
}


class Babbler:
    """Makes up messages. It holds the keys of `corrupt` peers, and knows everything that was ever said."""

    def __init__(
        self,
        dice: random.Random,
        words: list[str],
        corrupt: list[PeerId],
        seen: list[SignedEnvelope],
        plausible: dict[str, list[Any]],
    ) -> None:
        self.dice = dice
        self.words = words
        self.corrupt = corrupt
        self.seen = seen
        self.plausible = plausible

    def message(self, kind: type[Message], depth: int = 0) -> Any:
        """Any message of this type, within what the codec lets through."""
        if kind is SignedEnvelope:
            return self.envelope("", depth)
        values: dict[str, Any] = {}
        for field in kind.FIELDS:
            if not field.required and not field.repeated and self.dice.randrange(2):
                values[field.name] = None
            else:
                values[field.name] = self._value(field, depth)
        return kind(**values)

    def envelope(self, name: str, depth: int) -> SignedEnvelope:
        """Overheard, signed by a corrupt peer, or forged."""
        due = KIND_OF.get(name)
        overheard = [x for x in self.seen if due is None or x.kind is due]
        roll = self.dice.randrange(4)
        if overheard and roll < 2:
            return self.dice.choice(overheard)
        kind = due or self.dice.choice(list(SIGNED))
        message = self.message(SIGNED[kind], depth + 1)
        if roll == 2 or depth > 3:
            payload = encode(message)
            return SignedEnvelope(
                kind=kind, author=self.dice.choice(self.words)[:64], payload=payload, signature=bytes(64)
            )
        return CheapPen(self.dice.choice(self.corrupt)).sign(kind, message)

    def _value(self, field: Field, depth: int) -> Any:
        if not field.repeated:
            return self._one(field, depth)
        most = min(field.items_max or 4, 12)
        count = self.dice.choice((0, 1, 2, most)) if depth < 3 else 0
        return tuple(self._one(field, depth) for _ in range(count))

    def _one(self, field: Field, depth: int) -> Any:
        if field.name in self.plausible and self.dice.randrange(6):
            return self.dice.choice(self.plausible[field.name])
        if field.kind is Kind.MESSAGE and field.type is SignedEnvelope:
            return self.envelope(field.name, depth + 1)
        if field.kind is Kind.MESSAGE:
            assert field.type is not None
            return self.message(field.type, depth + 1)
        if field.kind is Kind.ENUM:
            choices: Any = field.type
            return self.dice.choice(list(choices))
        if field.kind is Kind.STRING:
            return self.dice.choice(self.words)[: field.size_max]
        if field.kind is Kind.BYTES:
            return self.dice.choice((b"", bytes(2), bytes(4), b"\xff" * 4, bytes(32)))
        if field.kind is Kind.BOOL:
            return bool(self.dice.randrange(2))
        bits = 32 if "32" in field.kind.value else 64
        most = field.maximum if field.maximum is not None else 2**bits - 1
        if field.kind in (Kind.INT32, Kind.INT64):
            most = min(most, 2 ** (bits - 1) - 1)
        low = max(0, field.minimum or 0)
        return min(most, max(low, self.dice.choice((0, 1, 2, 3, 9, 10, 66, 1_000, most - 1, most))))
