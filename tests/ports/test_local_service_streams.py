"""Streams over HTTP: JSON lines and server-sent events out, JSON lines in, faults on the way, and clients that leave."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sgnus.frontends.service.bounds import HTTP_LINE_BYTES_MAX
from tests.ports.fake_local_api import ENDLESS, LATE
from tests.ports.service_harness import Served, in_loop, served, until
from tests.ports.test_local_service_http import STREAM_RESULTS, job, problem

JSON_LINES = {"Content-Type": "application/jsonl"}
EVENTS = {"Accept": "text/event-stream"}
SUBMIT = "/v1/processing/submit-job"


def items(answer: httpx.Response) -> list[Any]:
    return [json.loads(line) for line in answer.text.splitlines()]


def events(answer: httpx.Response) -> list[tuple[str, Any]]:
    found = []
    for block in answer.text.removesuffix("\n\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        found.append((fields.get("event", "message"), json.loads(fields["data"])))
    return found


@pytest.mark.parametrize(
    "accept",
    [
        "application/jsonl",
        "*/*",
        "application/*",
        "text/event-stream;q=0.1, application/jsonl",
        "text/html, */*;q=0.1",
    ],
)
@in_loop
async def test_results_stream_as_json_lines(tmp_path: Path, accept: str) -> None:
    async with served(tmp_path) as node:
        answer = await node.call("stream-results", STREAM_RESULTS, headers={"Accept": accept})
        assert answer.headers["content-type"] == "application/jsonl"
        assert [item["cursor"] for item in items(answer)] == ["1", "2", "3"]
        assert base64.b64decode(items(answer)[1]["data"]) == bytes([1]) * 16


@in_loop
async def test_results_stream_as_server_sent_events_if_asked(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        answer = await node.call("stream-results", STREAM_RESULTS, headers=EVENTS)
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert [(name, item["cursor"]) for name, item in events(answer)] == [
            ("message", str(n)) for n in (1, 2, 3)
        ]


@pytest.mark.parametrize("accept", ["text/html", "application/json", "application/jsonl;q=0", "*/*;q=x"])
@in_loop
async def test_a_stream_in_no_known_form_is_406(tmp_path: Path, accept: str) -> None:
    async with served(tmp_path) as node:
        answer = await node.call("stream-results", STREAM_RESULTS, headers={"Accept": accept})
        assert problem(answer) == (406, "INVALID_ARGUMENT")
        assert node.api.open_streams == 0


@in_loop
async def test_a_stream_that_fails_on_the_way_ends_with_a_problem(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        lines = items(await node.call("stream-results", STREAM_RESULTS | {"job": LATE}))
        told = events(await node.call("stream-results", STREAM_RESULTS | {"job": LATE}, headers=EVENTS))
        assert [item.get("cursor") for item in lines] == ["1", "2", "3", None]
        assert [name for name, _ in told] == ["message", "message", "message", "problem"]
        assert (
            lines[-1]
            == told[-1][1]
            == {"code": "UNAVAILABLE", "message": "the disk went away under the stream"}
        )


@pytest.mark.parametrize("headers", [{}, EVENTS])
@in_loop
async def test_a_client_that_leaves_ends_the_stream(tmp_path: Path, headers: dict[str, str]) -> None:
    async with served(tmp_path) as node:
        body = STREAM_RESULTS | {"job": ENDLESS}
        async with node.http.stream(
            "POST", "/v1/processing/stream-results", json=body, headers=headers
        ) as answer:
            await anext(answer.aiter_bytes())
            assert node.api.open_streams == 1
        await asyncio.wait_for(node.api.streams_closed.wait(), 20)
        assert node.api.open_streams == 0


@in_loop
async def test_stopping_the_service_ends_open_streams(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        body = STREAM_RESULTS | {"job": ENDLESS}
        request = node.http.build_request("POST", "/v1/processing/stream-results", json=body)
        answer = await node.http.send(request, stream=True)
        await anext(answer.aiter_bytes())
    assert node.api.open_streams == 0
    await answer.aclose()


async def lines_of(parts: list[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def submit(node: Served, *parts: bytes) -> httpx.Response:
    return await node.http.post(SUBMIT, content=lines_of(list(parts)), headers=JSON_LINES)


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def data_line(content: bytes) -> bytes:
    return line(data=base64.b64encode(content).decode())


@in_loop
async def test_a_client_stream_is_read_however_it_is_cut(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        whole = line(job=job()) + data_line(b"abc") + b"\n" + data_line(b"def").rstrip(b"\n")
        for size in (1, 7, len(whole)):
            parts = [whole[at : at + size] for at in range(0, len(whole), size)]
            assert (await submit(node, *parts)).status_code == 200
        assert [data for _, data in node.api.submitted] == [b"abcdef"] * 3
        first = node.api.submitted[0][0]
        assert first is not None and first.array.shape == (4, 4)


@in_loop
async def test_each_line_reaches_the_node_before_the_next_is_sent(tmp_path: Path) -> None:
    async with served(tmp_path) as node:

        def seen(count: int) -> bool:
            return node.api.items_seen == count

        async def slowly() -> AsyncIterator[bytes]:
            for number in range(3):
                yield data_line(b"x")
                await until(functools.partial(seen, number + 1))

        answer = await node.http.post(SUBMIT, content=slowly(), headers=JSON_LINES)
        assert answer.status_code == 200


@in_loop
async def test_a_stream_far_over_the_body_limit_passes_line_by_line(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        answer = await submit(node, line(job=job()), *[data_line(bytes(1024 * 1024))] * 12)
        assert answer.status_code == 200
        assert len(node.api.submitted[0][1]) == 12 * 1024 * 1024


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (b"{\n", (400, "INVALID_ARGUMENT")),
        (b'{"data":null}\n', (400, "INVALID_ARGUMENT")),
        (b'{"data":"a"}\n', (400, "INVALID_ARGUMENT")),
        (b'{"data":"YWJj"} {"data":"YWJj"}\n', (400, "INVALID_ARGUMENT")),
        (b"[]", (400, "INVALID_ARGUMENT")),
        (b"x" * (HTTP_LINE_BYTES_MAX + 1), (413, "RESOURCE_EXHAUSTED")),
    ],
)
@in_loop
async def test_a_bad_line_ends_a_client_stream_and_is_named(
    tmp_path: Path, bad: bytes, expected: tuple[int, str]
) -> None:
    async with served(tmp_path) as node:
        answer = await submit(node, data_line(b"abc"), bad)
        assert problem(answer) == expected
        assert node.api.submitted == []
        assert expected[0] != 400 or answer.json()["message"].startswith("Line 2")
        assert (await node.call("get-node", {})).status_code == 200


@in_loop
async def test_a_bad_line_is_told_even_if_the_node_makes_another_fault_of_it(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        path = "/v1/processing/publish-processing-result"
        answer = await node.http.post(path, content=b"{}\n", headers=JSON_LINES)
        assert problem(answer) == (400, "INVALID_ARGUMENT")


@in_loop
async def test_a_client_stream_as_plain_json_is_415(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        assert problem(await node.call("submit-job", {})) == (415, "INVALID_ARGUMENT")


@in_loop
async def test_a_client_that_leaves_amid_its_stream_submits_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as node:

        async def endless() -> AsyncIterator[bytes]:
            yield data_line(b"x")
            await asyncio.Event().wait()

        sending = asyncio.create_task(node.http.post(SUBMIT, content=endless(), headers=JSON_LINES))
        await until(lambda: node.api.items_seen == 1)
        sending.cancel()
        await asyncio.wait_for(node.api.submit_ended.wait(), 20)
        assert node.api.submitted == []
