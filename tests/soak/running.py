"""The course of a soak: start the nodes, jobs in a row, faults beside them, samples all along, and leave nothing behind."""

from __future__ import annotations

import asyncio
import datetime
import itertools
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from tests.soak.asking import Asking, Done
from tests.soak.faults import Faults
from tests.soak.fleet import Broken, Fleet, names
from tests.soak.orders import order
from tests.soak.screen import Screen
from tests.soak.summary import Summary
from tests.soak.usage import Usage

SAMPLE_S: Final = 5.0
LOOK_S: Final = 1.0
TRACE: Final = "Traceback (most recent call last)"


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for."""

    seconds: float
    seed: int
    nodes: int
    keep: bool
    at_once: int = 1


class Soak:
    """One run."""

    def __init__(self, wish: Wish, screen: Screen) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sgnus-soak-"))
        self._wish = wish
        self._screen = screen
        self._fleet = Fleet(self.folder, wish.nodes)
        self._usage = Usage()
        self._done: list[Done] = []
        self._asking: list[Asking] = []
        self._broken: list[str] = []
        self._faults = Faults(wish.seed, self._fleet, lambda: self._asking, screen.detail)
        self._began_s = 0.0

    async def run(self) -> Summary:
        """All of it. Whoever breaks it off gets what is known so far."""
        began = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        is_broken_off = False
        try:
            await self._run()
        except* asyncio.CancelledError:
            is_broken_off = True
        except* Broken as group:
            self._broken += [str(one) for one in _leaves(group)]
        finally:
            seconds = time.monotonic() - self._began_s if self._began_s else 0.0
            load = os.getloadavg()
            await self._clean_up()
        wish = self._wish
        summary = Summary(
            wish.seed,
            wish.nodes,
            seconds,
            load,
            began,
            self._done,
            self._faults.done,
            self._usage,
            self._broken,
        )
        summary.is_broken_off = is_broken_off
        if self._wish.keep or self._broken:
            self._screen.say(f"homes and logs of the nodes are kept in {self.folder}")
        else:
            await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)
        return summary

    async def _run(self) -> None:
        wish, screen = self._wish, self._screen
        screen.say(f"seed {wish.seed}: starting {wish.nodes} nodes below {self.folder}")
        await self._fleet.start(lambda ready: screen.detail(f"{ready} of {wish.nodes} nodes are ready"))
        self._began_s = time.monotonic()
        until_s = self._began_s + wish.seconds
        screen.say(f"{wish.nodes} nodes are ready; jobs and faults for {wish.seconds / 60:.1f} minutes")
        numbers = itertools.count()
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(self._watch(until_s))
            async with asyncio.TaskGroup() as work:
                work.create_task(self._faults.run(until_s))
                for _ in range(wish.at_once):
                    work.create_task(self._ask_in_a_row(numbers, until_s))
            watch.cancel()

    async def _ask_in_a_row(self, numbers: itertools.count[int], until_s: float) -> None:
        dice = Random(f"{self._wish.seed}/publishers")
        while time.monotonic() < until_s:
            number = next(numbers)
            wanted = await asyncio.to_thread(order, self._wish.seed, number)
            asking = Asking(wanted, dice.choice(self._fleet.calm()), self._fleet)
            self._asking.append(asking)
            try:
                done = await asking.see_through()
            finally:
                self._asking.remove(asking)
            self._done.append(done)
            self._screen.detail(
                f"job {number} ({done.kind}) of {asking.publisher.name}: right, {done.seconds:.1f} s"
            )

    async def _watch(self, until_s: float) -> None:
        sampled = 0.0
        while True:
            self._fleet.check()
            now_s = time.monotonic()
            if now_s - sampled >= SAMPLE_S:
                sampled = now_s
                await asyncio.to_thread(self._usage.take, self._fleet.calm(), now_s)
            self._screen.progress(lambda: self._progress(until_s))
            await asyncio.sleep(LOOK_S)

    def _progress(self, until_s: float) -> str:
        now_s = time.monotonic()
        troubled = [node for node in self._fleet.nodes if not node.is_calm]
        asking = "; ".join(str(one) for one in self._asking) or "no job"
        return (
            f"{(now_s - self._began_s) / 60:.1f} of {(until_s - self._began_s) / 60:.1f} minutes, {len(self._done)} jobs right, "
            f"{self._faults.done.total()} faults; now {asking}; in trouble: {names(troubled) or 'nobody'}"
        )

    async def _clean_up(self) -> None:
        """End all nodes, and read what they said: a traceback in a log is a fault of ours, whatever came of it."""
        self._broken += await asyncio.shield(self._fleet.stop())
        for node in self._fleet.nodes:
            log = node.running.log
            if log.exists() and (count := log.read_text(errors="replace").count(TRACE)):
                self._broken.append(f"{count} tracebacks in {log}")


def _leaves(group: BaseExceptionGroup[Broken]) -> list[BaseException]:
    found: list[BaseException] = []
    for one in group.exceptions:
        found += _leaves(one) if isinstance(one, BaseExceptionGroup) else [one]
    return found
