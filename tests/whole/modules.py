"""Own wasm modules for whole-system tests: work of a known price whose right answer numpy knows as well."""

from __future__ import annotations

from functools import cache
from typing import Final

from sgnus.adapters.processors.local import run_local
from sgnus.ports import Computed
from tests.ports.processor_samples import INPUT, LOOP, line, module

TURNS_PER_SECOND_MIN: Final = 570_000_000
TURNS_MEASURED: Final = 100_000_000


def slow_invert(seconds: float) -> bytes:
    """Turns in a loop for about `seconds` of CPU a chunk, or longer, then gives 255 minus each byte of its input."""
    return _invert_after(int(seconds * turns_per_second()))


@cache
def turns_per_second() -> int:
    """What this core does in the sandbox: on a fast one, work must not be over before others could take part."""
    spinning, ended = _invert_after(TURNS_MEASURED), []
    for _ in range(3):
        outcome = run_local(spinning, {}, line(b"x"))
        assert isinstance(outcome, Computed)
        ended.append(max(1, outcome.cpu_ms))
    return max(TURNS_PER_SECOND_MIN, TURNS_MEASURED * 1000 // min(ended))


def _invert_after(turns: int) -> bytes:
    return module(
        f"""(local $turn i64) (local $at i32) (local $end i32)
        (local.set $turn (i64.const {turns}))
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
