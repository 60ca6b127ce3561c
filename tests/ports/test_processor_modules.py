"""What modules may be and do: each limit, each trap, each reason for which one is refused."""

from __future__ import annotations

import pytest

from sgnus.adapters.processors import child_process
from sgnus.adapters.processors.pool import ProcessorPool
from sgnus.messages.errors import UserFault
from sgnus.ports import Abandoned, Computed, Outcome, ProcessorLimits, SubBlockTask, Trapped

from .processor_samples import (
    ECHO,
    HEAD,
    INPUT,
    LOOP,
    TRAP_ON_ZERO,
    line,
    module,
    module_of,
    wait_until_dead,
    with_pool,
)

EMPTY = "i64.const 0"
EMPTY_RUN = '(func (export "run") (param i32 i32) (result i64) i64.const 0))'


def run_once(wasm: bytes, limits: ProcessorLimits | None = None) -> Outcome:
    found: list[Outcome] = []

    async def body(pool: ProcessorPool) -> None:
        found.append(await pool.run(SubBlockTask(wasm, {}, [line(b"abc")], limits or ProcessorLimits())))
        echoed = await pool.run(SubBlockTask(ECHO, {}, [line(b"abc")]))
        assert isinstance(echoed, Computed), "the pool goes on after anything"

    with_pool(body)
    return found[0]


# ---- limits and traps ----
def test_a_loop_for_ever_runs_out_of_fuel() -> None:
    assert run_once(LOOP, ProcessorLimits(fuel_per_chunk=1_000_000)) == Trapped(0, "out of fuel")


def test_fuel_ends_at_the_same_instruction_every_time() -> None:
    count = module(
        "(local $i i32) (loop $l (local.set $i (i32.add (local.get $i) (i32.const 1)))"
        f"(br_if $l (i32.lt_u (local.get $i) (i32.const 1000)))) (call $pair {INPUT} (i32.const 3))"
    )

    async def body(pool: ProcessorPool) -> None:
        async def ends_well(fuel: int) -> bool:
            limits = ProcessorLimits(fuel_per_chunk=fuel)
            outcome = await pool.run(SubBlockTask(count, {}, [line(b"abc")], limits))
            assert outcome == Trapped(0, "out of fuel") or isinstance(outcome, Computed)
            return isinstance(outcome, Computed)

        low, high = 1000, 100_000
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if await ends_well(middle) else (middle, high)
        assert [await ends_well(fuel) for fuel in (low, high, low, high)] == [False, True, False, True]

    with_pool(body)


def test_memory_grows_up_to_its_limit_and_no_further() -> None:
    grow = module(
        "(if (i32.ne (memory.grow (i32.const 16)) (i32.const 16)) (then unreachable))"
        "(if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))"
        f"(call $pair {INPUT} (i32.const 3))"
    )
    outcome = run_once(grow, ProcessorLimits(memory_bytes=2 * 1024 * 1024))
    assert isinstance(outcome, Computed), outcome


def test_a_hundred_traps_leave_no_memory_behind() -> None:
    async def body(pool: ProcessorPool) -> None:
        for _ in range(100):
            outcome = await pool.run(SubBlockTask(TRAP_ON_ZERO, {}, [line(b"\0")]))
            assert outcome == Trapped(0, "unreachable code reached")

    with_pool(body)


@pytest.mark.parametrize(
    ("wasm", "reason"),
    [
        (module("(i32.store (i32.const 0x7fffffff) (i32.const 1)) i64.const 0"), "access outside its memory"),
        (module("unreachable"), "unreachable code reached"),
        (module("(i64.div_u (i64.const 1) (i64.const 0))"), "integer division by zero"),
        (module("(call $pair (i32.const 0x7fffff00) (i32.const 3))"), "gave an output outside its memory"),
        (module("(call $pair (i32.const 0) (i32.const -1))"), "gave 4294967295 bytes where 3 were asked for"),
        (module("i64.const 0", "(func $boom unreachable) (start $boom)"), "unreachable code reached"),
        (module("i64.const 0", '(data (i32.const 0x7fffff00) "x")'), "access outside its memory"),
        (module("i64.const 0", "(table 100000 funcref)"), "its memory or tables begin above the limit"),
        (module("i64.const 0", "(table 1 funcref)" * 5), "its memory or tables begin above the limit"),
        (
            module_of(
                '(module (memory (export "memory") 1)'
                '(func (export "alloc") (param i32) (result i32) i32.const -16)'
                + EMPTY_RUN
            ),
            "alloc gave a region outside its memory",
        ),
        (
            module_of(HEAD.replace("16)", "65000)", 1) + EMPTY_RUN),
            "its memory begins above the limit",
        ),
    ],
)  # fmt: skip
def test_what_a_module_does_wrong_traps_with_a_reason(wasm: bytes, reason: str) -> None:
    assert run_once(wasm) == Trapped(0, reason)


