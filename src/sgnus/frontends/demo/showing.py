"""What a person sees of the demo: a live bar on a terminal, lines elsewhere, and a table at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, TextIO

from sgnus.frontends.cli.saying import count

STEPS: Final = 10


class Screen:
    """Says what happens, with the seconds since the start. Goes to stderr when stdout is for JSON."""

    def __init__(self, as_json: bool) -> None:
        self._stream: TextIO = sys.stderr if as_json else sys.stdout
        self._started = time.monotonic()
        self._told = -1
        self._progress: Any = None
        self._task: Any = None
        if self._stream.isatty():
            self._progress = _bar(self._stream)

    def __enter__(self) -> Screen:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def say(self, sentence: str) -> None:
        """One line of what happened."""
        line = f"{self.seconds:6.1f} s  {sentence}"
        if self._progress is not None:
            self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            self._stream.write(line + "\n")
            self._stream.flush()

    def delivered(self, done: int, total: int, rooms: int) -> None:
        """How far the job is."""
        note = f"{done} of {count(total, 'sub-block')}, {count(rooms, 'room')} so far"
        if self._progress is not None:
            if self._task is None:
                self._task = self._progress.add_task("Processing", total=total, note=note)
            self._progress.update(self._task, completed=done, note=note)
            return
        step = done * STEPS // max(1, total)
        if step > self._told:
            self._told = step
            self.say(f"{done * 100 // max(1, total):3} %  {note}")

    def table(self, rows: Sequence[tuple[str, str]]) -> None:
        """Name and value a line."""
        width = max(len(name) for name, _ in rows)
        self._stream.write("\n" + "".join(f"  {name.ljust(width)}  {value}\n" for name, value in rows))
        self._stream.flush()


def _bar(stream: TextIO) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[note]}"),
        TimeElapsedColumn(),
        console=Console(file=stream),
        transient=True,
    )
