"""Inputs made to cost their reader much: deep, huge, endless, cyclic, or slow. Each is refused, or honestly read, for little.

`STEPS_MAX` lines of Python and `BYTES_MAX` bytes beyond the input are what one may cost; `steps_max` says where a bomb may
cost more, because it is as large as what an honest peer may send. `python -m bench inputs` prints time and memory.
"""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

import wasmtime

from sgnus.messages.limits import ENTRY_BYTES_MAX, FRAME_ITEMS_MAX, GRPC_MESSAGE_BYTES_MAX, RECEIPT_BYTES_MAX
from sgnus.messages.v1 import types as v1
from sgnus.wire.codec import encode
from sgnus.wire.encoding import varint
from sgnus.wire.frames import delimited, frame_bytes
from tests.fuzz.evidence import seeds_of_receipts
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

STEPS_MAX: Final = 20_000
BYTES_MAX: Final = 16 * 1024 * 1024
BODY_BYTES_MAX: Final = 32 * 1024 * 1024
"""For the largest body of HTTP: its 4 MiB stand as bytes, as text, as a tree, and in what the schema says is wrong with it."""
Make = Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Bomb:
    """`make` gives the bytes, which `target` reads. `is_taken`: it is large, but nothing is wrong with it; None where a limit
    of time decides, so that it depends on the machine.
    """

    name: str
    target: str
    make: Make
    steps_max: int = STEPS_MAX
    is_taken: bool | None = False
    bytes_max: int = BYTES_MAX

    @property
    def reader(self) -> Target:
        return TARGETS[self.target]


@dataclass(frozen=True, slots=True)
class Spent:
    """What reading a bomb took: lines of Python, and the most memory at once beyond the input."""

    is_taken: bool
    steps: int
    peak_bytes: int


def spent_on(bomb: Bomb) -> Spent:
    """Read it twice, once for each count: counting costs time and memory itself. A first reading fills what is made once, but
    for what takes until a limit of time: that is read once.
    """
    data, reader = bomb.make(), bomb.reader
    taken = [reader.feed(data)] if bomb.is_taken is not None else []
    if not taken:
        steps = 0

        def count() -> None:
            nonlocal steps
            steps = lines_of(lambda: taken.append(reader.feed(data)))

        peak = peak_of(count)
        return Spent(taken[0], steps, peak)
    steps = lines_of(lambda: reader.feed(data))
    return Spent(taken[0], steps, peak_of(lambda: reader.feed(data)))


