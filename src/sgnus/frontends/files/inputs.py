"""Input files as arrays: mapped where the format allows, decoded whole where it does not."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sgnus.messages.errors import UserFault

Array = NDArray[Any]

PIXELS_MAX: Final = 500_000_000
"""A compressed picture that claims more is refused: a few bytes may claim any size."""
EXIF_ORIENTATION: Final = 0x0112
MAGIC_BYTES: Final = 12
# Modes whose pixels are taken as they are; the others become RGB.
PLAIN_MODES: Final = ("L", "LA", "RGB", "RGBA", "I;16", "I", "F")
BROKEN: Final = (OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error, IndexError, KeyError)


@dataclass(frozen=True, slots=True)
class InputFile:
    """An opened input: `notes` are what a person should know about it."""

    path: Path
    format: str
    array: Array
    notes: tuple[str, ...] = ()


def open_input(
    path: Path, *, shape: Sequence[int] | None = None, dtype: str | None = None, pixels_max: int = PIXELS_MAX
) -> InputFile:
    """Open PNG, JPEG, TIFF, .npy, or raw bytes (with `shape` and `dtype`). UserFault says what is wrong with the file."""
    kind = _format_of(path)
    if kind == "raw":
        return InputFile(path, "raw", _raw(path, shape, dtype))
    opened = {"npy": _npy, "tiff": _tiff}.get(kind, _picture)(path, pixels_max)
    array = opened.array
    if array.size == 0:
        raise UserFault(f"{path} is empty: it has shape {_shown(array.shape)}.")
    if shape is not None and tuple(shape) != array.shape:
        raise UserFault(
            f"{path} has shape {_shown(array.shape)}, not {_shown(shape)}; leave --shape out, its format says it."
        )
    if dtype is not None and _dtype(dtype) != array.dtype:
        raise UserFault(
            f"{path} has dtype {array.dtype}, not {dtype}; leave --dtype out, its format says it."
        )
    return opened


def _format_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(MAGIC_BYTES)
    except IsADirectoryError as error:
        raise UserFault(f"{path} is a folder; name a file.") from error
    except FileNotFoundError as error:
        raise UserFault(f"There is no file {path}; check its name.") from error
    except OSError as error:
        raise UserFault(f"{path} cannot be read: {error.strerror}.") from error
    if not head:
        raise UserFault(f"{path} is empty (0 bytes).")
    for magic, kind in (
        (b"\x89PNG", "png"),
        (b"\xff\xd8\xff", "jpeg"),
        (b"II*\0", "tiff"),
        (b"MM\0*", "tiff"),
        (b"II+\0", "tiff"),
        (b"MM\0+", "tiff"),
        (b"\x93NUMPY", "npy"),
    ):
        if head.startswith(magic):
            return kind
    claimed = path.suffix.lower()
    if claimed in (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".npy"):
        raise UserFault(f"{path} is no {claimed[1:].upper()} file, whatever its name says; is it damaged?")
    return "raw"


def _raw(path: Path, shape: Sequence[int] | None, dtype: str | None) -> Array:
    if shape is None or dtype is None:
        raise UserFault(
            f"{path} is no PNG, JPEG, TIFF or .npy file; if it is raw bytes, say --shape and --dtype "
            "(such as --shape 1080x1920x3 --dtype uint8)."
        )
    if not shape or any(length < 1 for length in shape):
        raise UserFault(f"The shape {_shown(shape)} must be 1 or more on every axis.")
    item = _dtype(dtype)
    wanted, size = math.prod(shape) * item.itemsize, path.stat().st_size
    if wanted != size:
        raise UserFault(
            f"{path} has {size} bytes, but shape {_shown(shape)} of {item} is {wanted} bytes; correct --shape or --dtype."
        )
    return np.memmap(path, item, mode="r", shape=tuple(shape))


def _dtype(name: str) -> np.dtype[Any]:
    try:
        found = np.dtype(name)
    except (TypeError, ValueError, SyntaxError) as error:
        raise UserFault(f"There is no dtype {name!r}; take one such as uint8, uint16 or float32.") from error
    if found.kind not in "biufc":
        raise UserFault(f"The dtype {name!r} is no number type; take one such as uint8, uint16 or float32.")
    return found


def _npy(path: Path, _pixels_max: int) -> InputFile:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except BROKEN as error:
        raise UserFault(
            f"{path} is a damaged or truncated .npy file, or holds objects: {_reason(error)}."
        ) from error
    return InputFile(path, "npy", array)


def _picture(path: Path, pixels_max: int) -> InputFile:
    from PIL import Image

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(path) as image:
            kind = (image.format or "picture").lower()
            check_pixels(path, image.width * image.height, pixels_max)
            notes = _notes(path, image)
            plain = image if image.mode in PLAIN_MODES else image.convert(_plain_mode(image))
            array = np.asarray(plain)
    except BROKEN as error:
        raise UserFault(f"{path} is damaged or truncated: {_reason(error)}.") from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    return InputFile(path, kind, array, tuple(notes))


def _plain_mode(image: Any) -> str:
    """Without palettes, inks and single bits."""
    if image.mode == "1":
        return "L"
    return "RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB"


def _notes(path: Path, image: Any) -> list[str]:
    notes = []
    if image.mode not in PLAIN_MODES:
        notes.append(f"{path} has mode {image.mode}; it is taken as {_plain_mode(image)}.")
    orientation = image.getexif().get(EXIF_ORIENTATION, 1)
    if orientation not in (0, 1):
        notes.append(
            f"{path} asks to be shown turned (EXIF orientation {orientation}); pixels are taken as stored, "
            "and the output has no such mark."
        )
    if getattr(image, "n_frames", 1) > 1:
        notes.append(f"{path} has {image.n_frames} frames; the first is taken.")
    return notes


def check_pixels(path: Path, pixels: int, pixels_max: int) -> None:
    """Refuse a picture that claims more pixels than the limit, before it is decoded."""
    if pixels > pixels_max:
        raise UserFault(
            f"{path} claims {pixels / 1e6:.1f} megapixels, more than the limit of {pixels_max / 1e6:.1f}; "
            f"if you trust it, say --pixels-max {pixels}."
        )


def _tiff(path: Path, pixels_max: int) -> InputFile:
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            notes = (
                [f"{path} has {len(file.series)} series; the first is taken."] if len(file.series) > 1 else []
            )
            _check_whole(file, series, path)
            if series.dataoffset is not None:
                array = tifffile.memmap(path, mode="r")
            else:
                check_pixels(path, math.prod(series.shape), pixels_max)
                array = series.asarray()
    except (tifffile.TiffFileError, *BROKEN) as error:
        if "imagecodecs" in str(error):
            return _picture(path, pixels_max)
        raise UserFault(f"{path} is a damaged or truncated TIFF file: {_reason(error)}.") from error
    return InputFile(path, "tiff", array, tuple(notes))


def _check_whole(file: Any, series: Any, path: Path) -> None:
    """tifffile reads what is missing as zeros: the strips must lie within the file."""
    size = path.stat().st_size
    for page in series.pages:
        if page is None:
            continue
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
            if offset + count > size:
                raise UserFault(
                    f"{path} is truncated: it has {size} bytes, and its pixels reach to byte {offset + count}."
                )


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _shown(shape: Sequence[int]) -> str:
    return "x".join(str(length) for length in shape)
