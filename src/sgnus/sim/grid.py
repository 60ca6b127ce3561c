"""A world of peers under one clock: starts and stops processes, gives them inputs, performs their effects.

All dice come from the seed. Nothing iterates over a set, so a run is the same under any PYTHONHASHSEED.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping

from sgnus.core import inputs as ins
from sgnus.core.ballot import voted_before
from sgnus.core.beaconing import spoken_before
from sgnus.core.node import NodeCore
from sgnus.core.receipt import digest_of
from sgnus.core.round_list import sealed_before
from sgnus.crypto.identity import Identity
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.v1.types import Opening, SignedEnvelope
from sgnus.sim.agenda import Agenda
from sgnus.sim.clock import Clock
from sgnus.sim.doorway import Inspector
from sgnus.sim.host_vices import corrupt
from sgnus.sim.peer import Peer, Process
from sgnus.sim.pens import CheapPen, Opened, address_of
from sgnus.sim.setting import Setting
from sgnus.sim.steps import Steps
from sgnus.sim.weather import Weather
from sgnus.wire.codec import decode

LOOK_MS = 1_000


def held_of(job: BlockId, facts: Mapping[tuple[str, str], bytes]) -> ins.HeldLoaded | None:
    """What a publisher's disk says of its job."""
    by: dict[str, list[tuple[list[str], bytes]]] = {}
    for (space, key), value in facts.items():
        if value:
            by.setdefault(space, []).append((key.split("/"), value))
    held = tuple(decode(SignedEnvelope, value) for _, value in by.get("held", []))
    spoken = tuple((key[1], decode(SignedEnvelope, value)) for key, value in by.get("beacon", []))
    openings = tuple((int(key[1]), decode(Opening, value)) for key, value in by.get("opening", []))
    receipts = tuple((int(key[1]), digest_of(value)) for key, value in by.get("receipt", []))
    turns = tuple(
        (int(key[1]), int(key[2]), int.from_bytes(value, "big")) for key, value in by.get("turn", [])
    )
    return ins.HeldLoaded(job, held, openings, receipts, turns, spoken) if by else None


class Grid:
    """One simulated run. `publisher` is the first peer."""

    def __init__(self, setting: Setting, names: tuple[str, ...] = (), steps: type[Steps] = Steps) -> None:
        self.setting = setting
        self.dice = random.Random(setting.seed)
        self.agenda = Agenda()
        self.weather = Weather(random.Random(setting.seed ^ 0xC0FFEE))
        self.peers: dict[PeerId, Peer] = {}
        self.steps = steps(setting, self.weather, self.agenda, self.peers)
        self.inspector = Inspector()
        self.blows = 0
        opened: Opened = {}
        for number in range(setting.peers):
            self._make(PeerId(names[number] if names else f"p{number:02d}"), opened)

    # ---- what a script or a plan of faults does
    @property
    def publisher(self) -> Peer:
        return next(iter(self.peers.values()))

    @property
    def core(self) -> list[Peer]:
        """All that are not gone for good: what must go on."""
        return [peer for peer in self.peers.values() if peer.name not in self.weather.lost]

    @property
    def honest(self) -> list[Peer]:
        """Those of the core that mean no harm: the laws are theirs."""
        return [peer for peer in self.core if peer.villain is None]

    def begin(self) -> None:
        """Everybody starts, and the publisher submits the job."""
        for peer in self.peers.values():
            self.start(peer)
        self.agenda.after(10, self._submit)
        self.agenda.after(LOOK_MS, self._look)
        self.steps.copies.exchange_for_ever(self.dice)

    def run(self, until_ms: int, until: Callable[[], bool] = lambda: False) -> bool:
        """Go on until this holds (True) or the time is over (False)."""
        while not until():
            if not self.agenda.step(until_ms):
                self.agenda.now_ms = until_ms
                return until()
        return True

    def start(self, peer: Peer) -> None:
        """Its process starts, from its disk. What is gone for good does not."""
        if peer.process is not None or peer.name in self.weather.lost:
            return
        peer.run += 1
        salt = self.dice.randrange(1 << 30)
        core = NodeCore.create(peer.pen, address_of(peer.pen), 1, salt)
        core.own.votes = voted_before(
            {key: value for (space, key), value in peer.disk.facts.items() if space == "vote"}
        )
        core.rounds.sealed = sealed_before(key for space, key in peer.disk.facts if space == "seal")
        core.rounds.spoken = spoken_before(
            {key: value for (space, key), value in peer.disk.facts.items() if space == "beacon"}
        )
        peer.process = Process(core, busy_ms=self.agenda.now_ms)
        corrupt(peer, self.setting.vices, tuple(self.peers), self.steps.overheard)
        self.steps.laws.restarted(peer)
        self.steps.tell(peer.name, "starts" if peer.run == 1 else "starts again")
        self.tell_neighbours()
        if peer.disk.shelf is not None:
            self.steps.copies.tell(peer)
        loaded = held_of(self.steps.copies.job, peer.disk.facts)
        if loaded is not None:
            self.steps.give(peer, loaded)

    def crash(self, peer: Peer) -> None:
        """Its process is killed; its disk stays."""
        self.steps.crash(peer)
        self.agenda.after(300, self.tell_neighbours)

    def freeze(self, peer: Peer) -> None:
        """It does nothing more, and what comes to it waits."""
        if peer.is_up:
            peer.frozen = True
            self.steps.tell(peer.name, "is frozen")

    def thaw(self, peer: Peer) -> None:
        """It goes on with all that waited, as if nothing had been."""
        if peer.process is not None and peer.frozen:
            peer.frozen = False
            self.steps.tell(peer.name, "thaws")
            waiting, peer.process.inbox = peer.process.inbox, []
            for given in waiting:
                self.steps.give(peer, given)
            self.steps.tick(peer, peer.run, None)

    def is_over(self) -> bool:
        """The publisher's own copy says that the job ended."""
        shelf = self.publisher.disk.shelf
        return shelf is not None and not shelf.is_open

    def _look(self) -> None:
        is_calm = self.agenda.now_ms >= self.setting.faults_ms and self.weather.is_whole
        is_calm = is_calm and all(peer.is_up for peer in self.honest)
        self.steps.laws.look(self.honest, self.weather, self.agenda.now_ms, is_calm=is_calm)
        self.inspector.look(self.honest, self.agenda.unix_ms)
        self.agenda.after(LOOK_MS, self._look)

    # ---- beginnings
    def _make(self, name: PeerId, opened: Opened) -> None:
        seed = hashlib.sha256(f"{self.setting.seed}/{name}".encode()).digest()
        identity = Identity.from_seed(seed)
        pen = CheapPen(name, opened, self.steps.signed)
        self.peers[name] = Peer(name, pen, identity, Clock(self.dice.randrange(1_000_000)))

    def _submit(self) -> None:
        self.steps.copies.submit(self.publisher, address_of(self.publisher.pen))
        self.steps.tell(self.publisher.name, f"submits a job of {self.setting.sub_blocks} sub-blocks")

    def tell_neighbours(self) -> None:
        """Gossip tells who is there."""
        for peer in self.peers.values():
            seen = tuple(
                other.name
                for other in self.peers.values()
                if other.process is not None and self.weather.meets(peer.name, other.name)
            )
            self.steps.give(peer, ins.NeighboursChanged(seen))
