"""What holds for real children alone: they are shut in, die when they must, and are cheap when idle."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sgnus.adapters.processors import child_process
from sgnus.adapters.processors.pool import ProcessorPool
from sgnus.messages.errors import OurFault
from sgnus.ports import Abandoned, Computed, Outcome, ProcessorLimits, SubBlockTask

from .processor_samples import ECHO, LOOP, line, wait_until_dead, with_pool


async def busy_child(pool: ProcessorPool) -> tuple[asyncio.Task[Outcome], int]:
    """A run that never ends, and the pid of its child, which has begun."""
    await pool.run(SubBlockTask(ECHO, {}, [line(b"abc")]))
    endless = asyncio.create_task(pool.run(SubBlockTask(LOOP, {}, [line(b"abc")])))
    await asyncio.sleep(0)
    return endless, pool.pids[0]


# ---- life and death ----
def test_a_child_is_used_again() -> None:
    async def body(pool: ProcessorPool) -> None:
        assert list(pool.pids) == []
        await pool.run(SubBlockTask(ECHO, {}, [line(b"abc")]))
        first = list(pool.pids)
        await pool.run(SubBlockTask(ECHO, {}, [line(b"abc")]))
        assert list(pool.pids) == first

    with_pool(body, workers=2)


def test_a_cancelled_run_kills_its_child() -> None:
    async def body(pool: ProcessorPool) -> None:
        endless, pid = await busy_child(pool)
        endless.cancel()
        await asyncio.wait([endless])
        wait_until_dead(pid)
        assert isinstance(await pool.run(SubBlockTask(ECHO, {}, [line(b"abc")])), Computed)
        assert pid not in pool.pids

    with_pool(body)


def test_a_child_killed_at_work_means_abandoned_and_is_replaced() -> None:
    async def body(pool: ProcessorPool) -> None:
        endless, pid = await busy_child(pool)
        os.kill(pid, signal.SIGKILL)
        assert await endless == Abandoned("the child process died")
        assert isinstance(await pool.run(SubBlockTask(ECHO, {}, [line(b"abc")])), Computed)

    with_pool(body)


def test_a_child_killed_while_idle_goes_unnoticed() -> None:
    async def body(pool: ProcessorPool) -> None:
        await pool.run(SubBlockTask(ECHO, {}, [line(b"abc")]))
        (pid,) = pool.pids
        os.kill(pid, signal.SIGKILL)
        wait_until_dead(pid)
        assert isinstance(await pool.run(SubBlockTask(ECHO, {}, [line(b"abc")])), Computed)

    with_pool(body)


def test_a_frozen_child_is_killed_when_its_time_is_up() -> None:
    async def body(pool: ProcessorPool) -> None:
        await pool.run(SubBlockTask(ECHO, {}, [line(b"abc")]))
        (pid,) = pool.pids
        os.kill(pid, signal.SIGSTOP)
        limits = ProcessorLimits(chunk_ms_max=100)
        outcome = await pool.run(SubBlockTask(ECHO, {}, [line(b"abc")], limits))
        assert outcome == Abandoned("the child process took longer than allowed")
        wait_until_dead(pid)

    with_pool(body)


def test_stopping_kills_children_at_work_too() -> None:
    async def body(pool: ProcessorPool) -> None:
        endless, pid = await busy_child(pool)
        await pool.stop()
        wait_until_dead(pid)
        assert await endless == Abandoned("the child process died")
        with pytest.raises(OurFault):
            await pool.run(SubBlockTask(ECHO, {}, [line(b"abc")]))

    with_pool(body)


def test_an_idle_child_is_stopped() -> None:
    async def body(pool: ProcessorPool) -> None:
        await pool.run(SubBlockTask(ECHO, {}, [line(b"abc")]))
        (pid,) = pool.pids
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, wait_until_dead, pid)
        assert list(pool.pids) == []

    with_pool(body, idle_ms_max=50)


PARENT = """
import asyncio, sys
from sgnus.adapters.processors.pool import ProcessorPool
from sgnus.ports import SubBlockTask
from tests.ports.processor_samples import ECHO, LOOP, line

