"""Own wasm modules for whole-system tests: work of a known price whose right answer numpy knows as well."""

from __future__ import annotations

from typing import Final

from tests.ports.processor_samples import INPUT, LOOP, module

TURNS_PER_SECOND: Final = 570_000_000


def slow_invert(seconds: float) -> bytes:
    """Turns in a loop for about `seconds` of CPU a chunk, then gives 255 minus each byte of its input."""
    return module(
        f"""(local $turn i64) (local $at i32) (local $end i32)
        (local.set $turn (i64.const {int(seconds * TURNS_PER_SECOND)}))
        (loop $spin
         (local.set $turn (i64.sub (local.get $turn) (i64.const 1)))
         (br_if $spin (i64.gt_s (local.get $turn) (i64.const 0))))
        (local.set $at {INPUT})
        (local.set $end (i32.add (local.get $at) (i32.load offset=244 (local.get $p))))
        (loop $each
         (i32.store8 (local.get $at) (i32.sub (i32.const 255) (i32.load8_u (local.get $at))))
         (local.set $at (i32.add (local.get $at) (i32.const 1)))
         (br_if $each (i32.lt_u (local.get $at) (local.get $end))))
        (call $pair {INPUT} (i32.load offset=244 (local.get $p)))"""
    )


def traps() -> bytes:
    """A module that can do nothing."""
    return module("unreachable")


def loops() -> bytes:
    """A module that never ends."""
    return LOOP
