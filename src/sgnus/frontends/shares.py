"""Shares of something, as people write them."""

from __future__ import annotations

import re
from typing import Final

_SHARE: Final = re.compile(r"(\d{1,3})(?:\.(\d))?\s*%?")


def permille(text: str) -> int:
    """`1%`, `0.5 %` or `2` (percent) as parts of a thousand. ValueError for what is no share, or more than all."""
    found = _SHARE.fullmatch(text.strip())
    parts = 10 * int(found[1]) + int(found[2] or 0) if found else 1001
    if parts > 1000:
        raise ValueError(f"{text!r} is no share; write a percentage such as 1%, 0.5% or 100%")
    return parts
