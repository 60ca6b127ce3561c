"""docs/protocol/room.md says what the tables say."""

from __future__ import annotations

from sgnus.core.room_table import ROOM
from tools.room_tables import CHANGES, PAGE, page


def test_the_generated_part_of_the_page_is_current() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run: python -m tools.room_tables"


def test_every_change_of_phase_that_is_drawn_has_a_handler() -> None:
    handled = {(phase, kind.__name__) for phase, kind in ROOM}
    assert all((before, kind) in handled for before, kind, _after, _why in CHANGES)
