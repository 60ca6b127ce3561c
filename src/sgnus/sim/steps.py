"""One step of one peer: an input goes in, the laws look on, the effects are performed in order."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field

from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core.node import NodeCore
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import (
    EntryKind,
    FraudBody,
    JoinRequest,
    RoomAnnouncement,
    SignedEnvelope,
    SignedKind,
)
from sgnus.sim.agenda import Agenda
from sgnus.sim.copies import Copies
from sgnus.sim.elections import Elections
from sgnus.sim.laws import Broken, Laws
from sgnus.sim.peer import Peer, Process
from sgnus.sim.plane import Plane
from sgnus.sim.setting import Setting
from sgnus.sim.streams import Streams
from sgnus.sim.vice import Poison, Written
from sgnus.sim.weather import Weather
from sgnus.sim.wording import sentence_of
from sgnus.sim.words import Words

STORY_LINES_MAX = 20_000
OVERHEARD_MAX = 400


@dataclass(slots=True)
class Story:
    """What happened, in words; and a hash over all of it, to compare runs."""

    lines: list[str] = field(default_factory=list)
    state: bytes = b""
    steps: int = 0

    def tell(self, at_ms: int, who: str, line: str) -> None:
        if len(self.lines) < STORY_LINES_MAX:
            self.lines.append(f"{at_ms / 1000:9.3f}  {who:<6} {line}")

    def note(self, *parts: object) -> None:
        """Something that must be the same in every run of this seed."""
        self.steps += 1
        self.state = hashlib.blake2b(self.state + repr(parts).encode(), digest_size=16).digest()


class Steps:
    """What every peer's runtime does around its core."""

    def __init__(self, setting: Setting, weather: Weather, agenda: Agenda, peers: dict[PeerId, Peer]) -> None:
        self.story = Story()
        self.overheard: deque[SignedEnvelope] = deque(maxlen=OVERHEARD_MAX)
        parts = (agenda, weather, peers, self.give)
        self.streams = Streams(parts)
        self.copies = Copies(setting, *parts)
        self.plane = Plane(setting, *parts)
        words = Words(elections=Elections(is_fair=not setting.faults))
        self.laws = Laws(setting, self.plane.honesty, words=words)
        self._trace = setting.trace
        self._weather = weather
        self._agenda = agenda
        self._peers = peers

    @property
    def _publisher(self) -> PeerId:
        return next(iter(self._peers))

    def tell(self, who: str, line: str) -> None:
        self.story.note(self._agenda.now_ms, who, line)
        self.story.tell(self._agenda.now_ms, who, line)

    def crash(self, peer: Peer, *, by_power: bool = False) -> None:
        """Its process is killed; its disk stays. With its power, what was not durable is gone as well."""
        if peer.process is None:
            return
        peer.process = None
        peer.run += 1
        peer.frozen = False
        if by_power:
            self.laws.lost(peer, self.copies.lose_power(peer))
            self.tell(peer.name, "loses its power")
        else:
            self.tell(peer.name, "is killed")
        self.streams.crash(peer.name, is_silent=by_power)

    def signed(self, peer: PeerId, envelope: SignedEnvelope, message: object) -> None:
        """A pen was used."""
        self.story.note(envelope.signature[:8])
        self.overheard.append(envelope)
        self.laws.signed(peer, envelope, message)

    def give(self, peer: Peer, given: ins.Input) -> None:
        """One step of one peer."""
        process = peer.process
        if process is None:
            return
        if peer.frozen:
            process.inbox.append(given)
            return
        now_ms = peer.clock.says(self._agenda.now_ms)
        if peer.villain is not None:
            self._offend(peer, process, given, now_ms)
            return
        self.laws.before(peer, given)
        effects = self._handle(process.core, given, now_ms)
        self.laws.after(peer, process.core, given)
        self.story.note(self._agenda.now_ms, peer.name, type(given).__name__, len(effects))
        if self._trace:
            self.story.tell(self._agenda.now_ms, peer.name, f"<- {sentence_of(given)}")
        for effect in effects:
            if process.death is not None:
                process.death.after -= 1
                if process.death.after < 0:
                    self.crash(peer, by_power=process.death.by_power)
                    return
            if not isinstance(effect, fx.Persist):
                peer.disk.sync()
            self.laws.effect(peer, effect, self._agenda.now_ms)
            self._perform(peer, process, effect)
        self._set_timer(peer, process, now_ms)

    def _offend(self, peer: Peer, process: Process, given: ins.Input, now_ms: int) -> None:
        """One step of a hostile peer: no law is its own."""
        villain = peer.villain
        if villain is not None:
            villain.view.job = self.copies.job
        heard = villain.hears(process.core, given, now_ms) if villain is not None else None
        if villain is None or heard is None:
            return
        try:
            effects = process.core.handle(heard, now_ms)
        except Exception:  # noqa: BLE001 - what it did to itself is its own affair
            effects = process.core.abandon_room()
        self.story.note(self._agenda.now_ms, peer.name, type(heard).__name__, len(effects))
        for deed in villain.deeds(effects, heard):
            if isinstance(deed, Poison | Written):
                self.copies.inject(peer, deed)
            elif peer.process is process:
                self._perform(peer, process, deed)
        self._set_timer(peer, process, now_ms)

    def _handle(self, core: NodeCore, given: ins.Input, now_ms: int) -> list[fx.Effect]:
        try:
            effects = core.handle(given, now_ms)
        except Broken:
            raise
        except Exception as error:
            raise Broken(
                "faults", f"{core.pen.peer} raised {error!r} on {type(given).__name__}: {sentence_of(given)}"
            ) from error
        try:
            core.check()
        except Exception as error:
            raise Broken("state", f"{core.pen.peer} after {sentence_of(given)}: {error}") from error
        return effects

    def _perform(self, peer: Peer, process: Process, effect: fx.Effect) -> None:
        if self._trace and not isinstance(effect, fx.Told):
            self.story.tell(self._agenda.now_ms, peer.name, f"-> {sentence_of(effect)}")
        match effect:
            case fx.Send():
                for other in effect.peers:
                    self.streams.send(peer.name, other, effect.message)
            case fx.Persist():
                peer.disk.write((effect.namespace, effect.key), effect.value)
            case fx.Gossip():
                self._gossip(peer, effect)
            case fx.Subscribe():
                process.topics[effect.topic] = None
            case fx.Unsubscribe():
                process.topics.pop(effect.topic, None)
            case fx.Open():
                self.streams.open(peer.name, effect.peer)
            case fx.Close():
                self.streams.close(peer.name, effect.peer)
            case fx.Process():
                self.plane.process(peer, effect, self._publisher)
            case fx.StopProcessing():
                self.plane.stop(peer, effect)
            case fx.Deliver():
                self.plane.deliver(peer, effect)
            case fx.AnswerHeld():
                self.plane.answer(peer, effect)
            case fx.Reexecute() | fx.Recheck():
                self.plane.reexecute(peer, effect, self._publisher)
            case fx.Accuse():
                accused = self.copies.reading.author_of(effect.accused)
                body = FraudBody(accused=accused, proof=b"")
                self._agenda.after(
                    0, self._publish, peer, peer.run, fx.PublishEntry(EntryKind.FRAUD, effect.job, body)
                )
            case fx.RunHere():
                self.plane.run_here(peer, effect)
            case fx.PublishEntry():
                self.story.note("entry", effect.kind.name)
                self._agenda.after(0, self._publish, peer, peer.run, effect)
            case fx.Told():
                self.tell(peer.name, effect.line)
            case fx.Blame():
                self.tell(peer.name, f"blames {effect.peer}: {effect.reason}")
            case _:
                pass

    def _gossip(self, peer: Peer, effect: fx.Gossip) -> None:
        body = effect.message.body
        if not isinstance(body, SignedEnvelope):
            return
        said: ins.Input
        author = PeerId(body.author)
        if body.kind is SignedKind.ANNOUNCEMENT:
            said = ins.RoomHeard(author, peer.pen.open(body, body.kind, RoomAnnouncement))
        else:
            said = ins.SeatAsked(author, peer.pen.open(body, body.kind, JoinRequest), body)
        for other in self._peers.values():
            if other is peer or other.process is None or effect.topic not in other.process.topics:
                continue
            if self._weather.reaches(peer.name, other.name):
                for delay_ms in self._weather.gossip_delays_ms():
                    self._agenda.after(delay_ms, self._give_to_run, other, other.run, said)

    def _give_to_run(self, peer: Peer, run: int, given: ins.Input) -> None:
        if peer.run == run:
            self.give(peer, given)

    def _publish(self, peer: Peer, run: int, effect: fx.PublishEntry) -> None:
        if peer.run == run:
            self.copies.publish(peer, effect.kind, effect.body)

    def _set_timer(self, peer: Peer, process: Process, now_ms: int) -> None:
        wake_ms = process.core.wake_ms(now_ms)
        if wake_ms is None or wake_ms == process.wake_ms:
            return
        process.wake_ms = wake_ms
        self._agenda.after(
            peer.clock.until_ms(wake_ms, self._agenda.now_ms), self.tick, peer, peer.run, wake_ms
        )

    def tick(self, peer: Peer, run: int, wake_ms: int | None) -> None:
        process = peer.process
        if process is None or peer.run != run or peer.frozen:
            return
        if wake_ms is None or process.wake_ms == wake_ms:
            process.wake_ms = None
            self.give(peer, ins.Tick())
