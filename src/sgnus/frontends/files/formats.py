"""What an output format can hold, so that a job whose result has no place is refused before it is submitted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sgnus.messages.errors import UserFault

FORMATS: Final = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".npy": "npy",
    ".raw": "raw",
    ".bin": "raw",
}
JPEG_SIDE_MAX: Final = 65_535
PNG_SIDE_MAX: Final = 2**31 - 1
TIFF_DTYPES: Final = [
    "bool",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]


def format_of(path: Path) -> str:
    """By the ending of the name; UserFault names those that there are."""
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise UserFault(
            f"The output {path} has no ending that says its format; take one of {', '.join(FORMATS)}."
        )
    return kind


def check_fits(path: Path, kind: str, shape: Sequence[int], dtype: str) -> None:
    """UserFault when a result of that shape and dtype cannot be written in that format."""
    if kind in ("png", "jpeg"):
        reason = _png_refusal(shape, dtype) if kind == "png" else _jpeg_refusal(shape, dtype)
    else:
        reason = "" if kind != "tiff" or dtype in TIFF_DTYPES else f"TIFF does not hold {dtype}"
    if reason:
        other = ".tif or .npy" if kind != "tiff" else ".npy"
        raise UserFault(
            f"The result has shape {'x'.join(map(str, shape))} and dtype {dtype}, which {path.name} cannot hold: "
            f"{reason}. Name the output {other}."
        )


def _png_refusal(shape: Sequence[int], dtype: str) -> str:
    if dtype not in ("uint8", "uint16", "bool"):
        return "PNG holds uint8, uint16 and bool"
    channels = _channels(shape)
    if channels is None:
        return "PNG holds pictures of height x width, with 2, 3 or 4 channels at the end"
    if dtype != "uint8" and channels != 1:
        return f"PNG is written with channels in uint8 only, not in {dtype}"
    return "a side is too long for PNG" if max(shape[:2]) > PNG_SIDE_MAX else ""


def _jpeg_refusal(shape: Sequence[int], dtype: str) -> str:
    if dtype != "uint8":
        return "JPEG holds uint8 alone"
    if _channels(shape) not in (1, 3):
        return "JPEG holds pictures of height x width, with 3 channels at the end or none"
    return f"JPEG sides end at {JPEG_SIDE_MAX}" if max(shape[:2]) > JPEG_SIDE_MAX else ""


def _channels(shape: Sequence[int]) -> int | None:
    """1 for a grey picture, 2 to 4 with channels; None when it is no picture."""
    if len(shape) == 2:
        return 1
    if len(shape) == 3 and shape[2] in (2, 3, 4):
        return shape[2]
    return None
