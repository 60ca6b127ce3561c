"""Peers that lie about where they belong and what they send, and peers that do not listen."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import grpc
import pytest

from sgnus.adapters.peers import exchange
from sgnus.adapters.peers.budget import ReadBudget
from sgnus.adapters.peers.certificates import make_leaf
from sgnus.adapters.peers.channels import EOF, path
from sgnus.adapters.peers.node import GrpcPeers
from sgnus.crypto.identity import Identity
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import (
    ADDRESS_LIFE_MS_MAX,
    DATA_BYTES_MAX,
    PEER_CALLS_PER_PEER_MAX,
    PEER_QUEUE_BYTES_MAX,
    PEERS_ADMITTED_MAX,
)
from sgnus.messages.v1.types import AddressRecord, ReadBlobRequest, ReconcileReply, ReconcileStep
from sgnus.ports import PeerConnected, PeerLost, PeerRefused
from sgnus.wire.codec import decode, encode
from sgnus.wire.envelope import seal_address
from sgnus.wire.frames import frame_bytes
from tests.ports.liars import (
    BRANCH,
    MALLORY,
    OTHER_NETWORK,
    channel_to,
    code_of,
    hello_of,
    record_of,
    run,
    stream_of_mallory,
)
from tests.ports.peers_support import (
    CHUNKS,
    NETWORK,
    Nodes,
    Party,
    connect,
    identity,
    introduce,
    until,
)


# ---- where does it belong
def test_a_record_of_another_network_or_of_another_peer_admits_nobody() -> None:
    async def story(nodes: Nodes) -> None:
        party = await nodes.add(1)
        with pytest.raises(PeerFault, match="for this network"):
            party.peers.admit(record_of(MALLORY, party, network=OTHER_NETWORK))

    run(story)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"network": OTHER_NETWORK}, "another network"), ({"protocol": 2}, "protocol version 2; here it is 1")],
)
def test_a_hello_of_another_network_or_version_is_refused_clearly_and_told(
    change: dict[str, Any], sentence: str
) -> None:
    async def story(nodes: Nodes) -> None:
        party = await nodes.add(1)
        party.peers.admit(record_of(MALLORY, party))
        async with channel_to(party, make_leaf(MALLORY)) as channel:
            call = channel.stream_stream(path("Exchange"))()
            await call.write(hello_of(MALLORY, party, **change))
            assert await call.code() is grpc.StatusCode.FAILED_PRECONDITION
            assert await call.details() == sentence
        assert party.told(PeerRefused) == [PeerRefused(MALLORY.peer_id, sentence)]
        assert cast(GrpcPeers, party.peers).counters == {"foreign streams": 1}

    run(story)


def test_a_dialler_hears_why_it_was_refused() -> None:
    async def story(nodes: Nodes) -> None:
        party = await nodes.add(1)
        other = await nodes.add(2, network=OTHER_NETWORK)
        party.peers.admit(record_of(identity(2), other))
        other.peers.admit(record_of(identity(1), party, network=OTHER_NETWORK))
        party.peers.open(other.peer)
        await until(lambda: party.told(PeerLost), "a refusal")
        assert party.reasons(other.peer) == ["refused: another network"]
        assert other.told(PeerRefused)[0].reason == "another network"

    run(story)


def test_a_hello_with_the_address_of_another_peer_is_refused() -> None:
    async def story(nodes: Nodes) -> None:
        party, friend = await nodes.two()
        party.peers.admit(record_of(MALLORY, party))
        async with channel_to(party, make_leaf(MALLORY)) as channel:
            call = channel.stream_stream(path("Exchange"))()
            await call.write(hello_of(MALLORY, party, address=friend.peers.address))
            assert await call.code() is grpc.StatusCode.PERMISSION_DENIED
        assert not party.told(PeerConnected)

    run(story)


# ---- what does it send
@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\xff" * 100,
        b"\x0a\x05\x12\x09abc",
        frame_bytes([b"x"]) + b"\x12\x01x",
        frame_bytes([b""]),
        b"\x08\x01",
    ],
)
def test_garbage_in_a_stream_ends_that_stream_with_a_reason_and_nothing_else(garbage: bytes) -> None:
    async def story(nodes: Nodes) -> None:
        party, friend = await nodes.two()
        await connect(friend, party)
        async with stream_of_mallory(party) as call:
            await call.write(garbage)
            await until(lambda: party.told(PeerLost, MALLORY.peer_id), "the end of the stream")
            assert await call.read() is EOF
        assert party.is_connected(friend)
        assert friend.peers.send(party.peer, b"still here")
        await until(lambda: party.messages(friend.peer) == [b"still here"], "a message of another peer")

    run(story)


def test_a_second_hello_ends_the_stream() -> None:
    async def story(nodes: Nodes) -> None:
        party = await nodes.add(1)
        async with stream_of_mallory(party) as call:
            await call.write(hello_of(MALLORY, party))
            await until(lambda: party.told(PeerLost), "the end of the stream")
        assert party.reasons(MALLORY.peer_id) == ["a second Hello in one stream"]

    run(story)


def test_garbage_instead_of_hello_is_refused_and_told() -> None:
    async def story(nodes: Nodes) -> None:
        party = await nodes.add(1)
        party.peers.admit(record_of(MALLORY, party))
        async with channel_to(party, make_leaf(MALLORY)) as channel:
            for garbage in (b"\x00", frame_bytes([b"no hello"])):
                call = channel.stream_stream(path("Exchange"))()
                await call.write(garbage)
                assert await call.code() is grpc.StatusCode.PERMISSION_DENIED
        assert len(party.told(PeerRefused)) == 2 and not party.told(PeerConnected)

    run(story)


@pytest.mark.parametrize("how", ["it ends", "it says nothing"])
def test_a_stream_that_comes_to_nothing_before_hello_is_nobodys_fault(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever dials gives an attempt up when another one came first, and a network may swallow what it said."""
    monkeypatch.setattr(exchange, "HELLO_MS_MAX", 50 if how == "it says nothing" else 10_000)

    async def story(nodes: Nodes) -> None:
        party = await nodes.add(1)
        party.peers.admit(record_of(MALLORY, party))
        async with channel_to(party, make_leaf(MALLORY)) as channel:
            call = channel.stream_stream(path("Exchange"))()
            if how == "it ends":
                await call.done_writing()
            assert await call.code() is grpc.StatusCode.UNAVAILABLE
        assert not party.told(PeerRefused)
        assert cast(GrpcPeers, party.peers).counters == {"empty streams": 1}

    run(story)


