"""One reconciliation over a duplex stream: steps in, steps out, bodies from the store, received entries to admission."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sgnus.core.reconcile import Session
from sgnus.messages.errors import PeerFault
from sgnus.messages.v1.types import ReconcileStep

STEP_MS_MAX: Final = 30_000

Send = Callable[[ReconcileStep], Awaitable[None]]
Bodies = Callable[[Sequence[bytes]], Awaitable[Sequence[bytes]]]
Admit = Callable[[Sequence[bytes]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a finished reconciliation moved."""

    entries_received: int
    entries_sent: int


class Exchange:
    """Drives one `Session`. Sending and receiving go on at the same time: bodies flow both ways."""

    def __init__(self, session: Session, send: Send, bodies: Bodies, admit: Admit) -> None:
        self._session = session
        self._send = send
        self._bodies = bodies
        self._admit = admit
        self._work = asyncio.Event()
        self._answers: list[ReconcileStep] = []
        self._received = 0
        self._sent = 0

    async def run(self, incoming: AsyncIterator[ReconcileStep], *, is_initiator: bool) -> Reconciled:
        """To the end. PeerFault if the partner breaks the rules, leaves early, or falls silent."""
        if is_initiator:
            self._answers.append(self._session.begin())
            self._work.set()
        sender = asyncio.create_task(self._sending())
        receiver = asyncio.create_task(self._receiving(incoming))
        try:
            await asyncio.gather(sender, receiver)
        finally:
            for task in (sender, receiver):
                task.cancel()
            await asyncio.gather(sender, receiver, return_exceptions=True)
        return Reconciled(self._received, self._sent)

    async def _receiving(self, incoming: AsyncIterator[ReconcileStep]) -> None:
        steps = aiter(incoming)
        while not self._session.has_heard_all:
            try:
                step = await asyncio.wait_for(anext(steps), STEP_MS_MAX / 1000)
            except StopAsyncIteration:
                raise PeerFault("the partner left in the middle of a reconciliation") from None
            except TimeoutError:
                raise PeerFault("the partner fell silent in the middle of a reconciliation") from None
            received = self._session.receive(step)
            if received.answer is not None:
                self._answers.append(received.answer)
            self._work.set()
            if received.entries:
                self._received += len(received.entries)
                await self._admit(received.entries)

    async def _sending(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while await self._send_some():
                pass
            if self._session.may_end:
                await self._send(self._session.last())
                return

    async def _send_some(self) -> bool:
        """Turns before bodies: the partner waits for those."""
        answers, self._answers = self._answers, []
        for answer in answers:
            await self._send(answer)
        owed = self._session.next_owed()
        if owed:
            for step in self._session.steps_of(await self._bodies(owed)):
                self._sent += len(step.entries)
                await self._send(step)
        return bool(owed or self._answers)
