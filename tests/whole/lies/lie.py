"""What a lie may change in a node: one honest answer for each place, and the hooks that ask for it. For tests alone.

A liar is a real node process; `become` puts a `Lie` between its parts and the world. Each lie overrides one method.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from sgnus.adapters.peers.calls import GrpcCalls
from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core import moving
from sgnus.core.lobby import Lobby
from sgnus.core.node import NodeCore
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import OutputsHeader, SignedEnvelope, WriteOutputsReply
from sgnus.ports import Computed, Outcome
from sgnus.runtime.engine import Engine
from sgnus.runtime.jobs import Job
from sgnus.runtime.work import Worker

LOG: Final = logging.getLogger("tests.lies")
Rerun = Callable[[], Awaitable[Outcome]]


class Lie:
    """The truth: what each place does in an honest node. `is_eager`: it founds rooms before anybody else."""

    is_eager = False

    def made(self, job: str, outputs: Sequence[bytes]) -> Sequence[bytes]:
        """What our worker makes of a sub-block. What it checks of others is another matter: `checked`."""
        del job
        return outputs

    async def checked(self, rerun: Rerun, chunks: int) -> Outcome:
        """What our own run of so many chunks of somebody else gives."""
        del chunks
        return await rerun()

    def delivered(self, header: OutputsHeader, data: bytes) -> tuple[OutputsHeader, bytes]:
        """What the publisher is brought. WorldFault: nothing."""
        return header, data

    def sends(self, core: NodeCore, sent: fx.Send) -> Iterable[fx.Effect]:
        """What goes out for something that an honest node would send."""
        del core
        return [sent]

    def hears(self, core: NodeCore, given: ins.Input) -> Iterable[fx.Effect]:
        """What it does beside, when something happens."""
        del core, given
        return ()

    def ends(self, core: NodeCore, now_ms: int) -> None:
        """It is about to end its room if that is complete."""


def own(core: NodeCore, message: object, kind: object) -> SignedEnvelope | None:
    """`message`, if it is our own signed word of this kind."""
    is_word = isinstance(message, SignedEnvelope) and message.kind is kind
    return message if is_word and message.author == core.pen.peer else None


def note(where: str, is_lie: bool) -> None:
    """Its log says that it lied."""
    if is_lie:
        LOG.warning("lies about %s", where)


def become(lie: Lie) -> None:
    """From now on all nodes of this process tell this lie."""
    _hook_work(lie)
    _hook_delivery(lie)
    _hook_core(lie)


def _hook_work(lie: Lie) -> None:
    honest_run, honest_rerun = Worker.run, Worker.run_some

    async def run(self: Worker, job: Job, *place: Any) -> Outcome:
        outcome = await honest_run(self, job, *place)
        if not isinstance(outcome, Computed):
            return outcome
        made = lie.made(job.view.job, outcome.outputs)
        note("what it made", made is not outcome.outputs)
        return replace(outcome, outputs=made)

    async def run_some(self: Worker, *given: Any) -> Outcome:
        note("what it checked", type(lie).checked is not Lie.checked)
        return await lie.checked(lambda: honest_rerun(self, *given), len(given[-1]))

    Worker.run, Worker.run_some = run, run_some  # type: ignore[method-assign]


def _hook_delivery(lie: Lie) -> None:
    honest_write = GrpcCalls.write_outputs

    async def write_outputs(
        self: GrpcCalls, peer: PeerId, header: OutputsHeader, pieces: AsyncIterator[Any]
    ) -> WriteOutputsReply:
        honest = header, b"".join([bytes(piece) async for piece in pieces])
        said, data = lie.delivered(*honest)
        note("what it brings", (said, data) != honest)

        async def altered() -> AsyncIterator[bytes]:
            yield data

        return await honest_write(self, peer, said, altered())

    GrpcCalls.write_outputs = write_outputs  # type: ignore[method-assign]


def _hook_core(lie: Lie) -> None:
    honest_handle, honest_end, honest_turn = Engine._handle, moving.move_on_if_complete, Lobby.founding_ms

    def handle(self: Engine, given: ins.Input) -> list[fx.Effect]:
        effects: list[fx.Effect] = []
        for effect in honest_handle(self, given):
            said = [*lie.sends(self.core, effect)] if isinstance(effect, fx.Send) else [effect]
            note("what it says", said != [effect])
            effects += said
        return [*effects, *lie.hears(self.core, given)]

    def move_on_if_complete(node: NodeCore, now_ms: int) -> bool:
        lie.ends(node, now_ms)
        return honest_end(node, now_ms)

    def founding_ms(self: Lobby, neighbours: tuple[PeerId, ...]) -> int:
        return self.turn_from_ms if lie.is_eager else honest_turn(self, neighbours)

    Engine._handle = handle  # type: ignore[method-assign]
    moving.move_on_if_complete = move_on_if_complete
    Lobby.founding_ms = founding_ms  # type: ignore[method-assign]
