"""Lies of a worker: about what it made, what it committed to, and what it brings to the publisher."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sgnus.core import effects as fx
from sgnus.core.node import NodeCore
from sgnus.messages.errors import WorldFault
from sgnus.messages.v1.types import (
    OnProcessed,
    OutputsHeader,
    ProcessedRecord,
    Records,
    SignedEnvelope,
    SignedKind,
)
from tests.whole.lies.lie import Lie


def false(output: bytes) -> bytes:
    """One bit of the last byte is another."""
    return bytes(output[:-1]) + bytes([output[-1] ^ 1])


class LiesInOne(Lie):
    """The first chunk that it makes for a job is false, and nothing else."""

    def __init__(self) -> None:
        self._lied: dict[str, None] = {}

    def made(self, job: str, outputs: Sequence[bytes]) -> Sequence[bytes]:
        if job in self._lied:
            return outputs
        self._lied[job] = None
        return [false(outputs[0]), *outputs[1:]]


class LiesInSome(Lie):
    """Every other chunk is false."""

    def made(self, job: str, outputs: Sequence[bytes]) -> Sequence[bytes]:
        return [false(one) if number % 2 else one for number, one in enumerate(outputs)]


class LiesInAll(Lie):
    """Every chunk is false."""

    def made(self, job: str, outputs: Sequence[bytes]) -> Sequence[bytes]:
        return [false(one) for one in outputs]


class BringsOtherBytes(Lie):
    """Digests and commit are right; the bytes that come with them are not."""

    def delivered(self, header: OutputsHeader, data: bytes) -> tuple[OutputsHeader, bytes]:
        return header, false(data)


class CopiesACommit(Lie):
    """It signs and brings the root that another member committed to, as if it were its own."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, int], SignedEnvelope] = {}

    def sends(self, core: NodeCore, sent: fx.Send) -> Iterable[fx.Effect]:
        if not isinstance(sent.message, OnProcessed) or core.room is None:
            return [sent]
        record = core.pen.open(sent.message.record, SignedKind.RECORD, ProcessedRecord)
        known = [env for by in core.room.book._processed.values() for env in by.values()]
        others = [env for env in known if env.author != core.pen.peer]
        if record.sub_block not in core.room.work.processed or not others:
            return [sent]
        root = core.pen.open(others[0], SignedKind.RECORD, ProcessedRecord).root
        copied = core.pen.sign(SignedKind.RECORD, replace(record, root=root))
        self._told[record.instance, record.sub_block] = copied
        return [replace(sent, message=OnProcessed(record=copied))]

    def delivered(self, header: OutputsHeader, data: bytes) -> tuple[OutputsHeader, bytes]:
        copies = list(self._told.values())
        return replace(header, record=copies[-1]) if copies else header, data


class CommitsTwice(Lie):
    """The members are told another root than the publisher is brought."""

    def sends(self, core: NodeCore, sent: fx.Send) -> Iterable[fx.Effect]:
        if not isinstance(sent.message, OnProcessed) or sent.message.record.author != core.pen.peer:
            return [sent]
        record = core.pen.open(sent.message.record, SignedKind.RECORD, ProcessedRecord)
        other = replace(record, root=hashlib.sha256(record.root).digest())
        return [replace(sent, message=OnProcessed(record=core.pen.sign(SignedKind.RECORD, other)))]


class WithholdsCommits(Lie):
    """It takes work, and neither tells of what it made nor brings it."""

    def sends(self, core: NodeCore, sent: fx.Send) -> Iterable[fx.Effect]:
        message = sent.message
        is_record = isinstance(message, OnProcessed) or (isinstance(message, Records) and message.processed)
        return [] if is_record else [sent]

    def delivered(self, header: OutputsHeader, data: bytes) -> tuple[OutputsHeader, bytes]:
        raise WorldFault("it is withheld")
