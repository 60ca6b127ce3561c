"""What a soak asks of the grid: jobs of several kinds whose right output is known before they are submitted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sgnus.runtime import reference
from tests.whole.modules import slow_invert

Pixels = NDArray[np.uint8]
LIFETIME_MS: Final = 4 * 60_000
"""Short, so that even ten minutes see jobs expire and be forgotten; and as long as a job may take before it counts as stuck."""
SIDE: Final = 16
HASHED: Final = 64
SHA256_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Order:
    """One job to be: `kind` for people, what `submit` takes, and the only right output."""

    kind: str
    source: Pixels
    right: Pixels
    wishes: Mapping[str, Any] = field(default_factory=dict)


Maker = Callable[[Random, str], Order]


def own_module(dice: Random, verify: str) -> Order:
    """A module of the app's own: an inversion that takes its time, a chunk to a sub-block."""
    sub_blocks, seconds = dice.randint(16, 28), dice.choice((0.15, 0.25, 0.35))
    source = _noise(dice, sub_blocks * SIDE, SIDE)
    wishes = {"module": slow_invert(seconds), "tile": (SIDE, SIDE), "halo": 0, "chunks_per_sub_block": 1}
    return Order(f"own module, {verify}", source, 255 - source, {**wishes, "verify": verify})


def blur(dice: Random, verify: str) -> Order:
    """A picture through the blur that ships: many small tiles with a halo."""
    sigma = dice.choice((1.0, 2.0, 3.0))
    return _picture(dice, verify, "gaussian-blur", {"sigma": sigma}, (768, 512))


def denoise(dice: Random, verify: str) -> Order:
    """A picture through non-local means: the dearest processor that ships."""
    return _picture(dice, verify, "non-local-means", {"search": dice.randint(8, 11)}, (512, 384))


def hashes(dice: Random, verify: str) -> Order:
    """One short value a chunk, whose size is not that of its input."""
    chunks = dice.randint(100, 200)
    source = _noise(dice, chunks * HASHED, HASHED)
    made = b"".join(
        hashlib.sha256(source[start : start + HASHED].tobytes()).digest()
        for start in range(0, len(source), HASHED)
    )
    right = np.frombuffer(made, np.uint8)
    wishes = {"processor": "sha256", "tile": (HASHED, HASHED), "chunks_per_sub_block": 6, "verify": verify}
    return Order(f"sha256, {verify}", source, right, wishes)


MAKERS: Final[tuple[tuple[Maker, str], ...]] = (
    (own_module, "none"),
    (blur, "none"),
    (own_module, "sample"),
    (denoise, "sample"),
    (hashes, "none"),
    (own_module, "full"),
    (blur, "sample"),
    (denoise, "none"),
    (hashes, "full"),
    (blur, "full"),
)


def order(seed: int, number: int) -> Order:
    """The order of that number in the run of that seed. Blocks while its output is computed."""
    dice = Random(f"{seed}/order/{number}")
    maker, verify = MAKERS[number % len(MAKERS)]
    made = maker(dice, verify)
    name = f"soak {seed}/{number}"
    return Order(
        made.kind, made.source, made.right, {**made.wishes, "name": name, "lifetime_ms": LIFETIME_MS}
    )


def _picture(
    dice: Random, verify: str, processor: str, parameters: Mapping[str, Any], shape: tuple[int, int]
) -> Order:
    source = _noise(dice, *shape)
    made = reference.compute(processor, parameters, source.tobytes(), "uint8", shape)
    wishes = {
        "processor": processor,
        "parameters": parameters,
        "tile": (64, 64),
        "chunks_per_sub_block": 2,
        "verify": verify,
    }
    return Order(f"{processor}, {verify}", source, np.frombuffer(made, np.uint8).reshape(shape), wishes)


def _noise(dice: Random, rows: int, columns: int) -> Pixels:
    return np.random.default_rng(dice.getrandbits(64)).integers(0, 256, (rows, columns), dtype=np.uint8)
