"""Calls into an instance, below the binding's comfort layer.

`wasmtime.Func` looks its type up on every call, which was half of a small chunk's time; a processor's types
are checked once, when it is compiled. The binding's release is pinned; the contract suite runs through here.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref
from typing import Any, Final

import wasmtime
from wasmtime import _ffi as ffi

_I32: Final = ffi.WASMTIME_I32.value
_WRAP_I32: Final = 1 << 32


class Exports:
    """Memory, `alloc` and `run` of one instance; not to be used once its store is closed."""

    def __init__(self, store: wasmtime.Store, instance: wasmtime.Instance) -> None:
        self._context = store._context()
        self._instance = instance._instance
        self._memory = self._export(b"memory").of.memory

    def alloc(self, length: int) -> int:
        """Address of `length` bytes in the module's memory; both unsigned."""
        return int(self._call(b"alloc", length).of.i32) % _WRAP_I32

    def run(self, at: int, length: int) -> tuple[int, int]:
        """Address and length of the output of the request at `at`."""
        answer = int(self._call(b"run", at, length).of.i64) % (1 << 64)
        return answer >> 32, answer % _WRAP_I32

    def memory(self) -> tuple[int, int]:
        """Base address of the memory in this process, and its length now."""
        base = ffi.wasmtime_memory_data(self._context, byref(self._memory))
        length = ffi.wasmtime_memory_data_size(self._context, byref(self._memory))
        return ctypes.addressof(base.contents), int(length)

    def _export(self, name: bytes) -> Any:
        item = ffi.wasmtime_extern_t()
        found = ffi.wasmtime_instance_export_get(
            self._context, byref(self._instance), ctypes.create_string_buffer(name), len(name), byref(item)
        )
        if not found:
            raise KeyError(name)
        return item

    def _call(self, name: bytes, *numbers: int) -> Any:
        function = self._export(name).of.func
        parameters = (ffi.wasmtime_val_t * len(numbers))()
        for parameter, number in zip(parameters, numbers, strict=True):
            parameter.kind = _I32
            parameter.of.i32 = number  # ctypes keeps the low 32 bits
        result, trap = ffi.wasmtime_val_t(), POINTER(ffi.wasm_trap_t)()
        error = ffi.wasmtime_func_call(
            self._context, byref(function), parameters, len(numbers), byref(result), 1, byref(trap)
        )
        if error:
            raise wasmtime.WasmtimeError._from_ptr(error)
        if trap:
            raise wasmtime.Trap._from_ptr(trap)
        return result