def lines_of(act: Callable[[], object]) -> int:
    """How many lines of Python `act` runs through: a count that is the same on every machine."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    return count


def peak_of(act: Callable[[], object]) -> int:
    """The most memory that `act` holds at once, in bytes."""
    tracemalloc.start()
    try:
        begun = tracemalloc.get_traced_memory()[0]
        act()
        return tracemalloc.get_traced_memory()[1] - begun
    finally:
        tracemalloc.stop()


# ---- CBOR
def head(major: int, count: int) -> bytes:
    """A CBOR head that claims `count` of something."""
    return bytes([major << 5 | 27]) + count.to_bytes(8, "big")


def entry_of(body: bytes) -> bytes:
    """The shape of an entry around `body`, as far as a decoder must read to reach it."""
    return b"\xa8\x61v\x01\x63job\x60\x63seq\x01\x64body" + body


CBOR: Final[dict[str, Make]] = {
    "60,000 arrays in each other": lambda: b"\x81" * 60_000 + b"\x01",
    "20,000 maps in each other": lambda: b"\xa1\x61a" * 20_000 + b"\x01",
    "60,000 tags on each other": lambda: b"\xc1" * 60_000 + b"\x01",
    "an array of 2^63": lambda: head(4, 2**63 - 1) + b"\x01" * 60_000,
    "a map of 2^60": lambda: head(5, 2**60) + b"\x61a\x01" * 20_000,
    "bytes of 2^62": lambda: head(2, 2**62) + bytes(60_000),
    "text of 2^40": lambda: head(3, 2**40) + b"x" * 60_000,
    "endless arrays": lambda: b"\x9f" * 60_000,
    "endless text": lambda: b"\x7f" + b"\x61x" * 30_000 + b"\xff",
    "an integer of 500,000 bits": lambda: b"\xc2" + head(2, 60_000) + b"\xff" * 60_000,
    "a decimal of 10^(2^63)": lambda: b"\xc4\x82" + head(0, 2**63 - 1) + b"\x03",
    "a big float of 2^(2^63)": lambda: b"\xc5\x82" + head(0, 2**63 - 1) + b"\x03",
    "a fraction of huge numbers": lambda: b"\xd8\x1e\x82\xc2" + head(2, 30_000) + b"\xff" * 30_000 + b"\x03",
    "a regular expression that backtracks": lambda: b"\xd8\x23\x78\x1e" + b"(a+)+" * 6,
    "an array that holds itself": lambda: b"\xd8\x1c\x81\xd8\x1d\x00",
    "references that double 30 times": lambda: b"\xd8\x1c\x82\xd8\x1d\x00" * 30 + b"\x01",
    "a set of floats": lambda: b"\xd9\x01\x02" + head(4, 6_000) + b"\xfb\x7f\xf8" * 6_000,
    "one key 20,000 times": lambda: head(5, 20_000) + b"\x61a\x01" * 20_000,
}


def full_entry() -> bytes:
    """As many small items as an entry may have bytes."""
    return (entry_of(head(4, ENTRY_BYTES_MAX - 30)) + b"\x01" * ENTRY_BYTES_MAX)[:ENTRY_BYTES_MAX]


# ---- JSON
def at_http(body: bytes, call: int = 0) -> bytes:
    return bytes([call]) + body


HTTP_BYTES: Final = 4 * 1024 * 1024 - 64
JSON: Final[dict[str, Make]] = {
    "2,000,000 arrays in each other": lambda: at_http(b"[" * 2_000_000),
    "300,000 objects in each other": lambda: at_http(b'{"a":' * 300_000),
    "a number of 4,000,000 digits": lambda: at_http(b'{"job":' + b"9" * 4_000_000 + b"}"),
    "a number with an exponent of 4,000,000 digits": lambda: at_http(b'{"job":1e' + b"9" * 4_000_000 + b"}"),
    "text of 4,000,000 characters": lambda: at_http(json.dumps({"job": "a" * 4_000_000}).encode()),
    "500,000 lone surrogates": lambda: at_http(b'{"job":"' + b"\\ud800" * 500_000 + b'"}'),
}


# ---- protobuf
def nested(depth: int) -> bytes:
    """Length-delimited fields in each other, as deep as it says."""
    data = b""
    for _ in range(depth):
        data = delimited(b"\x0a", data)
    return data


PROTOBUF: Final[dict[str, tuple[str, Make]]] = {
    "a message 2,000 deep": ("grpc", lambda: b"\x30" + nested(2_000)),
    "a field that claims 2^63 bytes": ("grpc", lambda: b"\0\x0a" + varint(2**63)),
    "a varint without an end": ("grpc", lambda: b"\0\x08" + b"\xff" * 100_000),
    "groups in each other": ("grpc", lambda: b"\0" + b"\x0b" * 100_000),
    "a frame of one message too many": ("frames", lambda: frame_bytes([b"\x0a\x00"] * (FRAME_ITEMS_MAX + 1))),
    "a frame in a frame, 2,000 deep": ("frames", lambda: nested(2_000)),
    "an envelope around envelopes": ("envelopes", lambda: nested(2_000)),
    "1,000,000 empty entries": ("gossip", lambda: delimited(b"\x12", b"\x0a\x00" * 1_000_000)),
    "paths of a manifest without an end": ("manifests", lambda: b"\x0a\x00" + b"\x12\x00" * 1_000_000),
    "200,000 empty verdicts": ("receipts", lambda: b"\x52\x00" * 200_000),
    "a proof of 1,000,000 empty paths": ("proofs", lambda: b"\x42\x00" * 1_000_000),
    "1,000,000 empty steps of one reconciliation": (
        "reconciliation",
        lambda: frame_bytes([b"\x0a\x00" * 500_000]),
    ),
}


# As large as what an honest peer may send, and read to its end; each costs some lines for each of its items.
LARGE_STEPS: Final = {
    "a frame of one message too many": 40 * FRAME_ITEMS_MAX,
    "1,000,000 empty steps of one reconciliation": 60 * 4_096,
}
RIGHT: Final = ("a message 2,000 deep",)
"""Its depth lies in a field of bytes, which nobody decodes."""


# ---- geometry and plans
def job(
    shape: tuple[int, ...], tile: tuple[int, ...], dtype: str = "uint8", halo: tuple[int, ...] = ()
) -> bytes:
    request = v1.JobRequest(
        name="bomb",
        processor="wasm",
        array=v1.ArraySpec(shape=shape, dtype=dtype),
        tile=tile,
        halo=halo or (0,) * len(tile),
        edge=v1.Edge.REFLECT,
        chunks_per_sub_block=1,
        deadline_ms=0,
        policy=v1.Policy(verify=v1.Verify.NONE, samples_permille=0, verifiers=0, min_members=1),
        lifetime_ms=0,
    )
    return encode(v1.PlanJobRequest(job=request))


def chunk(*numbers: int) -> bytes:
    return b"|".join(number.to_bytes(64, "big").lstrip(b"\0") for number in numbers)


FIBONACCI: Final = (1_134_903_170, 1_836_311_903)
"""Euclid's slowest pair below 2^31: what `has_overlap` walks."""

