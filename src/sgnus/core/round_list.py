"""The rounds of verification that a node takes part in, and what it keeps for those that it may yet take part in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sgnus.core.beacon import Beacon
from sgnus.core.room import Room
from sgnus.core.verification import Verification
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import (
    EARLY_BYTES_MAX,
    EARLY_WORD_BYTES_MAX,
    EARLY_WORDS_MAX,
    ENDED_KEPT_MAX,
    OPENINGS_KEPT_MAX,
    ROUNDS_AT_ONCE_MAX,
)
from sgnus.messages.v1.types import Opening, SignedEnvelope


@dataclass(slots=True)
class Rounds:
    """`own` are the openings of our commits; `early` are words of rounds that we do not know yet; `left` are rooms that
    ended for us before we had heard all of their HELDs. `over` are those that ended, `sealed` those in which we sealed before
    we were started again: in none of them do we speak again, since we may have revealed. `beacons` are rounds of others' jobs
    that name us as their beacon, `spoken` what we said in such before we were started again.
    """

    running: dict[InstanceId, Verification] = field(default_factory=dict)
    beacons: dict[InstanceId, Beacon] = field(default_factory=dict)
    spoken: dict[InstanceId, SignedEnvelope] = field(default_factory=dict)
    own: dict[tuple[InstanceId, int], Opening] = field(default_factory=dict)
    early: dict[InstanceId, list[SignedEnvelope]] = field(default_factory=dict)
    over: dict[InstanceId, None] = field(default_factory=dict)
    sealed: frozenset[InstanceId] = frozenset()
    left: dict[InstanceId, Room] = field(default_factory=dict)

    def keep_opening(self, opening: Opening) -> None:
        """What we committed to, until its round opens it."""
        self.own[InstanceId(opening.instance), opening.sub_block] = opening
        while len(self.own) > OPENINGS_KEPT_MAX:
            del self.own[next(iter(self.own))]

    def keep_early(self, instance: InstanceId, envelope: SignedEnvelope) -> None:
        """A word of a round that may begin for us any moment."""
        if self.is_over(instance):
            return
        if len(envelope.payload) > EARLY_WORD_BYTES_MAX:
            return
        words = self.early.setdefault(instance, [])
        if len(words) < EARLY_WORDS_MAX and envelope not in words:
            words.append(envelope)
        while len(self.early) > ROUNDS_AT_ONCE_MAX or self._early_bytes() > EARLY_BYTES_MAX:
            del self.early[next(iter(self.early))]

    def _early_bytes(self) -> int:
        return sum(len(word.payload) for words in self.early.values() for word in words)

    def is_over(self, instance: InstanceId) -> bool:
        """Whether nothing of this instance is verified here any more."""
        return instance in self.over or instance in self.sealed

    def end(self, instance: InstanceId) -> None:
        """Nothing of this instance is verified any more."""
        self.over[instance] = None
        while len(self.over) > ENDED_KEPT_MAX:
            del self.over[next(iter(self.over))]

    def peers(self) -> list[PeerId]:
        """Whom we need a stream with."""
        members = [peer for round_ in self.running.values() for peer in round_.audience()]
        return members + [peer for one in self.beacons.values() for peer in one.audience()]


def sealed_before(keys: Iterable[str]) -> frozenset[InstanceId]:
    """The instances in which we sealed before we were started again, out of the keys of those facts: their last parts are
    `<instance>/<round>/<attempt>`.
    """
    return frozenset(InstanceId(key.split("/")[-3]) for key in keys)
