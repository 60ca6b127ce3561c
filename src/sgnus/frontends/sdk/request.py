"""A job's description out of the arguments of `submit` and `plan`."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from sgnus.frontends.sdk.geometry import Chunk, check_shape, spread_halo, spread_tile
from sgnus.messages.errors import UserFault
from sgnus.messages.limits import CHUNKS_PER_SUB_BLOCK_MAX, MODULE_BYTES_MAX
from sgnus.messages.policy import PERMILLE, PolicyTerms, settle
from sgnus.messages.v1 import sgnus_pb2

EDGES: Final = {"reflect": 1, "nearest": 2, "wrap": 3, "constant": 4}
VERIFY: Final = {"none": 1, "sample": 2, "full": 3}
WASM_MAGIC: Final = b"\0asm"
NAME_CHARACTERS_MAX: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWish:
    """What a person wants done with an array; the defaults of `submit`.

    tile and halo: items an axis; one number for the halo goes on the axes of space. `module`: a path to, or the
    bytes of, a WebAssembly module (the processor is then "wasm"). `output_dtype`, `output_chunk_bytes`: for a
    module or app whose outputs differ from its inputs. `deadline_ms`: how long a member may take for a sub-block;
    a chunk is abandoned after 3 times that, at least 2 s and at most 60 s. `lifetime_ms`: until the job expires.
    `explicit`: pairs of input and output `Chunk` instead of tiles.

    `verify`: none, sample or full; sample by default, none for what an app processes. `samples`: the share of the chunks
    that is run again, above 0 and up to 1 (0.1 by default), rounded up to a thousandth. `verifiers`: how many members
    these are dealt to, 1 to 11. `min_members`: how many a room must have, 2 to 11; by default 2, or as many as verifiers.
    `outside_beacon`: the network's SGNUS node, not this node, is the beacon of the draws.
    """

    processor: str = ""
    tile: Sequence[int] | int | None = None
    halo: Sequence[int] | int | None = None
    edge: str = "reflect"
    name: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    verify: str | None = None
    samples: float | None = None
    verifiers: int | None = None
    min_members: int | None = None
    outside_beacon: bool = False
    module: str | os.PathLike[str] | bytes | None = None
    output_dtype: str | None = None
    output_chunk_bytes: int | None = None
    chunks_per_sub_block: int = 0
    deadline_ms: int = 0
    lifetime_ms: int = 0
    expected_members: int | None = None
    explicit: Iterable[tuple[Chunk, Chunk]] | None = None
    explicit_output_bytes: int = 0


def wish_of(wishes: Mapping[str, Any]) -> JobWish:
    """The wish in keyword arguments; an unknown one is a TypeError, as of any function."""
    return JobWish(**wishes)


def job_request(wish: JobWish, shape: Sequence[int], dtype: str) -> Any:
    """The JobRequest; UserFault says what in it cannot be."""
    check_shape(shape)
    _check(wish)
    tile = spread_tile(wish.tile, shape)
    tile_axes = None if wish.tile is None or isinstance(wish.tile, int) else len(wish.tile)
    request = sgnus_pb2.JobRequest(
        name=wish.name or _plain_name(wish),
        processor=_processor(wish),
        parameters=[
            sgnus_pb2.Parameter(name=name, value=_text(value)) for name, value in wish.parameters.items()
        ],
        array=sgnus_pb2.ArraySpec(shape=shape, dtype=dtype),
        tile=tile,
        halo=spread_halo(wish.halo, tile, shape, tile_axes),
        edge=EDGES[wish.edge],
        chunks_per_sub_block=wish.chunks_per_sub_block,
        deadline_ms=wish.deadline_ms,
        policy=_policy(wish),
        outside_beacon=wish.outside_beacon,
        lifetime_ms=wish.lifetime_ms,
    )
    if wish.output_dtype or wish.output_chunk_bytes:
        request.output.dtype = wish.output_dtype or dtype
        if wish.output_chunk_bytes:
            request.output.chunk_bytes = wish.output_chunk_bytes
    if wish.expected_members is not None:
        request.expected_members = wish.expected_members
    if wish.explicit is not None:
        for pair in wish.explicit:
            source, target = (sgnus_pb2.Chunk(**asdict(chunk)) for chunk in pair)
            request.explicit.pairs.append(sgnus_pb2.ChunkPair(input=source, output=target))
        request.explicit.output_bytes = wish.explicit_output_bytes
    return request


def module_bytes(wish: JobWish) -> bytes:
    """The app's own module; empty when it brings none. UserFault when it cannot be one."""
    source = wish.module
    if source is None and wish.processor.startswith("wasm:"):
        source = wish.processor.removeprefix("wasm:")
    if source is None:
        return b""
    if isinstance(source, bytes):
        where, module = "The module", source
    else:
        where, module = f"The module {os.fspath(source)}", _read_module(Path(source))
    if len(module) > MODULE_BYTES_MAX:
        raise UserFault(
            f"{where} is over the limit of {MODULE_BYTES_MAX} bytes; strip it or make it smaller."
        )
    if not module.startswith(WASM_MAGIC):
        raise UserFault(f"{where} is no WebAssembly module: it does not begin with \\0asm.")
    return module


