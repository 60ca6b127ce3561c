"""What a peer that is shut out can still do: nothing, also with what it began before."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import grpc
import pytest

from sgnus.adapters import overruns as overrunning
from sgnus.adapters.overruns import Overruns
from sgnus.adapters.peers import streams
from sgnus.adapters.peers.authority import Gate
from sgnus.adapters.peers.certificates import make_leaf
from sgnus.adapters.peers.channels import path
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import OVERRUN_SECONDS_MAX, PEER_CALLS_PER_PEER_MAX, PROTOCOL_VERSION
from sgnus.messages.v1.types import Hello
from sgnus.wire.frames import frame_bytes
from tests.ports.liars import MALLORY, channel_to, record_of, run
from tests.ports.peers_support import NETWORK, Nodes, Party, introduce, until
from tests.ports.test_overruns import Clock, counted, overrun


async def shut_out(party: Party, overruns: Overruns, clock: Clock, peer: Any) -> None:
    overrun(overruns, clock, peer, OVERRUN_SECONDS_MAX)
    await until(lambda: counted(party, "peers shut out") == 1, "it is shut out")


def test_no_hello_counts_of_who_was_shut_out_meanwhile() -> None:
    async def story(nodes: Nodes) -> None:
        clock = Clock()
        overruns = Overruns(clock)
        party = await nodes.start(Party, 1, overruns=overruns)
        party.peers.admit(record_of(MALLORY, party))
        address = record_of(MALLORY, party, sequence=2)
        hello = Hello(protocol=PROTOCOL_VERSION, network=NETWORK, boot=1, address=address, attempt=1)
        greeting = cast(Any, party.peers)._greeting
        assert greeting.read(MALLORY.peer_id, frame_bytes((), hello)) == hello
        await shut_out(party, overruns, clock, MALLORY.peer_id)
        with pytest.raises(PeerFault, match="shut out"):
            greeting.read(MALLORY.peer_id, frame_bytes((), hello))

    run(story)


def test_a_call_under_way_ends_with_its_connection() -> None:
    async def story(nodes: Nodes) -> None:
        clock = Clock()
        overruns = Overruns(clock)
        party = await nodes.start(Party, 1, overruns=overruns)
        party.peers.admit(record_of(MALLORY, party))

        async def answer(_peer: object, duplex: Any) -> None:
            while await duplex._wire.read() is not None:
                await duplex._wire.write(b"answer")

        cast(Any, party.service).reconcile = answer
        async with channel_to(party, make_leaf(MALLORY)) as channel:
            call = channel.stream_stream(path("Reconcile"))(timeout=20)
            await call.write(b"1")
            assert await call.read() == b"answer"
            await shut_out(party, overruns, clock, MALLORY.peer_id)
            assert await call.code() is grpc.StatusCode.UNAVAILABLE

    run(story)


def test_a_stream_that_is_wanted_meanwhile_is_dialled_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overrunning, "SHUT_OUT_MS_MIN", 1_000)

    async def story(nodes: Nodes) -> None:
        clock = Clock()
        overruns = Overruns(clock)
        party = await nodes.start(Party, 1, overruns=overruns)
        friend = await nodes.add(3)
        introduce(party, friend)
        await shut_out(party, overruns, clock, friend.peer)
        party.peers.open(friend.peer)
        await until(lambda: party.is_connected(friend), "it is dialled")

    run(story)


def test_one_peer_does_not_hold_all_places() -> None:
    async def story() -> None:
        gate = Gate(cast(Any, None), cast(Any, None), lambda _: None)
        held = [asyncio.create_task(gate._hold(MALLORY.peer_id, 60_000)) for _ in range(40)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert sum(task.done() for task in held) == 40 - PEER_CALLS_PER_PEER_MAX
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)
        assert not gate._held

    asyncio.run(story())


def test_each_second_of_waiting_for_what_one_frame_cost_is_an_overrun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "OWING_MS", 10)
    noted: list[PeerId] = []

    async def story() -> None:
        async def nothing() -> None: ...

        budget = SimpleNamespace(owe=lambda *_: 35, owes_still=noted.append)
        around = SimpleNamespace(budget=budget, count=lambda _: None, events=SimpleNamespace(drained=nothing))
        await streams.PairInbox(MALLORY.peer_id, cast(Any, around)).drained(1, 1)

    asyncio.run(story())
    assert noted == [MALLORY.peer_id] * 3
