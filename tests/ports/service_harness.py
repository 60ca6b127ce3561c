"""A local service before a fake node, and clients for it, within one event loop and one test."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec

import grpc
import httpx

from sgnus.frontends.service.local import LocalService
from sgnus.frontends.service.places import ServiceFile, read_token
from sgnus.frontends.service.probes import Probes
from tests.ports.fake_local_api import FakeLocalApi

P = ParamSpec("P")
WAIT_S = 20


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Runs an async test in a loop of its own, within a deadline."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), WAIT_S * 3))

    return run


@dataclass
class Served:
    """A running service: the fake behind it, where it is, and an HTTP client that has the token."""

    api: FakeLocalApi
    where: ServiceFile
    token: str
    http: httpx.AsyncClient

    async def call(self, name: str, body: Any, **options: Any) -> httpx.Response:
        return await self.http.post(f"/v1/processing/{name}", json=body, **options)

    def loopback(self) -> Any:
        return grpc.aio.insecure_channel(f"127.0.0.1:{self.where.grpc}")

    def socket(self) -> Any:
        return grpc.aio.insecure_channel(f"unix:{self.where.socket}")

    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token}"),)


@asynccontextmanager
async def served(home: Path, probes: Probes | None = None) -> AsyncIterator[Served]:
    """A service of `home`, stopped at the end."""
    api = FakeLocalApi()
    service = LocalService(api, home, probes=probes)
    where = await service.start()
    token = read_token(home)
    headers = {"Authorization": f"Bearer {token}"}
    base = f"http://127.0.0.1:{where.http}"
    try:
        async with httpx.AsyncClient(base_url=base, headers=headers, timeout=WAIT_S, trust_env=False) as http:
            yield Served(api, where, token, http)
    finally:
        await service.stop()


async def until(condition: Callable[[], bool]) -> None:
    """Waits for `condition`, which other tasks make true."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)
