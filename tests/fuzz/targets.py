"""All targets by name."""

from __future__ import annotations

from typing import Final

from tests.fuzz import doors, evidence, words
from tests.fuzz.target import Target

TARGETS: Final[dict[str, Target]] = {
    target.name: target for target in (*words.TARGETS, *evidence.TARGETS, *doors.TARGETS)
}
