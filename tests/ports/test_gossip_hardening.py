"""Each fault of py-libp2p 0.8.1 that we mend has a test here that fails without the mending."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from libp2p.network.exceptions import SwarmException
from libp2p.pubsub.pb import rpc_pb2

from sgnus.adapters.gossip.frames import MalformedFrame, split_frame
from sgnus.adapters.gossip.rpc_queue import frame_of
from sgnus.messages.limits import GOSSIP_BYTES_MAX
from tests.ports.gossip_attacker import attack, frame, send_on_meshsub, signed
from tests.ports.gossip_support import (
    meshed,
    real_nodes,
    works_on,
)

TOPIC = "jobprocessing_X_3"
ATTACKER = 77


# ---- 1. malformed bytes ----------------------------------------------------------------------------------
def random_bytes() -> bytes:
    return bytes([40]) + Random(1).randbytes(40)


def garbage_key() -> bytes:
    return frame(signed(ATTACKER, TOPIC, b"x", key=b"garbage", from_id=b"\x12\x20" + bytes(32)))


MALFORMED: dict[str, Callable[[], bytes]] = {
    "random bytes": random_bytes,
    "an endless length prefix": lambda: b"\xff" * 64,
    "a frame of 256 MiB": lambda: b"\xff\xff\xff\x7f",
    "a garbage key": garbage_key,
    "an author that is no peer id": lambda: frame(signed(ATTACKER, TOPIC, b"x", from_id=b"")),
    "a garbage signature": lambda: frame(signed(ATTACKER, TOPIC, b"x", signature=b"short")),
    "a sequence number of 3 bytes": lambda: frame(signed(ATTACKER, TOPIC, b"x", seqno=b"abc")),
    "no topic": lambda: frame(rpc_pb2.Message(data=b"x", from_id=b"y", seqno=bytes(8))),
    "a garbage sender record": lambda: frame_of(rpc_pb2.RPC(senderRecord=b"\x01garbage", publish=[])),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_bytes_of_a_peer_stop_nothing_but_its_stream(name: str) -> None:
    async def story() -> None:
        async with real_nodes(2) as nodes:
            await meshed(nodes, TOPIC)
            good = frame(signed(ATTACKER, TOPIC, b"mark", 99))
            await send_on_meshsub(
                ATTACKER, nodes[0].address, MALFORMED[name](), good,
                until=lambda: b"mark" in nodes[0].heard.payloads(TOPIC),
            )  # fmt: skip
            await works_on(nodes, TOPIC, b"after")
            assert nodes[0].heard.payloads(TOPIC).count(b"x") == 0

    asyncio.run(story())


def test_control_lists_of_garbage_are_survived() -> None:
    control = rpc_pb2.ControlMessage(
        graft=[rpc_pb2.ControlGraft(topicID="nobody's")],
        prune=[
            rpc_pb2.ControlPrune(topicID="nobody's", backoff=2**63, peers=[rpc_pb2.PeerInfo(peerID=b"x")])
        ],
        ihave=[rpc_pb2.ControlIHave(topicID=TOPIC, messageIDs=[b"\xff\xfe", b"zz", b"abc"])],
        iwant=[rpc_pb2.ControlIWant(messageIDs=[b"\xff\xfe", b"abc"])],
    )

    async def story() -> None:
        async with real_nodes(2) as nodes:
            await meshed(nodes, TOPIC)
            good = frame(signed(ATTACKER, TOPIC, b"mark", 99))
            await send_on_meshsub(
                ATTACKER, nodes[0].address, frame_of(rpc_pb2.RPC(control=control)) + good,
                until=lambda: b"mark" in nodes[0].heard.payloads(TOPIC),
            )  # fmt: skip
            await works_on(nodes, TOPIC, b"after")

    asyncio.run(story())


def test_a_stream_that_ends_inside_a_frame_is_malformed() -> None:
    assert split_frame(bytearray(b"\x05abc")) is None
    assert split_frame(bytearray(b"\x80")) is None
    buffer = bytearray(b"\x03abc\x01d")
    assert (split_frame(buffer), split_frame(buffer), split_frame(buffer)) == (b"abc", b"d", None)
    for prefix in (b"\xff\xff\xff\xff\xff", b"\xff\xff\xff\x7f"):
        with pytest.raises(MalformedFrame):
            split_frame(bytearray(prefix))


def test_forged_and_oversize_messages_are_dropped_and_counted() -> None:
    async def story() -> None:
        async with real_nodes(1) as (node,):
            node.gossip.subscribe(TOPIC)
            honest = signed(5, TOPIC, b"honest")
            changed = signed(5, TOPIC, b"changed", 3)
            changed.data = b"other"
            attacks = frame(
                signed(5, TOPIC, b"forged", 2, from_id=signed(6, TOPIC, b"").from_id),
                changed,
                signed(5, TOPIC, bytes(GOSSIP_BYTES_MAX + 1), 4),
                signed(5, "not subscribed", b"x", 5),
                signed(5, TOPIC, b"unsigned", 6, signature=b""),
            ) + frame(honest)
            await send_on_meshsub(ATTACKER, node.address, attacks, until=lambda: node.heard.payloads(TOPIC))
            counts = node.gossip.counters()
            assert node.heard.payloads(TOPIC) == [b"honest"]
            assert counts["dropped_bad_signature"] == 3
            assert (counts["dropped_oversize"], counts["dropped_unsubscribed"]) == (1, 1)

    asyncio.run(story())


# ---- 2. noise and yamux alone ----------------------------------------------------------------------------
def offer(protocol: bytes) -> bytes:
    return bytes([len(protocol) + 1]) + protocol + b"\n"


@pytest.mark.parametrize("protocol", [b"/plaintext/2.0.0", b"/tls/1.0.0", b"/secio/1.0.0"])
def test_a_dial_without_noise_is_refused(protocol: bytes) -> None:
    async def story() -> None:
        async with real_nodes(1) as (node,):
            port = int(node.address.split("/")[4])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(offer(b"/multistream/1.0.0") + offer(protocol))
            hello = await reader.readexactly(20)
            assert hello == offer(b"/multistream/1.0.0")
            assert await reader.readexactly(4) == offer(b"na")
            writer.close()
            await writer.wait_closed()

    asyncio.run(story())


def test_a_peer_that_offers_only_mplex_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with real_nodes(1) as (node,):
            from libp2p.stream_muxer.mplex.mplex import MPLEX_PROTOCOL_ID

            from sgnus.adapters.gossip import swarm

            monkeypatch.setattr(swarm, "YAMUX_ID", MPLEX_PROTOCOL_ID)
            with pytest.raises(SwarmException, match="failed to upgrade mux"):
                await attack(ATTACKER, node.address, pass_by)

    asyncio.run(story())


async def pass_by(host: Any, peer: Any) -> None:
    """Connect, and do nothing."""
