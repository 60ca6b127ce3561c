"""wasmtime as the processor's profile pins it: one engine, modules checked, a new instance per chunk.

Light on purpose (each child imports it): neither numpy nor anything of asyncio. Compilation is not covered by
fuel, so strangers' modules are compiled in a child that can be killed, and from wasm only: compiled artefacts
are never loaded.
"""

from __future__ import annotations

import ctypes
from typing import Final, NamedTuple

import wasmtime
from wasmtime import TrapCode

from sgnus.adapters.processors.calls import Exports

MAGIC: Final = b"\0asm\1\0\0\0"
PAGE_BYTES: Final = 65536
TICK_MS: Final = 50
EXPORTS_MAX: Final = 64
TABLE_ITEMS_MAX: Final = 65536
STACK_BYTES: Final = 512 * 1024
RESERVATION_BYTES: Final = 4 * 1024**3
GUARD_BYTES: Final = 32 * 1024**2

TRAP_REASONS: Final = {
    TrapCode.MEMORY_OUT_OF_BOUNDS: "access outside its memory",
    TrapCode.TABLE_OUT_OF_BOUNDS: "access outside its table",
    TrapCode.INDIRECT_CALL_TO_NULL: "call of an empty table entry",
    TrapCode.BAD_SIGNATURE: "indirect call with a wrong signature",
    TrapCode.INTEGER_OVERFLOW: "integer overflow",
    TrapCode.INTEGER_DIVISION_BY_ZERO: "integer division by zero",
    TrapCode.BAD_CONVERSION_TO_INTEGER: "float does not fit an integer",
    TrapCode.UNREACHABLE: "unreachable code reached",
    TrapCode.OUT_OF_FUEL: "out of fuel",
    TrapCode.NULL_REFERENCE: "use of a null reference",
}
"""Texts of our own: receipts quote them, and an engine's messages change."""


Source = tuple[int | bytes, int]
Target = tuple[int, int]


class InvalidModule(Exception):
    """The bytes are no module that a processor can be; the text completes "the module ..."."""


class ModuleTrapped(Exception):
    """A deterministic trap: the same text on every machine."""


class ModuleAbandoned(Exception):
    """This machine could not: time, stack or memory."""


class Limits(NamedTuple):
    """What one chunk may use."""

    fuel: int
    memory_bytes: int
    chunk_ms: int


def new_engine() -> wasmtime.Engine:
    """The one configuration of the processor's profile (docs/protocol/processor.md)."""
    config = wasmtime.Config()
    config.consume_fuel = True
    config.epoch_interruption = True
    config.cranelift_nan_canonicalization = True
    config.parallel_compilation = False  # the child may start no threads
    config.max_wasm_stack = STACK_BYTES
    config.memory_may_move = False
    config.memory_reservation = RESERVATION_BYTES
    config.memory_guard_size = GUARD_BYTES
    config.memory_init_cow = False  # would ask for a memfd in the sandbox
    config.wasm_simd = True
    config.wasm_bulk_memory = True
    config.wasm_multi_value = True
    config.wasm_reference_types = True
    for proposal in ("relaxed_simd", "threads", "memory64", "multi_memory", "tail_call", "exceptions"):
        setattr(config, f"wasm_{proposal}", False)
    for proposal in ("function_references", "gc", "component_model", "wide_arithmetic", "custom_page_sizes"):
        setattr(config, f"wasm_{proposal}", False)
    return wasmtime.Engine(config)


