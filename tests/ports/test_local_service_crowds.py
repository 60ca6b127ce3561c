"""The HTTP port under more connections than it serves at once: who asks is served, who only holds a place gives way."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sgnus.frontends.service.bounds import CONNECTIONS_MAX
from tests.ports.service_harness import in_loop, served


@pytest.mark.parametrize("said", [b"", b"GET /openapi.json HTTP/1.1\r\nHost: 127"])
@in_loop
async def test_connections_that_ask_nothing_keep_nobody_out(tmp_path: Path, said: bytes) -> None:
    async with served(tmp_path) as service:
        held = []
        for _ in range(CONNECTIONS_MAX + 8):
            reader, writer = await asyncio.open_connection("127.0.0.1", service.where.http)
            writer.write(said)
            held.append((reader, writer))
        for _ in range(3):
            answer = await service.http.get("/openapi.json")
            assert answer.status_code == 200
        # The oldest is away, the newest is still there.
        assert await held[0][0].read() == b""
        assert not held[-1][0].at_eof()
        for _, writer in held:
            writer.close()
