"""The progress that people see: how much of all, the rate, the time left."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

import pytest

from sgnus.frontends.cli.meter import Meter


class Terminal(io.StringIO):
    """A stderr that somebody looks at, unless told otherwise; it remembers what it showed."""

    def __init__(self, is_terminal: bool = True) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def last(self, word: str) -> str:
        """The last line with this word, without what moves the cursor and without padding."""
        lines = [" ".join(line.split()) for line in self.getvalue().replace("\r", "\n").split("\n")]
        return [line for line in lines if word in line][-1]


def shown(
    monkeypatch: pytest.MonkeyPatch,
    delivered: Sequence[int] = (),
    uploaded: Sequence[int] = (),
    *,
    is_shown: bool = True,
    is_terminal: bool = True,
) -> Terminal:
    """What a meter shows of an upload of 8 MB and 60 sub-blocks, a second between two steps."""
    terminal = Terminal(is_terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    for name, value in (("TERM", "xterm"), ("COLUMNS", "120"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
    now_s = 100.0
    with Meter(is_shown, lambda: now_s) as meter:
        for sent in uploaded:
            meter.uploaded(sent, 8_000_000)
            now_s += 1.0
        for done in delivered:
            meter.delivered(done, 60)
            now_s += 1.0
    return terminal


def test_results_have_a_rate_and_a_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    line = shown(monkeypatch, [0, 5, 10, 15]).last("Processing")
    assert line.endswith("15/60 sub-blocks, 5.0/s 0:00:09")


def test_an_upload_is_told_in_megabytes_and_the_results_get_a_bar_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = shown(monkeypatch, [1], [0, 3_000_000, 6_000_000])
    assert "6/8 MB, 3.0/s" in terminal.last("Uploading")
    assert "1/60 sub-blocks" in terminal.last("Processing")


def test_before_anything_moved_no_rate_and_no_time_left_are_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, [0]).last("Processing").endswith("0/60 sub-blocks -:--:--")


@pytest.mark.parametrize(("is_shown", "is_terminal"), [(False, True), (True, False)])
def test_where_nobody_looks_nothing_is_shown(
    is_shown: bool, is_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shown(monkeypatch, [1, 2], is_shown=is_shown, is_terminal=is_terminal).getvalue() == ""
