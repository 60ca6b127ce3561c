"""The local service's doors: files in the home, the unix socket, gRPC with and without the token."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from sgnus.frontends.service.local import LocalService
from sgnus.frontends.service.places import read_service, read_token
from sgnus.messages.errors import UserFault
from sgnus.messages.limits import GRPC_MESSAGE_BYTES_MAX
from sgnus.messages.v1 import types as t
from sgnus.wire.codec import decode, encode
from tests.ports.fake_local_api import ENDLESS, SECRET, FakeLocalApi
from tests.ports.service_harness import in_loop, served

PREFIX = "/sgnus.v1.Processing/"
GET_NODE = encode(t.GetNodeRequest())


@pytest.fixture
def short_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """XDG_RUNTIME_DIR, with a path that leaves room for a socket's."""
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as name:
        monkeypatch.setenv("XDG_RUNTIME_DIR", name)
        yield Path(name)


async def get_node(channel: Any, metadata: Any = ()) -> t.GetNodeReply:
    return decode(
        t.GetNodeReply, await channel.unary_unary(f"{PREFIX}GetNode")(GET_NODE, metadata=metadata, timeout=20)
    )


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


# ---- files in the home
@in_loop
async def test_the_home_tells_where_the_service_is_and_forgets_it_on_stopping(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    async with served(home) as node:
        assert read_service(home) == node.where
        assert node.where.pid == os.getpid()
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        for name in ("token", "service.json"):
            assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
        assert Path(node.where.socket) == home / "sgnus.sock"
    assert read_service(home) is None
    assert sorted(os.listdir(home)) == ["token"]


@in_loop
async def test_the_token_lives_on_unless_others_could_read_it(tmp_path: Path) -> None:
    tokens = []
    for mode in (0o600, 0o644, 0o600):
        async with served(tmp_path) as node:
            tokens.append(node.token)
        (tmp_path / "token").chmod(mode)
    assert tokens[0] == tokens[1] != tokens[2]
    assert min(map(len, tokens)) >= 43
    (tmp_path / "token").write_text("")
    async with served(tmp_path) as node:
        assert len(node.token) >= 43


def test_without_a_node_there_is_no_service_and_a_clear_word_about_the_token(tmp_path: Path) -> None:
    (tmp_path / "service.json").write_text('{"http": 1}')
    assert read_service(tmp_path) is None
    with pytest.raises(UserFault, match="start the node first"):
        read_token(tmp_path)


@in_loop
async def test_a_second_node_on_the_home_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        with pytest.raises(UserFault, match="already runs"):
            await LocalService(FakeLocalApi(), tmp_path).start()
        assert read_service(tmp_path) == node.where
        async with node.socket() as channel:
            assert (await get_node(channel)).peers == 11


@in_loop
async def test_the_socket_of_a_dead_node_is_taken_over(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "sgnus.sock"))
    async with served(tmp_path) as node, node.socket() as channel:
        assert (await get_node(channel)).peers == 11


@in_loop
async def test_a_long_home_gets_its_socket_elsewhere_and_only_one_node(
    tmp_path: Path, short_folder: Path
) -> None:
    home = tmp_path / ("long" * 20) / ("name" * 20)
    async with served(home) as node, node.socket() as channel:
        folder = Path(node.where.socket).parent
        assert folder.parent == short_folder
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert (await get_node(channel)).peers == 11
        with pytest.raises(UserFault, match="already runs"):
            await LocalService(FakeLocalApi(), home).start()


@in_loop
async def test_a_runtime_folder_that_is_too_long_itself_is_passed_over(
    tmp_path: Path, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 20) / ("name" * 20)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    monkeypatch.setattr(tempfile, "tempdir", str(short_folder))
    async with served(long) as node, node.socket() as channel:
        assert Path(node.where.socket).is_relative_to(short_folder)
        assert (await get_node(channel)).peers == 11


@in_loop
async def test_a_folder_that_others_prepared_for_the_socket_is_refused(
    tmp_path: Path, short_folder: Path
) -> None:
    home = tmp_path / ("long" * 20) / ("name" * 20)
    async with served(home) as node:
        folder = Path(node.where.socket).parent
    assert not folder.exists(), "made for the socket, and gone with it"
    folder.mkdir(mode=0o755)
    with pytest.raises(UserFault, match="for you alone"):
        await LocalService(FakeLocalApi(), home).start()
    folder.rmdir()
    folder.symlink_to(home, target_is_directory=True)
    with pytest.raises(UserFault, match="for you alone"):
        await LocalService(FakeLocalApi(), home).start()


@in_loop
async def test_a_home_open_to_others_gets_a_closed_folder_for_the_socket(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o755)
    async with served(tmp_path) as node, node.socket() as channel:
        assert Path(node.where.socket) == tmp_path / "run" / "sgnus.sock"
        assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700
        assert (await get_node(channel)).peers == 11


@pytest.mark.parametrize("which", ["http_port", "grpc_port"])
@in_loop
async def test_a_taken_port_is_a_clear_sentence_and_leaves_nothing_behind(tmp_path: Path, which: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ports: dict[str, Any] = {which: port}
        with pytest.raises(UserFault, match=f"port {port} .* is taken"):
            await LocalService(FakeLocalApi(), tmp_path, **ports).start()
    assert sorted(os.listdir(tmp_path)) == ["token"]
    async with served(tmp_path) as node:
        assert (await node.call("get-node", {})).status_code == 200


@in_loop
async def test_an_unusable_home_is_a_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserFault, match="as home"):
        await LocalService(FakeLocalApi(), tmp_path / "file").start()


@in_loop
async def test_a_service_stops_twice_and_starts_again(tmp_path: Path) -> None:
    service = LocalService(FakeLocalApi(), tmp_path)
    for _ in range(2):
        await service.start()
        await service.stop()
        await service.stop()


