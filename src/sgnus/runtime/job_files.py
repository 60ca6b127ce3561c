"""The files of one job of ours: input stream, digests of its chunks, module, explicit chunks, and the outputs as they come.

Outputs are appended to one log and flushed in groups; where each lies is a fact in the store, written with its HELD. What a
crash leaves in the log without such a fact is never read. `held_log.py` has those facts once more, for a lost database.
"""

from __future__ import annotations

import asyncio
import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sgnus.adapters.arrays import gather_all
from sgnus.adapters.folders import flush_folder
from sgnus.core.chunks import payload_bytes
from sgnus.core.plan import Plan
from sgnus.crypto.digests import DIGEST_BYTES, digest
from sgnus.crypto.merkle import Tree, branch_root, manifest_tree
from sgnus.messages.errors import WorldFault
from sgnus.runtime.held_log import HeldLog

INPUT: Final = "input.bin"
DIGESTS: Final = "digests.bin"
MODULE: Final = "module.wasm"
EXPLICIT: Final = "explicit.bin"
BODY: Final = "body.bin"
OUTPUTS: Final = "outputs.bin"
HELD: Final = "held.log"
UNNAMED: Final = "new-"
"""How the name of a folder begins until its job is published."""
MAPPED_BYTES_TYPICAL: Final = 8 * 1024 * 1024
"""So much of an input is read before its pages are let go."""


class OutputLog:
    """Append-only, flushed in groups: many appends that wait share one flush."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._end = 0
        self._flush: asyncio.Task[None] | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._failed_flushes = 0
        self._writing: set[int] = set()
        self._is_named = False

    async def append(self, data: Sequence[bytes | memoryview]) -> tuple[int, int]:
        """Write, and return (offset, length) once it is on disk. WorldFault if the disk refuses."""
        length = sum(len(part) for part in data)
        offset, self._end = self._opened(length)
        failed_before = self._failed_flushes
        self._writing.add(offset)
        try:
            await asyncio.to_thread(self._write, self._descriptor(), data, offset)
        except OSError as error:
            raise WorldFault(f"cannot write outputs to {self._path}: {error.strerror}") from error
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        if self._flush is None:
            self._flush = asyncio.create_task(self._flush_all())
        await done
        if self._failed_flushes != failed_before:
            # Linux forgets what a failed flush left unwritten: the next one succeeds without it, and these bytes with it.
            raise WorldFault(f"cannot flush {self._path}: a flush failed while it was written")
        return offset, length

    def read(self, offset: int, length: int) -> bytes:
        """Bytes that were appended. WorldFault if they are not there."""
        try:
            with self._path.open("rb", buffering=0) as file:
                data = os.pread(file.fileno(), length, offset)
        except OSError as error:
            raise WorldFault(f"cannot read outputs from {self._path}: {error.strerror}") from error
        if len(data) != length:
            raise WorldFault(f"{self._path} is shorter than its records say: outputs were lost")
        return data

    def rest(self) -> None:
        """Give the descriptor back, unless somebody is writing: a node keeps its jobs for days, and has few descriptors."""
        if not self._writing and self._flush is None:
            self.close()

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _opened(self, length: int) -> tuple[int, int]:
        self._descriptor()
        return self._end, self._end + length

    def _descriptor(self) -> int:
        if self._file is None:
            try:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise WorldFault(f"cannot open {self._path}: {error.strerror}") from error
            self._end = os.fstat(self._file).st_size
        return self._file

    def _write(self, descriptor: int, data: Sequence[bytes | memoryview], offset: int) -> None:
        """In a thread, which goes on when whoever waits for it is cancelled."""
        try:
            _write_all(descriptor, data, offset)
        finally:
            self._writing.discard(offset)

    async def _flush_all(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._flush_file)
            except OSError as error:
                self._failed_flushes += 1
                _fail(group, WorldFault(f"cannot flush {self._path}: {error.strerror}"))
                continue
            for done in group:
                if not done.done():
                    done.set_result(None)
        self._flush = None

    def _flush_file(self) -> None:
        """The bytes, and the first time the name: the file may be new, and its folder knows nothing of it yet."""
        os.fdatasync(self._descriptor())
        if not self._is_named:
            flush_folder(self._path.parent)
            self._is_named = True


def _fail(group: Sequence[asyncio.Future[None]], fault: WorldFault) -> None:
    for done in group:
        if not done.done():
            done.set_exception(fault)


def _write_all(descriptor: int, data: Sequence[bytes | memoryview], offset: int) -> None:
    for part in data:
        view = memoryview(part)
        while view:
            written = os.pwrite(descriptor, view, offset)
            offset += written
            view = view[written:]


@dataclass(slots=True)
class Manifest:
    """Digests of all input chunks, and the tree over them."""

    digests: bytes
    tree: Tree

    @staticmethod
    def of(plan: Plan, digests: bytes) -> Manifest:
        """The manifest of a plan's chunks."""
        branches = (branch_root(_slice(digests, plan, n)) for n in range(plan.microjobs))
        return Manifest(digests, manifest_tree(branches))

    def branch(self, plan: Plan, microjob: int) -> tuple[bytes, tuple[bytes, ...]]:
        """The microjob's digests, end to end, and the path to the root."""
        chunks = plan.chunks_of_microjob(microjob)
        data = self.digests[chunks.start * DIGEST_BYTES : chunks.stop * DIGEST_BYTES]
        return data, self.tree.path(microjob)


