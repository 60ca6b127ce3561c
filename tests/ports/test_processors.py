"""The contract of the port `Processors`, held by the pool of real children and by the fake alike."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from sgnus.adapters.processors.fakes import FakeCall, FakeProcessors, FakeTrap, loop_for_ever
from sgnus.adapters.processors.pool import ProcessorPool
from sgnus.messages.errors import OurFault, UserFault
from sgnus.ports import Abandoned, Computed, ProcessorLimits, Processors, SubBlockTask, Trapped

from .processor_samples import ECHO, LOOP, ONE_BYTE_SHORT, PARAMETERS, TRAP_ON_ZERO, line

Driver = Callable[[int], Processors]
SOON = ProcessorLimits(chunk_ms_max=200)


def _trap_on_zero(call: FakeCall) -> bytes:
    if call.input[0] == 0:
        raise FakeTrap("unreachable code reached")
    return call.input


FAKES = {
    ECHO: lambda call: call.input,
    PARAMETERS: lambda call: "".join(f"{k}={call.parameters[k]}\n" for k in sorted(call.parameters)).encode(),
    TRAP_ON_ZERO: _trap_on_zero,
    ONE_BYTE_SHORT: lambda call: call.input[:-1],
    LOOP: loop_for_ever,
}


@pytest.fixture(params=["fake", "pool"])
def driver(request: pytest.FixtureRequest) -> Driver:
    if request.param == "pool":
        return ProcessorPool
    return lambda workers: FakeProcessors(FAKES, workers=workers)


def with_running(driver: Driver, body: Callable[[Processors], Awaitable[None]], workers: int = 1) -> None:
    async def run() -> None:
        processors = driver(workers)
        await processors.start()
        try:
            async with asyncio.timeout(60):
                await body(processors)
        finally:
            await processors.stop()

    asyncio.run(run())


def outputs(outcome: object) -> list[bytes]:
    assert isinstance(outcome, Computed), outcome
    return list(outcome.outputs)


def test_outputs_come_in_the_order_of_the_chunks(driver: Driver) -> None:
    async def body(processors: Processors) -> None:
        chunks = [line(bytes([n] * (n + 1))) for n in range(70)]
        outcome = await processors.run(SubBlockTask(ECHO, {}, chunks))
        assert outputs(outcome) == [bytes([n] * (n + 1)) for n in range(70)]

    with_running(driver, body)


def test_a_module_reads_its_parameters_sorted_by_name(driver: Driver) -> None:
    async def body(processors: Processors) -> None:
        task = SubBlockTask(PARAMETERS, {"b": "2", "a": "x=y"}, [line(b"-", out=10)])
        assert outputs(await processors.run(task)) == [b"a=x=y\nb=2\n"]

    with_running(driver, body)


@pytest.mark.parametrize(
    ("edge", "padded"),
    [
        ("reflect", b"bcbabcbab"),
        ("nearest", b"aaaabcccc"),
        ("wrap", b"abcabcabc"),
        ("constant", b"\0\0\0abc\0\0\0"),
    ],
)
def test_the_clipped_margin_is_filled_by_the_edge_mode(driver: Driver, edge: str, padded: bytes) -> None:
    async def body(processors: Processors) -> None:
        chunk = line(b"abc", before=3, after=3, edge=edge)
        assert outputs(await processors.run(SubBlockTask(ECHO, {}, [chunk]))) == [padded]

    with_running(driver, body)


def test_a_trap_names_the_chunk_and_a_reason(driver: Driver) -> None:
    async def body(processors: Processors) -> None:
        chunks = [line(b"a"), line(b"b"), line(b"\0"), line(b"\0")]
        outcome = await processors.run(SubBlockTask(TRAP_ON_ZERO, {}, chunks))
        assert outcome == Trapped(2, "unreachable code reached")
        assert outputs(await processors.run(SubBlockTask(TRAP_ON_ZERO, {}, chunks[:2]))) == [b"a", b"b"]

    with_running(driver, body)


def test_a_wrong_output_length_is_a_trap(driver: Driver) -> None:
    async def body(processors: Processors) -> None:
        outcome = await processors.run(SubBlockTask(ONE_BYTE_SHORT, {}, [line(b"abc")]))
        assert outcome == Trapped(0, "gave 2 bytes where 3 were asked for")

    with_running(driver, body)


def test_bytes_that_are_no_module_trap_on_every_machine(driver: Driver) -> None:
    async def body(processors: Processors) -> None:
        for module in (b"", b"no module", bytes(1024 * 1024 + 1)):
            outcome = await processors.run(SubBlockTask(module, {}, [line(b"abc")]))
            assert isinstance(outcome, Trapped)
            assert outcome.reason.startswith("invalid module: it is ")

    with_running(driver, body)


def test_a_chunk_that_takes_too_long_is_abandoned_and_the_next_runs(driver: Driver) -> None:
    async def body(processors: Processors) -> None:
        outcome = await processors.run(SubBlockTask(LOOP, {}, [line(b"abc")], SOON))
        assert outcome == Abandoned("a chunk took longer than allowed")
        assert outputs(await processors.run(SubBlockTask(ECHO, {}, [line(b"abc")]))) == [b"abc"]

    with_running(driver, body)


def test_a_chunk_above_the_memory_limit_traps_before_it_runs(driver: Driver) -> None:
    async def body(processors: Processors) -> None:
        small = ProcessorLimits(memory_bytes=2 * 1024 * 1024)
        task = SubBlockTask(ECHO, {}, [line(b"x"), line(bytes(1024 * 1024))], small)
        assert await processors.run(task) == Trapped(1, "the chunk does not fit the memory limit")

    with_running(driver, body)


def test_cancelling_a_run_frees_its_place(driver: Driver) -> None:
    async def body(processors: Processors) -> None:
        endless = asyncio.create_task(processors.run(SubBlockTask(LOOP, {}, [line(b"abc")])))
        waiting = asyncio.create_task(processors.run(SubBlockTask(ECHO, {}, [line(b"abc")])))
        await asyncio.wait([endless, waiting], timeout=0.3)
        assert not waiting.done()
        endless.cancel()
        assert outputs(await waiting) == [b"abc"]
        with pytest.raises(asyncio.CancelledError):
            await endless

    with_running(driver, body)


def test_as_many_runs_go_on_at_once_as_there_are_workers(driver: Driver) -> None:
    async def body(processors: Processors) -> None:
        endless = asyncio.create_task(processors.run(SubBlockTask(LOOP, {}, [line(b"abc")])))
        assert outputs(await processors.run(SubBlockTask(ECHO, {}, [line(b"abc")]))) == [b"abc"]
        assert not endless.done()
        endless.cancel()
        await asyncio.wait([endless])

    with_running(driver, body, workers=2)


def test_a_stopped_pool_runs_nothing_and_may_be_started_again(driver: Driver) -> None:
    async def body(processors: Processors) -> None:
        await processors.run(SubBlockTask(ECHO, {}, [line(b"abc")]))
        await processors.stop()
        with pytest.raises(OurFault):
            await processors.run(SubBlockTask(ECHO, {}, [line(b"abc")]))
        await processors.start()
        assert outputs(await processors.run(SubBlockTask(ECHO, {}, [line(b"abc")]))) == [b"abc"]

    with_running(driver, body)


def test_a_task_that_contradicts_itself_is_our_fault(driver: Driver) -> None:
    async def body(processors: Processors) -> None:
        good = line(b"abc")
        for field, value in [("input", b"ab"), ("dtype", "string"), ("edge", "mirror"), ("halo", (0, 0))]:
            values = {name: getattr(good, name) for name in good.__slots__} | {field: value}
            with pytest.raises(OurFault):
                await processors.run(SubBlockTask(ECHO, {}, [type(good)(**values)]))

    with_running(driver, body)


def test_a_module_is_checked_before_it_is_submitted(driver: Driver) -> None:
    async def body(processors: Processors) -> None:
        await processors.check_module(ECHO)
        with pytest.raises(UserFault, match="the module is not WebAssembly"):
            await processors.check_module(b"no module")

    with_running(driver, body)


def test_a_warm_pool_says_what_holds_its_children_in(driver: Driver) -> None:
    async def body(processors: Processors) -> None:
        await processors.warm()
        steps = await processors.hardening()
        assert steps
        assert all(state == "on" or state.startswith("off: ") for state in steps.values())

    with_running(driver, body)


def test_parameters_that_cannot_be_written_are_the_users_fault(driver: Driver) -> None:
    async def body(processors: Processors) -> None:
        for parameters in ({"a=b": "1"}, {"": "1"}, {"a": "1\n2"}, {"a": "1" * 5000}):
            with pytest.raises(UserFault):
                await processors.run(SubBlockTask(ECHO, parameters, [line(b"abc")]))

    with_running(driver, body)