class Program:
    """A compiled module whose interface was checked."""

    def __init__(self, engine: wasmtime.Engine, wasm: bytes, module_bytes_max: int) -> None:
        if len(wasm) > module_bytes_max:
            raise InvalidModule(f"has {len(wasm)} bytes, {module_bytes_max} are allowed")
        if wasm[:8] != MAGIC:
            raise InvalidModule("is not WebAssembly: it must begin with \\0asm and version 1")
        self._engine = engine
        try:
            self._module = wasmtime.Module(engine, wasm)
        except wasmtime.WasmtimeError as error:
            raise InvalidModule(f"does not validate: {_first_line(error)}") from None
        self._memory_pages = _check_interface(self._module)

    def run(self, head: bytes, source: Source, target: Target, limits: Limits) -> None:
        """Run one chunk in a new instance: request `head`, then input at `source` (address or bytes, length).

        The output goes to `target` (address, length). Raises ModuleTrapped or ModuleAbandoned.
        """
        if self._memory_pages * PAGE_BYTES > limits.memory_bytes:
            raise ModuleTrapped("its memory begins above the limit")
        store = wasmtime.Store(self._engine)
        store.set_limits(limits.memory_bytes, TABLE_ITEMS_MAX, 1, 4, 1)
        store.set_fuel(limits.fuel)
        store.set_epoch_deadline(limits.chunk_ms // TICK_MS + 2)
        try:
            self._run(store, head, source, target)
        except wasmtime.Trap as trap:
            _translate(trap)
        except wasmtime.WasmtimeError as error:
            _translate_error(error)
        finally:
            store.close()  # a trap's traceback is a cycle that would keep the store and its 4 GiB reservation

    def _run(self, store: wasmtime.Store, head: bytes, source: Source, target: Target) -> None:
        exports = Exports(store, wasmtime.Instance(store, self._module, []))
        total = len(head) + source[1]
        at = exports.alloc(total)
        base, size = exports.memory()
        if at + total > size:
            raise ModuleTrapped("alloc gave a region outside its memory")
        ctypes.memmove(base + at, head, len(head))
        ctypes.memmove(base + at + len(head), source[0], source[1])
        start, length = exports.run(at, total)
        base, size = exports.memory()
        if length != target[1]:
            raise ModuleTrapped(f"gave {length} bytes where {target[1]} were asked for")
        if start + length > size:
            raise ModuleTrapped("gave an output outside its memory")
        ctypes.memmove(target[0], base + start, length)


def _check_interface(module: wasmtime.Module) -> int:
    """Pages that its memory begins with; InvalidModule when it is not the interface of ABI 1."""
    for wanted in module.imports:
        raise InvalidModule(f"imports {wanted.module}.{wanted.name}: a processor may import nothing")
    exports = module.exports
    if len(exports) > EXPORTS_MAX:
        raise InvalidModule(f"has {len(exports)} exports, {EXPORTS_MAX} are allowed")
    types = {export.name: export.type for export in exports}
    memory = types.get("memory")
    if not isinstance(memory, wasmtime.MemoryType):
        raise InvalidModule("exports no memory named 'memory'")
    _check_function(types, "alloc", ["i32"], ["i32"])
    _check_function(types, "run", ["i32", "i32"], ["i64"])
    return int(memory.limits.min)


def _check_function(types: dict[str, object], name: str, params: list[str], results: list[str]) -> None:
    found = types.get(name)
    wanted = f"{name}({', '.join(params)}) -> {results[0]}"
    if not isinstance(found, wasmtime.FuncType):
        raise InvalidModule(f"exports no function {wanted}")
    if [str(p) for p in found.params] != params or [str(r) for r in found.results] != results:
        raise InvalidModule(f"exports {name!r} with another signature than {wanted}")


def _translate(trap: wasmtime.Trap) -> None:
    code = trap.trap_code
    if code == TrapCode.INTERRUPT:
        raise ModuleAbandoned("a chunk took longer than allowed") from None
    if code == TrapCode.STACK_OVERFLOW:
        raise ModuleAbandoned("stack overflow") from None
    if code in TRAP_REASONS:
        raise ModuleTrapped(TRAP_REASONS[code]) from None
    raise ModuleAbandoned("a trap that the engine does not name") from None


def _translate_error(error: wasmtime.WasmtimeError) -> None:
    text = str(error)
    # The store's limiter, on instantiation: the same everywhere.
    if "resource limit exceeded" in text or ("minimum size" in text and "limit" in text):
        raise ModuleTrapped("its memory or tables begin above the limit") from None
    raise ModuleAbandoned(f"the engine failed: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    lines = [line.strip().removesuffix(":") for line in str(error).splitlines() if line.strip()]
    return ", ".join(line for line in lines if line != "Caused by")[:200] or "no reason given"