def _read_module(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MODULE_BYTES_MAX + 1)
    except OSError as error:
        raise UserFault(f"The module {path} cannot be read: {error.strerror}.") from error


def _check(wish: JobWish) -> None:
    if not wish.processor and wish.module is None:
        raise UserFault("No processor was named; give one such as processor='sobel', or a module.")
    if wish.edge not in EDGES:
        raise UserFault(f"There is no edge mode {wish.edge!r}; take one of {', '.join(EDGES)}.")
    if wish.verify is not None and wish.verify not in VERIFY:
        raise UserFault(f"There is no verification {wish.verify!r}; take one of {', '.join(VERIFY)}.")
    if not 0 <= wish.chunks_per_sub_block <= CHUNKS_PER_SUB_BLOCK_MAX:
        raise UserFault(
            f"{wish.chunks_per_sub_block} chunks per sub-block are not within 1..{CHUNKS_PER_SUB_BLOCK_MAX}; "
            "leave it out, and the planner chooses."
        )
    if wish.deadline_ms < 0 or wish.lifetime_ms < 0:
        raise UserFault("A deadline and a lifetime cannot be negative; leave them out for the usual ones.")
    if len(wish.name) > NAME_CHARACTERS_MAX:
        raise UserFault(f"The job's name is longer than {NAME_CHARACTERS_MAX} characters; shorten it.")


def _processor(wish: JobWish) -> str:
    if wish.module is not None or wish.processor.startswith("wasm:"):
        return "wasm"
    return wish.processor


def _plain_name(wish: JobWish) -> str:
    return _processor(wish).partition("@")[0]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _policy(wish: JobWish) -> Any:
    """What was wished for, checked; the node fills in what was not."""
    for name, value in (("verifiers", wish.verifiers), ("min_members", wish.min_members)):
        if value is not None and value < 1:
            raise UserFault(f"{name}={value} cannot be; leave it out for the usual number.")
    permille = 0 if wish.samples is None else permille_of(wish.samples)
    asked = PolicyTerms(wish.verify or "", permille, wish.verifiers or 0, wish.min_members or 0)
    settle(asked, is_app=wish.module is None and wish.processor.startswith("app:"))
    return sgnus_pb2.Policy(
        verify=VERIFY.get(asked.verify, 0),
        samples_permille=asked.samples_permille,
        verifiers=asked.verifiers,
        min_members=asked.min_members,
    )


def permille_of(share: float) -> int:
    """A share of the chunks in thousandths, rounded up: what is run again is never less than was asked for."""
    if not 0 < share <= 1:
        raise UserFault(
            f"A share of {share:g} of the chunks cannot be run again; take more than 0 and at most 1, such as 0.1 (10%)."
        )
    # 0.07 * 1000 is a little more than 70.
    return max(1, math.ceil(round(share * PERMILLE, 6)))
