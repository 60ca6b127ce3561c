"""The data plane: inputs are read, sub-blocks are computed, outputs lie on the publisher's disk before it says HELD."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core.roster import bench
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.v1.types import ProcessedRecord, ReturnReason, SignedEnvelope
from sgnus.sim.agenda import Agenda
from sgnus.sim.honesty import Honesty, Place
from sgnus.sim.peer import Peer
from sgnus.sim.setting import Setting
from sgnus.sim.weather import Weather
from sgnus.wire.codec import decode

INPUT_MS_MAX = 1_500
WRITE_MS_MAX = 3_000


@dataclass(slots=True)
class Tallies:
    """How often each sub-block was leased and finished, by instance."""

    started: dict[tuple[InstanceId, int], int] = field(default_factory=dict)
    computed: int = 0
    run_here: int = 0


class Plane:
    """Workers of all peers, and the ways of bytes between them."""

    def __init__(
        self,
        setting: Setting,
        agenda: Agenda,
        weather: Weather,
        peers: dict[PeerId, Peer],
        give: Callable[[Peer, ins.Input], None],
    ) -> None:
        self.tallies = Tallies()
        self.poisoned: dict[Place, int] = {}
        """Sub-blocks on which members fail; the number says how many failures before it works (large: always)."""
        self._dice = random.Random(setting.seed ^ 0x5A5A)
        self._compute_ms = setting.compute_ms
        self.honesty = Honesty(setting, peers)
        self._agenda = agenda
        self._weather = weather
        self._peers = peers
        self._give = give
        self._tokens = 0

    # ---- work
    def process(self, peer: Peer, effect: fx.Process, publisher: PeerId) -> None:
        """Read the inputs from the publisher, wait for a free worker, compute."""
        process = peer.process
        if process is None:
            return
        key = (effect.instance, effect.sub_block)
        self.tallies.started[key] = self.tallies.started.get(key, 0) + 1
        self._tokens += 1
        process.working[key] = self._tokens
        if not self._can_reach(peer, publisher):
            self._agenda.after(INPUT_MS_MAX, self._fail, peer, peer.run, effect, self._tokens)
            return
        work_ms = self._dice.randint(*self._compute_ms) * peer.slowness
        begin_ms = max(process.busy_ms, self._agenda.now_ms + self._weather.delay_ms())
        process.busy_ms = begin_ms + work_ms
        process.ends_ms[self._tokens] = (begin_ms, begin_ms + work_ms)
        delay_ms = begin_ms + work_ms - self._agenda.now_ms
        self._agenda.after(delay_ms, self._finish, peer, peer.run, effect, self._tokens)

    def stop(self, peer: Peer, effect: fx.StopProcessing) -> None:
        process = peer.process
        if process is None:
            return
        token = process.working.pop((effect.instance, effect.sub_block), 0)
        begin_ms, end_ms = process.ends_ms.pop(token, (0, 0))
        process.busy_ms -= max(0, end_ms - max(begin_ms, self._agenda.now_ms))

    def run_here(self, peer: Peer, effect: fx.RunHere) -> None:
        """The publisher runs what members abandoned."""
        self.tallies.run_here += 1
        self._agenda.after(self._dice.randint(*self._compute_ms), self._ran, peer, peer.run, effect)

    def _finish(self, peer: Peer, run: int, effect: fx.Process, token: int) -> None:
        if not self._is_at_work(peer, run, effect, token):
            return
        place = (effect.microjob, effect.sub_block)
        if self.poisoned.get(place, 0) > 0:
            self.poisoned[place] -= 1
            reason = self._dice.choice((ReturnReason.ABANDONED, ReturnReason.TRAPPED))
            failed = ins.SubBlockFailed(effect.instance, effect.sub_block, reason, "it did not end")
            self._give(peer, failed)
            return
        self.tallies.computed += 1
        root, opening = self.honesty.committed(peer, effect.job, effect.instance, place)
        chunks = self.honesty.chunks_per_sub_block
        self._give(peer, ins.SubBlockComputed(effect.instance, effect.sub_block, chunks, root, 300, opening))

    def reexecute(self, peer: Peer, effect: fx.Reexecute | fx.Recheck, publisher: PeerId) -> None:
        """Chunks are run again, if their inputs can be read once more."""
        gets_inputs = isinstance(effect, fx.Recheck) or (
            self._can_reach(peer, publisher) and _may_read(self._peers[publisher], peer.name, effect)
        )
        delay_ms = self._dice.randint(*self._compute_ms) * len(effect.chunks)
        delay_ms //= self.honesty.chunks_per_sub_block
        delay_ms = delay_ms if gets_inputs else INPUT_MS_MAX
        self._agenda.after(delay_ms, self._reexecuted, peer, peer.run, effect, gets_inputs)

    def _reexecuted(self, peer: Peer, run: int, effect: fx.Reexecute | fx.Recheck, gets_inputs: bool) -> None:
        if peer.run != run:
            return
        digests = b"".join(self.honesty.checked(peer.name, chunk) for chunk in effect.chunks)
        if isinstance(effect, fx.Reexecute):
            found = digests if gets_inputs else None
            self._give(peer, ins.Reexecuted(effect.instance, effect.chunks, found))
        else:
            given = ins.Rechecked(effect.job, effect.microjob, effect.sub_block, effect.chunks, digests)
            self._give(peer, given)

    def _fail(self, peer: Peer, run: int, effect: fx.Process, token: int) -> None:
        if self._is_at_work(peer, run, effect, token):
            reason = ReturnReason.INPUT_MISSING
            self._give(peer, ins.SubBlockFailed(effect.instance, effect.sub_block, reason, "no input"))

    def _is_at_work(self, peer: Peer, run: int, effect: fx.Process, token: int) -> bool:
        process = peer.process
        if process is None or peer.run != run:
            return False
        key = (effect.instance, effect.sub_block)
        if process.working.get(key) != token:
            return False
        del process.working[key]
        process.ends_ms.pop(token, None)
        return True

    def _ran(self, peer: Peer, run: int, effect: fx.RunHere) -> None:
        if peer.run == run:
            place = (effect.microjob, effect.sub_block)
            root, opening = self.honesty.committed(
                peer, effect.job, bench(effect.job, effect.microjob, peer.name), place
            )
            ran = ins.PublisherRan(
                effect.job,
                effect.microjob,
                effect.sub_block,
                root,
                "",
                self.honesty.chunks_per_sub_block,
                opening,
            )
            self._give(peer, ran)

    # ---- outputs
    def deliver(self, peer: Peer, effect: fx.Deliver) -> None:
        """Outputs on their way to the publisher; no answer in time is an answer, too."""
        self._tokens += 1
        token = self._tokens
        if peer.process is None:
            return
        peer.process.writes[token] = (peer.name, peer.run, effect)
        self._agenda.after(self._weather.delay_ms() + 2, self._store, peer, peer.run, effect, token)
        self._agenda.after(WRITE_MS_MAX, self._answer, peer, peer.run, token, None)

    def answer(self, publisher: Peer, effect: fx.AnswerHeld) -> None:
        """The publisher's answer goes back to the writer."""
        if publisher.process is None or effect.token not in publisher.process.writes:
            return
        name, run, _deliver = publisher.process.writes[effect.token]
        if name != publisher.name:
            publisher.process.writes.pop(effect.token)
        if self._weather.reaches(publisher.name, name):
            writer = self._peers[name]
            delay_ms = self._weather.delay_ms()
            self._agenda.after(delay_ms, self._answer, writer, run, effect.token, effect.held)

    def _store(self, writer: Peer, run: int, effect: fx.Deliver, token: int) -> None:
        publisher = self._peers[effect.publisher]
        if not self._can_reach(writer, effect.publisher) or publisher.process is None:
            return
        publication = publisher.process.core.publications.get(effect.job)
        if publication is None or not publication.may_write(writer.name, effect.microjob, effect.instance):
            self._agenda.after(self._weather.delay_ms(), self._answer, writer, run, token, None)
            return
        place = (effect.microjob, effect.sub_block)
        root, opening = self.honesty.committed(writer, effect.job, effect.instance, place)
        if decode(ProcessedRecord, effect.record.payload).root != root:
            # It signed for other bytes than it brings: the publisher's runtime refuses them.
            self._agenda.after(self._weather.delay_ms(), self._answer, writer, run, token, None)
            return
        publisher.process.writes[token] = (writer.name, run, effect)
        self.honesty.made[place] = writer.name
        self._give(
            publisher,
            ins.OutputsStored(
                token,
                effect.job,
                effect.microjob,
                effect.instance,
                effect.sub_block,
                writer.name,
                root,
                effect.record,
                opening,
                tuple(self.honesty.chunks_of(place)) if self.honesty.is_rechecked else (),
            ),
        )

    def _answer(self, writer: Peer, run: int, token: int, held: SignedEnvelope | None) -> None:
        if writer.process is None or writer.run != run or token not in writer.process.writes:
            return
        _name, _run, effect = writer.process.writes.pop(token)
        self._give(writer, ins.DeliveryEnded(effect.instance, effect.sub_block, held))

    def _can_reach(self, peer: Peer, publisher: PeerId) -> bool:
        return self._peers[publisher].is_up and self._weather.meets(peer.name, publisher)


def _may_read(publisher: Peer, reader: PeerId, effect: fx.Reexecute) -> bool:
    """The publisher gives its inputs to this one."""
    own = publisher.core.publications.get(effect.job) if publisher.core is not None else None
    place = (reader, effect.microjob, effect.instance)
    return own is not None and (own.may_write(*place) or own.court.is_judge(*place))
