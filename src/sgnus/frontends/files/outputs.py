"""An output file in the making: a part beside its place, which is resumed after any end and moved in once whole."""

from __future__ import annotations

import errno
import fcntl
import json
import math
import os
import shutil
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sgnus.frontends.cli.saying import size
from sgnus.frontends.files.formats import check_fits, format_of
from sgnus.messages.errors import OurFault, UserFault, WorldFault

Array = NDArray[Any]

STATE_BYTES_MAX: Final = 64 * 1024
JPEG_QUALITY: Final = 95
FULL: Final = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


class OutputFile:
    """`OUT.part` and `OUT.part.json` until `finish` moves the whole output to OUT in one step.

    `array` is mapped: tiles are written into it in any order. The space is taken when the part is made, so that a
    full disk is known before the work is done.
    """

    def __init__(self, path: Path, shape: Sequence[int], dtype: str, resume: str = "") -> None:
        """`resume` names the job whose part, if it was begun, is gone on with; `cursor` and `done` say how far it is."""
        self.path = path
        self.format = format_of(path)
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype).name
        self.cursor = 0
        self.done = 0
        check_fits(path, self.format, self.shape, self.dtype)
        self._descriptor = self._lock()
        self._unlock = weakref.finalize(self, os.close, self._descriptor)
        begun = self._begun(resume) if resume else None
        self.array: Array = self._make() if begun is None else begun

    @property
    def part(self) -> Path:
        """Where the bytes are until the output is whole."""
        return _beside(self.path, ".part")

    def keep(self, job: str) -> None:
        """Put what is written on disk, then cursor and count: after any end the work goes on from here."""
        state = self._identity(job) | {"cursor": self.cursor, "done": self.done}
        target = _beside(self.path, ".part.json")
        temporary = _beside(self.path, ".part.json.new")
        try:
            flush = getattr(self.array, "flush", None)
            if flush is not None:
                flush()
            temporary.write_text(json.dumps(state))
            temporary.replace(target)
        except OSError as error:
            raise _world_fault(self.path, error) from error

    def finish(self) -> int:
        """Write the output whole and move it in place; its bytes on disk."""
        try:
            finished = self._encoded()
            with finished.open("rb") as file:
                os.fsync(file.fileno())
            finished.replace(self.path)
        except OSError as error:
            raise _world_fault(self.path, error) from error
        self.discard()
        return self.path.stat().st_size

    def discard(self) -> None:
        """Remove what is beside the output, unless another command has begun a part there once ours was moved in."""
        if self._unlock.alive and (not self.part.exists() or self._has_part()):
            for ending in (".part.json", ".part.json.new", ".part.new", ".part"):
                _beside(self.path, ending).unlink(missing_ok=True)
        self.close()

    def _has_part(self) -> bool:
        """Whether the part that lies there is the one that we locked."""
        return os.path.samestat(os.fstat(self._descriptor), self.part.stat())

    def close(self) -> None:
        """Let another go on with the part; the end of the process does that, too."""
        self._unlock()

    def _lock(self) -> int:
        """A descriptor of the part, locked: two that wrote into one part would mix their outputs."""
        while True:
            try:
                descriptor = os.open(self.part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError as error:
                raise _cannot_be_written(self.path, error) from error
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(descriptor), os.stat(self.part)):
                    return descriptor
            except BlockingIOError as error:
                os.close(descriptor)
                raise UserFault(
                    f"Another command is writing {self.path} (through {self.part}); name another place with -o."
                ) from error
            except FileNotFoundError:
                pass
            except OSError as error:
                os.close(descriptor)
                raise _cannot_be_written(self.path, error) from error
            os.close(descriptor)  # It was moved or removed before we had the lock.

    def _encoded(self) -> Path:
        """The file that is to be moved in: the part itself, or a picture made of it."""
        if self.format not in ("png", "jpeg"):
            self.array.flush()  # type: ignore[attr-defined]
            return self.part
        from PIL import Image

        finished = _beside(self.path, ".part.new")
        picture = Image.fromarray(np.asarray(self.array))
        options = {"quality": JPEG_QUALITY} if self.format == "jpeg" else {}
        with finished.open("wb") as file:
            picture.save(file, self.format.upper(), **options)
        return finished

    def _identity(self, job: str) -> dict[str, Any]:
        """What a part must be to be gone on with; a cut-off part would be mapped as if it were whole."""
        part_bytes = self.part.stat().st_size
        return {"job": job, "shape": list(self.shape), "dtype": self.dtype, "part_bytes": part_bytes}

    def _begun(self, job: str) -> Array | None:
        """The part of this job, with its cursor; None when there is none that fits."""
        state = _read_state(_beside(self.path, ".part.json"))
        if not self.part.exists() or any(
            state.get(name) != value for name, value in self._identity(job).items()
        ):
            return None
        cursor, done = state.get("cursor"), state.get("done")
        if not isinstance(cursor, int) or not isinstance(done, int):
            return None
        try:
            array = self._map("r+")
        except (OSError, ValueError):
            return None
        self.cursor, self.done = cursor, done
        return array if array.shape == self.shape and array.dtype == np.dtype(self.dtype) else None

    def _make(self) -> Array:
        wanted = math.prod(self.shape) * np.dtype(self.dtype).itemsize
        self.cursor = self.done = 0
        try:
            _beside(self.path, ".part.json").unlink(missing_ok=True)
            array = self._map("w+")
            # A hole in a mapped file kills the process that writes into it when the disk is full: take the space now.
            with self.part.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, self.part.stat().st_size)
        except OSError as error:
            self.discard()
            if error.errno in FULL:
                raise UserFault(
                    f"There is no room for {self.path}: it takes {size(wanted)}, and "
                    f"{size(_free_bytes(self.path))} are free; free some, or name another place with -o."
                ) from error
            raise _cannot_be_written(self.path, error) from error
        return array

    def _map(self, mode: Any) -> Array:
        if self.format == "raw":
            return np.memmap(self.part, self.dtype, mode=mode, shape=self.shape)
        if self.format == "tiff":
            return self._map_tiff(mode)
        return np.lib.format.open_memmap(self.part, mode=mode, dtype=np.dtype(self.dtype), shape=self.shape)

    def _map_tiff(self, mode: str) -> Array:
        import tifffile

        if mode == "r+":
            mapped: Array = tifffile.memmap(self.part, mode="r+")
            return mapped
        colours = len(self.shape) == 3 and self.shape[2] in (3, 4) and self.dtype in ("uint8", "uint16")
        mapped = tifffile.memmap(
            self.part,
            shape=self.shape,
            dtype=self.dtype,
            photometric="rgb" if colours else "minisblack",
            planarconfig="contig" if colours else None,
            metadata=None if colours else {},
        )
        if mapped.shape != self.shape:
            raise OurFault(f"The TIFF was mapped as {mapped.shape}, not {self.shape}.")
        return mapped


