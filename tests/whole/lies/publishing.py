"""A lie of a publisher, as the one beacon of its job."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sgnus.core import effects as fx
from sgnus.core.node import NodeCore
from sgnus.messages.v1.types import BeaconOutput, SignedKind
from tests.whole.lies.lie import Lie, own
from tests.whole.lies.work import false


class MakesUpBeacons(Lie):
    """Its number is none that its key gives: it would choose the draw."""

    def sends(self, core: NodeCore, sent: fx.Send) -> Iterable[fx.Effect]:
        word = own(core, sent.message, SignedKind.BEACON)
        if word is None:
            return [sent]
        output = core.pen.open(word, SignedKind.BEACON, BeaconOutput)
        chosen = core.pen.sign(SignedKind.BEACON, replace(output, proof=false(output.proof)))
        return [replace(sent, message=chosen)]
