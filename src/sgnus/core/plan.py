"""The plan of a job: which chunks there are, and how they make sub-blocks and microjobs. From the description alone.

Every node computes the same plan from the same JOB entry, so nobody sends one. Grouping is plain division: sub-blocks
are `chunks_per_sub_block` consecutive chunks, microjobs are ten consecutive sub-blocks, and the last of each may be
short; nothing is dropped. Chunks of a cut are computed when asked for and never kept.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Final, Protocol

from sgnus.core.chunks import GeometryFault, payload_bytes, told, validate
from sgnus.core.coverage import prove_coverage
from sgnus.core.planned import PlannedChunk, TaskShape
from sgnus.core.tiles import Grid, Region, Shape, array_bytes, item_bytes, region_chunk
from sgnus.messages.errors import OurFault
from sgnus.messages.limits import (
    CHUNK_BYTES_MAX,
    CHUNKS_PER_SUB_BLOCK_MAX,
    EXPLICIT_CHUNKS_MAX,
    MICROJOBS_MAX,
    STREAM_BYTES_MAX,
    SUB_BLOCK_BYTES_MAX,
    SUB_BLOCKS_PER_MICROJOB,
)
from sgnus.messages.v1.types import (
    ArraySpec,
    Chunk,
    ChunkPair,
    Cut,
    Edge,
    ExplicitChunks,
    JobBody,
    OutputSpec,
    PlanJobReply,
    Tile,
)

EDGE_NAMES: Final = {
    Edge.REFLECT: "reflect",
    Edge.NEAREST: "nearest",
    Edge.WRAP: "wrap",
    Edge.CONSTANT: "constant",
}


CHUNKS_CACHED_MAX: Final = 1_024


class _Chunks(Protocol):
    """Where the chunks of a plan come from: a cut or an app's list."""

    number: int
    input_bytes: int
    output_array: ArraySpec

    @property
    def upload_bytes(self) -> int: ...

    @property
    def tile(self) -> Shape: ...

    @property
    def halo(self) -> Shape: ...

    @property
    def largest_bytes(self) -> tuple[int, int]: ...

    def chunk(self, index: int) -> PlannedChunk: ...

    def input(self, index: int) -> Chunk: ...

    def output_bytes(self, index: int) -> int: ...

    def check_sub_blocks(self, chunks_per_sub_block: int) -> None: ...


