"""Performing the core's effects: one small action each, none of which blocks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sgnus.core import effects as fx
from sgnus.messages.errors import UserFault
from sgnus.messages.ids import BlockId
from sgnus.messages.v1.types import EntryKind, Held, PeerMessage, SignedEnvelope
from sgnus.runtime.drivers import Drivers
from sgnus.runtime.held_log import HeldRecord
from sgnus.runtime.jobs import unix_ms
from sgnus.wire.codec import decode, encode

if TYPE_CHECKING:
    from sgnus.runtime.apps import Apps
    from sgnus.runtime.clearing import Clearing
    from sgnus.runtime.engine import Engine
    from sgnus.runtime.events import EventHub
    from sgnus.runtime.hearing import Hearing
    from sgnus.runtime.jobs import Job, JobBook, OutputPlace
    from sgnus.runtime.proofs import Proofs
    from sgnus.runtime.publisher_run import PublisherRuns
    from sgnus.runtime.rechecks import Rechecks
    from sgnus.runtime.serving import Receiving
    from sgnus.runtime.work import Deliveries, Hands

LOG: Final = logging.getLogger("sgnus.performing")
ROOM_LIFE_MS: Final = 120_000


@dataclass(frozen=True, slots=True)
class Moved:
    """The parts that effects move."""

    receiving: Receiving
    hands: Hands
    deliveries: Deliveries
    apps: Apps
    runs: PublisherRuns
    proofs: Proofs
    clearing: Clearing
    rechecks: Rechecks
    engine: Engine
    jobs: JobBook


class Performing:
    """What each effect does. `connect` closes the circle of parts before the engine starts."""

    def __init__(self, drivers: Drivers, hub: EventHub, hearing: Hearing) -> None:
        self._database = drivers.database
        self._store = drivers.store
        self._gossip = drivers.gossip
        self._peers = drivers.peers
        self._hub = hub
        self._hearing = hearing
        self._doors: dict[type, Callable[[Any], None]] = {}

    def connect(self, moved: Moved) -> None:
        """Give the parts that effects move."""
        self._moved = moved
        hands, apps = moved.hands, moved.apps

        def process(asked: fx.Process) -> None:
            if asked.by_app:
                apps.rooms.lease(asked)
            else:
                hands.process(asked, moved.engine.now_ms)

        def stop(asked: fx.StopProcessing) -> None:
            hands.stop(asked.instance, asked.sub_block)
            apps.rooms.revoke(asked)

        def drop(asked: fx.DropOutputs) -> None:
            hands.kept.pop((asked.instance, asked.sub_block), None)

        self._doors = {
            fx.Send: self._send,
            fx.Gossip: lambda sent: self._hearing.publish(sent.topic, sent.message),
            fx.Subscribe: lambda asked: self._gossip.subscribe(asked.topic),
            fx.Unsubscribe: lambda asked: self._gossip.unsubscribe(asked.topic),
            fx.Open: self._open,
            fx.Close: lambda asked: self._peers.close(asked.peer),
            fx.Process: process,
            fx.StopProcessing: stop,
            fx.Deliver: moved.deliveries.deliver,
            fx.DropOutputs: drop,
            fx.AnswerHeld: moved.receiving.answer,
            fx.RunHere: moved.runs.run,
            fx.PublishEntry: self._publish,
            fx.Reexecute: moved.proofs.reexecute,
            fx.Recheck: moved.rechecks.run,
            fx.Accuse: moved.proofs.accuse,
            fx.Voided: moved.proofs.void,
            fx.Verified: moved.proofs.verified,
            fx.SubmitReceipt: moved.clearing.outbox.submit,
            fx.AnswerApp: apps.answer,
            fx.Blame: lambda blamed: self._hearing.blame(blamed.peer, blamed.reason),
            fx.RoomLeft: apps.rooms.room_left,
        }

    def perform(self, effect: fx.Effect) -> None:
        """Do it. Effects without a door are told to apps and stories alone."""
        door = self._doors.get(type(effect))
        if door is not None:
            door(effect)
        self._hub.take(effect)

    async def persist(self, facts: Sequence[fx.Persist]) -> None:
        """Make facts durable; with a HELD, first where its outputs lie. WorldFault if the disk refuses."""
        held = {fact.key: fact.value for fact in facts if fact.namespace == "held" and fact.value}
        void = [fact.key for fact in facts if fact.namespace == "held" and not fact.value]
        if void:
            await self._store.put_facts("held", dict.fromkeys(void, b""))
        if held:
            await self._persist_held(held)
        rest: dict[str, dict[str, bytes]] = {}
        for fact in facts:
            if fact.namespace != "held":
                rest.setdefault(fact.namespace, {})[fact.key] = fact.value
        for namespace, group in rest.items():
            await self._store.put_facts(namespace, group)

    async def _persist_held(self, held: dict[str, bytes]) -> None:
        places: dict[str, bytes] = {}
        added: list[tuple[str, Job, OutputPlace]] = []
        for key, value in held.items():
            record = decode(Held, decode(SignedEnvelope, value).payload)
            place = self._moved.receiving.places.get(f"{key}/{record.member}/{record.instance}")
            place = place or self._moved.receiving.places.get(f"{key}/here")
            job = self._moved.jobs.get(BlockId(record.job))
            if place is not None and job is not None:
                last = job.places[-1].order if job.places else 0
                place.order = last + 1 + sum(other is job for _key, other, _place in added)
                places[key] = place.pack()
                added.append((key, job, place))
        await self._store.put_facts("outputs", places)
        await self._store.put_facts("held", held)
        await asyncio.to_thread(
            _log_held, [(job, HeldRecord(key, places[key], held[key])) for key, job, _place in added]
        )
        for key in held:
            self._moved.receiving.places.pop(f"{key}/here", None)
        for _key, job, place in added:
            job.places.append(place)
            self._hub.touch(BlockId(job.view.block_id))

    def _send(self, sent: fx.Send) -> None:
        payload = encode(PeerMessage(body=sent.message))  # type: ignore[arg-type]
        for peer in sent.peers:
            self._peers.send(peer, payload)

    def _open(self, asked: fx.Open) -> None:
        if asked.address is not None:
            self._hearing.admit(asked.address)
        self._peers.open(asked.peer)

    def _publish(self, asked: fx.PublishEntry) -> None:
        """A ROOM claim lives briefly; all else expires with its job."""
        expires_ms = unix_ms() + ROOM_LIFE_MS if asked.kind is EntryKind.ROOM else None
        self._moved.hands.spawn(self._submit(asked, expires_ms))

    async def _submit(self, asked: fx.PublishEntry, expires_ms: int | None) -> None:
        try:
            await self._database.submit(asked.kind, asked.job, asked.body, expires_ms)
        except UserFault as fault:
            # Better claims of others fill the quota, say, or the job has just expired: nobody waits for this word.
            LOG.info("%s is not said: %s", asked.kind.name, fault, extra={"job": asked.job})


def _log_held(records: Sequence[tuple[Job, HeldRecord]]) -> None:
    """Into the folders of the jobs, one write for each. WorldFault if the disk refuses."""
    by_job: dict[str, list[HeldRecord]] = {}
    jobs = {job.view.block_id: job for job, _record in records}
    for job, record in records:
        by_job.setdefault(job.view.block_id, []).append(record)
    for block_id, group in by_job.items():
        files = jobs[BlockId(block_id)].files
        if files is not None:
            files.held.append(group)
