"""Outputs count as written once a flush has taken them to the disk, and no flush that came after a failed one has."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path

import pytest

from sgnus.messages.errors import WorldFault
from sgnus.runtime.job_files import OutputLog
from tests.database_support import in_loop
from tests.whole.grid import wait_for

DEADLINE_S = 60.0


@in_loop
async def test_what_is_written_while_a_flush_fails_is_refused_though_the_next_flush_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, real = OutputLog(tmp_path / "outputs.bin"), os.fdatasync
    begun, may_fail = threading.Event(), threading.Event()
    flushes: list[int] = []

    def flush(descriptor: int) -> None:
        flushes.append(descriptor)
        if len(flushes) == 1:
            begun.set()
            assert may_fail.wait(DEADLINE_S)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", flush)
    first = asyncio.create_task(log.append([b"first"]))
    assert await asyncio.to_thread(begun.wait, DEADLINE_S)
    second = asyncio.create_task(log.append([b"second"]))
    path, both = tmp_path / "outputs.bin", len(b"firstsecond")
    await asyncio.to_thread(wait_for, lambda: path.stat().st_size >= both, "the second is written")
    may_fail.set()
    for refused in (first, second):
        with pytest.raises(WorldFault, match="cannot flush"):
            await refused
    assert len(flushes) == 2
    offset, length = await log.append([b"third"])
    assert log.read(offset, length) == b"third"
    log.close()


@in_loop
async def test_a_log_at_rest_holds_no_descriptor_and_is_read_and_written_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "outputs.bin"
    log = OutputLog(path)
    place = await log.append([b"first"])
    assert descriptors_of(path) == 1
    log.rest()
    assert descriptors_of(path) == 0
    assert log.read(*place) == b"first" and descriptors_of(path) == 0
    assert await log.append([b"second"]) == (5, 6)
    assert log.read(5, 6) == b"second"
    log.close()


@in_loop
async def test_a_log_that_is_written_does_not_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, real, may_go_on = OutputLog(tmp_path / "outputs.bin"), os.pwrite, threading.Event()

    def write(descriptor: int, data: memoryview, offset: int) -> int:
        assert may_go_on.wait(DEADLINE_S)
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", write)
    writing = asyncio.create_task(log.append([b"bytes"]))
    await asyncio.sleep(0)
    log.rest()
    may_go_on.set()
    assert log.read(*await writing) == b"bytes"
    log.close()


def descriptors_of(path: Path) -> int:
    """How many of this process's descriptors are that file."""
    links = [Path(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
    return sum(link.exists() and link.resolve() == path.resolve() for link in links)