GEOMETRY: Final[dict[str, tuple[str, Make]]] = {
    "a plan of 10^12 tiles": ("jobs", lambda: job((10**6, 10**6), (1, 1))),
    "an array of 2^62 items": ("jobs", lambda: job((2**62,), (1,))),
    "eight axes of 2^62 items": ("jobs", lambda: job((2**62,) * 8, (2**62,) * 8)),
    "eight axes of which each has three kinds of tiles": (
        "jobs",
        lambda: job((5,) * 8, (2,) * 8, halo=(1,) * 8),
    ),
    "a chunk of 10^30 bytes": ("geometry", lambda: chunk(0, 0, 10**30, 1, 0, 0, 1)),
    "a chunk of 10^30 lines": ("geometry", lambda: chunk(0, 0, 1, 10**30, 0, 0, 10**30)),
    "strides that Euclid is slow with": ("geometry", lambda: chunk(0, 0, 1, 40, *FIBONACCI, 40)),
}


def many_pairs(number: int) -> bytes:
    """A job that lists so many chunks of one byte itself."""
    pieces = [
        v1.Chunk(chunk_id=at, offset=at, width=1, height=1, line_stride=0, block_stride=0, count=1)
        for at in range(number)
    ]
    explicit = v1.ExplicitChunks(
        output_bytes=number, pairs=tuple(v1.ChunkPair(input=piece, output=piece) for piece in pieces)
    )
    listed = v1.JobRequest(
        name="list",
        processor="wasm",
        array=v1.ArraySpec(shape=(number,), dtype="uint8"),
        edge=v1.Edge.REFLECT,
        chunks_per_sub_block=1,
        explicit=explicit,
        deadline_ms=0,
        policy=v1.Policy(verify=v1.Verify.NONE, samples_permille=0, verifiers=0, min_members=1),
        lifetime_ms=0,
    )
    return encode(v1.PlanJobRequest(job=listed))


# ---- receipts and modules
def padded_receipt() -> bytes:
    """A right receipt with unknown fields behind it, as large as one may be."""
    right = seeds_of_receipts()[0]
    return right + delimited(b"\xfa\x7f", bytes(RECEIPT_BYTES_MAX - len(right) - 8))


def section(number: int, content: bytes) -> bytes:
    return bytes([number]) + varint(len(content)) + content


def processor(*more: bytes, count: int = 1, data: bytes = b"", memory: int = 1) -> bytes:
    """A module with the interface of a processor, and `count` further functions of the body `more`."""
    bodies = (b"\x41\x00\x0b", b"\x42\x00\x0b", *more * count)
    types = b"\x03\x60\x01\x7f\x01\x7f\x60\x02\x7f\x7f\x01\x7e\x60\x00\x00"
    kinds = b"\x00\x01" + b"\x02" * (len(bodies) - 2)
    exports = b"\x03\x06memory\x02\x00\x05alloc\x00\x00\x03run\x00\x01"
    code = b"".join(varint(len(body) + 1) + b"\x00" + body for body in bodies)
    sections = (
        section(1, types) + section(3, varint(len(bodies)) + kinds) + section(5, b"\x01\x00" + varint(memory))
    )
    sections += section(7, exports) + section(10, varint(len(bodies)) + code)
    return b"\0asm\1\0\0\0" + sections + (section(11, data) if data else b"")


