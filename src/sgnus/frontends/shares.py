"""Shares of something, as people write them."""

from __future__ import annotations

import re
from typing import Final

_SHARE: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})\s*(%?)")


def share(text: str) -> float:
    """`10%` or `0.1`, from 0 to 1. ValueError for what is none."""
    found = _SHARE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no share; write 10% or 0.1")
    part = float(found[1]) / (100 if found[2] else 1)
    if part > 1:
        raise ValueError(f"{text!r} is no share of the whole; write 10% or 0.1")
    return part


def permille(text: str) -> int:
    """The same in parts of a thousand."""
    return round(1000 * share(text))