# ---- gRPC
@in_loop
async def test_the_socket_asks_for_no_token_and_loopback_does(tmp_path: Path) -> None:
    async with served(tmp_path) as node, node.socket() as near, node.loopback() as far:
        assert (await get_node(near)).jobs == 2**53 + 1
        assert (await get_node(far, node.metadata())).jobs == 2**53 + 1
        twice = node.metadata() * 2
        for metadata in ((), (("authorization", node.token),), (("authorization", "Bearer x"),), twice):
            code, detail = await refused(get_node(far, metadata))
            assert code is grpc.StatusCode.UNAUTHENTICATED
            assert node.token not in detail


@in_loop
async def test_without_the_token_streams_and_unknown_methods_are_refused_alike(tmp_path: Path) -> None:
    async with served(tmp_path) as node, node.loopback() as channel:
        request = encode(t.StreamResultsRequest(job=ENDLESS, after=0, provisional=False))
        results = channel.unary_stream(f"{PREFIX}StreamResults")(request)
        assert (await refused(anext(aiter(results))))[0] is grpc.StatusCode.UNAUTHENTICATED
        submitting = channel.stream_unary(f"{PREFIX}SubmitJob")(iter([b""]))
        assert (await refused(submitting))[0] is grpc.StatusCode.UNAUTHENTICATED
        unknown = channel.unary_unary("/sgnus.v1.Peer/ReadBranch")
        assert (await refused(unknown(b"")))[0] is grpc.StatusCode.UNAUTHENTICATED
        named = unknown(b"", metadata=node.metadata())
        assert (await refused(named))[0] is grpc.StatusCode.UNIMPLEMENTED
        assert node.api.open_streams == 0
        assert node.api.submitted == []


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("absent", grpc.StatusCode.NOT_FOUND),
        ("over", grpc.StatusCode.FAILED_PRECONDITION),
        ("bad", grpc.StatusCode.INVALID_ARGUMENT),
        ("broken-disk", grpc.StatusCode.UNAVAILABLE),
        ("bug", grpc.StatusCode.INTERNAL),
    ],
)
@in_loop
async def test_faults_of_the_node_have_their_grpc_status(
    tmp_path: Path, name: str, code: grpc.StatusCode
) -> None:
    async with served(tmp_path) as node, node.socket() as channel:
        unary = channel.unary_unary(f"{PREFIX}GetJob")(encode(t.GetJobRequest(job=name)))
        request = encode(t.StreamResultsRequest(job=name, after=0, provisional=False))
        stream = channel.unary_stream(f"{PREFIX}StreamResults")(request)
        upload = encode(t.PublishProcessingResultRequest(job=name, microjob=0, sub_block=0))
        uploaded = channel.stream_unary(f"{PREFIX}PublishProcessingResult")(iter([upload]))
        for call in (unary, anext(aiter(stream)), uploaded):
            found, detail = await refused(call)
            assert found is code
            assert SECRET not in detail


@in_loop
async def test_malformed_and_oversize_grpc_messages_are_refused(tmp_path: Path) -> None:
    async with served(tmp_path) as node, node.socket() as channel:
        get_job = channel.unary_unary(f"{PREFIX}GetJob")
        for junk in (b"\xff", b"\x0a\xff", encode(t.GetJobRequest(job="x")) * 2):
            assert (await refused(get_job(junk)))[0] is grpc.StatusCode.INVALID_ARGUMENT
        huge = bytes(GRPC_MESSAGE_BYTES_MAX + 1)
        assert (await refused(get_job(huge)))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
        first = encode(t.SubmitJobRequest(data=b"x"))
        code, _ = await refused(channel.stream_unary(f"{PREFIX}SubmitJob")(iter([first, b"\xff"])))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert node.api.submitted == []
        code, _ = await refused(channel.stream_unary(f"{PREFIX}PublishProcessingResult")(iter([b"\xff"])))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert (await get_node(channel)).peers == 11


@in_loop
async def test_streams_pass_over_grpc_both_ways(tmp_path: Path) -> None:
    async with served(tmp_path) as node, node.socket() as channel:
        request = encode(t.StreamResultsRequest(job="x", after=0, provisional=False))
        pieces = [
            decode(t.StreamResultsReply, one)
            async for one in channel.unary_stream(f"{PREFIX}StreamResults")(request)
        ]
        assert [piece.cursor for piece in pieces] == [1, 2, 3]

        async def uploads() -> AsyncIterator[bytes]:
            for _ in range(16):
                yield encode(t.SubmitJobRequest(data=bytes(1024 * 1024)))

        reply = await channel.stream_unary(f"{PREFIX}SubmitJob")(uploads())
        assert decode(t.SubmitJobReply, reply).job.startswith("b")
        assert len(node.api.submitted[0][1]) == 16 * 1024 * 1024


@in_loop
async def test_a_cancelled_grpc_stream_ends_in_the_node(tmp_path: Path) -> None:
    async with served(tmp_path) as node, node.socket() as channel:
        request = encode(t.StreamResultsRequest(job=ENDLESS, after=0, provisional=False))
        call = channel.unary_stream(f"{PREFIX}StreamResults")(request)
        await anext(aiter(call))
        assert node.api.open_streams == 1
        call.cancel()
        await asyncio.wait_for(node.api.streams_closed.wait(), 20)
        assert node.api.open_streams == 0


def test_finding_a_node_and_importing_sgnus_load_no_server() -> None:
    heavy = "('grpc', 'starlette', 'uvicorn', 'jsonschema_rs', 'yaml')"
    code = (
        f"import sys, sgnus, sgnus.frontends.service.places; print([n for n in {heavy} if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
