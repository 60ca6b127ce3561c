"""What parent and child say to each other: length-prefixed frames on a socket, the bulk in shared memory.

The child is not trusted, for a module may have broken out of the engine: the parent checks what it reads.
"""

from __future__ import annotations

import os
import struct
from typing import Final, NamedTuple

FRAME_BYTES_MAX: Final = 1024 * 1024
READ_BYTES: Final = 64 * 1024
SHARED_BYTES: Final = 512 * 1024 * 1024
"""Size of the sparse shared memory of one child; only touched pages exist."""

RUN, CHECK = 1, 2
READY, COMPILED, COMPUTED, TRAPPED, ABANDONED, INVALID, VALID = range(10, 17)

_LENGTH: Final = struct.Struct("<I")
_RUN: Final = struct.Struct("<BIIQQII")
_CHUNK: Final = struct.Struct("<QQQIBBHI")
_REPLY: Final = struct.Struct("<BIQ")


class ChunkFrame(NamedTuple):
    """One chunk of a run: where its bytes lie in the shared memory, and how its clipped margin is filled."""

    in_offset: int
    in_bytes: int
    out_offset: int
    out_bytes: int
    edge: int
    item_bytes: int
    shape: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    head: bytes


class RunFrame(NamedTuple):
    """A run of chunks on the module in `slot`; `module_bytes` > 0: compile it first, from offset 0."""

    slot: int
    module_bytes: int
    fuel: int
    memory_bytes: int
    chunk_ms: int
    chunks: list[ChunkFrame]


class Reply(NamedTuple):
    """What the child answers: the kind, the chunk it is about, CPU time, and a text."""

    kind: int
    chunk: int
    cpu_us: int
    text: str


def pack_run(frame: RunFrame) -> bytes:
    """The frame's bytes, without the length in front."""
    parts = [_RUN.pack(RUN, *frame[:5], len(frame.chunks))]
    for c in frame.chunks:
        axes = len(c.shape)
        fields = (c.in_offset, c.in_bytes, c.out_offset, c.out_bytes, c.edge, axes, c.item_bytes, len(c.head))
        parts += (_CHUNK.pack(*fields), struct.pack(f"<{3 * axes}I", *c.shape, *c.before, *c.after), c.head)
    return b"".join(parts)


def unpack_run(data: bytes) -> RunFrame:
    """The inverse of `pack_run`; the child trusts its parent."""
    _, slot, module_bytes, fuel, memory_bytes, chunk_ms, count = _RUN.unpack_from(data)
    at, chunks = _RUN.size, []
    for _ in range(count):
        in_at, in_bytes, out_at, out_bytes, edge, axes, item_bytes, head_bytes = _CHUNK.unpack_from(data, at)
        at += _CHUNK.size
        numbers = struct.unpack_from(f"<{3 * axes}I", data, at)
        at += 12 * axes
        shape, before, after = numbers[:axes], numbers[axes : 2 * axes], numbers[2 * axes :]
        head = data[at : at + head_bytes]
        where = (in_at, in_bytes, out_at, out_bytes)
        chunks.append(ChunkFrame(*where, edge, item_bytes, shape, before, after, head))
        at += head_bytes
    return RunFrame(slot, module_bytes, fuel, memory_bytes, chunk_ms, chunks)


def pack_check(module_bytes: int) -> bytes:
    """Ask whether the module at offset 0 can be a processor."""
    return struct.pack("<BI", CHECK, module_bytes)


def unpack_check(data: bytes) -> int:
    """Length of the module to check."""
    return int(struct.unpack("<BI", data)[1])


def pack_reply(reply: Reply) -> bytes:
    """The reply with its length in front."""
    body = _REPLY.pack(*reply[:3]) + reply.text.encode("utf-8", "replace")[:4096]
    return _LENGTH.pack(len(body)) + body


def unpack_reply(body: bytes) -> Reply | None:
    """The reply; None when it is none (the child is broken)."""
    if len(body) < _REPLY.size:
        return None
    kind, chunk, cpu_us = _REPLY.unpack_from(body)
    return Reply(kind, chunk, cpu_us, body[_REPLY.size :].decode("utf-8", "replace"))


def with_length(body: bytes) -> bytes:
    """`body` as it goes on the wire."""
    return _LENGTH.pack(len(body)) + body


def missing_bytes(heard: bytes) -> int:
    """How many bytes may be read on: 0 when a whole frame stands, or one above the bound is announced."""
    if len(heard) < _LENGTH.size:
        return READ_BYTES
    length = int(_LENGTH.unpack_from(heard)[0])
    whole = length > FRAME_BYTES_MAX or len(heard) >= _LENGTH.size + length
    return 0 if whole else READ_BYTES


def split(heard: bytes) -> tuple[bytes, bytes]:
    """The first frame's body and the rest; an empty body when the frame is above the bound."""
    length = int(_LENGTH.unpack_from(heard)[0])
    end = _LENGTH.size + length
    return (heard[_LENGTH.size : end], heard[end:]) if length <= FRAME_BYTES_MAX else (b"", b"")


def read_frame(fd: int) -> bytes:
    """One frame from a blocking descriptor; empty when the other side is gone."""
    prefix = _read_exactly(fd, _LENGTH.size)
    return _read_exactly(fd, _LENGTH.unpack(prefix)[0]) if prefix else b""


def write_all(fd: int, data: bytes) -> None:
    """Write to a blocking descriptor."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _read_exactly(fd: int, length: int) -> bytes:
    parts, missing = [], length
    while missing > 0:
        part = os.read(fd, missing)
        if not part:
            return b""
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
