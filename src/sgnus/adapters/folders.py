"""Names that survive a power cut: a file that was flushed is lost all the same if the folder that names it was not (fsync(2))."""

from __future__ import annotations

import os
from pathlib import Path


def flush_folder(folder: Path) -> None:
    """What was made, renamed or removed in `folder` is on disk when this returns. OSError if the disk refuses."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, mode: int = 0o700) -> None:
    """`folder` is there, with this mode if it is made now, and on disk with those above it. OSError if it cannot be.

    Whoever made it may have left it to us to see that its name is on disk. A folder that we may not read is not of our
    making, and neither are the names in it.
    """
    if not folder.parent.exists():
        make_folder(folder.parent, mode=0o777)
    folder.mkdir(mode=mode, exist_ok=True)
    try:
        flush_folder(folder.parent)
    except PermissionError:
        return