def test_an_oversize_message_ends_the_stream_and_no_more() -> None:
    async def story(nodes: Nodes) -> None:
        party, friend = await nodes.two()
        await connect(friend, party)
        async with stream_of_mallory(party) as call:
            await call.write(frame_bytes([bytes(1024)] * 4_096) + bytes(1024 * 1024))
            await until(lambda: party.told(PeerLost, MALLORY.peer_id), "the end of the stream")
        assert not party.messages(MALLORY.peer_id)
        assert party.is_connected(friend)

    run(story)


def test_malformed_requests_are_refused_with_a_sentence() -> None:
    async def story(nodes: Nodes) -> None:
        party = await nodes.add(1)
        party.peers.admit(record_of(MALLORY, party))
        async with channel_to(party, make_leaf(MALLORY)) as channel:
            for method in ("ReadBranch", "ExchangeAddresses"):
                call = channel.unary_unary(path(method))(b"\xff\xff", timeout=20)
                assert await call.code() is grpc.StatusCode.PERMISSION_DENIED
            reading = channel.unary_stream(path("ReadChunks"))(b"\x0a\xff", timeout=20)
            assert await reading.code() is grpc.StatusCode.PERMISSION_DENIED
            writing = channel.stream_unary(path("WriteOutputs"))(timeout=20)
            await writing.write(b"\x12\x01x")
            assert await writing.details() == "outputs begin with their header"
            unknown = channel.unary_unary(path("Obey"))(b"", timeout=20)
            assert await unknown.code() is grpc.StatusCode.UNIMPLEMENTED

    run(story)


def test_a_piece_over_the_limit_is_refused_by_the_reader() -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        other.service.pieces = [bytes(DATA_BYTES_MAX + 1)]
        heard: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, told: heard.append(told))
        with pytest.raises(WorldFault, match="a fault of this node"):
            async for _ in one.peers.calls.read_chunks(other.peer, CHUNKS):
                pass
        assert "a piece of" in str(heard[0]["exception"])

    run(story)


# ---- does it listen, does it stop
def test_a_peer_that_does_not_read_is_cut_off_and_delays_nobody() -> None:
    async def story(nodes: Nodes) -> None:
        party, friend = await nodes.two()
        await connect(friend, party)
        async with stream_of_mallory(party):
            block = bytes(256 * 1024)
            sent = 0
            while party.peers.send(MALLORY.peer_id, block):
                sent += 1
                assert sent < 8 * PEER_QUEUE_BYTES_MAX // len(block), "its queue never fills"
                await asyncio.sleep(0.001)
            assert party.reasons(MALLORY.peer_id) == ["its queue overflowed"]
            assert party.peers.send(friend.peer, b"quick")
            await until(lambda: friend.messages(party.peer) == [b"quick"], "the message to another peer")
        assert cast(GrpcPeers, party.peers).counters["overflows"] == 1

    run(story)


