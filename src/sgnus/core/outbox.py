"""Outputs that are processed but not delivered: offered to the publisher until it answers HELD, beyond any room's life."""

from __future__ import annotations

from dataclasses import dataclass, field

from sgnus.core import effects as fx
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import DELIVERY_RETRY_MS_MAX, DELIVERY_RETRY_MS_MIN


@dataclass(slots=True)
class Parcel:
    """One sub-block's outputs on their way; `due_ms` is None while an attempt runs."""

    deliver: fx.Deliver
    due_ms: int | None = None
    attempts: int = 0


@dataclass(slots=True)
class Outbox:
    """All that this node owes to publishers."""

    parcels: dict[tuple[InstanceId, int], Parcel] = field(default_factory=dict)

    def add(self, deliver: fx.Deliver) -> None:
        self.parcels[deliver.instance, deliver.sub_block] = Parcel(deliver)

    def ended(self, instance: InstanceId, sub_block: int, now_ms: int, *, held: bool) -> list[fx.Effect]:
        """An attempt ended; without HELD it is repeated later."""
        parcel = self.parcels.get((instance, sub_block))
        if parcel is None:
            return []
        if held:
            del self.parcels[instance, sub_block]
            return [fx.DropOutputs(instance, sub_block)]
        parcel.attempts += 1
        wait_ms = min(DELIVERY_RETRY_MS_MAX, DELIVERY_RETRY_MS_MIN * 2 ** min(parcel.attempts, 10))
        parcel.due_ms = now_ms + wait_ms
        return []

    def drop_job(self, job: str) -> list[fx.Effect]:
        """The job is over: nobody wants these any more."""
        keys = [key for key, parcel in self.parcels.items() if parcel.deliver.job == job]
        for key in keys:
            del self.parcels[key]
        return [fx.DropOutputs(*key) for key in keys]

    def owes(self, instance: InstanceId) -> bool:
        """Outputs of this instance are not delivered yet."""
        return any(key[0] == instance for key in self.parcels)

    def publisher_is_here(self, publisher: PeerId, now_ms: int) -> None:
        """The publisher came back: do not wait any longer."""
        for parcel in self.parcels.values():
            if parcel.deliver.publisher == publisher and parcel.due_ms is not None:
                parcel.due_ms, parcel.attempts = now_ms, 0

    def due(self, now_ms: int) -> list[fx.Effect]:
        """Attempts to start now."""
        effects: list[fx.Effect] = []
        for parcel in self.parcels.values():
            if parcel.due_ms is not None and parcel.due_ms <= now_ms:
                parcel.due_ms = None
                effects.append(parcel.deliver)
        return effects

    def publishers(self) -> list[PeerId]:
        """Whom we need a stream with."""
        return list(dict.fromkeys(parcel.deliver.publisher for parcel in self.parcels.values()))

    def next_ms(self) -> int | None:
        return min((x.due_ms for x in self.parcels.values() if x.due_ms is not None), default=None)