class Plan:
    """The plan of one job."""

    def __init__(self, chunks: _Chunks, chunks_per_sub_block: int) -> None:
        """Use `of` or `of_parts`."""
        if not 1 <= chunks_per_sub_block <= CHUNKS_PER_SUB_BLOCK_MAX:
            raise GeometryFault(
                f"{told(chunks_per_sub_block)} chunks per sub-block: it must be 1 to {CHUNKS_PER_SUB_BLOCK_MAX}"
            )
        self._source = chunks
        self._chunk = lru_cache(CHUNKS_CACHED_MAX)(chunks.chunk)
        self.chunks_per_sub_block = chunks_per_sub_block
        self.chunks = chunks.number
        self.sub_blocks = -(-self.chunks // chunks_per_sub_block)
        self.microjobs = -(-self.sub_blocks // SUB_BLOCKS_PER_MICROJOB)
        self.input_bytes = chunks.input_bytes
        self.output_array = chunks.output_array
        self.output_bytes = array_bytes(chunks.output_array)
        if self.microjobs > MICROJOBS_MAX:
            raise GeometryFault(
                f"the job has {told(self.microjobs)} microjobs, and {MICROJOBS_MAX} are allowed: "
                "take larger tiles or more chunks per sub-block"
            )
        chunks.check_sub_blocks(chunks_per_sub_block)

    @classmethod
    def of(cls, job: JobBody, explicit: ExplicitChunks | None = None) -> Plan:
        """The plan of a job; GeometryFault when its description cannot be.

        `explicit` is the decoded blob that `job.explicit_digest` names (the caller compares the digest).
        """
        if (job.explicit_digest is None) != (explicit is None):
            raise OurFault("the explicit chunks are given exactly when the job names their digest")
        return cls.of_parts(job.array, job.cut, job.output, explicit)

    @classmethod
    def of_parts(
        cls, array: ArraySpec, cut: Cut, output: OutputSpec, explicit: ExplicitChunks | None = None
    ) -> Plan:
        """The plan that these parts of a job's description give."""
        chunks: _Chunks = _Tiles(array, cut, output) if explicit is None else _Listed(array, output, explicit)
        return cls(chunks, cut.chunks_per_sub_block)

    def chunk(self, index: int) -> PlannedChunk:
        """Chunk `index`, 0-based within the job. The last ones asked for are kept: each is asked for several times."""
        return self._chunk(index)

    def rest(self) -> None:
        """Forget what was kept at hand: the job is over. What is asked for still is made again."""
        self._chunk.cache_clear()

    def inputs_of(self, chunks: range) -> list[Chunk]:
        """The input chunks of these, without the rest of what `chunk` tells: several times cheaper."""
        return [self._source.input(index) for index in chunks]

    def output_sizes_of(self, chunks: range) -> list[int]:
        """The bytes of the outputs of these chunks, as cheaply."""
        return [self._source.output_bytes(index) for index in chunks]

    def sub_blocks_of(self, microjob: int) -> int:
        """Number of sub-blocks of `microjob`: ten, or fewer in the last one."""
        if not 0 <= microjob < self.microjobs:
            raise GeometryFault(f"there is no microjob {told(microjob)}: the job has {self.microjobs}")
        return min(SUB_BLOCKS_PER_MICROJOB, self.sub_blocks - microjob * SUB_BLOCKS_PER_MICROJOB)

    def chunks_of(self, microjob: int, sub_block: int) -> range:
        """Indexes within the job of the chunks of sub-block `sub_block` (0 to 9) of `microjob`."""
        if not 0 <= sub_block < self.sub_blocks_of(microjob):
            raise GeometryFault(
                f"there is no sub-block {told(sub_block)} in microjob {microjob}: it has {self.sub_blocks_of(microjob)}"
            )
        first = (microjob * SUB_BLOCKS_PER_MICROJOB + sub_block) * self.chunks_per_sub_block
        return range(first, min(first + self.chunks_per_sub_block, self.chunks))

    def chunks_of_microjob(self, microjob: int) -> range:
        """Indexes within the job of all chunks of `microjob`: the leaves of its branch of the manifest."""
        last = self.chunks_of(microjob, self.sub_blocks_of(microjob) - 1)
        return range(self.chunks_of(microjob, 0).start, last.stop)

    @property
    def largest_bytes(self) -> tuple[int, int]:
        """Bytes of the largest input chunk and of the largest output chunk."""
        return self._source.largest_bytes

    def place_of(self, index: int) -> tuple[int, int]:
        """(microjob, sub-block within it) of chunk `index`."""
        if not 0 <= index < self.chunks:
            raise GeometryFault(f"there is no chunk {told(index)}: the job has {self.chunks}")
        return divmod(index // self.chunks_per_sub_block, SUB_BLOCKS_PER_MICROJOB)

    def reply(self, visible_to: str, waits_for: str) -> PlanJobReply:
        """The plan in numbers; `visible_to` says who will see the plaintext, `waits_for` whom the job would wait for."""
        return PlanJobReply(
            chunks=self.chunks,
            sub_blocks=self.sub_blocks,
            microjobs=self.microjobs,
            input_bytes=self.input_bytes,
            upload_bytes=self._source.upload_bytes,
            output_bytes=self.output_bytes,
            tile=self._source.tile,
            halo=self._source.halo,
            visible_to=visible_to,
            waits_for=waits_for,
        )


class _Tiles:
    """Chunks of a cut."""

    def __init__(self, array: ArraySpec, cut: Cut, output: OutputSpec) -> None:
        self.input_bytes = array_bytes(array)
        if cut.edge not in EDGE_NAMES:
            raise GeometryFault("the cut names no edge: say reflect, nearest, wrap or constant")
        self._array, self._edge = array, EDGE_NAMES[cut.edge]
        self._grid = Grid.of(array.shape, cut.tile, cut.halo)
        self.number = self._grid.tiles
        self._fixed_bytes = output.chunk_bytes
        self.output_array = self._output_array(output)
        self._check_sizes()

    @property
    def tile(self) -> Shape:
        return self._grid.tile

    @property
    def halo(self) -> Shape:
        return self._grid.halo

    @property
    def upload_bytes(self) -> int:
        return self._grid.input_items() * item_bytes(self._array.dtype)

    def _output_array(self, output: OutputSpec) -> ArraySpec:
        if output.chunk_bytes is None:
            return ArraySpec(shape=self._array.shape, dtype=output.dtype)
        if not 1 <= output.chunk_bytes <= CHUNK_BYTES_MAX:
            raise GeometryFault(
                f"an output of {told(output.chunk_bytes)} bytes a chunk: it must be 1 to {CHUNK_BYTES_MAX}"
            )
        return ArraySpec(shape=(self.number, output.chunk_bytes), dtype="uint8")

    @property
    def largest_bytes(self) -> tuple[int, int]:
        output = self._fixed_bytes or prod(self._grid.tile) * item_bytes(self.output_array.dtype)
        return self._grid.input_items_max() * item_bytes(self._array.dtype), output

    def _check_sizes(self) -> None:
        for name, size in zip(("input", "output"), self.largest_bytes, strict=True):
            if size > CHUNK_BYTES_MAX:
                raise GeometryFault(
                    f"the {name} of a tile has {size} bytes, and a chunk has at most {CHUNK_BYTES_MAX}: take smaller tiles"
                )
        if self.upload_bytes > STREAM_BYTES_MAX:
            raise GeometryFault("the tiles with their halo are larger than 2^63 bytes: take larger tiles")

    def check_sub_blocks(self, chunks_per_sub_block: int) -> None:
        for name, size in zip(("input", "output"), self.largest_bytes, strict=True):
            _check_sub_block(name, size * min(chunks_per_sub_block, self.number))

    def input(self, index: int) -> Chunk:
        return self._input(self._grid.region(index))

    def _input(self, region: Region) -> Chunk:
        array = (self._array.shape, item_bytes(self._array.dtype))
        return region_chunk(region.index, array, region.input_start, region.input_shape)

    def output_bytes(self, index: int) -> int:
        shape = self._grid.region(index).shape
        return self._fixed_bytes or prod(shape) * item_bytes(self.output_array.dtype)

    def chunk(self, index: int) -> PlannedChunk:
        region = self._grid.region(index)
        shape = self._array.shape
        chunk = self._input(region)
        output, start, extent = self._output(region)
        size = payload_bytes(output)
        tile = Tile(
            index=index,
            input_start=region.input_start,
            input_shape=region.input_shape,
            output_start=start,
            output_shape=extent,
            input_bytes=payload_bytes(chunk),
            output_bytes=size,
        )
        task = TaskShape(
            dtype=self._array.dtype,
            input_shape=region.input_shape,
            clipped_before=region.clipped_before,
            clipped_after=region.clipped_after,
            halo=self._grid.halo,
            output_shape=region.shape,
            output_start=region.start,
            array_shape=shape,
            output_bytes=size,
            edge=self._edge,
        )
        return PlannedChunk(index=index, input=chunk, output=output, tile=tile, task=task)

    def _output(self, region: Region) -> tuple[Chunk, Shape, Shape]:
        """The output chunk, and its region of the output array."""
        if self._fixed_bytes is None:
            array = (self._array.shape, item_bytes(self.output_array.dtype))
            return region_chunk(region.index, array, region.start, region.shape), region.start, region.shape
        start, extent = (region.index, 0), (1, self._fixed_bytes)
        return region_chunk(region.index, (self.output_array.shape, 1), start, extent), start, extent


class _Listed:
    """Chunks that an app lists itself. To the processor each is an array of lines by items, without halo."""

    def __init__(self, array: ArraySpec, output: OutputSpec, explicit: ExplicitChunks) -> None:
        self.input_bytes = array_bytes(array)
        self._dtype, self._pairs = array.dtype, explicit.pairs
        self.number = len(explicit.pairs)
        if not 1 <= self.number <= EXPLICIT_CHUNKS_MAX:
            raise GeometryFault(f"{self.number} explicit chunks: there must be 1 to {EXPLICIT_CHUNKS_MAX}")
        if output.chunk_bytes is not None:
            raise GeometryFault(
                "explicit chunks say themselves how large each output is: leave chunk_bytes out"
            )
        items, rest = divmod(explicit.output_bytes, item_bytes(output.dtype))
        if rest:
            raise GeometryFault(
                f"{told(explicit.output_bytes)} bytes of output are no whole number of {output.dtype} items"
            )
        self.output_array = ArraySpec(shape=(items,), dtype=output.dtype)
        output_bytes = array_bytes(self.output_array)
        for index, pair in enumerate(explicit.pairs):
            self._check(index, pair.input, self.input_bytes, writes=False)
            self._check(index, pair.output, output_bytes, writes=True)
        prove_coverage([pair.output for pair in explicit.pairs], output_bytes)

    @property
    def tile(self) -> Shape:
        return ()

    @property
    def halo(self) -> Shape:
        return ()

    @property
    def upload_bytes(self) -> int:
        return sum(payload_bytes(pair.input) for pair in self._pairs)

    @property
    def largest_bytes(self) -> tuple[int, int]:
        pairs = self._pairs
        return max(payload_bytes(p.input) for p in pairs), max(payload_bytes(p.output) for p in pairs)

    def _check(self, index: int, chunk: Chunk, stream_bytes: int, *, writes: bool) -> None:
        validate(chunk, stream_bytes, writes=writes)
        if chunk.chunk_id != index:
            raise GeometryFault(
                f"the explicit chunk at place {index} has chunk_id {chunk.chunk_id}: number them from 0"
            )
        dtype = self.output_array.dtype if writes else self._dtype
        if chunk.width % item_bytes(dtype):
            raise GeometryFault(
                f"chunk {index} is {chunk.width} bytes wide: that is no whole number of {dtype} items"
            )

    def check_sub_blocks(self, chunks_per_sub_block: int) -> None:
        for first in range(0, self.number, chunks_per_sub_block):
            pairs = self._pairs[first : first + chunks_per_sub_block]
            _check_sub_block("input", sum(payload_bytes(pair.input) for pair in pairs))
            _check_sub_block("output", sum(payload_bytes(pair.output) for pair in pairs))

    def input(self, index: int) -> Chunk:
        return self._pair(index).input

    def output_bytes(self, index: int) -> int:
        return payload_bytes(self._pair(index).output)

    def _pair(self, index: int) -> ChunkPair:
        if not 0 <= index < self.number:
            raise GeometryFault(f"there is no chunk {told(index)}: the job has {self.number}")
        return self._pairs[index]

    def chunk(self, index: int) -> PlannedChunk:
        pair = self._pair(index)
        shape = _lines(pair.input, self._dtype)
        output_shape = _lines(pair.output, self.output_array.dtype)
        tile = Tile(
            index=index,
            input_start=(0, 0),
            input_shape=shape,
            output_start=(0, 0),
            output_shape=output_shape,
            input_bytes=payload_bytes(pair.input),
            output_bytes=payload_bytes(pair.output),
            output_chunk=pair.output,
        )
        task = TaskShape(
            dtype=self._dtype,
            input_shape=shape,
            clipped_before=(0, 0),
            clipped_after=(0, 0),
            halo=(0, 0),
            output_shape=output_shape,
            output_start=(0, 0),
            array_shape=shape,
            output_bytes=tile.output_bytes,
            edge=EDGE_NAMES[Edge.REFLECT],
        )
        return PlannedChunk(index=index, input=pair.input, output=pair.output, tile=tile, task=task)


def _lines(chunk: Chunk, dtype: str) -> Shape:
    return chunk.height * chunk.count, chunk.width // item_bytes(dtype)


def _check_sub_block(name: str, size: int) -> None:
    if size > SUB_BLOCK_BYTES_MAX:
        raise GeometryFault(
            f"the {name} of a sub-block has {size} bytes, and {SUB_BLOCK_BYTES_MAX} are allowed: "
            "take smaller tiles or fewer chunks per sub-block"
        )
