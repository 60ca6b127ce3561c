"""/health and /metrics over HTTP: the first without a token, both behind the Host list."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from sgnus.frontends.service.bounds import CALLS_AT_ONCE_MAX
from sgnus.frontends.service.probes import LIVE, METRICS, PROBE_PATHS, READY, Probes
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


class FakeFigures:
    """Counts nothing."""

    def text(self) -> bytes:
        return b"# nothing\n"


def probes(health: FakeHealth | None = None) -> Probes:
    return Probes(health or FakeHealth(), FakeFigures())


@in_loop
async def test_a_healthy_node_says_so_to_whoever_asks_without_a_token(tmp_path: Path) -> None:
    async with served(tmp_path, probes()) as node:
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
    async with served(tmp_path, probes(health)) as node:
        health.missing = {"database": "it cannot be read"}
        ready = await node.http.get(READY)
        assert ready.status_code == 503
        assert ready.json() == {"status": "not ready", "reasons": {"database": "it cannot be read"}}
        assert (await node.http.get("/health")).status_code == 200


@in_loop
async def test_what_has_ended_for_good_makes_it_dead(tmp_path: Path) -> None:
    health = FakeHealth()
    async with served(tmp_path, probes(health)) as node:
        health.ended = {"engine": "it has ended"}
        live = await node.http.get("/health/live")
        assert (live.status_code, live.json()) == (
            503,
            {"status": "not live", "reasons": {"engine": "it has ended"}},
        )


@in_loop
async def test_a_name_that_is_rebound_to_this_machine_learns_nothing(tmp_path: Path) -> None:
    async with served(tmp_path, probes()) as node:
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
    async with served(tmp_path, probes()) as node:
        assert CALLS_AT_ONCE_MAX > 0
        monkeypatch.setattr("sgnus.frontends.service.gate.CALLS_AT_ONCE_MAX", 0)
        assert (await node.call("get-node", {})).status_code == 503
        assert (await node.http.get("/health")).status_code == 200


@in_loop
async def test_figures_are_told_to_who_has_the_token(tmp_path: Path) -> None:
    async with served(tmp_path, probes()) as node:
        answer = await node.http.get(METRICS)
        assert (answer.status_code, answer.text) == (200, "# nothing\n")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert (await node.http.get(METRICS, headers={"Host": "evil.example"})).status_code == 421
        del node.http.headers["authorization"]
        assert (await node.http.get(METRICS)).status_code == 401
