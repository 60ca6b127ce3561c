"""The contract of the Peers port, held by the fake and by gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from sgnus.messages.errors import OurFault, PeerFault, UserFault, WorldFault
from sgnus.messages.limits import PEER_MESSAGE_BYTES_MAX, PEER_QUEUE_BYTES_MAX
from sgnus.messages.v1.types import (
    AddressRecord,
    ExchangeAddressesRequest,
    ReadBlobRequest,
    ReadBranchRequest,
    ReconcileStep,
    SetRange,
)
from sgnus.ports import PeerConnected, PeerLost, PeerSent
from sgnus.wire.codec import decode
from tests.ports.peers_support import CHUNKS, HEADER, Nodes, Party, connect, introduce, nodes_of, until

Run = Callable[[Callable[[Nodes], Awaitable[None]]], None]


@pytest.fixture(params=["fake", "grpc"])
def run(request: pytest.FixtureRequest) -> Run:
    def running(story: Callable[[Nodes], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with nodes_of(request.param) as nodes:
                await story(nodes)
                for one in nodes.parties:
                    for other in nodes.parties:
                        one.check_order(other.peer)

        asyncio.run(whole())

    return running


def test_two_that_open_each_other_have_one_stream_and_messages_keep_their_order(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        one.peers.open(other.peer)
        other.peers.open(one.peer)
        sent = [b"%d" % number for number in range(200)]
        assert all(one.peers.send(other.peer, message) for message in sent)
        assert all(other.peers.send(one.peer, message, urgent=True) for message in sent)
        await until(lambda: len(other.messages(one.peer)) == 200 == len(one.messages(other.peer)), "all")
        assert other.messages(one.peer) == one.messages(other.peer) == sent
        assert len(one.told(PeerConnected)) == len(other.told(PeerConnected)) == 1
        assert not one.told(PeerLost) and not other.told(PeerLost)

    run(story)


def test_it_listens_from_start_to_stop(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one = await nodes.add(1)
        assert one.peers.is_listening
        await one.peers.stop()
        assert not one.peers.is_listening

    run(story)


def test_one_who_opens_is_enough_and_both_may_send(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        await connect(one, other)
        assert other.peers.send(one.peer, b"hello")
        await until(lambda: one.messages(other.peer) == [b"hello"], "the message")
        assert one.told(PeerConnected)[0].boot == 1

    run(story)


def test_without_a_stream_and_none_wanted_nothing_is_accepted(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        assert not one.peers.send(other.peer, b"hello")
        one.peers.close(other.peer)
        assert one.events == []

    run(story)


def test_closing_sends_what_is_queued_and_ends_the_stream_on_both_sides(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        await connect(one, other)
        for number in range(50):
            assert one.peers.send(other.peer, b"%d" % number)
        one.peers.close(other.peer)
        assert not one.is_connected(other) and not one.peers.send(other.peer, b"late")
        await until(lambda: other.told(PeerLost), "the end")
        assert other.messages(one.peer) == [b"%d" % number for number in range(50)]
        assert one.reasons(other.peer) == ["closed here"]
        await connect(one, other)

    run(story)


def test_the_callee_of_a_stream_may_close_it_too(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        await connect(one, other)
        assert other.peers.send(one.peer, b"last words")
        other.peers.close(one.peer)
        await until(lambda: one.told(PeerLost), "the end")
        assert one.messages(other.peer) == [b"last words"]
        await until(lambda: one.is_connected(other), "one still wants a stream")

    run(story)


def test_what_is_opened_before_its_address_is_known_connects_when_it_is(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.add(1), await nodes.add(2)
        other.peers.admit(one.peers.address)
        one.peers.open(other.peer)
        assert one.peers.send(other.peer, b"kept")
        assert one.peers.admit(other.peers.address)
        assert not one.peers.admit(other.peers.address)
        await until(lambda: other.messages(one.peer) == [b"kept"], "the message")

    run(story)


def test_whom_the_other_side_does_not_know_yet_gets_in_once_it_does(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.add(1), await nodes.add(2)
        one.peers.admit(other.peers.address)
        one.peers.open(other.peer)
        await until(lambda: one.told(PeerLost), "a failed attempt")
        assert other.told(PeerConnected) == []
        other.peers.admit(one.peers.address)
        await until(lambda: one.is_connected(other), "a stream")

    run(story)


def test_a_peer_that_stops_is_lost_and_comes_back_with_another_boot(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        await connect(one, other)
        await other.peers.stop()
        await until(lambda: one.told(PeerLost), "the loss")
        again = await nodes.add(2, boot=2)
        again.peers.admit(one.peers.address)
        one.peers.admit(again.peers.address)
        await until(lambda: one.is_connected(again), "the second life")
        assert [event.boot for event in one.told(PeerConnected)] == [1, 2]

    run(story)


def test_a_removed_peer_is_cut_off_until_it_is_admitted_again(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        await connect(one, other)
        assert await one.peers.calls.read_branch(other.peer, ReadBranchRequest(job="j", microjob=0))
        other.peers.remove(one.peer)
        assert not other.is_connected(one)
        await until(lambda: one.told(PeerLost), "the end")
        with pytest.raises(PeerFault, match="does not know you"):
            await one.peers.calls.read_branch(other.peer, ReadBranchRequest(job="j", microjob=0))
        other.peers.admit(one.peers.address)
        await until(lambda: one.is_connected(other), "a new stream")

    run(story)


def test_a_queue_that_overflows_resets_the_stream_and_says_so(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        await connect(one, other)
        big = bytes(PEER_MESSAGE_BYTES_MAX)
        accepted = [one.peers.send(other.peer, big) for _ in range(PEER_QUEUE_BYTES_MAX // len(big) + 1)]
        assert accepted == [True] * (len(accepted) - 1) + [False]
        assert one.reasons(other.peer) == ["its queue overflowed"]
        await until(lambda: len(one.told(PeerConnected)) == 2, "another stream")

    run(story)


def test_a_full_inbox_holds_messages_back_and_loses_none(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        await connect(one, other)
        other.is_full, before = True, other.offers
        for number in range(300):
            assert one.peers.send(other.peer, b"%d" % number)
        await until(lambda: other.offers >= before + 3, "what is not taken is offered again")
        assert not other.told(PeerSent)
        other.is_full = False
        await until(lambda: len(other.messages(one.peer)) == 300, "all")
        assert other.messages(one.peer) == [b"%d" % number for number in range(300)]

    run(story)


def test_an_inbox_that_takes_only_now_and_then_gets_all_in_order(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        other.is_fickle = True
        await connect(one, other)
        for number in range(60):
            assert one.peers.send(other.peer, b"%d" % number, urgent=True)
            await asyncio.sleep(0.001)
        await until(lambda: len(other.messages(one.peer)) == 60, "all")
        assert other.messages(one.peer) == [b"%d" % number for number in range(60)]

    run(story)


def test_an_inbox_that_stays_full_holds_the_sender_back_instead_of_growing(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        await connect(one, other)
        other.is_full = True
        sent = 0
        while one.peers.send(other.peer, bytes(100_000)):
            sent += 1
            assert sent < 1_000, "nothing holds the sender back"
            await asyncio.sleep(0.001)
        assert one.reasons(other.peer) == ["its queue overflowed"]
        other.is_full = False
        await until(lambda: len(other.told(PeerConnected)) == 2, "another stream")

    run(story)


def test_who_has_no_right_gets_neither_stream_nor_answer(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        other.service.refused = {"Exchange", "ReadBranch"}
        one.peers.open(other.peer)
        await until(lambda: one.told(PeerLost), "a refusal")
        assert "may not call Exchange" in one.reasons(other.peer)[0]
        with pytest.raises(PeerFault, match="may not call ReadBranch"):
            await one.peers.calls.read_branch(other.peer, ReadBranchRequest(job="j", microjob=0))
        other.service.refused = set()
        await until(lambda: one.is_connected(other), "a stream once it has the right")

    run(story)


def test_chunks_and_blobs_come_piece_by_piece(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        chunks = [piece async for piece in one.peers.calls.read_chunks(other.peer, CHUNKS)]
        blob = [piece async for piece in one.peers.calls.read_blob(other.peer, ReadBlobRequest(digest=b"d"))]
        assert chunks == blob == other.service.pieces
        assert other.service.asked == [(one.peer, "ReadChunks"), (one.peer, "ReadBlob")]

    run(story)


def test_outputs_are_written_and_answered(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        reply = await one.peers.calls.write_outputs(other.peer, HEADER, _pieces(5))
        assert reply.held == HEADER.record
        assert other.service.written == [bytes([n]) * 200_000 for n in range(5)]

    run(story)


def test_outputs_that_are_held_already_are_answered_before_they_are_all_sent(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        other.service.answers_early = True
        reply = await one.peers.calls.write_outputs(other.peer, HEADER, _pieces(100))
        assert reply.refused == "had it already"

    run(story)


async def _pieces(count: int) -> AsyncIterator[bytes]:
    for number in range(count):
        yield bytes([number]) * 200_000


def test_branches_and_addresses_are_answered(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        branch = await one.peers.calls.read_branch(other.peer, ReadBranchRequest(job="bafy", microjob=0))
        assert (branch.digests, branch.path) == (b"bafy", (b"path",))
        asked = ExchangeAddressesRequest(limit=8, own=one.peers.address)
        assert (await one.peers.calls.exchange_addresses(other.peer, asked)).records == (one.peers.address,)

    run(story)


def test_a_reconciliation_goes_to_and_fro_until_its_caller_ends_it(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        async with one.peers.calls.reconcile(other.peer) as duplex:
            for number in range(10):
                step = ReconcileStep(
                    ranges=(SetRange(upper=b"", skip=True),), entries=(bytes([number]) * 60_000,), end=False
                )
                await duplex.send(step)
                assert await duplex.receive() == step

    run(story)


def test_a_reconciliation_may_be_left_by_an_error_of_the_caller(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        with pytest.raises(PeerFault, match="nonsense"):
            async with one.peers.calls.reconcile(other.peer):
                raise PeerFault("nonsense")

    run(story)


def test_a_refusal_of_the_service_reaches_the_caller_with_its_sentence(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        other.service.fault = PeerFault("you hold no lease")
        with pytest.raises(PeerFault, match="you hold no lease"):
            await one.peers.calls.read_branch(other.peer, ReadBranchRequest(job="j", microjob=0))
        with pytest.raises(PeerFault, match="you hold no lease"):
            async for _ in one.peers.calls.read_chunks(other.peer, CHUNKS):
                pass
        with pytest.raises(PeerFault, match="no such blob"):
            async for _ in one.peers.calls.read_blob(other.peer, ReadBlobRequest(digest=b"")):
                pass

    run(story)


def test_calls_to_the_unknown_and_the_absent_are_faults_of_the_world(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.add(1), await nodes.add(2)
        request = ReadBranchRequest(job="j", microjob=0)
        with pytest.raises(WorldFault, match="no address"):
            await one.peers.calls.read_branch(other.peer, request)
        one.peers.admit(other.peers.address)
        await other.peers.stop()
        with pytest.raises(WorldFault, match="unreachable"):
            await one.peers.calls.read_branch(other.peer, request)

    run(story)


def test_an_empty_or_oversize_message_is_a_fault_of_ours(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        for message in (b"", bytes(PEER_MESSAGE_BYTES_MAX + 1)):
            with pytest.raises(OurFault):
                one.peers.send(other.peer, message)

    run(story)


def test_a_port_that_is_taken_is_told_in_a_sentence(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one = await nodes.add(1)
        endpoint = _endpoint_of(one)
        with pytest.raises(UserFault, match=f"port {endpoint}.*another port"):
            await nodes.add(2, port=endpoint)

    run(story)


def test_a_node_that_was_stopped_gets_its_port_again(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, other = await nodes.two()
        await connect(one, other)
        port = _endpoint_of(other)
        await other.peers.stop()
        again = await nodes.add(2, boot=2, port=port)
        introduce(one, again)
        await until(lambda: one.is_connected(again), "the second life")

    run(story)


def _endpoint_of(party: Party) -> int:
    return decode(AddressRecord, party.peers.address.payload).endpoints[0].port


def test_a_second_stop_does_no_harm(run: Run) -> None:
    async def story(nodes: Nodes) -> None:
        one, _ = await nodes.two()
        await one.peers.stop()
        await one.peers.stop()

    run(story)
