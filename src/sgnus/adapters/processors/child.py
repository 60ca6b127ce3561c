"""One hardened child for strangers' wasm: `python -m sgnus.adapters.processors.child SOCKET SHARED PARENT`.

Everything it needs is imported before it locks itself in. It imports neither numpy nor grpc nor libp2p.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
import threading
import time

from wasmtime import Engine

from sgnus.adapters.processors import engine, frames, hardening, padding
from sgnus.adapters.processors.frames import Reply
from sgnus.messages.limits import MODULE_BYTES_MAX

_THREAD_STACK_BYTES = 256 * 1024


class Clock:
    """Moves the engine's epoch while a module runs, and sleeps otherwise: an idle child costs no CPU."""

    def __init__(self, moved: Engine) -> None:
        self._engine = moved
        self._busy = False
        self._go = threading.Event()

    def start(self) -> None:
        """Start the ticking thread; must come before the process may start no more."""
        threading.stack_size(_THREAD_STACK_BYTES)
        threading.Thread(target=self._tick, daemon=True).start()

    def run(self) -> None:
        """From here on the epoch moves."""
        self._busy = True
        if not self._go.is_set():
            self._go.set()

    def rest(self) -> None:
        """The epoch may stand still."""
        self._busy = False

    def _tick(self) -> None:
        while True:
            self._go.wait()
            time.sleep(engine.TICK_MS / 1000)
            self._engine.increment_epoch()
            if not self._busy:
                self._go.clear()
                if self._busy:  # it became busy between the two lines
                    self._go.set()


class Child:
    """Answers frames until the parent is gone."""

    def __init__(self, socket: int, shared: mmap.mmap) -> None:
        self._socket = socket
        self._shared = memoryview(shared)
        self._base = ctypes.addressof(ctypes.c_char.from_buffer(shared))
        self._engine = engine.new_engine()
        self._clock = Clock(self._engine)
        self._programs: dict[int, engine.Program | engine.InvalidModule] = {}

    def serve(self) -> None:
        """Lock in, say so, then answer."""
        self._clock.start()
        steps = hardening.restrict()
        self._say(frames.READY, text="\n".join(f"{name}={state}" for name, state in steps.items()))
        while frame := frames.read_frame(self._socket):
            if frame[0] == frames.CHECK:
                self._check(frames.unpack_check(frame))
            else:
                self._run(frames.unpack_run(frame))

    def _say(self, kind: int, chunk: int = 0, cpu_us: int = 0, text: str = "") -> None:
        frames.write_all(self._socket, frames.pack_reply(Reply(kind, chunk, cpu_us, text)))

    def _compile(self, module_bytes: int) -> engine.Program | engine.InvalidModule:
        try:
            return engine.Program(self._engine, bytes(self._shared[:module_bytes]), MODULE_BYTES_MAX)
        except engine.InvalidModule as fault:
            return fault

    def _check(self, module_bytes: int) -> None:
        program = self._compile(module_bytes)
        if isinstance(program, engine.InvalidModule):
            self._say(frames.INVALID, text=str(program))
        else:
            self._say(frames.VALID)

    def _run(self, frame: frames.RunFrame) -> None:
        started = time.process_time_ns()
        if frame.module_bytes:
            self._programs.pop(frame.slot, None)
            self._programs[frame.slot] = self._compile(frame.module_bytes)
            self._say(frames.COMPILED)
        self._clock.run()
        kind, chunk, text = self._chunks(frame)
        self._clock.rest()
        self._say(kind, chunk, (time.process_time_ns() - started) // 1000, text)

    def _chunks(self, frame: frames.RunFrame) -> tuple[int, int, str]:
        program = self._programs[frame.slot]
        if isinstance(program, engine.InvalidModule):
            return frames.TRAPPED, 0, f"invalid module: it {str(program).split(':', maxsplit=1)[0]}"
        limits = engine.Limits(frame.fuel, frame.memory_bytes, frame.chunk_ms)
        for index, chunk in enumerate(frame.chunks):
            try:
                target = (self._base + chunk.out_offset, chunk.out_bytes)
                program.run(chunk.head, self._source(chunk), target, limits)
            except engine.ModuleTrapped as trap:
                return frames.TRAPPED, index, str(trap)
            except (engine.ModuleAbandoned, MemoryError) as reason:
                return frames.ABANDONED, index, str(reason) or "out of memory"
        return frames.COMPUTED, 0, ""

    def _source(self, chunk: frames.ChunkFrame) -> tuple[int | bytes, int]:
        if not any(chunk.before) and not any(chunk.after):
            return self._base + chunk.in_offset, chunk.in_bytes
        region = self._shared[chunk.in_offset : chunk.in_offset + chunk.in_bytes]
        form = (chunk.item_bytes, chunk.edge)
        padded = padding.pad(region, chunk.shape, chunk.before, chunk.after, form)
        return padded, len(padded)


def main(arguments: list[str]) -> None:
    """Serve the parent that the arguments name: socket, shared memory (descriptors), parent's process id."""
    socket, shared, parent = (int(argument) for argument in arguments)
    hardening.die_with_parent(parent)
    hardening.lower_priority()
    Child(socket, mmap.mmap(shared, frames.SHARED_BYTES)).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
