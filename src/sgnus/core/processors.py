"""The processors that ship: what each accepts, what it gives back, and the halo that it needs.

Their code is C in `processors/`; nothing here touches a byte of an array (docs/protocol/processor.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final, Literal

from sgnus.messages.errors import UserFault
from sgnus.messages.limits import CHUNK_DEADLINE_FACTOR, CHUNK_MS_MAX, CHUNK_MS_MIN

DTYPES: Final[Mapping[str, tuple[int, int]]] = {
    "bool": (0, 1),
    "uint8": (1, 1),
    "uint16": (2, 2),
    "uint32": (3, 4),
    "uint64": (4, 8),
    "int8": (5, 1),
    "int16": (6, 2),
    "int32": (7, 4),
    "int64": (8, 8),
    "float16": (9, 2),
    "float32": (10, 4),
    "float64": (11, 8),
    "complex64": (12, 8),
    "complex128": (13, 16),
}
"""Name -> (code in the request block, bytes per item). All little-endian."""

EDGES: Final = ("reflect", "nearest", "wrap", "constant")
AXES_MAX: Final = 8
CHANNELS_MAX: Final = 4
PARAMETERS_BYTES_MAX: Final = 4096

Given = Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One named number; `minimum` and `maximum` are allowed values."""

    name: str
    kind: Literal["whole", "real"]
    default: int | float
    minimum: int | float
    maximum: int | float
    description: str


@dataclass(frozen=True, slots=True)
class Processor:
    """One processor that ships. `output_bytes` 0: shape and dtype of the input; else so many a chunk."""

    name: str
    version: int
    summary: str
    dtypes: tuple[str, ...]
    channels: Literal["image", "any"]
    parameters: tuple[Parameter, ...] = ()
    output_bytes: int = 0

    @property
    def output_rule(self) -> str:
        """The rule in words, for `--help` and the docs."""
        return f"{self.output_bytes} bytes a chunk" if self.output_bytes else "same shape and dtype"


_NUMBERS: Final = ("uint8", "uint16", "float32", "float64")

PROCESSORS: Final[Mapping[str, Processor]] = {
    p.name: p
    for p in (
        Processor("invert", 1, "largest value minus the item (1 - x for floats)", _NUMBERS, "any"),
        Processor("sobel", 1, "length of the 3x3 Sobel gradient, per channel", _NUMBERS, "image"),
        Processor(
            "gaussian-blur",
            1,
            "separable Gaussian, cut off at 3 sigma, per channel",
            _NUMBERS,
            "image",
            (Parameter("sigma", "real", 1.0, 0.1, 10.0, "standard deviation in pixels"),),
        ),
        Processor(
            "non-local-means",
            1,
            "denoises: mean of the pixels around, weighted by how alike their surroundings are",
            ("uint8",),
            "image",
            (
                Parameter("patch", "whole", 2, 1, 3, "radius of the surroundings that are compared"),
                Parameter("search", "whole", 9, 1, 15, "radius of the window that is searched"),
                Parameter("h", "real", 12.0, 1.0, 100.0, "strength in grey levels"),
            ),
        ),
        Processor(
            "mandelbrot",
            1,
            "draws the Mandelbrot set over the array's shape; ignores the input's bytes",
            ("uint8",),
            "image",
            (
                Parameter("center_x", "real", -0.5, -4.0, 4.0, "real part of the picture's centre"),
                Parameter("center_y", "real", 0.0, -4.0, 4.0, "imaginary part of the picture's centre"),
                Parameter("scale", "real", 3.0, 1e-12, 16.0, "width of the whole picture in the plane"),
                Parameter(
                    "iterations", "whole", 200, 1, 100_000, "steps after which a point counts as inside"
                ),
            ),
        ),
        Processor("sha256", 1, "SHA-256 of the chunk's bytes", tuple(DTYPES), "any", output_bytes=32),
    )
}


def processor_named(name: str) -> Processor:
    """The shipped processor `name`; UserFault lists the known ones."""
    found = PROCESSORS.get(name)
    if found is None:
        raise UserFault(
            f"unknown processor {name!r}: the ones that ship are {', '.join(PROCESSORS)}; "
            "for a module of your own say wasm:FILE"
        )
    return found