def _slice(digests: bytes, plan: Plan, microjob: int) -> list[bytes]:
    return [
        digests[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES]
        for number in plan.chunks_of_microjob(microjob)
    ]


class InputStream:
    """The input, mapped: chunks are gathered from it without reading it whole."""

    def __init__(self, path: Path, stream_bytes: int) -> None:
        self._map: mmap.mmap | None = None
        self._mapped_bytes = 0
        self.view = memoryview(b"")
        if stream_bytes:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size != stream_bytes:
                    raise WorldFault(f"{path} does not have the {stream_bytes} bytes of its job")
                self._map = mmap.mmap(file.fileno(), stream_bytes, access=mmap.ACCESS_READ)
                self.view = memoryview(self._map)

    def gathered(self, plan: Plan, indexes: range) -> tuple[memoryview, list[int]]:
        """The bytes of these chunks of one sub-block, end to end in one buffer, and the length of each."""
        chunks = plan.inputs_of(indexes)
        data = gather_all(chunks, self.view)
        self._spare_memory(len(data))
        return data, [payload_bytes(chunk) for chunk in chunks]

    def _spare_memory(self, read_bytes: int) -> None:
        """Let go of pages that were read: the system's cache keeps them, and this process need not hold them too."""
        self._mapped_bytes += read_bytes
        if self._map is not None and self._mapped_bytes > MAPPED_BYTES_TYPICAL:
            self._map.madvise(mmap.MADV_DONTNEED)
            self._mapped_bytes = 0

    def chunks(self, plan: Plan, indexes: range) -> list[memoryview]:
        """The same, as one view for each chunk."""
        return split(*self.gathered(plan, indexes))

    def close(self) -> None:
        self.view.release()
        if self._map is not None:
            self._map.close()


def digest_chunks(path: Path, plan: Plan) -> bytes:
    """Digests of all input chunks, end to end. Runs in a thread: it reads the whole input."""
    stream = InputStream(path, plan.input_bytes)
    try:
        return b"".join(
            digest(chunk) for sub_block in _sub_blocks(plan) for chunk in stream.chunks(plan, sub_block)
        )
    finally:
        stream.close()


def _sub_blocks(plan: Plan) -> Iterator[range]:
    """The chunks of each sub-block of the job."""
    for microjob in range(plan.microjobs):
        for sub_block in range(plan.sub_blocks_of(microjob)):
            yield plan.chunks_of(microjob, sub_block)


def split(data: memoryview, sizes: Sequence[int]) -> list[memoryview]:
    """One view for each of the parts of these sizes."""
    parts, start = [], 0
    for size in sizes:
        parts.append(data[start : start + size])
        start += size
    return parts


class JobFiles:
    """One job's folder, opened at need."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder = folder
        self.plan = plan
        self.outputs = OutputLog(folder / OUTPUTS)
        self.held = HeldLog(folder / HELD)
        self._input: InputStream | None = None
        self._manifest: Manifest | None = None

    @property
    def input(self) -> InputStream:
        """The input stream. WorldFault if its file is gone or has another length."""
        if self._input is None:
            try:
                self._input = InputStream(self.folder / INPUT, self.plan.input_bytes)
            except OSError as error:
                raise WorldFault(f"cannot read the job's input: {error}") from error
        return self._input

    @property
    def manifest(self) -> Manifest:
        """The manifest. WorldFault if its file is gone."""
        if self._manifest is None:
            try:
                digests = (self.folder / DIGESTS).read_bytes()
            except OSError as error:
                raise WorldFault(f"cannot read the job's digests: {error}") from error
            self._manifest = Manifest.of(self.plan, digests)
        return self._manifest

    def blob(self, name: str) -> bytes:
        """A small file of the job. WorldFault if it is not there."""
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise WorldFault(f"cannot read {name} of the job: {error.strerror}") from error

    def rest(self) -> None:
        """Let go of pages, digests and descriptors: nobody is expected to need them again soon."""
        self.outputs.rest()
        self._manifest = None
        if self._input is not None:
            self._input.close()
            self._input = None

    def close(self) -> None:
        self.outputs.close()
        self.rest()
