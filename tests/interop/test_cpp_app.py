"""The C++ app against a fake node: its whole loop, and each way that it can end."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

import sgnus
from sgnus.messages.v1 import sgnus_pb2 as pb
from sgnus.messages.v1 import sgnus_pb2_grpc
from tests.frontends.fake_node import FakeNode
from tests.frontends.fake_rooms import FakeService
from tests.interop.cpp_app import Process

# The first test of a run waits for the build.
pytestmark = pytest.mark.timeout(600)
ARRAY = np.random.default_rng(11).integers(0, 256, (45, 50, 3), dtype=np.uint8)
INVERTED = 255 - ARRAY
MICROJOBS = 3


class Waiting(FakeService):
    """A room in which there is no work for now."""

    def RequestProcessingData(self, request: Any, context: Any) -> Iterator[Any]:
        if (request.job, request.microjob) not in self.joined:
            yield pb.RequestProcessingDataReply(status=pb.DATA_STATUS_NOT_JOINED)
            return
        with self.changed:
            self.changed.wait_for(lambda: self.stopping or not context.is_active(), 0.2)
        yield pb.RequestProcessingDataReply(status=pb.DATA_STATUS_WAIT)


class Crooked(FakeService):
    """Tiles that lie outside of the input that was sent for them."""

    def RequestProcessingData(self, request: Any, context: Any) -> Iterator[Any]:
        for reply in super().RequestProcessingData(request, context):
            for tile in reply.tiles:
                tile.output_start[0] += 1000
            yield reply


class Late(FakeService):
    """Leases that another member was given before the result came."""

    def PublishProcessingResult(self, requests: Iterator[Any], context: Any) -> Any:
        first = next(requests)
        context_job = self.jobs[first.job]
        if not context_job.delivered and "late" not in self.calls:
            self.calls.append("late")
            context_job.leased -= 1
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "This sub-block is not leased to this app.")

        def again() -> Iterator[Any]:
            yield first
            yield from requests

        return super().PublishProcessingResult(again(), context)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def node(home: Path, request: pytest.FixtureRequest) -> Iterator[FakeNode]:
    """A fake node, with the service that the test asks for."""
    fake = FakeNode(home, getattr(request, "param", FakeService)()).start()
    yield fake
    if fake.server is not None:
        fake.stop()


def submitted(home: Path, processor: str = "app:invert", array: np.ndarray = ARRAY, **wishes: Any) -> str:
    with sgnus.connect(home, start=False) as grid:
        return grid.submit(array, processor=processor, tile=(9, 10, 3), halo=(2, 3, 0), **wishes).id


def test_a_whole_job_is_processed_and_its_result_written(node: FakeNode, app: Path, tmp_path: Path) -> None:
    job, out = submitted(node.home), tmp_path / "out.raw"
    with Process(app, "--home", node.home, "--job", job, "--results", out) as process:
        assert process.end() == 0, process.text
    assert out.read_bytes() == INVERTED.tobytes()
    assert "done: 25 sub-blocks" in process.text
    assert not out.with_name("out.raw.part").exists()


def test_rooms_are_joined_in_turn_and_hosted_where_none_gives_a_seat(node: FakeNode, app: Path) -> None:
    job = submitted(node.home)
    node.service.hosted = {(job, 0), (job, 1)}
    node.service.full_rooms = {(job, 0)}
    with Process(app, "--home", node.home, "--once") as process:
        assert process.end() == 0, process.text
    assert node.service.calls[:2] == ["RoomJoin 0", "RoomJoin 1"]
    assert "ROOM_JOIN_STATUS_FULL: eleven are there" in process.text


def test_where_all_rooms_are_full_the_node_hosts_the_next_microjob(node: FakeNode, app: Path) -> None:
    job = submitted(node.home)
    node.service.hosted = {(job, 0)}
    node.service.full_rooms = {(job, 0)}
    with Process(app, "--home", node.home, "--job", job) as process:
        process.line(f"hosting room 1 of job {job}")
        assert process.end() == 0, process.text
    assert node.service.calls[:2] == ["RoomJoin 0", "PublishDataToProcess"]


def test_a_host_that_is_gone_is_followed_by_a_claim(node: FakeNode, app: Path) -> None:
    job = submitted(node.home)
    node.service.hosts_gone = 1
    with Process(app, "--home", node.home, "--job", job) as process:
        assert process.end() == 0, process.text
    assert "is gone; this node hosts now" in process.text
    assert node.service.calls == ["PublishDataToProcess", "PublishDataToProcess"]


@pytest.mark.parametrize("node", [Late], indirect=True)
def test_a_result_that_comes_too_late_is_passed_over(node: FakeNode, app: Path) -> None:
    job = submitted(node.home)
    with Process(app, "--home", node.home, "--job", job) as process:
        assert process.end() == 0, process.text
    assert "was not taken: This sub-block is not leased" in process.text


@pytest.mark.parametrize("node", [Waiting], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_app_gives_its_seat_back(node: FakeNode, app: Path, number: int) -> None:
    job = submitted(node.home)
    with Process(app, "--home", node.home, "--job", job) as process:
        process.line("hosting room 0")
        process.signal(number)
        assert process.end() == 0, process.text
    assert node.service.joined == set()
    assert "left room 0" in process.text


@pytest.mark.parametrize("node", [Waiting], indirect=True)
def test_an_interrupted_app_says_that_the_results_are_missing(
    node: FakeNode, app: Path, tmp_path: Path
) -> None:
    job = submitted(node.home)
    with Process(app, "--home", node.home, "--job", job, "--results", tmp_path / "out") as process:
        process.line("hosting room 0")
        process.signal(signal.SIGINT)
        assert process.end() == 1
    assert "stopped before the results were there" in process.text
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("node", [Waiting], indirect=True)
def test_a_node_that_starts_again_is_waited_for_and_the_seat_taken_again(node: FakeNode, app: Path) -> None:
    job = submitted(node.home)
    with Process(app, "--home", node.home, "--job", job) as process:
        process.line("hosting room 0")
        node.stop()
        node.service.joined.clear()
        node.start()
        process.line("lost the seat in room 0")
        process.line("joined room 0")
        process.signal(signal.SIGINT)
        assert process.end() == 0, process.text


@pytest.mark.parametrize("node", [Waiting], indirect=True)
def test_an_app_without_work_gives_up_when_it_was_told_to(node: FakeNode, app: Path) -> None:
    job = submitted(node.home)
    with Process(app, "--home", node.home, "--job", job, "--timeout", "1") as process:
        assert process.end() == 1
    assert "There was no work for 1 s." in process.text
    assert node.service.joined == set()


@pytest.mark.parametrize("node", [Crooked], indirect=True)
def test_a_tile_outside_its_input_is_a_failure_and_no_crash(node: FakeNode, app: Path) -> None:
    job = submitted(node.home)
    with Process(app, "--home", node.home, "--job", job) as process:
        assert process.end() == 1
    assert "A tile's region does not lie in its array" in process.text


def test_a_job_that_was_cancelled_ends_the_app_with_its_reason(node: FakeNode, app: Path) -> None:
    job = submitted(node.home)
    with sgnus.connect(node.home, start=False) as grid:
        grid.job(job).cancel("no longer wanted")
    with Process(app, "--home", node.home, "--job", job) as process:
        assert process.end() == 1
    assert f"Job {job} was cancelled: no longer wanted" in process.text


def test_jobs_for_others_and_of_other_types_are_wrong_use(node: FakeNode, app: Path) -> None:
    with Process(app, "--home", node.home, "--job", submitted(node.home, "app:thumb")) as process:
        assert process.end() == 2
    assert "is processed by app:thumb, not by app:invert" in process.text
    floats = submitted(node.home, array=ARRAY.astype(np.float32))
    with Process(app, "--home", node.home, "--job", floats) as process:
        assert process.end() == 2
    assert "makes float32 of float32" in process.text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "--home is missing"),
        (["--home", "x", "--colour"], "Unknown or incomplete option"),
        (["--home", "x", "--timeout", "soon"], "--timeout takes whole seconds"),
        (["--home", "x", "--results", "out"], "--results needs --job"),
        (["--home", "x", "more"], "Unexpected argument 'more'"),
    ],
)
def test_wrong_use_ends_with_status_2_and_says_why(app: Path, words: list[str], sentence: str) -> None:
    with Process(app, *words) as process:
        assert process.end() == 2
    assert sentence in process.text
    assert "usage: sgnus_app" in process.text


def test_without_a_node_the_app_says_how_to_start_one(app: Path, home: Path) -> None:
    with Process(app, "--home", home) as process:
        assert process.end() == 1
    assert f"Start one: sgnus node start --home {home}" in process.text


class TokenGate(grpc.ServerInterceptor):  # type: ignore[misc]
    """Lets calls with the token pass, as the loopback port of a node does."""

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        if ("authorization", "Bearer s3cret") in details.invocation_metadata:
            return continuation(details)

        def refuse(request: Any, context: Any) -> Any:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is missing or wrong")

        return grpc.unary_unary_rpc_method_handler(refuse)


def test_without_a_socket_the_app_calls_over_loopback_with_the_token(
    node: FakeNode, app: Path, tmp_path: Path
) -> None:
    job = submitted(node.home)
    server = grpc.server(ThreadPoolExecutor(4), interceptors=(TokenGate(),))
    sgnus_pb2_grpc.add_ProcessingServicer_to_server(node.service, server)
    service = {"http": 1, "grpc": server.add_insecure_port("127.0.0.1:0"), "socket": "", "pid": 1}
    server.start()
    other = tmp_path / "other"
    other.mkdir()
    (other / "service.json").write_text(json.dumps(service))
    try:
        for token, status in (("wrong\n", 1), ("s3cret\n", 0)):
            (other / "token").write_text(token)
            with Process(app, "--home", other, "--job", job) as process:
                assert process.end() == status, process.text
    finally:
        server.stop(0).wait()
