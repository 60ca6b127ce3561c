"""Lies of who was drawn to check others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sgnus.core import effects as fx
from sgnus.core.node import NodeCore
from sgnus.crypto.digests import DIGEST_BYTES
from sgnus.messages.v1.types import SignedKind, Verdict
from sgnus.ports import Computed, Outcome
from tests.whole.lies.lie import Lie, Rerun, own
from tests.whole.lies.work import LiesInAll, false


class AccusesFalsely(Lie):
    """It signs that each chunk which it checks is false."""

    async def checked(self, rerun: Rerun, chunks: int) -> Outcome:
        outcome = await rerun()
        is_run = isinstance(outcome, Computed)
        return replace(outcome, outputs=[false(one) for one in outcome.outputs]) if is_run else outcome


class LiesWhereverItRuns(AccusesFalsely, LiesInAll):
    """What it makes is false, and what it checks as well, in the same way: two of them agree."""


class SaysAllRight(Lie):
    """It runs nothing, and signs for "all right" whatever it is that the workers hide behind their commits."""

    async def checked(self, rerun: Rerun, chunks: int) -> Outcome:
        return Computed([b"all right"] * chunks, 0)


class SpeaksWithTwoTongues(Lie):
    """Some are told its whole verdict; the others one on the first chunk alone, and then one on all but the last."""

    def sends(self, core: NodeCore, sent: fx.Send) -> Iterable[fx.Effect]:
        word = own(core, sent.message, SignedKind.VERDICT)
        if word is None:
            return [sent]
        verdict = core.pen.open(word, SignedKind.VERDICT, Verdict)
        if len(verdict.chunks) < 3:
            return [sent]
        first, most = (core.pen.sign(SignedKind.VERDICT, _cut(verdict, end)) for end in (1, -1))
        some, others = sent.peers[0::2], sent.peers[1::2]
        return [
            replace(sent, peers=some),
            *(fx.Send(others, one) for one in (first, most, word)),
        ]


def _cut(verdict: Verdict, end: int) -> Verdict:
    chunks = verdict.chunks[:end]
    return replace(verdict, chunks=chunks, digests=verdict.digests[: len(chunks) * DIGEST_BYTES])
