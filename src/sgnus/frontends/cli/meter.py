"""Progress with rate and time left, on stderr; silent where nobody looks."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any


class Meter:
    """A bar for the upload, then one for the results. Does nothing unless `is_shown` and stderr is a terminal.

    `clock_s`: the monotonic time by which rate and time left are told.
    """

    def __init__(self, is_shown: bool, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._progress: Any = None
        self._task: Any = None
        if is_shown and sys.stderr.isatty():
            self._progress = _rich_progress(clock_s)

    def __enter__(self) -> Meter:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def uploaded(self, sent: int, total: int) -> None:
        """Bytes of the input that the node has."""
        self._show("Uploading", sent / 1e6, total / 1e6, "MB")

    def delivered(self, done: int, total: int) -> None:
        """Sub-blocks whose results are here."""
        self._show("Processing", done, total, "sub-blocks")

    def _show(self, what: str, done: float, total: float, unit: str) -> None:
        if self._progress is None:
            return
        if self._task is None or self._progress.tasks[-1].description != what:
            self._task = self._progress.add_task(what, total=total, completed=done, unit=unit)
        else:
            self._progress.update(self._task, total=total, completed=done)


def _rich_progress(clock_s: Callable[[], float]) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        """Done of all, and how many a second."""

        def render(self, task: Task) -> Text:
            unit, total = task.fields["unit"], task.total or 0
            speed = task.finished_speed or task.speed
            rate = f", {speed:.1f}/s" if speed else ""
            return Text(f"{task.completed:.0f}/{total:.0f} {unit}{rate}")

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        Rate(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        get_time=clock_s,
    )
