"""Who asks for more than its budget second after second is shut out for a while, by both borders, and then comes back."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

import grpc
import pytest

from sgnus.adapters import overruns as overrunning
from sgnus.adapters.gossip.budget import NeighbourAllowance
from sgnus.adapters.overruns import Overruns, monotonic_ms
from sgnus.adapters.peers import authority
from sgnus.adapters.peers.budget import CallBudget, StreamAllowance, StreamBudget
from sgnus.adapters.peers.certificates import make_leaf
from sgnus.adapters.peers.sockets import hang_up
from sgnus.adapters.tokens import TokenBucket
from sgnus.messages import limits
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import (
    OVERRUN_PEERS_MAX,
    OVERRUN_SECONDS_MAX,
    OVERRUN_WINDOW_MS,
    PEER_CALLS_BURST,
    PEER_CALLS_PER_S,
    REFUSED_CALLS_BURST,
    SHUT_OUT_MS_MAX,
    SHUT_OUT_MS_MIN,
    SHUT_OUT_REMEMBERED_MS,
    SUB_BLOCK_CALLS_MAX,
)
from sgnus.runtime.serving import Servings
from tests.ports.gossip_support import meshed, real_nodes, works_on
from tests.ports.gossip_support import until as until_heard
from tests.ports.liars import MALLORY, channel_to, code_of, record_of, run
from tests.ports.peers_support import Nodes, Party, connect, introduce, until

PEER, OTHER = PeerId("peer"), PeerId("other")
TOPIC = "jobprocessing_X_3"
HELD_MS = 500


class Clock:
    """Real time, and what a test adds to it."""

    def __init__(self, *, stands: bool = False) -> None:
        self.added_ms = 0
        self._stands = stands

    def __call__(self) -> int:
        return self.added_ms + (0 if self._stands else monotonic_ms())


def overrun(overruns: Overruns, clock: Clock, peer: PeerId, seconds: int) -> None:
    for _ in range(seconds):
        clock.added_ms += 1_000
        overruns.note(peer)


# ---- the account of overruns -------------------------------------------------------------------------------------
def test_so_many_seconds_of_overruns_shut_a_peer_out_and_one_less_does_not() -> None:
    clock = Clock(stands=True)
    overruns, told = Overruns(clock), list[PeerId]()
    overruns.followers.append(told.append)
    overrun(overruns, clock, PEER, OVERRUN_SECONDS_MAX - 1)
    assert not overruns.is_shut_out(PEER) and told == []
    for _ in range(10_000):
        overruns.note(PEER)
    assert not overruns.is_shut_out(PEER), "how far it went within a second says nothing"
    overrun(overruns, clock, PEER, 1)
    assert overruns.shut_out_ms(PEER) == SHUT_OUT_MS_MIN and told == [PEER]
    assert not overruns.is_shut_out(OTHER)
    clock.added_ms += SHUT_OUT_MS_MIN
    assert not overruns.is_shut_out(PEER)


def test_overruns_that_are_far_apart_shut_nobody_out() -> None:
    clock = Clock(stands=True)
    overruns = Overruns(clock)
    for _ in range(10 * OVERRUN_SECONDS_MAX):
        clock.added_ms += OVERRUN_WINDOW_MS // (OVERRUN_SECONDS_MAX - 1)
        overruns.note(PEER)
    assert not overruns.is_shut_out(PEER)


def test_who_is_shut_out_again_stays_out_twice_as_long_up_to_a_bound_until_it_is_forgotten() -> None:
    clock = Clock(stands=True)
    overruns, lasted = Overruns(clock), list[int]()
    for _ in range(6):
        overrun(overruns, clock, PEER, OVERRUN_SECONDS_MAX)
        lasted.append(overruns.shut_out_ms(PEER))
        clock.added_ms += lasted[-1]
    assert lasted[:3] == [SHUT_OUT_MS_MIN, 2 * SHUT_OUT_MS_MIN, 4 * SHUT_OUT_MS_MIN]
    assert lasted[-1] == SHUT_OUT_MS_MAX
    clock.added_ms += SHUT_OUT_REMEMBERED_MS
    overrun(overruns, clock, PEER, OVERRUN_SECONDS_MAX)
    assert overruns.shut_out_ms(PEER) == SHUT_OUT_MS_MIN


def test_a_bounded_number_of_peers_is_remembered() -> None:
    overruns = Overruns(Clock(stands=True))
    for number in range(2 * OVERRUN_PEERS_MAX):
        overruns.note(PeerId(str(number)))
    assert len(overruns._peers) == OVERRUN_PEERS_MAX


# ---- budgets -----------------------------------------------------------------------------------------------------
def test_what_is_owed_flows_in_before_more_is_taken() -> None:
    bucket = TokenBucket(rate_per_s=100, burst=50, now_ms=0)
    assert bucket.owe(50, 0) == 0
    assert bucket.owe(10, 0) == 100
    assert not bucket.has(1, 100) and bucket.has(1, 110)


def test_calls_that_anybody_may_make_have_a_rate_and_others_only_while_they_are_not_refused() -> None:
    clock = Clock(stands=True)
    overruns = Overruns(clock)
    budget = CallBudget(overruns, clock)
    burst = PEER_CALLS_BURST["Reconcile"]
    assert [budget.allows(PEER, "Reconcile") for _ in range(burst + 1)] == [True] * burst + [False]
    assert all(budget.allows(PEER, "ReadChunks") for _ in range(100_000))
    assert budget.allows(OTHER, "Reconcile")
    for _ in range(REFUSED_CALLS_BURST):
        assert budget.allows(PEER, "ReadChunks")
        budget.refused(PEER)
    assert not budget.allows(PEER, "ReadChunks") and budget.allows(OTHER, "ReadChunks")
    clock.added_ms += 1_000
    assert budget.allows(PEER, "ReadChunks") and budget.allows(PEER, "Reconcile")


def test_a_stream_that_brings_too_much_is_read_later() -> None:
    clock = Clock(stands=True)
    overruns = Overruns(clock)
    allowance = StreamAllowance(
        messages_per_s=100, messages_burst=200, bytes_per_s=10_000, bytes_burst=20_000
    )
    budget = StreamBudget(overruns, allowance, clock)
    assert budget.owe(PEER, 200, 1_000) == 0
    assert budget.owe(PEER, 50, 1_000) == 500
    assert budget.owe(OTHER, 1, 25_000) == 500
    for _ in range(OVERRUN_SECONDS_MAX):
        clock.added_ms += 1_000
        budget.owe(PEER, 1_000, 0)
    assert overruns.is_shut_out(PEER) and not overruns.is_shut_out(OTHER)


def test_a_peer_is_served_a_few_times_for_one_sub_block() -> None:
    servings = Servings()
    for _ in range(SUB_BLOCK_CALLS_MAX):
        servings.count(PEER, "read", "job", 0, "instance", 1)
    with pytest.raises(PeerFault, match="no more"):
        servings.count(PEER, "read", "job", 0, "instance", 1)
    servings.count(PEER, "read", "job", 0, "instance", 2)
    servings.count(OTHER, "read", "job", 0, "instance", 1)


# ---- calls of peers ----------------------------------------------------------------------------------------------
def test_a_caller_over_its_budget_is_told_so_and_then_shut_out_with_its_open_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(overrunning, "SHUT_OUT_MS_MIN", 8_000)
    monkeypatch.setattr(authority, "REFUSALS_HELD_SHUT_OUT_MS", HELD_MS)
    monkeypatch.setitem(cast(dict[str, int], PEER_CALLS_PER_S), "ReadBranch", 1)
    monkeypatch.setitem(cast(dict[str, int], PEER_CALLS_BURST), "ReadBranch", 20)

    async def story(nodes: Nodes) -> None:
        clock = Clock()
        overruns = Overruns(clock)
        party = await nodes.start(Party, 1, overruns=overruns)
        party.peers.admit(record_of(MALLORY, party))
        async with channel_to(party, make_leaf(MALLORY)) as channel:
            codes = [(await code_of(channel))[0] for _ in range(24)]
            assert codes[0] is grpc.StatusCode.OK
            assert grpc.StatusCode.RESOURCE_EXHAUSTED in codes
            overrun(overruns, clock, MALLORY.peer_id, OVERRUN_SECONDS_MAX)
            await until(lambda: counted(party, "peers shut out") == 1, "it is shut out")
            for calls in (1, 2):
                begun = time.monotonic()
                assert (await code_of(channel))[0] is grpc.StatusCode.UNAVAILABLE, "its connection is closed"
                assert counted(party, "calls of peers shut out") == calls, "a new handshake does not fail"
                assert time.monotonic() - begun >= HELD_MS / 1000, "and the next call has to wait"
            async with asyncio.timeout(30):
                while (await code_of(channel))[0] is not grpc.StatusCode.OK:
                    pass

    run(story)


def test_calls_of_methods_that_there_are_not_are_counted_like_all_that_are_refused() -> None:
    async def story(nodes: Nodes) -> None:
        party = await nodes.start(Party, 1)
        party.peers.admit(record_of(MALLORY, party))
        async with channel_to(party, make_leaf(MALLORY)) as channel:
            for how in (channel.unary_unary, channel.unary_stream):
                call = how("/sgnus.v1.Settlement/SubmitReceipt")(b"", timeout=20)
                assert await call.code() is grpc.StatusCode.UNIMPLEMENTED
            codes = set()
            async with asyncio.timeout(60):
                while grpc.StatusCode.RESOURCE_EXHAUSTED not in codes:
                    codes.add(await channel.unary_unary("/no/such")(b"", timeout=20).code())
            assert codes == {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.RESOURCE_EXHAUSTED}

    run(story)


def test_who_is_shut_out_loses_its_stream_and_another_keeps_its_own() -> None:
    async def story(nodes: Nodes) -> None:
        clock = Clock()
        overruns = Overruns(clock)
        party = await nodes.start(Party, 1, overruns=overruns)
        flooder, friend = await nodes.add(2), await nodes.add(3)
        introduce(party, flooder, friend)
        await connect(party, flooder)
        await connect(party, friend)
        overrun(overruns, clock, flooder.peer, OVERRUN_SECONDS_MAX)
        await until(lambda: "shut out for a while" in party.reasons(flooder.peer), "its stream is lost")
        assert party.peers.admit(record_of(MALLORY, party))
        flooder.peers.open(party.peer)
        await works(party, friend)
        assert not party.is_connected(flooder)

    run(story)


async def works(one: Party, other: Party) -> None:
    one.peers.send(other.peer, b"still")
    await until(lambda: b"still" in other.messages(one.peer), "a message passes")


def counted(party: Party, what: str) -> int:
    return int(party.peers.counters.get(what, 0))  # type: ignore[attr-defined]


def test_only_the_connections_with_that_far_end_are_shut_down() -> None:
    async def story() -> None:
        accepted = list[Any]()
        server = await asyncio.start_server(lambda _reader, writer: accepted.append(writer), "127.0.0.1")
        host, port = server.sockets[0].getsockname()
        ends = [await asyncio.open_connection(host, port) for _ in range(2)]
        far = ends[0][1].get_extra_info("sockname")
        await until(lambda: len(accepted) == 2, "both are accepted")
        assert hang_up(f"ipv4:{far[0]}:{far[1]}")
        assert await ends[0][0].read() == b""
        ends[1][1].write(b"x")
        await ends[1][1].drain()
        before = len(os.listdir("/dev/fd"))
        assert not hang_up("ipv4:192.0.2.1:9") and not hang_up("unix:") and not hang_up("ipv4:127.0.0.1:x")
        assert len(os.listdir("/dev/fd")) == before, "files and pipes are looked at, too, and not kept open"
        for _, writer in ends:
            writer.close()
        for writer in accepted:
            writer.close()
        server.close()

    asyncio.run(story())


# ---- gossip ------------------------------------------------------------------------------------------------------
def test_a_neighbour_that_goes_on_flooding_is_disconnected_and_comes_back_when_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(overrunning, "SHUT_OUT_MS_MIN", 5_000)

    async def story() -> None:
        allowance = NeighbourAllowance(messages_per_s=1, messages_burst=5)
        async with real_nodes(1, allowance=allowance) as (victim,), real_nodes(3) as (_, flooder, friend):
            await meshed([victim, flooder], TOPIC)
            await meshed([friend], TOPIC)
            friend.gossip.connect(victim.address)
            await until_heard(lambda: len(victim.gossip.neighbours()) == 2, "both are neighbours")
            number = 0

            def is_alone() -> bool:
                nonlocal number
                number += 1
                flooder.gossip.publish(TOPIC, b"flood %d" % number)
                return flooder.gossip.peer_id not in victim.gossip.neighbours()

            await until_heard(is_alone, "the flooder is disconnected", 60)
            assert victim.gossip.counters()["dropped_over_budget"] > 0
            assert friend.gossip.peer_id in victim.gossip.neighbours()
            await until_heard(
                lambda: victim.gossip.counters()["connections_shut_out"] > 0, "it is refused when it redials"
            )
            await until_heard(
                lambda: flooder.gossip.peer_id in victim.gossip.neighbours(), "it comes back", 60
            )

    asyncio.run(story())


@pytest.mark.parametrize(
    ("relayed", "strict", "size"),
    [
        (("PER_S", 3, "BURST", 30), NeighbourAllowance(messages_per_s=6, messages_burst=60), 10),
        (
            ("BYTES_PER_S", 3_000, "BYTES_BURST", 30_000),
            NeighbourAllowance(bytes_per_s=6_000, bytes_burst=60_000),
            1_000,
        ),
    ],
    ids=("messages", "bytes"),
)
def test_a_flood_that_is_passed_on_does_not_make_those_who_pass_it_on_exceed_their_budget(
    relayed: tuple[str, int, str, int],
    strict: NeighbourAllowance,
    size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, f"GOSSIP_RELAYED_{relayed[0]}", relayed[1])
    monkeypatch.setattr(limits, f"GOSSIP_RELAYED_{relayed[2]}", relayed[3])

    async def story() -> None:
        async with real_nodes(1, allowance=strict) as (victim,), real_nodes(3) as (_, flooder, between):
            for node in (victim, flooder, between):
                node.gossip.subscribe(TOPIC)
            victim.gossip.connect(between.address)
            flooder.gossip.connect(between.address)
            await until_heard(lambda: len(between.gossip.neighbours()) == 2, "a line of three")
            await works_on([victim, between], TOPIC, b"before")
            for number in range(300):
                flooder.gossip.publish(TOPIC, b"flood %d" % number + bytes(size))
            await until_heard(lambda: between.gossip.counters()["dropped_relayed"] > 100, "it passes on some")
            await works_on([victim, between], TOPIC, b"after")
            assert victim.gossip.counters()["dropped_over_budget"] == 0

    asyncio.run(story())


def test_hanging_up_gives_up_no_lock_on_a_file(tmp_path: Path) -> None:
    with (tmp_path / "database").open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        assert not hang_up("ipv4:192.0.2.1:9")
        other = f"import fcntl; fcntl.lockf(open({file.name!r}, 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        done = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, check=False)
    assert "BlockingIOError" in done.stderr
