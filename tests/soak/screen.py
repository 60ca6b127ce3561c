"""What a person sees of a soak: a line that moves on a terminal; elsewhere a line a minute."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, TextIO

EVERY_S: Final = 60.0


class Screen:
    """Speaks on stderr, so that the summary has stdout to itself."""

    def __init__(self, is_wordy: bool) -> None:
        self._stream: TextIO = sys.stderr
        self._is_wordy = is_wordy
        self._began = time.monotonic()
        self._told = self._began
        self._status: Any = None
        if self._stream.isatty():
            from rich.console import Console

            self._status = Console(file=self._stream).status("starting")

    def __enter__(self) -> Screen:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def say(self, sentence: str) -> None:
        """One line of what happened."""
        line = f"{time.monotonic() - self._began:7.1f} s  {sentence}"
        if self._status is not None:
            self._status.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            self._stream.write(line + "\n")
            self._stream.flush()

    def detail(self, sentence: str) -> None:
        """One line that only who asked for all is told."""
        if self._is_wordy:
            self.say(sentence)

    def progress(self, sentence: Callable[[], str]) -> None:
        """How far it is."""
        if self._status is not None:
            self._status.update(sentence())
        elif time.monotonic() - self._told >= EVERY_S:
            self._told = time.monotonic()
            self.say(sentence())
