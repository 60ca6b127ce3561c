"""What strangers write into address records, and into our inbox, harms nobody but them."""

from __future__ import annotations

import asyncio

import pytest

from sgnus.adapters.gossip.addresses import parse_address
from sgnus.core import effects as fx
from sgnus.core.inputs import Input, PeerSaid, Tick
from sgnus.core.node import NodeCore
from sgnus.crypto.identity import Identity
from sgnus.messages.errors import OurFault
from sgnus.messages.ids import NetworkId, PeerId
from sgnus.messages.limits import INBOX_ITEMS_MAX
from sgnus.runtime.acquaintance import Acquaintance
from sgnus.runtime.addresses import AddressBook
from sgnus.runtime.drivers import Drivers
from sgnus.runtime.engine import Engine
from sgnus.sim.pens import CheapPen, address_of
from sgnus.wire.envelope import seal_address

NETWORK = NetworkId("17" * 16)
STRANGER, OTHER, ME = (Identity.from_seed(bytes([number]) * 32) for number in (1, 2, 3))


class Doors:
    """Stands for gossip and peers: it notes whom we dial and admit."""

    def __init__(self) -> None:
        self.dialled: list[str] = []
        self.admitted: list[str] = []

    def neighbours(self) -> tuple[PeerId, ...]:
        return ()

    def connect(self, multiaddr: str) -> None:
        parse_address(multiaddr)
        self.dialled.append(multiaddr)

    def admit(self, envelope: object) -> bool:
        self.admitted.append(envelope.author)  # type: ignore[attr-defined]
        return True


def place(port: int, peer: str = STRANGER.peer_id) -> str:
    return f"/ip4/127.0.0.1/tcp/{port}/p2p/{peer}"


def dialled(*multiaddrs: str) -> list[str]:
    """What is dialled, in turn, of a stranger's address record."""
    doors = Doors()
    drivers = Drivers(doors, doors, None, None, None)  # type: ignore[arg-type]
    known = Acquaintance(PeerId("1"), drivers)
    book = AddressBook(ME, NETWORK, lambda: 0, known.learned)
    record = seal_address(
        STRANGER, NETWORK, endpoints=(), multiaddrs=multiaddrs, sequence=1, expires_ms=60_000
    )
    assert book.try_learn(record)
    assert doors.admitted == [STRANGER.peer_id]
    return doors.dialled


@pytest.mark.parametrize(
    ("multiaddr", "is_dialled"),
    [
        (place(9), True),
        (place(9, OTHER.peer_id), False),
        (f"garbage/p2p/{STRANGER.peer_id}", False),
        ("", False),
    ],
)
def test_an_address_is_dialled_if_it_is_one_and_its_own(multiaddr: str, is_dialled: bool) -> None:
    assert dialled(multiaddr) == ([multiaddr] if is_dialled else [])


def test_every_address_of_a_peer_is_dialled_whatever_stands_between_them() -> None:
    garbage = f"garbage/p2p/{STRANGER.peer_id}"
    # The newest is tried first, so the one that the peer named first comes last.
    assert dialled(garbage, place(1), place(2, OTHER.peer_id), place(3)) == [place(3), place(1)]


def test_what_cannot_be_done_of_a_step_costs_that_alone() -> None:
    done: list[fx.Effect] = []

    def perform(effect: fx.Effect) -> None:
        if isinstance(effect, fx.Subscribe):
            raise OurFault("a message that is too long")
        done.append(effect)

    class Core:
        def handle(self, _given: Input, _now_ms: int) -> list[fx.Effect]:
            return [fx.Subscribe("a"), fx.Unsubscribe("b")]

        def wake_ms(self, _now_ms: int) -> None:
            return None

    async def run() -> None:
        engine = Engine(Core(), None, perform)  # type: ignore[arg-type]
        engine.start()
        engine.put(Tick())
        await asyncio.wait_for(engine.stepped.wait(), 5)
        await engine.stop()

    asyncio.run(run())
    assert done == [fx.Unsubscribe("b")]


def test_a_full_inbox_drops_what_peers_say_and_keeps_what_is_ours() -> None:
    pen = CheapPen(PeerId("me"))
    engine = Engine(NodeCore.create(pen, address_of(pen), 1, 0), None, print)  # type: ignore[arg-type]
    for number in range(INBOX_ITEMS_MAX):
        assert engine.put(PeerSaid(PeerId("peer"), number))  # type: ignore[arg-type]
    assert not engine.put(PeerSaid(PeerId("peer"), 0))  # type: ignore[arg-type]
    assert engine.put(Tick())
