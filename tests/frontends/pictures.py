"""Files for the tests: whole, odd and broken ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

PIXELS = np.random.default_rng(11).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def png(path: Path, array: np.ndarray = PIXELS) -> Path:
    Image.fromarray(array).save(path)
    return path


def truncated(path: Path, keep: float = 0.5) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path