def check_parameters(name: str, given: Given, dtype: str, shape: Sequence[int]) -> dict[str, str]:
    """All parameters of processor `name` as text, defaults filled in, for an array of `dtype` and `shape`.

    UserFault: unknown processor or parameter, a value that is no number or out of range, a dtype or shape
    that the processor does not take.
    """
    processor = processor_named(name)
    _check_array(processor, dtype, shape)
    known = {p.name: p for p in processor.parameters}
    for wanted in given:
        if wanted not in known:
            offer = f"it takes {', '.join(known)}" if known else "it takes none"
            raise UserFault(f"processor {name} has no parameter {wanted!r}: {offer}")
    return {p.name: _value(processor, p, given.get(p.name, p.default)) for p in processor.parameters}


def required_halo(name: str, parameters: Given, axes: int) -> tuple[int, ...]:
    """Halo per axis of an array of `axes` dimensions that processor `name` needs with these parameters."""
    processor = processor_named(name)
    values = {p.name: float(parameters.get(p.name, p.default)) for p in processor.parameters}
    radius = 0
    if name == "sobel":
        radius = 1
    elif name == "gaussian-blur":
        while radius < 3.0 * values["sigma"]:  # the same sum as in gaussian_blur.c
            radius += 1
    elif name == "non-local-means":
        radius = int(values["patch"] + values["search"])
    return tuple(radius if axis < 2 else 0 for axis in range(axes))


def check_halo(name: str, parameters: Given, halo: Sequence[int]) -> None:
    """UserFault when `halo` is too small for the processor, or given where it must be 0."""
    needed = required_halo(name, parameters, len(halo))
    if any(have < need for have, need in zip(halo, needed, strict=True)):
        raise UserFault(f"halo {tuple(halo)} is too small: {name} needs {needed} with these parameters")
    processor = processor_named(name)
    if processor.output_bytes and any(halo):
        raise UserFault(f"{name} takes no halo, but {tuple(halo)} was asked for")
    if processor.channels == "image" and len(halo) == 3 and halo[2]:
        raise UserFault(f"halo {tuple(halo)}: the last axis holds channels, its halo must be 0")


def parameters_text(parameters: Given) -> bytes:
    """The parameters as the module reads them: sorted `name=value` lines; UserFault when that cannot be."""
    lines = []
    for name in sorted(parameters):
        value = str(parameters[name])
        if not name or any(c in name for c in "=\n") or "\n" in value:
            raise UserFault(
                f"parameter {name!r}: neither an empty name, nor '=' in a name, nor a line break is possible"
            )
        lines.append(f"{name}={value}\n")
    text = "".join(lines).encode()
    if len(text) > PARAMETERS_BYTES_MAX:
        raise UserFault(
            f"the parameters take {len(text)} bytes, {PARAMETERS_BYTES_MAX} are allowed: give fewer"
        )
    return text


def _check_array(processor: Processor, dtype: str, shape: Sequence[int]) -> None:
    if dtype not in processor.dtypes:
        raise UserFault(
            f"processor {processor.name} takes {', '.join(processor.dtypes)}, but the array is {dtype}"
        )
    if not 1 <= len(shape) <= AXES_MAX:
        raise UserFault(f"an array has 1 to {AXES_MAX} axes, but this one's shape is {tuple(shape)}")
    if processor.channels == "any":
        return
    if len(shape) not in (2, 3) or (len(shape) == 3 and not 1 <= shape[2] <= CHANNELS_MAX):
        raise UserFault(
            f"processor {processor.name} takes images (H, W) or (H, W, C), C up to {CHANNELS_MAX}, "
            f"but the array's shape is {tuple(shape)}"
        )


def _value(processor: Processor, parameter: Parameter, given: str | int | float) -> str:
    where = f"parameter {parameter.name} of {processor.name}"
    number: int | float
    try:
        number = float(given)
        if parameter.kind == "whole" and isfinite(number) and number == int(number):
            number = int(number)
    except (ValueError, OverflowError):
        raise UserFault(f"{where} must be a number, not {given!r}") from None
    if parameter.kind == "whole" and not isinstance(number, int):
        raise UserFault(f"{where} must be a whole number, not {given!r}")
    if not parameter.minimum <= number <= parameter.maximum:
        raise UserFault(
            f"{where} must lie between {parameter.minimum} and {parameter.maximum}, not be {given!r}"
        )
    return repr(number)


def chunk_ms_max(deadline_ms: int) -> int:
    """How long one chunk of a job may run before it is abandoned.

    A member that is some times slower than the deadline still ends what it was given; a module that never ends is given up
    soon after it. Whatever the deadline, no chunk gets more than the profile's time, or less than the shortest lease.
    """
    return min(CHUNK_MS_MAX, max(CHUNK_MS_MIN, CHUNK_DEADLINE_FACTOR * deadline_ms))
