"""`python -m tests.whole.serve_fake_node HOME`: the real local service before a fake node, until standard input ends."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from sgnus.frontends.service.local import LocalService
from tests.ports.fake_local_api import FakeLocalApi


async def serve(home: Path) -> None:
    service = LocalService(FakeLocalApi(), home)
    where = await service.start()
    print(where.http, flush=True)  # noqa: T201 - the parent waits for this line
    await asyncio.to_thread(sys.stdin.read)
    await service.stop()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
