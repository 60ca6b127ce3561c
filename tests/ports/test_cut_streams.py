"""A call that ends while its first message is under way tells its caller so."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from sgnus.adapters.peers.certificates import make_leaf
from sgnus.adapters.peers.channels import EOF, path
from sgnus.adapters.peers.exchange import Callee
from sgnus.adapters.peers.wires import ServerWire
from sgnus.messages.ids import PeerId
from tests.ports.liars import MALLORY, channel_to, record_of, run
from tests.ports.peers_support import Nodes

STATUS_S_MAX = 10.0


async def cut(_callee: Callee, _peer: PeerId, wire: ServerWire) -> None:
    """Leaves while a write of its is with gRPC, as a link does whose other end misbehaves."""
    writing = asyncio.create_task(wire.write(b"hello"))
    await asyncio.sleep(0)
    writing.cancel()


def test_a_stream_that_is_cut_in_its_first_write_has_a_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Callee, "serve", cut)

    async def story(nodes: Nodes) -> None:
        party = await nodes.add(1)
        party.peers.admit(record_of(MALLORY, party))
        async with channel_to(party, make_leaf(MALLORY)) as channel, asyncio.timeout(STATUS_S_MAX):
            for _ in range(20):
                call = channel.stream_stream(path("Exchange"))()
                while await call.read() is not EOF:
                    pass  # The message may have gone, or not.
                assert await call.code() is grpc.StatusCode.OK

    run(story)