def test_calls_at_once_are_bounded_for_each_peer() -> None:
    async def story(nodes: Nodes) -> None:
        party = await nodes.add(1)
        party.peers.admit(record_of(MALLORY, party))
        async with channel_to(party, make_leaf(MALLORY)) as channel:
            held = [channel.stream_stream(path("Reconcile"))() for _ in range(PEER_CALLS_PER_PEER_MAX)]
            for call in held:
                await call.write(b"\x0a\x00")
                await call.read()
            code, details = await code_of(channel)
            assert code is grpc.StatusCode.UNAVAILABLE and "calls at once" in details
            held[0].cancel()
            await until_ok(channel)

    run(story)


async def until_ok(channel: Any) -> None:
    async with asyncio.timeout(30):
        while (await code_of(channel))[0] is not grpc.StatusCode.OK:
            pass


def test_reads_are_paced_for_each_peer() -> None:
    async def story() -> None:
        budget = ReadBudget(bytes_per_s=1_000_000, burst_bytes=100_000)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for _ in range(4):
            await budget.spend(PeerId("a"), 100_000)
        assert loop.time() - begun >= 0.29
        budget_of_other = asyncio.create_task(budget.spend(PeerId("b"), 100_000))
        await asyncio.sleep(0)
        assert budget_of_other.done()

    asyncio.run(story())


class Purse(ReadBudget):
    """Pays for so many messages, notes who got them and how long they were, and refuses the next."""

    def __init__(self, messages: int) -> None:
        super().__init__()
        self._messages = messages
        self.spent: list[tuple[PeerId, int]] = []

    async def spend(self, peer: PeerId, size: int) -> None:
        if len(self.spent) == self._messages:
            raise WorldFault("the purse is empty")
        self.spent.append((peer, size))


def test_pieces_are_paid_for_by_their_reader_before_they_are_sent() -> None:
    async def story(nodes: Nodes) -> None:
        purse = Purse(2)
        publisher, reader = await nodes.start(Party, 1, budget=purse), await nodes.add(2)
        introduce(publisher, reader)
        publisher.service.pieces = [b"one", b"other", b"never"]
        calls = reader.peers.calls
        for reading in (
            calls.read_chunks(publisher.peer, CHUNKS),
            calls.read_blob(publisher.peer, ReadBlobRequest(digest=b"d")),
        ):
            purse.spent.clear()
            got: list[bytes] = []
            with pytest.raises(WorldFault, match="the purse is empty"):
                async for piece in reading:
                    got.append(piece)
            assert got == [b"one", b"other"]
            assert purse.spent == [(reader.peer, 3), (reader.peer, 5)]

    run(story)


def test_steps_of_a_reconciliation_are_paid_for_by_who_asked_before_they_are_sent() -> None:
    async def story(nodes: Nodes) -> None:
        purse = Purse(2)
        asked, asking = await nodes.start(Party, 1, budget=purse), await nodes.add(2)
        introduce(asked, asking)
        step = ReconcileStep(ranges=(), entries=(bytes(60_000),), end=False)
        got: list[ReconcileStep | None] = []
        with pytest.raises(WorldFault, match="the purse is empty"):
            async with asking.peers.calls.reconcile(asked.peer) as duplex:
                for _ in range(3):
                    await duplex.send(step)
                    got.append(await duplex.receive())
        assert got == [step, step]
        assert purse.spent == [(asking.peer, len(encode(ReconcileReply(step=step))))] * 2

    run(story)


def test_admitted_peers_are_bounded_and_those_in_use_stay() -> None:
    async def story(nodes: Nodes) -> None:
        party, friend = await nodes.two()
        await connect(friend, party)
        for number in range(PEERS_ADMITTED_MAX + 5):
            stranger = Identity.from_seed(number.to_bytes(32, "big"))
            assert party.peers.admit(record_of(stranger, party))
        assert party.is_connected(friend)
        assert await friend.peers.calls.read_branch(party.peer, BRANCH)
        again = await nodes.add(3)
        introduce(party, again)
        await connect(again, party)

    run(story)


def test_an_old_or_endless_address_record_is_refused() -> None:
    async def story(nodes: Nodes) -> None:
        party = await nodes.add(1)
        expires_ms = decode(AddressRecord, party.peers.address.payload).expires_ms
        for late_ms in (-3 * ADDRESS_LIFE_MS_MAX, ADDRESS_LIFE_MS_MAX):
            record = seal_address(
                MALLORY, NETWORK, endpoints=(), sequence=1, expires_ms=max(0, expires_ms + late_ms)
            )
            with pytest.raises(PeerFault, match="expire"):
                party.peers.admit(record)

    run(story)
