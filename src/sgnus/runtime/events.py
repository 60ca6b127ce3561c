"""What apps are told and what stories keep: bounded per job and in all, the oldest forgotten first."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from sgnus.core import effects as fx
from sgnus.messages.fields import Message
from sgnus.messages.ids import BlockId
from sgnus.messages.v1.types import (
    HostEvent,
    PeerListEvent,
    ProcessedEvent,
    StartedEvent,
    StreamEventsReply,
)

LOG: Final = logging.getLogger("sgnus.room")
EVENTS_PER_JOB_MAX: Final = 10_000
JOBS_MAX: Final = 1_000
LINES_MAX: Final = 100_000
RECENT_MAX: Final = 4


@dataclass(slots=True)
class JobLog:
    """One job's events and story; `counted` of them were there in all, and the last are kept."""

    events: deque[Message] = field(default_factory=lambda: deque(maxlen=EVENTS_PER_JOB_MAX))
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=EVENTS_PER_JOB_MAX))
    recent: deque[Message] = field(default_factory=lambda: deque(maxlen=RECENT_MAX))
    counted: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def since(self, seen: int) -> list[Message]:
        """The events that are kept, without the first `seen` of all."""
        forgotten = self.counted - len(self.events)
        return list(self.events)[max(0, seen - forgotten) :]


class EventHub:
    """All jobs' logs; streams wait here."""

    def __init__(self) -> None:
        self._logs: dict[BlockId, JobLog] = {}
        self._lines = 0
        self._started = time.monotonic()

    def log(self, job: BlockId) -> JobLog:
        """The log of a job, begun at need."""
        log = self._logs[job] = self._logs.pop(job) if job in self._logs else JobLog()
        while len(self._logs) > 1 and (len(self._logs) > JOBS_MAX or self._lines > LINES_MAX):
            self._lines -= len(self._logs.pop(next(iter(self._logs))).lines)
        return log

    def take(self, effect: fx.Effect) -> None:
        """Keep what an effect tells, if it tells anything."""
        if isinstance(effect, fx.Told):
            self.note(effect.job, effect.line)
            LOG.info("%s", effect.line, extra={"job": effect.job})
            return
        event, line = _event_of(effect)
        if event is not None:
            job = BlockId(event.job)
            log = self.log(job)
            if event in log.recent:
                return  # Told twice: as a member of the room, and as its publisher.
            log.recent.append(event)
            log.events.append(event)
            log.counted += 1
            self.note(job, line)
            about = {"job": event.job, "microjob": event.microjob, "room": event.instance}
            LOG.info("%s", line, extra=about)

    def note(self, job: BlockId, line: str) -> None:
        """A line of the story, with the time since this node started."""
        log = self.log(job)
        self._lines += len(log.lines) < EVENTS_PER_JOB_MAX
        log.lines.append(f"{time.monotonic() - self._started:9.3f} s  {line}")
        self.touch(job)

    def touch(self, job: BlockId) -> None:
        """Wake who waits for news of this job."""
        log = self.log(job)
        log.changed.set()
        log.changed = asyncio.Event()

    def forget(self, job: BlockId) -> None:
        """The job expired: nobody can ask for it any more."""
        log = self._logs.pop(job, None)
        if log is not None:
            self._lines -= len(log.lines)
            log.changed.set()

    async def follow(self, job: BlockId) -> AsyncIterator[StreamEventsReply | None]:
        """Events from the oldest kept on; None where all that is known was given and the stream would wait."""
        seen = 0
        while True:
            log = self.log(job)
            changed = log.changed
            fresh = log.since(seen)
            # More may come while these are given.
            seen = log.counted
            for event in fresh:
                yield StreamEventsReply(body=event)  # type: ignore[arg-type]
            yield None
            await changed.wait()


Event = HostEvent | PeerListEvent | StartedEvent | ProcessedEvent


def _event_of(effect: fx.Effect) -> tuple[Event | None, str]:
    """The event for apps and the line for the story."""
    if isinstance(effect, fx.HostChanged):
        return HostEvent(
            job=effect.job,
            microjob=effect.microjob,
            instance=effect.instance,
            epoch=effect.epoch,
            host=effect.host,
        ), f"room {effect.microjob}: host is {effect.host[-6:]} in epoch {effect.epoch}"
    if isinstance(effect, fx.PeersChanged):
        return PeerListEvent(
            job=effect.job,
            microjob=effect.microjob,
            instance=effect.instance,
            members=effect.members,
            removals=effect.removals,
        ), f"room {effect.microjob}: {len(effect.members)} members" + _removed(effect)
    if isinstance(effect, fx.ProcessingStarted):
        return StartedEvent(
            job=effect.job,
            microjob=effect.microjob,
            instance=effect.instance,
            sub_block=effect.sub_block,
            member=effect.member,
            elapsed_ms=effect.elapsed_ms,
        ), f"room {effect.microjob}: {effect.member[-6:]} works on sub-block {effect.sub_block}"
    if isinstance(effect, fx.Processed):
        what = "is held from" if effect.held else "is processed by"
        return ProcessedEvent(
            job=effect.job,
            microjob=effect.microjob,
            instance=effect.instance,
            sub_block=effect.sub_block,
            member=effect.member,
            held=effect.held,
        ), f"room {effect.microjob}: sub-block {effect.sub_block} {what} {effect.member[-6:]}"
    return None, ""


def _removed(effect: fx.PeersChanged) -> str:
    if not effect.removals:
        return ""
    return ", removed " + ", ".join(f"{x.peer[-6:]} ({x.reason.name.lower()})" for x in effect.removals)