def test_an_endless_recursion_is_abandoned_for_stacks_differ_between_machines() -> None:
    deep = module(
        "(call $down (i64.const 1))",
        "(func $down (param i64) (result i64) (i64.add (i64.const 1) (call $down (local.get 0))))",
    )
    assert run_once(deep) == Abandoned("stack overflow")


def test_nan_bits_are_canonical() -> None:
    nan = module(
        "(f32.store (i32.const 0) (f32.mul (f32.const -nan:0x200001) (f32.const 2)))"
        "(call $pair (i32.const 0) (i32.const 3))"
    )
    outcome = run_once(nan)
    assert isinstance(outcome, Computed)
    assert outcome.outputs == [b"\x00\x00\xc0"]


# ---- modules ----
@pytest.mark.parametrize(
    ("wasm", "sentence"),
    [
        (b"", "the module is not WebAssembly"),
        (b"#!/bin/sh\n", "the module is not WebAssembly"),
        (b"\0asm\1\0\0\0\xff", "the module does not validate"),
        (bytes(1024 * 1024 + 1), "the module has 1048577 bytes, 1048576 are allowed"),
        (module_of('(module (import "wasi" "fd_write" (func)))'), "the module imports wasi.fd_write"),
        (module_of("(module)"), "the module exports no memory"),
        (module_of('(module (memory 1) (func (export "memory")))'), "the module exports no memory"),
        (module_of('(module (memory (export "memory") 1))'), "the module exports no function alloc"),
        (module_of(HEAD + ")"), "the module exports no function run(i32, i32) -> i64"),
        (
            module_of(HEAD + '(func (export "run") (param i32) (result i64) i64.const 0))'),
            "the module exports 'run' with another signature",
        ),
        (module_of('(module (memory i64 1))'), "the module does not validate"),
        (module_of('(module (memory 1 1 shared))'), "the module does not validate"),
        (module(EMPTY, "".join(f'(func (export "f{i}"))' for i in range(70))), "the module has 73 exports"),
    ],
)  # fmt: skip
def test_a_module_that_is_no_processor_is_refused_in_one_sentence(wasm: bytes, sentence: str) -> None:
    async def body(pool: ProcessorPool) -> None:
        with pytest.raises(UserFault) as caught:
            await pool.check_module(wasm)
        assert str(caught.value).startswith(sentence)
        assert "\n" not in str(caught.value)
        await pool.check_module(ECHO)

    with_pool(body)


def compile_bomb() -> bytes:
    """Many small functions, below the size limit, that keep the compiler busy for seconds."""
    body = "(local i64) " + "(local.set 0 (i64.mul (local.get 0) (i64.const 3)))" * 4
    return module_of(HEAD + f"(func {body})" * 20_000 + EMPTY_RUN)


def test_a_compile_bomb_is_cut_off_by_time() -> None:
    bomb = compile_bomb()
    assert len(bomb) < 1024 * 1024
    quick = ProcessorLimits(compile_ms_max=100)

    async def body(pool: ProcessorPool) -> None:
        await pool.run(SubBlockTask(ECHO, {}, [line(b"abc")]))
        (pid,) = pool.pids
        with pytest.raises(UserFault, match="does not compile within 100 ms"):
            await pool.check_module(bomb, quick)
        wait_until_dead(pid)
        outcome = await pool.run(SubBlockTask(bomb, {}, [line(b"abc")], quick))
        assert outcome == Abandoned("the child process took longer than allowed")

    with_pool(body)


def test_modules_beyond_the_cache_are_compiled_again() -> None:
    async def body(pool: ProcessorPool) -> None:
        many = child_process.CACHED_MODULES_MAX + 3
        modules = [
            module(f"(i32.store8 {INPUT} (i32.const {n})) (call $pair {INPUT} (i32.const 1))")
            for n in range(many)
        ]
        for n in [*range(many), *range(many), 0, many - 1, 0]:
            outcome = await pool.run(SubBlockTask(modules[n], {}, [line(b"x")]))
            assert isinstance(outcome, Computed)
            assert outcome.outputs == [bytes([n])]
        assert len(pool.pids) == 1

    with_pool(body)


def test_a_child_keeps_a_bounded_number_of_modules_and_forgets_the_oldest() -> None:
    child = child_process.ChildProcess()
    try:
        kept = child_process.CACHED_MODULES_MAX
        slots = [child.slot_of(bytes([n])) for n in range(kept)]
        assert slots == [(n, True) for n in range(kept)]
        assert child.slot_of(bytes([0])) == (0, False)
        assert child.slot_of(bytes([200])) == (1, True)
        assert child.slot_of(bytes([1])) == (2, True)
        assert child.slot_of(bytes([0])) == (0, False)
    finally:
        child.kill()
