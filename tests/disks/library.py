"""The library that writes down what a process does to its disk: compiled once for its source, and asked from Python."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

from tests.missing_tool import miss
from tests.whole.grid import die_with_parent, environment

SOURCE: Final = Path(__file__).with_name("disk_log.c")
CHILD_S_MAX: Final = 900.0
NEVER: Final = -1


class How(IntEnum):
    """How often calls are refused: one, all from it on, or one of which half was written before."""

    ONCE = 0
    FROM_THEN_ON = 1
    HALF_FIRST = 2


def compiled() -> Path:
    """The shared library, made with the system's compiler unless it is there for this very source."""
    compiler = shutil.which("cc")
    if compiler is None:
        miss("the tests of disks compile a small library: install a C compiler (apt install gcc libc6-dev)")
    name = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"sgnus-disk-log-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    library = folder / f"{name}.so"
    if not library.exists():
        fresh = folder / f"{name}.{os.getpid()}.new"
        command = [
            compiler,
            "-O1",
            "-Wall",
            "-fPIC",
            "-shared",
            "-o",
            str(fresh),
            str(SOURCE),
            "-ldl",
            "-lpthread",
        ]
        subprocess.run(command, check=True, capture_output=True)
        fresh.replace(library)
    return library


def run_under(module: str, arguments: Sequence[str]) -> str:
    """What `python -m module` says that runs on top of the library; AssertionError with its words if it fails."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", module, *arguments],
        env={**environment(), "LD_PRELOAD": str(compiled())},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CHILD_S_MAX,
        preexec_fn=die_with_parent,
        check=False,
    )
    assert done.returncode == 0, (
        f"{module} {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-4000:]}"
    )
    return done.stdout


class DiskLog:
    """For the process that is watched: the library's doors, which are there because it was preloaded."""

    def __init__(self) -> None:
        self._library: Any = ctypes.CDLL(None)
        self._library.disk_calls.restype = ctypes.c_long

    def begin(self, folder: Path, log: Path | None) -> None:
        """Watch an empty folder from now on; without `log` calls are refused and counted alone."""
        assert not list(folder.iterdir()), f"{folder} is not empty: what is in it would be unknown"
        if self._library.disk_begin(os.fsencode(folder), os.fsencode(log or "")):
            raise OSError(f"{log} cannot be written")

    def end(self) -> None:
        """Watch nothing any more."""
        self._library.disk_end()

    def acknowledge(self, word: str) -> None:
        """Somebody was told that this is durable."""
        data = word.encode()
        self._library.disk_acknowledge(data, ctypes.c_size_t(len(data)))

    def refuse(self, call: int, error: int, how: How) -> None:
        """From now on the call of that number (0 is the next one) that changes the disk fails so; NEVER: none does."""
        self._library.disk_refuse(ctypes.c_long(call), error, int(how))

    def calls(self) -> int:
        """How many calls that change the disk there were since the last `refuse`."""
        return int(self._library.disk_calls())
