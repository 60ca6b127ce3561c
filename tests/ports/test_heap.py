"""Freed memory goes back to the system, also where what is still used lies between; and what refers to itself is freed."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from pathlib import Path
from sgnus.adapters import heap

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

blocks = [bytes(2_000) for _ in range(50_000)]
kept = blocks[::500]
full = resident()
del blocks
heap.give_back()
print(full - resident())
"""


def test_pages_between_blocks_in_use_are_given_back() -> None:
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, check=True, timeout=60, text=True
    )
    assert int(said.stdout) > 50_000, "of 100 MB"


SOURCES = """
import importlib, linecache
from sgnus.adapters import heap

heap.prepare()
linecache.getlines(importlib.__file__)
assert linecache.cache
heap.give_back()
print(len(linecache.cache), linecache.getline(importlib.__file__, 1)[:3], linecache.cache["gone meanwhile"][2])
"""


def test_what_tracebacks_read_of_sources_is_forgotten_and_read_again() -> None:
    said = subprocess.run(
        [sys.executable, "-c", SOURCES], capture_output=True, check=True, timeout=60, text=True
    )
    assert said.stdout.split() == ["0", '"""', "[]"]


LAZY = """
import linecache
from sgnus.adapters import heap

class Loader:
    def get_source(self, name):
        return "a line"

real = linecache.lazycache
def emptied_meanwhile(name, its_globals):
    found = real(name, its_globals)
    heap.give_back()
    return found

heap.prepare()
linecache.lazycache = emptied_meanwhile
print(linecache.getlines("/no/such.pyx", {"__name__": "such", "__loader__": Loader()}))
"""


def test_a_source_that_a_loader_would_read_may_be_forgotten_meanwhile() -> None:
    said = subprocess.run(
        [sys.executable, "-c", LAZY], capture_output=True, check=True, timeout=60, text=True
    )
    assert said.stdout.strip() == "[]"


CYCLES = """
import asyncio, gc, weakref
from sgnus.adapters import heap

class Fault(Exception):
    pass

def fails():
    fault = Fault()
    fault.again = fault
    return weakref.ref(fault)

gc.disable()
kept = [fails() for _ in range(100)]
before = sum(one() is not None for one in kept)

async def until_freed():
    heap.EVERY_S = 0.01
    for_ever = asyncio.create_task(heap.give_back_for_ever())
    async with asyncio.timeout(20):
        while any(one() is not None for one in kept):
            await asyncio.sleep(0.01)
    for_ever.cancel()

asyncio.run(until_freed())
print(before)
"""


def test_what_refers_to_itself_alone_is_freed() -> None:
    said = subprocess.run(
        [sys.executable, "-c", CYCLES], capture_output=True, check=True, timeout=60, text=True
    )
    assert said.stdout.strip() == "100"
