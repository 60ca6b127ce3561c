"""js-libp2p and we understand each other: signed messages both ways on a room's topic, with and without a shared key.

Needs node (20 or newer) and npm. In CI a missing one fails; elsewhere the test is skipped with its reason.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.missing_tool import miss
from tests.ports.gossip_support import RealNode, until

TOPIC = "jobprocessing_X_3"
FOLDER = Path(__file__).with_name("js")
PSK = bytes(range(32))


@pytest.fixture(scope="module")
def node_program() -> str:
    """The node program, with the locked packages installed beside the script."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        miss("node and npm are not installed: `apt-get install nodejs npm`, then run this test again")
    installed, lock = FOLDER / "node_modules" / ".package-lock.json", FOLDER / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        done = subprocess.run(
            [npm, "ci"], cwd=FOLDER, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode != 0:
            miss(f"`npm ci` failed in {FOLDER}: {done.stderr[-500:]}")
    return node


class JsPeer:
    """The js-libp2p peer of `peer.mjs` in its process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.told: list[dict[str, Any]] = []
        self._reader = asyncio.create_task(self._read())

    async def publish(self, payload: str) -> None:
        """Publish until somebody is there to receive it: its stream to us may open after our subscription arrived."""
        assert self.process.stdin is not None
        for attempt in range(1, 101):
            text = f"{payload} {attempt}"
            self.process.stdin.write(json.dumps({"do": "publish", "payload": text}).encode() + b"\n")
            await until(lambda sent=attempt: len(self.of("published")) == sent, "js-libp2p publishes")
            if self.of("published")[-1]["recipients"]:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("js-libp2p found nobody to publish to")

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [fields for fields in self.told if fields["is"] == kind]

    async def end(self) -> None:
        assert self.process.stdin is not None
        self.process.kill()
        await self.process.wait()
        await self._reader
        self.process.stdin.close()

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.told.append(json.loads(line))


@asynccontextmanager
async def js_peer(node_program: str, *arguments: str) -> AsyncIterator[JsPeer]:
    process = await asyncio.create_subprocess_exec(
        node_program, "--import", "./node20.mjs", "peer.mjs", TOPIC, *arguments,
        cwd=FOLDER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    peer = JsPeer(process)
    try:
        await until(lambda: peer.of("listening"), "js-libp2p listens", 60)
        yield peer
    finally:
        await peer.end()


async def talk(node: RealNode, peer: JsPeer) -> None:
    node.gossip.subscribe(TOPIC)
    node.gossip.connect(peer.of("listening")[0]["address"])
    await until(lambda: peer.of("subscribers"), "js-libp2p knows that we subscribed")
    node.gossip.publish(TOPIC, b"from Python")
    await peer.publish("from JavaScript")
    published = peer.of("published")[-1]["payload"].encode()
    await until(lambda: node.heard.payloads(TOPIC) == [published], "we hear it")
    await until(lambda: peer.of("received"), "it hears us")
    heard = peer.of("received")[0]
    assert (heard["payload"], heard["type"], heard["from"]) == ("from Python", "signed", node.gossip.peer_id)
    assert node.gossip.counters()["dropped_bad_signature"] == 0


@pytest.mark.parametrize("psk", [None, PSK], ids=["open", "pre-shared key"])
def test_signed_messages_pass_both_ways_on_a_room_topic(node_program: str, psk: bytes | None) -> None:
    async def story() -> None:
        node = await RealNode(1, psk=psk).start()
        try:
            async with js_peer(node_program, *([psk.hex()] if psk else [])) as peer:
                await talk(node, peer)
        finally:
            await node.gossip.stop()

    asyncio.run(story())


def test_the_lock_names_no_registry() -> None:
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    assert not [name for name, fields in packages.items() if "resolved" in fields]
    assert all("integrity" in fields for name, fields in packages.items() if name)
