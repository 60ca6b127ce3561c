"""Entries for tests of the job database: a few identities, one network, one clock that stands still."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, Final

from sgnus.crypto.identity import Identity
from sgnus.messages.fields import Message
from sgnus.messages.ids import BlockId, NetworkId
from sgnus.messages.v1.types import (
    ArraySpec,
    Cut,
    DoneBody,
    DoneStatus,
    Edge,
    EntryKind,
    JobBody,
    OutputSpec,
    Policy,
    Processor,
    RoomBody,
    TakenBody,
    Verify,
)
from sgnus.wire.entry import OpenedEntry, open_entry, seal_entry

NETWORK: Final = NetworkId("0123456789abcdef0123456789abcdef")
OTHER_NETWORK: Final = NetworkId("ffffffffffffffffffffffffffffffff")
NOW_MS: Final = 1_800_000_000_000
DAY_MS: Final = 24 * 3600 * 1000
ROOM_MS: Final = 5 * 60 * 1000
AUTHOR: Final = Identity.from_seed(bytes([1]) * 32)
STRANGER: Final = Identity.from_seed(bytes([2]) * 32)
SETTLER: Final = Identity.from_seed(bytes([3]) * 32)


def job_body(number: int = 0) -> JobBody:
    """A small and valid job."""
    return JobBody(
        name=f"job {number}",
        processor=Processor(id="builtin:sobel@1", parameters=(), profile=50),
        array=ArraySpec(shape=(1024, 1024), dtype="uint8"),
        cut=Cut(tile=(256, 256), halo=(1, 1), edge=Edge.REFLECT, chunks_per_sub_block=4),
        output=OutputSpec(dtype="uint8"),
        manifest_root=bytes(32),
        deadline_ms=60_000,
        policy=Policy(verify=Verify.NONE, samples_permille=0, verifiers=0, min_members=1),
        nonce=number.to_bytes(16, "big"),
        created_ms=NOW_MS,
    )


def sealed(
    kind: EntryKind,
    body: Message,
    job: BlockId | None = None,
    *,
    by: Identity = AUTHOR,
    seq: int = 1,
    expires: int = NOW_MS + DAY_MS,
) -> OpenedEntry:
    """An opened entry, signed by `by`."""
    raw = seal_entry(by, NETWORK, kind, job, body, seq=seq, expires=expires)
    return open_entry(raw, NETWORK)


def job_entry(number: int = 0, *, by: Identity = AUTHOR, expires: int = NOW_MS + DAY_MS) -> OpenedEntry:
    """A JOB entry."""
    return sealed(EntryKind.JOB, job_body(number), by=by, seq=number, expires=expires)


def taken(job: BlockId, microjob: int, root: int = 0, *, by: Identity = AUTHOR, seq: int = 1) -> OpenedEntry:
    """A TAKEN entry."""
    return sealed(EntryKind.TAKEN, TakenBody(microjob=microjob, root=bytes([root]) * 32), job, by=by, seq=seq)


def room(
    job: BlockId, microjob: int, *, by: Identity = STRANGER, seq: int = 1, epoch: int = 1
) -> OpenedEntry:
    """A ROOM entry."""
    body = RoomBody(microjob=microjob, instance="ab" * 32, epoch=epoch, address=b"")
    return sealed(EntryKind.ROOM, body, job, by=by, seq=seq, expires=NOW_MS + ROOM_MS)


def done(job: BlockId, status: DoneStatus = DoneStatus.COMPLETED, *, seq: int = 9) -> OpenedEntry:
    """A DONE entry."""
    return sealed(EntryKind.DONE, DoneBody(status=status, reason=""), job, seq=seq)


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is a coroutine, run in a loop of its own."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))

    return run
