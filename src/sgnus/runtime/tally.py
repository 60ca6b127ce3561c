"""What the engine's inputs and effects amount to since the start, by fixed names: the counters of /metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from sgnus.core import effects as fx
from sgnus.core import inputs as ins

SUB_BLOCKS: Final = ("computed", "failed", "delivered", "undelivered")
"""Of our own workers and apps; `undelivered` counts attempts."""
EVENTS: Final = (
    "outputs_held",
    "outputs_voided",
    "rooms_left",
    "rounds_sealed",
    "reexecutions",
    "rechecks",
    "receipts_kept",
    "receipts_submitted",
    "microjobs_verified",
    "accusations",
    "blames",
)

_INPUTS: Final[dict[type, Callable[[Any], str]]] = {
    ins.SubBlockComputed: lambda _given: "computed",
    ins.SubBlockFailed: lambda _given: "failed",
    ins.DeliveryEnded: lambda given: "delivered" if given.held is not None else "undelivered",
}
_EFFECTS: Final[dict[type, str]] = {
    fx.Voided: "outputs_voided",
    fx.RoomLeft: "rooms_left",
    fx.Reexecute: "reexecutions",
    fx.Recheck: "rechecks",
    fx.SubmitReceipt: "receipts_submitted",
    fx.Verified: "microjobs_verified",
    fx.Accuse: "accusations",
    fx.Blame: "blames",
}
_FACTS: Final = {"held": "outputs_held", "seal": "rounds_sealed", "receipt": "receipts_kept"}
"""Facts whose writing is an event. An empty HELD takes one back, and is none."""


class Tally:
    """Counts; forgets nothing but with the process."""

    def __init__(self) -> None:
        self.inputs: Counter[str] = Counter()
        self.sub_blocks: Counter[str] = Counter(dict.fromkeys(SUB_BLOCKS, 0))
        self.events: Counter[str] = Counter(dict.fromkeys(EVENTS, 0))

    def took(self, given: ins.Input) -> None:
        """The core was given this."""
        kind = type(given)
        self.inputs[kind.__name__] += 1
        named = _INPUTS.get(kind)
        if named is not None:
            self.sub_blocks[named(given)] += 1

    def gave(self, effect: fx.Effect) -> None:
        """The core asked for this."""
        name = _EFFECTS.get(type(effect), "")
        if isinstance(effect, fx.Persist) and effect.value:
            name = _FACTS.get(effect.namespace, "")
        if name:
            self.events[name] += 1