def text(module: str) -> bytes:
    return bytes(wasmtime.wat2wasm(module))


FAR: Final = b"\x01\x00\x41\xff\xff\xff\xff\x07\x0b\x01x"
"""One data segment, at the last byte that 31 bits reach."""

MODULES: Final[dict[str, tuple[Make, bool | None]]] = {
    "a memory of 4 GiB that is no export": (lambda: text("(module (memory 65536))"), False),
    "a memory of 4 GiB": (lambda: processor(memory=65_536), True),
    "a table of 2^32": (lambda: text("(module (table 4294967295 funcref))"), False),
    "a data segment far outside": (lambda: processor(data=FAR), True),
    "data of 1 MB": (lambda: processor(data=b"\x01\x01" + varint(1_000_000) + bytes(1_000_000)), True),
    "200,000 blocks in each other": (lambda: processor(b"\x02\x40" * 200_000 + b"\x0b" * 200_001), None),
    "30,000 functions": (lambda: processor(b"\x41\x00\x1a\x0b", count=30_000), None),
    "2,000 functions": (lambda: processor(b"\x41\x00\x1a\x0b", count=2_000), True),
    "one function of 30,000 instructions": (lambda: processor(b"\x41\x00\x1a" * 10_000 + b"\x0b"), True),
    "1,000,000 claimed functions": (lambda: b"\0asm\1\0\0\0" + section(3, varint(10**6)), False),
    "a start that never ends": (lambda: text("(module (func $l (loop $x br $x)) (start $l))"), False),
    "larger than any module may be": (lambda: processor(b"\x0b", count=600_000), False),
}

BOMBS: Final[tuple[Bomb, ...]] = (
    *(Bomb(f"CBOR: {name}", "dagcbor", make) for name, make in CBOR.items()),
    *(Bomb(f"entry: {name}", "entries", lambda m=make: entry_of(m())) for name, make in CBOR.items()),  # type: ignore[misc]
    Bomb("entry: as many items as bytes", "entries", full_entry),
    Bomb("entry: too long", "entries", lambda: bytes(16 * ENTRY_BYTES_MAX)),
    *(Bomb(f"JSON: {name}", "http", make, bytes_max=BODY_BYTES_MAX) for name, make in JSON.items()),
    *(
        Bomb(f"protobuf: {name}", target, make, LARGE_STEPS.get(name, STEPS_MAX), name in RIGHT)
        for name, (target, make) in PROTOBUF.items()
    ),
    Bomb(
        "protobuf: 4 MiB of unknown fields",
        "grpc",
        lambda: b"\0" + b"\xf8\x7f\x00" * (GRPC_MESSAGE_BYTES_MAX // 3),
    ),
    *(Bomb(f"geometry: {name}", target, make, 2 * STEPS_MAX) for name, (target, make) in GEOMETRY.items()),
    Bomb("geometry: 1,000 chunks listed", "jobs", lambda: many_pairs(1_000), 600 * 1_000, is_taken=True),
    Bomb("receipt: padded to its largest size", "receipts", padded_receipt, 60_000),
    Bomb("receipt: too long", "receipts", lambda: bytes(2 * RECEIPT_BYTES_MAX)),
    Bomb("invitation: 8,000 arrays in each other", "invitations", lambda: b"[" * 8_000, 8 * 8_000),
    Bomb("gossip frames: a prefix without an end", "gossip-frames", lambda: b"\xff" * 100_000),
    Bomb("address: long", "addresses", lambda: b"/ip4/" + b"1" * 1_000_000),
    Bomb(
        "certificate: claims 2^31 bytes", "certificates", lambda: b"\x30\x84\x7f\xff\xff\xff" + bytes(60_000)
    ),
    *(Bomb(f"module: {name}", "modules", make, is_taken=taken) for name, (make, taken) in MODULES.items()),
)
