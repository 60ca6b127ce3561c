"""What a room knows of results: who processed which sub-block, and which of them the publisher holds.

Decides nothing; keeps the first HELD of a sub-block for good, since that is the result that counts.
"""

from __future__ import annotations

from typing import Final

from sgnus.messages.ids import PeerId
from sgnus.messages.limits import ROOM_MEMBERS_MAX
from sgnus.messages.v1.types import Held, ProcessedRecord, Records, SignedEnvelope

RECORDS_MAX: Final = 4 * ROOM_MEMBERS_MAX


class RecordBook:
    """Signed records of one microjob's sub-blocks."""

    def __init__(self, sub_blocks: int) -> None:
        self.sub_blocks = sub_blocks
        self._processed: dict[int, dict[PeerId, SignedEnvelope]] = {}
        self._held: dict[int, tuple[Held, SignedEnvelope]] = {}

    def add_processed(self, record: ProcessedRecord, envelope: SignedEnvelope) -> bool:
        """Keep a record; False if it was known. A member's first record of a sub-block stands."""
        by_member = self._processed.setdefault(record.sub_block, {})
        member = PeerId(envelope.author)
        if member in by_member or len(by_member) >= RECORDS_MAX:
            return False
        by_member[member] = envelope
        return True

    def add_held(self, held: Held, envelope: SignedEnvelope) -> bool:
        """Keep the publisher's word; False if one was known, unless it was taken back since."""
        known = self._held.get(held.sub_block)
        if known is not None and (held.turn or 0) <= (known[0].turn or 0):
            return False
        self._held[held.sub_block] = (held, envelope)
        return True

    def is_held(self, sub_block: int) -> bool:
        return sub_block in self._held

    def is_complete(self) -> bool:
        return len(self._held) == self.sub_blocks

    def delivered(self) -> int:
        """Number of sub-blocks that the publisher holds."""
        return len(self._held)

    def held_of(self, instance: str) -> int:
        """Number of sub-blocks of which the publisher holds what this instance delivered."""
        return sum(held.instance == instance for held, _ in self._held.values())

    def held_by(self, sub_block: int) -> PeerId | None:
        """The member whose result counts."""
        known = self._held.get(sub_block)
        return PeerId(known[0].member) if known else None

    def held_envelopes(self) -> tuple[SignedEnvelope, ...]:
        return tuple(self._held[number][1] for number in sorted(self._held))

    def known(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Sub-blocks with a record, and with a HELD."""
        return tuple(sorted(self._processed)), tuple(sorted(self._held))

    def summary(self) -> bytes:
        """Two bit masks, for heartbeats: equal summaries mean that there is nothing to repair."""
        processed, held = self.known()
        masks = (sum(1 << number for number in numbers) for numbers in (processed, held))
        return b"".join(mask.to_bytes(2, "big") for mask in masks)

    def beyond(self, processed: tuple[int, ...], held: tuple[int, ...], instance: str) -> Records:
        """What somebody lacks who knows these."""
        return Records(
            instance=instance,
            processed=tuple(
                envelope
                for number in sorted(self._processed)
                if number not in processed
                for envelope in list(self._processed[number].values())[:ROOM_MEMBERS_MAX]
            ),
            held=tuple(self._held[number][1] for number in sorted(self._held) if number not in held),
            started=(),
        )
