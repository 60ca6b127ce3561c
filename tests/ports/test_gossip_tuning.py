"""What no message shows until it is too late or too slow: the settings, frames and searches of py-libp2p 0.8.1 that we
changed. Each test fails without our mending.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing
from libp2p.network.exceptions import SwarmException
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2
from libp2p.stream_muxer.yamux.yamux import DEFAULT_WINDOW_SIZE, TYPE_WINDOW_UPDATE, YAMUX_HEADER_FORMAT
from libp2p.tools.anyio_service import Service, background_trio_service
from libp2p.tools.anyio_service.trio_tasks import FunctionTask

from sgnus.adapters.gossip.budget import NeighbourAllowance
from sgnus.adapters.gossip.counters import Counters
from sgnus.adapters.gossip.frames import split_frame
from sgnus.adapters.gossip.muxer import GossipMuxer
from sgnus.adapters.gossip.node import guard_tasks
from sgnus.adapters.gossip.pubsub import GossipPubsub
from sgnus.adapters.gossip.router import MESHSUB, GossipRouter
from sgnus.adapters.gossip.rpc_queue import FrameQueue, frame_of
from sgnus.adapters.gossip.swarm import make_host, make_swarm
from sgnus.adapters.overruns import Overruns
from sgnus.crypto.identity import Identity
from sgnus.messages import limits

TOPIC = "jobprocessing_X_3"
SEED = bytes([1]) * 32
NEIGHBOUR = ID.from_base58(Identity.from_seed(bytes([2]) * 32).peer_id)
KIB = 1024


# ---- 6. settings -----------------------------------------------------------------------------------------
def test_the_router_runs_with_the_settings_under_which_nothing_is_lost() -> None:
    expected = {
        "degree": 11,
        "degree_low": 11,
        "degree_high": 65,
        "heartbeat_interval": 1,
        "heartbeat_interval_base": 1,
        "adaptive_gossip_enabled": False,
        "spam_protection_enabled": False,
        "eclipse_protection_enabled": False,
        "prune_back_off": 5,
        "unsubscribe_back_off": 1,
        "graft_flood_threshold": 0.0,
        "max_iwant_requests_per_second": 200.0,
        "max_ihave_messages_per_second": 200.0,
        "do_px": False,
        "scorer": None,
    }
    router = GossipRouter(64, Counters())
    assert {name: getattr(router, name) for name in expected} == expected


# ---- 9. frames and searches ------------------------------------------------------------------------------
class Wire:
    """One end of a connection in memory, as a muxer takes it; it keeps the window updates that were written."""

    def __init__(self, pipe: trio.StapledStream[Any, Any], is_initiator: bool) -> None:
        self.is_initiator = is_initiator
        self.credits: list[int] = []
        self._pipe = pipe

    async def read(self, size: int | None = None) -> bytes:
        return bytes(await self._pipe.receive_some(size))

    async def write(self, frame: bytes) -> None:
        _version, kind, flags, _stream, amount = struct.unpack_from(YAMUX_HEADER_FORMAT, frame)
        if kind == TYPE_WINDOW_UPDATE and flags == 0:
            self.credits.append(amount)
        await self._pipe.send_all(frame)

    async def close(self) -> None:
        await self._pipe.aclose()


async def send_small(sender: Any, receiver: Any, messages: int) -> None:
    """1 KiB at a time, each read before the next is written."""
    for _ in range(messages):
        await sender.write(bytes(KIB))
        assert len(await receiver.read(KIB)) == KIB


def test_small_messages_cost_a_window_update_for_each_quarter_of_the_window() -> None:
    async def story() -> None:
        near, far = (Wire(pipe, index == 0) for index, pipe in enumerate(trio.testing.memory_stream_pair()))
        async with trio.open_nursery() as nursery:
            muxers = [GossipMuxer(wire, NEIGHBOUR) for wire in (near, far)]
            for muxer in muxers:
                nursery.start_soon(muxer.start)
                await muxer.event_started.wait()
            opened = await muxers[0].open_stream()
            accepted = await muxers[1].accept_stream()
            before = [list(wire.credits) for wire in (near, far)]
            with trio.fail_after(30):
                await send_small(opened, accepted, 1_000)
                await send_small(accepted, opened, 1_000)
            for wire, earlier in zip((near, far), before, strict=True):
                assert wire.credits[len(earlier) :] == [DEFAULT_WINDOW_SIZE // 4] * 15
            for muxer in muxers:
                await muxer.abort()

    trio.run(story)


class Spawner(Service):
    """A service whose tasks start tasks."""

    async def run(self) -> None:
        await trio.sleep_forever()


def test_a_new_task_searches_no_tree_of_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    searches: list[int] = []
    search = FunctionTask.iterate_tasks

    def counted(*tasks: Any) -> Iterator[Any]:
        searches.append(len(tasks))
        return iter(search(*tasks))

    async def story() -> None:
        service = Spawner()
        async with background_trio_service(service) as manager:
            await spawn(manager.run_task)
            assert searches, "the library searches; else there is nothing to mend"
            guard_tasks(manager, Counters())
            del searches[:]
            await spawn(manager.run_task)
            assert not searches
            await manager.stop()

    async def spawn(run_task: Callable[..., Any]) -> None:
        """A task that starts a task, and that one's end."""
        ended = trio.Event()

        async def inner() -> None:
            ended.set()

        async def outer() -> None:
            run_task(inner)

        run_task(outer)
        with trio.fail_after(30):
            await ended.wait()

    monkeypatch.setattr(FunctionTask, "iterate_tasks", counted)
    trio.run(story)


