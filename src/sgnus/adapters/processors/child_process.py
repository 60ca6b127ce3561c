"""The parent's side of one child: start it, ask it, kill it. Nothing blocks longer than a copy."""

from __future__ import annotations

import asyncio
import fcntl
import mmap
import os
import socket
import subprocess
import sys
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import sgnus
from sgnus.adapters.processors import frames
from sgnus.adapters.processors.frames import Reply
from sgnus.messages.errors import WorldFault

START_MS_MAX: Final = 20_000
CACHED_MODULES_MAX: Final = 16
KEPT_BYTES: Final = 16 * 1024 * 1024
"""Shared memory beyond this is given back to the system after each run."""

_MODULE: Final = "sgnus.adapters.processors.child"
_F_ADD_SEALS, _SEALS = 1033, 0x1 | 0x2 | 0x4
"""F_SEAL_SEAL, _SHRINK, _GROW: else a hostile child could shrink the memory under its parent's read."""


class ChildLost(Exception):
    """The child died, is silent, or speaks nonsense: kill it. The text says which."""


class ChildProcess:
    """One child process, its socket and its shared memory. One question at a time."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        shared = os.memfd_create("sgnus", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(shared, frames.SHARED_BYTES)
            seal(shared)
            self._memory = mmap.mmap(shared, frames.SHARED_BYTES)
            self._process = _spawn(theirs.fileno(), shared)
        except OSError as error:
            ours.close()
            raise WorldFault(f"no child process for processors: {error}") from error
        finally:
            theirs.close()
            os.close(shared)
        ours.setblocking(False)
        self._socket = ours
        self._heard = b""
        self._slots: OrderedDict[bytes, int] = OrderedDict()
        self.hardening: dict[str, str] = {}

    @property
    def pid(self) -> int:
        """Process id, of a dead child too."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it has neither ended nor been killed."""
        return self._process.poll() is None

    async def ready(self) -> None:
        """Wait until it has locked itself in; ChildLost when it does not."""
        if not self.hardening:
            reply = await self.hear(START_MS_MAX)
            lines = (line.partition("=") for line in reply.text.splitlines())
            self.hardening = {name: state for name, _, state in lines}

    def slot_of(self, digest: bytes) -> tuple[int, bool]:
        """Slot of module `digest` in the child's cache, and whether it must be sent; the oldest gives way."""
        known = digest in self._slots
        if not known:
            full = len(self._slots) >= CACHED_MODULES_MAX
            self._slots[digest] = self._slots.popitem(last=False)[1] if full else len(self._slots)
        self._slots.move_to_end(digest)
        return self._slots[digest], not known

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Copy into the shared memory."""
        view = memoryview(data).cast("B") if memoryview(data).nbytes else memoryview(b"")
        self._memory[offset : offset + view.nbytes] = view

    def read(self, offset: int, length: int) -> bytes:
        """Copy out of the shared memory."""
        return self._memory[offset : offset + length]

    def trim(self, used: int) -> None:
        """Give pages beyond the kept ones back after a run that touched `used` bytes."""
        if used > KEPT_BYTES:
            self._memory.madvise(mmap.MADV_REMOVE, KEPT_BYTES, used - KEPT_BYTES)

    async def tell(self, body: bytes) -> None:
        """Send one frame; ChildLost when the child is gone."""
        try:
            await asyncio.get_running_loop().sock_sendall(self._socket, frames.with_length(body))
        except OSError:
            raise ChildLost("the child process died") from None

    async def hear(self, ms_max: int) -> Reply:
        """The next reply within `ms_max`; ChildLost when there is none."""
        try:
            async with asyncio.timeout(ms_max / 1000):
                body = await self._frame()
        except TimeoutError:
            raise ChildLost("the child process took longer than allowed") from None
        reply = frames.unpack_reply(body)
        if reply is None:
            raise ChildLost("the child process spoke nonsense")
        return reply

    def end(self) -> None:
        """Kill and reap it. The socket stays open, for a run that waits on it must see its end."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def kill(self) -> None:
        """End it and free its memory; nobody may be waiting on it. May be called twice."""
        self.end()
        self._socket.close()
        self._memory.close()

    async def _frame(self) -> bytes:
        """The next frame without its length; empty when it announces too much. Usually one read."""
        missing = frames.missing_bytes(self._heard)
        while missing > 0:
            try:
                part = await asyncio.get_running_loop().sock_recv(self._socket, missing)
            except OSError:
                part = b""
            if not part:
                raise ChildLost("the child process died")
            self._heard += part
            missing = frames.missing_bytes(self._heard)
        body, self._heard = frames.split(self._heard)
        return body


def seal(shared: int) -> None:
    """Fix the size of a memfd for ever."""
    fcntl.fcntl(shared, _F_ADD_SEALS, _SEALS)


def _spawn(theirs: int, shared: int) -> subprocess.Popen[bytes]:
    """Start it from the thread that runs the loop: PR_SET_PDEATHSIG counts the life of the thread that forks.

    It gets an import path and nothing else of our environment (which may hold secrets), and no terminal.
    """
    return subprocess.Popen(
        [sys.executable, "-S", "-s", "-P", "-m", _MODULE, str(theirs), str(shared), str(os.getpid())],
        pass_fds=(theirs, shared),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={"PYTHONPATH": _import_path(), "LANG": "C.UTF-8"},
        start_new_session=True,
    )


def _import_path() -> str:
    """Folders that hold our package and the engine: absolute, for the child starts in the root folder."""
    roots = [Path(sgnus.__file__).resolve().parent.parent]
    engine = find_spec("wasmtime")
    if engine is not None and engine.origin is not None:
        roots.append(Path(engine.origin).resolve().parent.parent)
    return os.pathsep.join(str(root) for root in dict.fromkeys(roots))
