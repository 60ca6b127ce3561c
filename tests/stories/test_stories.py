"""Each transcript beside this file, told again, is the same to the letter."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories.teller import Teller, transcripts


@pytest.mark.parametrize("path", transcripts(), ids=lambda path: path.stem)
def test_the_story_is_told_as_it_is_written(path: Path) -> None:
    written = path.read_text(encoding="utf-8")
    assert Teller().tell(written) == written


def test_there_are_stories_to_tell() -> None:
    assert len(transcripts()) >= 10
