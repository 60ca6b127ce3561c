"""The demo's course: start the nodes, submit, kill two, collect, check, compare, and leave nothing behind."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from asyncio.subprocess import Process
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sgnus.aio
from sgnus.frontends.cli.saying import count
from sgnus.frontends.demo.chaos import Chaos, Role
from sgnus.frontends.demo.evidence import Evidence
from sgnus.frontends.demo.nodes import Fleet, end_all, start_guarded
from sgnus.frontends.demo.options import DemoOptions, tile_of
from sgnus.frontends.demo.outcome import Outcome
from sgnus.frontends.demo.showing import Screen
from sgnus.frontends.files.inputs import open_input
from sgnus.frontends.files.outputs import OutputFile
from sgnus.frontends.sdk.views import HostChanged
from sgnus.messages.errors import SgnusError, UserFault, WorldFault
from sgnus.messages.limits import SUB_BLOCKS_PER_MICROJOB
from sgnus.runtime import reference

if TYPE_CHECKING:
    from sgnus.frontends.files.inputs import Array

PEERS_S_MAX: Final = 30.0
JOB_S_MAX: Final = 240.0
REFERENCE_S_MAX: Final = 300.0
POLL_S: Final = 0.05
STORY_S: Final = 0.5
STORY_S_MAX: Final = 5.0


class Demo:
    """One run. `source` is the checked input."""

    def __init__(self, options: DemoOptions, source: Array, screen: Screen) -> None:
        self.options = options
        self.source = source
        self.screen = screen
        self.folder = Path(tempfile.mkdtemp(prefix="sgnus-demo-"))
        self.fleet = Fleet(self.folder, options.nodes, has_liar=options.has_liar)
        self.evidence = Evidence()
        self._keeps = options.keep
        self._reference: Process | None = None
        self._hosted: dict[int, None] = {}

    async def run(self) -> Outcome:
        """All of it; whatever happens, no process is left, and without --keep no home but those of nodes that failed."""
        try:
            return await self._run()
        except WorldFault:
            self._keeps = True
            raise
        finally:
            # A second Ctrl-C must not leave the nodes half stopped.
            await asyncio.shield(self._clean_up())

    async def _run(self) -> Outcome:
        options, screen = self.options, self.screen
        screen.say(f"starting {options.nodes} nodes, each a process with a home below {self.folder}")
        await self.fleet.start(self._on_ready)
        await self._start_reference()
        publisher = self.fleet.publisher
        if self.fleet.liar is not None:
            self.evidence.liar = self.fleet.liar.peer
            screen.say(f"one of them lies: whatever {_short(self.evidence.liar)} works on comes out false")
        async with sgnus.aio.connect(publisher.home, start=False) as grid:
            await self._wait_for_peers(grid)
            began = screen.seconds
            job = await grid.submit(
                self.source,
                processor=options.processor,
                tile=tile_of(options, self.source.shape),
                parameters=options.parameters,
                chunks_per_sub_block=1,
                verify=options.verify,
                samples=options.samples if options.verify == "sample" else None,
                name=options.input.name[:128],
            )
            status = await job.status()
            screen.say(
                f"job {job.id[:20]}...: {count(status.sub_blocks, 'sub-block')}, for {count(status.microjobs, 'room')}, "
                f"published by {_short(publisher.peer)}"
            )
            chaos = Chaos(publisher.peer, status.sub_blocks, SUB_BLOCKS_PER_MICROJOB)
            options.output.parent.mkdir(parents=True, exist_ok=True)
            output = OutputFile(options.output, status.output.shape, status.output.dtype)
            try:
                await self._collect(job, chaos, output)
                job_seconds = screen.seconds - began
                status = await job.status()
                await asyncio.to_thread(self.evidence.check, job.id, status.microjobs, await job.receipts())
                written = output.array.tobytes()
                output.finish()
            finally:
                output.discard()
        screen.say(f"all results are here {job_seconds:.1f} s after submission; comparing with one process")
        # The nodes have done their part: what they would still use is the reference's.
        _, identical = await asyncio.gather(self.fleet.stop(), self._is_identical(written))
        return Outcome(identical, status, chaos, self.evidence, len(written), job_seconds)

    async def _collect(self, job: sgnus.aio.Job, chaos: Chaos, output: OutputFile) -> None:
        """The whole job, into the output's array. WorldFault if it does not end in time."""
        try:
            async with asyncio.timeout(JOB_S_MAX), asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow(job, chaos))
                tasks.create_task(self._watch(job))
                tasks.create_task(job.result(out=output.array))
        except TimeoutError as error:
            self._keeps = True
            raise WorldFault(f"The job did not end within {JOB_S_MAX:g} s.") from error
        except ExceptionGroup as group:
            self._keeps = True
            fault = next((one for one in group.exceptions if isinstance(one, SgnusError)), None)
            if fault is None:
                raise
            raise fault from group
        finally:
            if self._keeps:
                await self._keep_stories(job.id)

    def _on_ready(self, ready: int) -> None:
        if ready in (1, self.options.nodes):
            self.screen.say(f"{ready} of {self.options.nodes} nodes ready")

    async def _wait_for_peers(self, grid: sgnus.aio.Grid) -> None:
        """Until the publisher is connected with all others: a job that starts before has smaller rooms."""
        wanted = self.options.nodes - 1
        for _ in range(int(PEERS_S_MAX / POLL_S)):
            known = {peer.peer for peer in await grid.peers() if peer.gossip}
            if len(known & set(self.fleet.living())) >= wanted:
                break
            await asyncio.sleep(POLL_S)
        self.screen.say(f"the publisher knows {len(known)} peers")

    async def _follow(self, job: sgnus.aio.Job, chaos: Chaos) -> None:
        """Show what happens until the job ends, and do what the chaos says."""
        total = chaos.sub_blocks
        async with aclosing(job.events()) as events:
            async for event in events:
                before = chaos.takeovers
                chaos.see(event)
                self.evidence.see(event)
                if isinstance(event, HostChanged):
                    self._tell_host(event, chaos.takeovers > before)
                self.screen.delivered(chaos.delivered, total, len(chaos.rooms))
                if self.options.has_chaos:
                    self._kill_next(chaos)

    async def _watch(self, job: sgnus.aio.Job) -> None:
        """Tell what the publisher finds out about liars, and which microjobs are verified, until the job has ended."""
        taken, has_ended = 0, False
        while not has_ended:
            status = await job.status()
            has_ended = status.has_ended
            for peer in self.evidence.read(await job.story()):
                self.screen.say(f"..{peer} is caught: it {self.evidence.convicted[peer]}")
            if status.taken > taken and self.options.verify != "none":
                taken = status.taken
                self.screen.say(f"{taken} of {count(status.microjobs, 'microjob')} verified")
            await asyncio.sleep(STORY_S)

    def _tell_host(self, event: HostChanged, is_takeover: bool) -> None:
        """Each room's first host, and who takes over. A room that is founded a second time is no news."""
        if is_takeover:
            self.screen.say(f"{_short(event.host)} takes over room {event.microjob} (epoch {event.epoch})")
        elif event.microjob not in self._hosted:
            self._hosted[event.microjob] = None
            self.screen.say(f"{_short(event.host)} hosts room {event.microjob}")

    def _kill_next(self, chaos: Chaos) -> None:
        # Not the liar: a liar that dies is not caught.
        victim = chaos.next_victim([peer for peer in self.fleet.living() if peer != self.evidence.liar])
        if victim is None:
            return
        self.fleet.kill(victim.peer)
        what = "the host" if victim.role is Role.HOST else "a member"
        self.screen.say(
            f"SIGKILL to {_short(victim.peer)}, {what} of room {victim.microjob} ({victim.members} members), "
            f"at {chaos.delivered * 100 // chaos.sub_blocks} %"
        )

    async def _keep_stories(self, job: str) -> None:
        """What each living node saw of the job, beside its log; of one that does not answer its log must do."""
        for node in self.fleet.living().values():
            try:
                async with asyncio.timeout(STORY_S_MAX), sgnus.aio.connect(node.home, start=False) as grid:
                    lines = await (await grid.job(job)).story()
            except (TimeoutError, SgnusError) as error:
                lines = [f"it does not tell its story: {error or 'no answer'}"]
            (node.home / "story.txt").write_text("\n".join([node.peer, *lines]) + "\n")

    async def _start_reference(self) -> None:
        """The same work in one process, at low priority beside the nodes."""
        import numpy as np

        np.save(self.folder / "input.npy", self.source)
        parameters = json.dumps(dict(self.options.parameters))
        arguments = [str(self.folder / "input.npy"), str(self.folder / "reference")]
        with (self.folder / "reference.log").open("wb") as log:
            self._reference = await start_guarded(
                ["reference", *arguments, self.options.processor, parameters], log
            )

    async def _is_identical(self, result: bytes) -> bool:
        """Whether the result, and the picture as it was saved, hold the very bytes of the reference."""
        assert self._reference is not None
        async with asyncio.timeout(REFERENCE_S_MAX):
            status = await self._reference.wait()
        if status:
            words = (self.folder / "reference.log").read_text(errors="replace").strip()
            raise WorldFault(f"The single-process result could not be computed: {words[-500:]}")
        expected = (self.folder / "reference").read_bytes()
        saved = open_input(self.options.output).array
        return result == expected and saved.tobytes() == expected

    async def _clean_up(self) -> None:
        if self._reference is not None and self._reference.returncode is None:
            self._reference.kill()
            await end_all([self._reference])
        await self.fleet.stop()
        if self._keeps:
            self.screen.say(f"homes and logs of the nodes are kept in {self.folder}")
        else:
            await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)


def checked_source(options: DemoOptions) -> Array:
    """The input as an array that the processor takes. UserFault says what is wrong with it."""
    opened = open_input(options.input)
    reference.check(options.processor, options.parameters, opened.array.dtype.name, opened.array.shape)
    if options.output.exists() and options.output.samefile(options.input):
        raise UserFault(f"{options.output} is the input; name another with --output.")
    return opened.array


def _short(peer: str) -> str:
    return f"..{peer[-6:]}"