# ---- who dials, and what rides along ---------------------------------------------------------------------
def test_the_library_dials_nobody_by_itself() -> None:
    swarm = make_swarm(SEED, None, 8, Counters(), Overruns())

    async def story() -> None:
        with pytest.raises(SwarmException, match="not connected to"):
            await swarm.dial_peer(NEIGHBOUR)
        with pytest.raises(SwarmException, match="not connected to"):
            await swarm.new_stream(NEIGHBOUR)

    trio.run(story)


def test_no_rpc_carries_a_sender_record() -> None:
    sent = trio.run(told_to_a_neighbour)
    kinds = {field.name for rpc in sent for field, _value in rpc.ListFields()}
    assert kinds == {"subscriptions", "publish", "control"}


async def told_to_a_neighbour() -> list[Any]:
    """All kinds of RPCs: the hello, a subscription and its graft, a message, a leaving and its prune."""
    counters = Counters()
    host = make_host(make_swarm(SEED, None, 8, counters, Overruns()), [])
    router = GossipRouter(8, counters)
    pubsub = GossipPubsub(
        host,
        router,
        Identity.from_seed(SEED),
        allowance=NeighbourAllowance(),
        overruns=Overruns(),
        counters=counters,
        tell=lambda _: None,
    )
    queue = FrameQueue()
    router.add_peer(NEIGHBOUR, MESHSUB)
    pubsub.peers[NEIGHBOUR] = None
    pubsub.peer_queues[NEIGHBOUR] = queue
    pubsub.peer_topics[TOPIC] = {NEIGHBOUR}
    await pubsub.subscribe(TOPIC)
    await pubsub.publish(TOPIC, b"message")
    hello = frame_of(pubsub.get_hello_packet())
    await pubsub.unsubscribe(TOPIC)
    frames = bytearray(hello + (await queue.pop_frames() or b""))
    return list(iter(lambda: parsed(frames), None))


def parsed(frames: bytearray) -> Any:
    """The next RPC; None after the last."""
    frame = split_frame(frames)
    return None if frame is None else rpc_pb2.RPC.FromString(frame)


def test_who_subscribes_gets_no_more_of_what_others_said_than_it_may_be_sent() -> None:
    router, me = GossipRouter(8, Counters()), ID(b"me")
    sent = list[str]()
    router.pubsub = SimpleNamespace(my_id=me)
    router.send_rpc = lambda _peer, rpc, priority=False: sent.append(bytes(rpc.publish[0].from_id).decode())
    for number in range(2 * limits.GOSSIP_RELAYED_BYTES_BURST // limits.GOSSIP_BYTES_MAX):
        data, seqno = bytes(limits.GOSSIP_BYTES_MAX), number.to_bytes(8, "big")
        for author in (b"other", b"me") if number < 3 else (b"other",):
            router.mcache.put(rpc_pb2.Message(data=data, topicIDs=[TOPIC], from_id=author, seqno=seqno))
    trio.run(router.send_recent_messages, NEIGHBOUR, TOPIC)
    assert sent.count("me") == 3
    assert 0 < sent.count("other") <= limits.GOSSIP_RELAYED_BYTES_BURST // limits.GOSSIP_BYTES_MAX
