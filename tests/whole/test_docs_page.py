"""The docs page in a real browser, which reaches nothing but the node."""

from __future__ import annotations

import asyncio
import re
import shutil
import struct
from pathlib import Path

import pytest

from sgnus.frontends.service.calls import LOCAL_CALLS
from sgnus.frontends.service.local import LocalService
from tests.missing_tool import miss
from tests.ports.fake_local_api import FakeLocalApi

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1200,1600",
    "--virtual-time-budget=20000",
    "--enable-logging=stderr",
    "--host-resolver-rules=MAP * ~NOTFOUND,EXCLUDE 127.0.0.1",
)


@pytest.mark.timeout(300)
def test_the_docs_page_shows_every_call_in_a_browser_without_network(tmp_path: Path) -> None:
    if CHROMIUM is None:
        miss("no browser: `apt-get install chromium`, then run this test again")
    dom, picture, log = asyncio.run(_browse(tmp_path))
    shown = set(re.findall(r'data-path="(/v1/[^"]+)"', dom))
    assert shown == {call.http_path for call in LOCAL_CALLS}
    assert "Authorize" in dom
    assert "Unable to render" not in dom
    assert "Content Security Policy" not in log
    width, height = struct.unpack(">II", picture[16:24])
    assert (width, height) == (1200, 1600)
    assert len(picture) > 20_000, "a page without text makes a far smaller picture"


async def _browse(home: Path) -> tuple[str, bytes, str]:
    service = LocalService(FakeLocalApi(), home / "home")
    where = await service.start()
    url = f"http://127.0.0.1:{where.http}/docs"
    try:
        dom, log = await _chromium(home / "profile-1", "--dump-dom", url)
        await _chromium(home / "profile-2", f"--screenshot={home / 'docs.png'}", url)
    finally:
        await service.stop()
    return dom, (home / "docs.png").read_bytes(), log


async def _chromium(profile: Path, *arguments: str) -> tuple[str, str]:
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        *FLAGS,
        f"--user-data-dir={profile}",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, log = await asyncio.wait_for(process.communicate(), timeout=90)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return out.decode(), log.decode()
