"""Meeting peers: bootstrap, discovery, address records, and reconciliation of the database now and then."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sgnus.messages.errors import PeerFault, UserFault, WorldFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import MEET_AGAIN_MS_MAX, MEET_AGAIN_MS_MIN
from sgnus.messages.topics import ADDRESS_TOPIC, DATABASE_TOPIC
from sgnus.messages.v1.types import ExchangeAddressesRequest
from sgnus.runtime.serving import steps_of

if TYPE_CHECKING:
    from sgnus.runtime.node import NodeParts

LOG: Final = logging.getLogger("sgnus.meeting")
RECONCILE_S_MIN: Final = 30.0
RECONCILE_S_MAX: Final = 60.0
FIRST_RECONCILE_S: Final = 0.3
TELL_S: Final = 600.0
RECONCILE_TIMEOUT_S: Final = 120.0
ADDRESSES_ASKED: Final = 256
STRANGER_S: Final = 5.0
STRANGER_AGAIN_S: Final = 60.0


@dataclass(slots=True)
class Partner:
    """A neighbour, for as long as it is one: whether we have met it, and when to try again if that failed."""

    has_met: bool = False
    due_s: float = 0.0
    wait_ms: int = MEET_AGAIN_MS_MIN

    def met(self) -> None:
        """It went well; the next time comes by chance."""
        self.has_met, self.wait_ms = True, MEET_AGAIN_MS_MIN

    def failed(self, now_s: float) -> None:
        """Each time in a row that it fails, the wait doubles: it may be too young to know us, or never to behave."""
        self.has_met, self.due_s = False, now_s + self.wait_ms / 1000
        self.wait_ms = min(MEET_AGAIN_MS_MAX, 2 * self.wait_ms)


class Meeting:
    """Background tasks that keep a node among its peers."""

    def __init__(
        self, parts: NodeParts, bootstrap: tuple[str, ...], dice: random.Random | None = None
    ) -> None:
        self._parts = parts
        self._bootstrap = bootstrap
        self._tasks: list[asyncio.Task[None]] = []
        self._partners: dict[PeerId, Partner] = {}
        self._strangers: dict[PeerId, float] = {}
        self._dice = dice or random.SystemRandom()

    def start(self) -> None:
        gossip = self._parts.drivers.gossip
        gossip.subscribe(DATABASE_TOPIC)
        gossip.subscribe(ADDRESS_TOPIC)
        for multiaddr in self._bootstrap:
            try:
                gossip.connect(multiaddr)
            except (UserFault, PeerFault) as fault:
                LOG.warning("bootstrap address %s: %s", multiaddr, fault)
        self._tasks = [
            asyncio.create_task(self._tell_for_ever()),
            asyncio.create_task(self._meet_for_ever()),
            asyncio.create_task(self._reconcile_for_ever()),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _tell_for_ever(self) -> None:
        while True:
            record = self._parts.addresses.renew()
            if record is not None:
                self._parts.drivers.peers.announce(record)
                self._parts.core.address = record
            self._parts.background.acquaintance.tell(record)
            await asyncio.sleep(TELL_S)

    async def _meet_for_ever(self) -> None:
        """Once a connection: compare databases and addresses with a peer that we had not met since we started."""
        while True:
            await asyncio.sleep(FIRST_RECONCILE_S)
            neighbours = self._parts.drivers.gossip.neighbours()
            self._seek_strangers(neighbours)
            self._partners = {peer: self._partners.get(peer) or Partner() for peer in neighbours}
            for peer, partner in list(self._partners.items()):
                is_due = not partner.has_met and partner.due_s <= asyncio.get_running_loop().time()
                if is_due and self._parts.addresses.of(peer) is not None:
                    await self._meet(peer)

    def _seek_strangers(self, neighbours: Sequence[PeerId]) -> None:
        """Peers whose address we have known for a while without becoming neighbours: dial them ourselves."""
        now = asyncio.get_running_loop().time()
        for record in self._parts.addresses.all():
            peer = PeerId(record.peer)
            if peer in neighbours:
                self._strangers.pop(peer, None)
            elif now - self._strangers.setdefault(peer, now) > STRANGER_S:
                self._strangers[peer] = now + STRANGER_AGAIN_S
                self._parts.background.acquaintance.meet(record, in_any_case=True)

    async def _reconcile_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._dice.uniform(RECONCILE_S_MIN, RECONCILE_S_MAX))
            known = [
                peer for peer in self._parts.drivers.gossip.neighbours() if self._parts.addresses.of(peer)
            ]
            if known:
                await self._meet(self._dice.choice(known))

    async def _meet(self, peer: PeerId) -> None:
        partner = self._partners.setdefault(peer, Partner())
        calls = self._parts.drivers.peers.calls
        try:
            async with asyncio.timeout(RECONCILE_TIMEOUT_S):
                request = ExchangeAddressesRequest(limit=ADDRESSES_ASKED, own=self._parts.addresses.own)
                for record in (await calls.exchange_addresses(peer, request)).records:
                    self._parts.addresses.try_learn(record)
                async with calls.reconcile(peer) as duplex:
                    await self._parts.drivers.database.reconcile(steps_of(duplex), duplex.send, peer)
        except (PeerFault, WorldFault, TimeoutError) as fault:
            LOG.info("meeting %s: %s", peer, fault, extra={"peer": peer})
            partner.failed(asyncio.get_running_loop().time())
        else:
            partner.met()
