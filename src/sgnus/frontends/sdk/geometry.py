"""Tile and halo as people give them, checked against the array and spread over its axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sgnus.messages.errors import UserFault

AXES_MAX: Final = 8
CHANNELS_MAX: Final = 4
"""A last axis of three-dimensional data up to this long is channels (grey and alpha, RGB, RGBA), not space."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Explicit geometry: byte(k, r) = offset + k * block_stride + r * line_stride, `width` bytes each, for lines
    r < height and blocks k < count.
    """

    chunk_id: int
    offset: int
    width: int
    height: int
    line_stride: int
    block_stride: int
    count: int


def check_shape(shape: Sequence[int]) -> None:
    """An array that can be cut: 1 to 8 axes, nothing empty."""
    if not shape:
        raise UserFault("The input is a single number; give an array with at least one axis.")
    if len(shape) > AXES_MAX:
        raise UserFault(f"The input has {len(shape)} axes, more than {AXES_MAX}; reshape it.")
    if 0 in shape:
        raise UserFault(f"The input of shape {shown(shape)} is empty: there is nothing to process.")


def spread_tile(tile: Sequence[int] | int | None, shape: Sequence[int]) -> tuple[int, ...]:
    """The tile on every axis; fewer numbers than axes cut the first ones, and take the last axes whole."""
    if tile is None:
        return ()
    given = (tile,) * space_axes(shape) if isinstance(tile, int) else tuple(tile)
    if len(given) > len(shape):
        raise UserFault(f"The tile {shown(given)} has more axes than the input of shape {shown(shape)}.")
    for size, length in zip(given, shape, strict=False):
        if size < 1:
            raise UserFault(f"The tile {shown(given)} must be 1 or more on every axis.")
        if size > length:
            raise UserFault(
                f"The tile {shown(given)} is larger than the input of shape {shown(shape)}; "
                f"give at most {shown(shape[: len(given)])}, or leave the tile out."
            )
    return given + tuple(shape[len(given) :])


def spread_halo(
    halo: Sequence[int] | int | None, tile: Sequence[int], shape: Sequence[int], tile_axes: int | None = None
) -> tuple[int, ...]:
    """The halo on every axis. One number goes on the axes of space alone, so never on channels.

    `tile` is the spread one, or empty; `tile_axes` says how many axes the caller's own tile had.
    """
    if halo is None:
        return ()
    if isinstance(halo, int):
        axes = space_axes(shape) if tile_axes is None else min(tile_axes, space_axes(shape))
        given = (halo,) * axes
    else:
        given = tuple(halo)
    if len(given) > len(shape):
        raise UserFault(f"The halo {shown(given)} has more axes than the input of shape {shown(shape)}.")
    for axis, margin in enumerate(given):
        if margin < 0:
            raise UserFault(f"The halo {shown(given)} must be 0 or more on every axis.")
        if tile and margin > tile[axis]:
            raise UserFault(
                f"The halo {shown(given)} is larger than the tile {shown(tile)}; take larger tiles or a smaller halo."
            )
    return given + (0,) * (len(shape) - len(given))


def space_axes(shape: Sequence[int]) -> int:
    """How many of the first axes are space."""
    has_channels = len(shape) == 3 and shape[2] <= CHANNELS_MAX
    return 2 if has_channels else len(shape)


def shown(sizes: Sequence[int]) -> str:
    """Sizes as people write them: 256x256."""
    return "x".join(str(size) for size in sizes)
