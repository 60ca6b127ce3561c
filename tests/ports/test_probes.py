"""/health over HTTP: what a service manager is told, without a token, and behind the Host list all the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from sgnus.frontends.service.bounds import CALLS_AT_ONCE_MAX
from sgnus.frontends.service.probes import LIVE, PROBE_PATHS, READY
from tests.ports.service_harness import in_loop, served


class FakeHealth:
    """Ails as it is told."""

    def __init__(self) -> None:
        self.ended: dict[str, str] = {}
        self.missing: dict[str, str] = {}

    def failed(self) -> Mapping[str, str]:
        return self.ended

    async def lacking(self) -> Mapping[str, str]:
        return {**self.ended, **self.missing}


@in_loop
async def test_a_healthy_node_says_so_to_whoever_asks_without_a_token(tmp_path: Path) -> None:
    async with served(tmp_path, FakeHealth()) as node:
        del node.http.headers["authorization"]
        for path in LIVE:
            answer = await node.http.get(path)
            assert (answer.status_code, answer.json()) == (200, {"status": "live"})
        ready = await node.http.get(READY)
        assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
        assert ready.headers["cache-control"] == "no-store"
        assert (await node.http.head(READY)).status_code == 200


@in_loop
async def test_what_a_node_lacks_makes_it_unready_and_not_dead(tmp_path: Path) -> None:
    health = FakeHealth()
    async with served(tmp_path, health) as node:
        health.missing = {"database": "it cannot be read"}
        ready = await node.http.get(READY)
        assert ready.status_code == 503
        assert ready.json() == {"status": "not ready", "reasons": {"database": "it cannot be read"}}
        assert (await node.http.get("/health")).status_code == 200


@in_loop
async def test_what_has_ended_for_good_makes_it_dead(tmp_path: Path) -> None:
    health = FakeHealth()
    async with served(tmp_path, health) as node:
        health.ended = {"engine": "it has ended"}
        live = await node.http.get("/health/live")
        assert (live.status_code, live.json()) == (
            503,
            {"status": "not live", "reasons": {"engine": "it has ended"}},
        )


@in_loop
async def test_a_name_that_is_rebound_to_this_machine_learns_nothing(tmp_path: Path) -> None:
    async with served(tmp_path, FakeHealth()) as node:
        for path in PROBE_PATHS:
            assert (await node.http.get(path, headers={"Host": "evil.example"})).status_code == 421
            assert (await node.http.get(path, headers={"Origin": "http://evil.example"})).status_code == 403


@in_loop
async def test_a_service_without_a_node_to_probe_has_no_health(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        assert (await node.http.get("/health")).status_code == 404


@in_loop
async def test_a_node_with_all_its_calls_taken_is_still_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(tmp_path, FakeHealth()) as node:
        assert CALLS_AT_ONCE_MAX > 0
        monkeypatch.setattr("sgnus.frontends.service.gate.CALLS_AT_ONCE_MAX", 0)
        assert (await node.call("get-node", {})).status_code == 503
        assert (await node.http.get("/health")).status_code == 200
