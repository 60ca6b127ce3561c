"""How a job is cut when its app leaves the choice to us, and the one clear sentence when what it chose cannot be."""

from __future__ import annotations

from collections.abc import Sequence

from sgnus.core.chunks import GeometryFault, told
from sgnus.core.plan import Plan
from sgnus.core.tiles import Shape, array_bytes, axes_to_make_whole
from sgnus.messages.errors import UserFault
from sgnus.messages.limits import (
    CHANNELS_MAX,
    CHUNKS_PER_SUB_BLOCK_MAX,
    SUB_BLOCK_BYTES_MAX,
    SUB_BLOCK_INPUT_BYTES_TYPICAL,
    TILE_ITEMS_1D_TYPICAL,
    TILE_ITEMS_2D_TYPICAL,
    TILE_ITEMS_3D_TYPICAL,
)
from sgnus.messages.v1.types import ArraySpec, Cut, Edge, JobRequest, OutputSpec


def choose_cut(request: JobRequest, required_halo: Sequence[int] = (), expected_members: int = 0) -> Cut:
    """The cut of the job that `request` asks for; where the app chose, its choice, checked in full.

    `required_halo` is what the processor needs on each axis (trailing axes may be left out, meaning 0), and
    `expected_members` the peers that the node sees, used when the request does not say. UserFault when it cannot be.
    """
    return choose_plan(request, required_halo, expected_members)[0]


def choose_plan(
    request: JobRequest, required_halo: Sequence[int] = (), expected_members: int = 0
) -> tuple[Cut, Plan]:
    """The cut and the plan that follows from it."""
    try:
        output = output_of(request)
        if request.explicit is None:
            cut = _cut_of_array(request, tuple(required_halo))
        else:
            cut = _cut_of_list(request, tuple(required_halo))
        chunks = request.chunks_per_sub_block
        if not chunks:
            members = request.expected_members or expected_members
            chunks = _chunks_per_sub_block(
                Plan.of_parts(request.array, cut, output, request.explicit), members
            )
        cut = Cut(tile=cut.tile, halo=cut.halo, edge=cut.edge, chunks_per_sub_block=chunks)
        return cut, Plan.of_parts(request.array, cut, output, request.explicit)
    except GeometryFault as fault:
        raise UserFault(str(fault)) from fault


def output_of(request: JobRequest) -> OutputSpec:
    """What the output chunks look like: as the app says, else as the input."""
    return request.output or OutputSpec(dtype=request.array.dtype)


def default_tile(array: ArraySpec, halo: Sequence[int]) -> Shape:
    """The tile of a valid `array` when the app names none: for images 256 by 256 with whole channels.

    One axis gets 64 Ki items; three or more get 64 each on the last three and one on those before. No axis gets fewer
    than its halo, and inner axes are taken whole where a tile would otherwise not be one chunk.
    """
    shape = array.shape
    channels = len(shape) > 2 and shape[-1] <= CHANNELS_MAX
    axes = len(shape) - channels
    size = {1: TILE_ITEMS_1D_TYPICAL, 2: TILE_ITEMS_2D_TYPICAL}.get(axes, TILE_ITEMS_3D_TYPICAL)
    sizes = [1] * (axes - 3) + [size] * min(axes, 3) + [CHANNELS_MAX] * channels
    tile = [min(items, max(one, margin)) for items, one, margin in zip(shape, sizes, halo, strict=True)]
    for axis in axes_to_make_whole(shape, tuple(tile), tuple(halo)):
        tile[axis] = shape[axis]
    return tuple(tile)


def _cut_of_array(request: JobRequest, required: Shape) -> Cut:
    array = request.array
    array_bytes(array)
    if len(required) > len(array.shape):
        raise GeometryFault(
            f"processor {request.processor} works on {len(required)} axes, and the array of {told(*array.shape)} has fewer"
        )
    required += (0,) * (len(array.shape) - len(required))
    halo = _with_channels(array, request.halo, 0) or required
    if len(halo) == len(array.shape):
        for axis, (given, needed) in enumerate(zip(halo, required, strict=True)):
            if 0 <= given < needed:
                raise GeometryFault(
                    f"the halo is {told(given)} on axis {axis}, and processor {request.processor} needs {needed}: "
                    "give that much or leave it out"
                )
    tile = _with_channels(array, request.tile, array.shape[-1])
    if not tile:
        # A halo that does not fit gets its sentence from the plan, which sees it with this tile.
        fits = len(halo) == len(array.shape) and all(
            0 <= m <= n for m, n in zip(halo, array.shape, strict=True)
        )
        tile = default_tile(array, halo if fits else (0,) * len(array.shape))
    edge = Edge.REFLECT if request.edge is Edge.UNSPECIFIED else request.edge
    return Cut(tile=tile, halo=halo, edge=edge, chunks_per_sub_block=1)


def _with_channels(array: ArraySpec, numbers: Shape, channel: int) -> Shape:
    """For an image with channels, two numbers mean its rows and columns."""
    if len(numbers) == 2 and len(array.shape) == 3 and array.shape[-1] <= CHANNELS_MAX:
        return (*numbers, channel)
    return numbers


def _cut_of_list(request: JobRequest, required: Shape) -> Cut:
    if request.tile or request.halo:
        raise GeometryFault("explicit chunks are the cut: leave tile and halo out, or leave the chunks out")
    if any(required):
        raise GeometryFault(
            f"processor {request.processor} needs a halo, which explicit chunks do not have: give a tile instead"
        )
    return Cut(tile=(), halo=(), edge=Edge.REFLECT, chunks_per_sub_block=1)


def _chunks_per_sub_block(plan: Plan, members: int) -> int:
    """As many chunks as make 2 MiB of input, 1 to 64; fewer only to leave each expected member one sub-block."""
    largest_input, largest_output = plan.largest_bytes
    chunks = max(1, min(CHUNKS_PER_SUB_BLOCK_MAX, SUB_BLOCK_INPUT_BYTES_TYPICAL // largest_input))
    chunks = max(1, min(chunks, SUB_BLOCK_BYTES_MAX // largest_output))
    if members > 1:
        # The largest number of chunks that still makes `members` sub-blocks, where there are so many chunks.
        chunks = min(chunks, max(1, (plan.chunks - 1) // (members - 1)))
    return chunks