async def main():
    pool = ProcessorPool(1)
    await pool.start()
    await pool.run(SubBlockTask(ECHO, {}, [line(b"abc")]))
    task = asyncio.create_task(pool.run(SubBlockTask(LOOP, {}, [line(b"abc")])))
    await asyncio.wait([task], timeout=0.1)
    print(pool.pids[0], flush=True)
    await task

asyncio.run(main())
"""


def test_a_child_at_work_dies_with_its_parent_even_by_sigkill() -> None:
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)])}
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert Path(f"/proc/{child}").exists()
        parent.kill()
    wait_until_dead(child)


# ---- the sandbox ----
def test_a_child_starts_light() -> None:
    names = "import sys, sgnus.adapters.processors.child; print(*sorted(sys.modules))"
    environment = {"PYTHONPATH": child_process._import_path()}
    done = subprocess.run(
        [sys.executable, "-S", "-c", names], env=environment, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & {
        "numpy",
        "grpc",
        "libp2p",
        "asyncio",
        "dataclasses",
        "socket",
        "subprocess",
        "sgnus.ports",
    }


def test_a_child_says_what_holds_it_in() -> None:
    async def body(pool: ProcessorPool) -> None:
        steps = await pool.hardening()
        assert list(steps) == ["no_new_privs", "landlock", "rlimits", "seccomp"]
        assert all(state == "on" or state.startswith("off: ") for state in steps.values())
        assert steps["no_new_privs"] == steps["rlimits"] == "on"
        (pid,) = pool.pids
        status = fields_of(f"/proc/{pid}/status")
        assert status["NoNewPrivs:"] == ["1"]
        if steps["seccomp"] == "on":
            assert status["Seccomp:"] == ["2"]
        limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")  # noqa: ASYNC240
        for name in ("Max core file size", "Max processes", "Max file size"):
            assert limits.split(name)[1].split()[:2] == ["0", "0"]
        assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
        environment = Path(f"/proc/{pid}/environ").read_bytes()  # noqa: ASYNC240
        assert [entry.split(b"=")[0] for entry in environment.split(b"\0") if entry] == [
            b"PYTHONPATH",
            b"LANG",
        ]

    with_pool(body)


def fields_of(path: str) -> dict[str, list[str]]:
    lines = [text.split() for text in Path(path).read_text(encoding="ascii").splitlines() if text]
    return {first: rest for first, *rest in lines}


ESCAPES = {
    "open a file": "open('/etc/hostname')",
    "list a folder": "os.listdir('/')",
    "write a file": "open('/tmp/escaped', 'w')",
    "connect": "socket.socket().connect(('127.0.0.1', 1))",
    "make a socket": "socket.socket()",
    "fork": "os.fork() or os._exit(0)",
    "run a program": "os.posix_spawn('/bin/true', ['true'], {})",
    "signal its parent": "os.kill(os.getppid(), 0)",
}


@pytest.mark.parametrize("step", ["_landlock", "_seccomp", "restrict"])
def test_a_locked_in_process_cannot_get_out(step: str) -> None:
    script = (
        "import os, socket\nfrom sgnus.adapters.processors import hardening as h\nh._no_new_privs()\n"
        f"print(h.{step}())\n"
        "def attempt(name, code):\n"
        "    try:\n        eval(code)\n"
        "    except OSError as error:\n        print(name, '->', type(error).__name__)\n"
        "    else:\n        print(name, '-> done')\n"
    ) + "".join(f"attempt({name!r}, {code!r})\n" for name, code in ESCAPES.items())
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    state, *attempts = done.stdout.splitlines()
    if "off" in state:
        pytest.skip(f"this kernel: {state}")
    expected = dict.fromkeys(ESCAPES, "PermissionError")
    found = dict(attempt.split(" -> ") for attempt in attempts)
    if step == "_landlock":  # it knows files and TCP ports; sockets and processes are the filter's part
        expected = {name: expected[name] for name in ("open a file", "list a folder", "write a file")}
        found = {name: found[name] for name in expected}
    assert found == expected


def test_a_hostile_child_cannot_shrink_the_shared_memory() -> None:
    shared = os.memfd_create("probe", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(shared, 4096)
        child_process.seal(shared)
        with pytest.raises(PermissionError):
            os.ftruncate(shared, 0)
    finally:
        os.close(shared)