def _cannot_be_written(path: Path, error: OSError) -> UserFault:
    return UserFault(f"{path} cannot be written: {error.strerror}; name another with -o.")


def check_place(path: Path, source: Path | None = None) -> None:
    """UserFault when the output cannot be there: no folder, a folder itself, the input itself, not writable."""
    format_of(path)
    probe = _beside(path, f".{os.getpid()}.probe")
    try:
        _check_names(path, source)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserFault(f"{path} cannot be written: {error.strerror}; name another place with -o.") from error


def _check_names(path: Path, source: Path | None) -> None:
    """Even to ask whether there is such a file fails for a name that is too long, or in a folder that is closed."""
    if path.is_dir():
        raise UserFault(f"The output {path} is a folder; name a file in it.")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise UserFault(f"There is no folder {folder} for the output; make it first.")
    if source is not None and path.exists() and path.samefile(source):
        raise UserFault(f"The output {path} is the input itself, which is never overwritten; name another.")


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _read_state(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            state = json.loads(file.read(STATE_BYTES_MAX))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _free_bytes(path: Path) -> int:
    return shutil.disk_usage(path.absolute().parent).free


def _world_fault(path: Path, error: OSError) -> WorldFault:
    if error.errno in FULL:
        return WorldFault(
            f"The disk is full while {path} is written; free some space and ask for the results again."
        )
    return WorldFault(f"{path} cannot be written: {error.strerror}; mend it and ask for the results again.")
