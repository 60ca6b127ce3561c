"""HTTP: who is let in, what is refused and how, and that a call reaches the node unchanged."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest

from sgnus.frontends.service.bounds import HTTP_BODY_BYTES_MAX
from sgnus.frontends.service.calls import LOCAL_CALLS, method_of
from tests.ports.fake_local_api import SECRET, FakeLocalApi
from tests.ports.service_harness import in_loop, served

STREAM_RESULTS = {"job": "x", "after": "0", "provisional": False}
EXPLICIT_CHUNK = {
    "chunk_id": "0",
    "offset": "0",
    "width": "1",
    "height": "1",
    "line_stride": "0",
    "block_stride": "0",
    "count": "1",
}


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an error; its body must be a Problem and nothing else."""
    body = answer.json()
    assert sorted(body) == ["code", "message"]
    assert answer.headers["content-type"] == "application/json"
    assert body["message"] and len(body["message"]) <= 400
    return answer.status_code, body["code"]


def test_every_call_of_the_definition_has_a_method() -> None:
    api = FakeLocalApi()
    assert len(LOCAL_CALLS) == 19
    assert all(callable(method_of(api, call)) for call in LOCAL_CALLS)


@in_loop
async def test_a_call_is_answered_with_strings_for_64_bit_integers(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        answer = await node.call("get-node", {})
        assert answer.status_code == 200
        assert answer.json()["jobs"] == "9007199254740993"
        story = await node.call("get-story", {"job": "é✓"})
        assert story.json()["lines"][0] == "job é✓ was submitted"


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer wrong", "Basic {token}", "Bearer {token}x", "{token}"]
)
@in_loop
async def test_a_missing_or_wrong_token_is_401(tmp_path: Path, authorization: str | None) -> None:
    async with served(tmp_path) as node:
        del node.http.headers["authorization"]
        headers = {} if authorization is None else {"Authorization": authorization.format(token=node.token)}
        for path in ("/v1/processing/get-node", "/nowhere", "/docs/../token"):
            answer = await node.http.post(path, json={}, headers=headers)
            assert problem(answer) == (401, "UNAUTHENTICATED")
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert node.token not in answer.text


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost.evil:{port}",
        "10.0.0.1:{port}",
    ],
)
@in_loop
async def test_a_foreign_host_is_421_even_with_the_token(tmp_path: Path, host: str) -> None:
    async with served(tmp_path) as node:
        headers = {"Host": host.format(port=node.where.http)}
        for path in ("/docs", "/openapi.json", "/v1/processing/get-node"):
            assert problem(await node.http.get(path, headers=headers)) == (421, "PERMISSION_DENIED")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LocalHost", "[::1]"])
@in_loop
async def test_a_host_of_this_machine_is_served(tmp_path: Path, host: str) -> None:
    async with served(tmp_path) as node:
        answer = await node.call("get-node", {}, headers={"Host": f"{host}:{node.where.http}"})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://evil.example",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1",
        "http://127.0.0.1:{port}.evil.example",
    ],
)
@in_loop
async def test_a_foreign_origin_is_403_and_gets_no_cors_headers(tmp_path: Path, origin: str) -> None:
    async with served(tmp_path) as node:
        headers = {"Origin": origin.format(port=node.where.http)}
        preflight = {**headers, "Access-Control-Request-Method": "POST"}
        refused = await node.call("get-node", {}, headers=headers)
        asked = await node.http.options("/v1/processing/get-node", headers=preflight)
        assert [problem(refused), problem(asked)] == [(403, "PERMISSION_DENIED")] * 2
        names = {name.lower() for answer in (refused, asked) for name in answer.headers}
        assert not [name for name in names if name.startswith("access-control")]


@in_loop
async def test_the_docs_page_s_own_origin_is_served(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        answer = await node.call("get-node", {}, headers={"Origin": f"http://127.0.0.1:{node.where.http}"})
        assert answer.status_code == 200


@in_loop
async def test_unknown_paths_are_404_and_other_methods_405_with_allow(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        for path in (
            "/",
            "/v1/processing/nothing",
            "/v1/processing/get-node/",
            "/v1/peer/exchange",
            "/docs/token",
        ):
            assert problem(await node.http.post(path, json={})) == (404, "NOT_FOUND")
        for method in ("GET", "PUT", "DELETE", "OPTIONS", "TRACE"):
            answer = await node.http.request(method, "/v1/processing/get-node")
            assert problem(answer) == (405, "UNIMPLEMENTED")
            assert answer.headers["allow"] == "POST"
        assert problem(await node.http.post("/openapi.json")) == (405, "UNIMPLEMENTED")


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonl",
        "application/json; charset=latin-1",
    ],
)
@in_loop
async def test_a_wrong_content_type_is_415(tmp_path: Path, content_type: str | None) -> None:
    async with served(tmp_path) as node:
        headers = {} if content_type is None else {"Content-Type": content_type}
        answer = await node.http.post("/v1/processing/get-node", content=b"{}", headers=headers)
        assert problem(answer) == (415, "INVALID_ARGUMENT")
        squeezed = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        answer = await node.http.post("/v1/processing/get-node", content=b"{}", headers=squeezed)
        assert problem(answer) == (415, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("get-job", b""),
        ("get-job", b"{"),
        ("get-job", b"\xff"),
        ("get-job", b"[]"),
        ("get-job", b"null"),
        ("get-job", b"{}"),
        ("get-job", b'{"job":null}'),
        ("get-job", b'{"job":1}'),
        ("get-job", b'{"job":"x","more":1}'),
        ("get-job", b'{"job":"x","job":"y"}'),
        ("get-job", b'{"job":"\\ud800"}'),
        ("get-job", b'{"job":"' + b"x" * 81 + b'"}'),
        ("get-job", b"[" * 100_000),
        ("get-job", b'{"job":' * 50_000),
        ("get-job", b'{"job":' + b"[" * 400 + b"]" * 400 + b"}"),
        ("list-jobs", b'{"own":true,"open":true,"limit":NaN}'),
        ("list-jobs", b'{"own":true,"open":true,"limit":1e999}'),
        ("list-jobs", b'{"own":true,"open":true,"limit":-1}'),
        ("list-jobs", b'{"own":true,"open":true,"limit":1001}'),
        ("list-jobs", b'{"own":true,"open":true,"limit":1.5}'),
        ("list-jobs", b'{"own":true,"open":true,"limit":' + b"9" * 5000 + b"}"),
        ("list-jobs", b'{"own":1,"open":true,"limit":1}'),
        ("room-join", b'{"job":"x","microjob":4294967296}'),
        ("stream-results", b'{"job":"x","after":0,"provisional":false}'),
        ("stream-results", b'{"job":"x","after":"-1","provisional":false}'),
        ("stream-results", b'{"job":"x","after":"01","provisional":false}'),
        ("stream-results", b'{"job":"x","after":"1\\n","provisional":false}'),
        ("stream-results", b'{"job":"x","after":"18446744073709551616","provisional":false}'),
        ("publish-data-to-process", b'{"job":"x","sub_blocks":[0,1,2,3,4,5,6,7,8,9,10]}'),
    ],
)
@in_loop
async def test_a_malformed_body_is_400(tmp_path: Path, call: str, body: bytes) -> None:
    async with served(tmp_path) as node:
        headers = {"Content-Type": "application/json"}
        answer = await node.http.post(f"/v1/processing/{call}", content=body, headers=headers)
        assert problem(answer) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("after", ["0", "1", "9223372036854775808", "18446744073709551615"])
@in_loop
async def test_all_64_bits_are_accepted(tmp_path: Path, after: str) -> None:
    async with served(tmp_path) as node:
        assert (await node.call("stream-results", STREAM_RESULTS | {"after": after})).status_code == 200


@in_loop
async def test_a_body_over_the_limit_is_413_and_the_node_goes_on(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        body = json.dumps({"job": "x" * HTTP_BODY_BYTES_MAX}).encode()
        headers = {"Content-Type": "application/json"}
        answer = await node.http.post("/v1/processing/get-job", content=body, headers=headers)
        assert problem(answer) == (413, "RESOURCE_EXHAUSTED")
        assert (await node.call("get-node", {})).status_code == 200


@in_loop
async def test_a_large_body_within_the_limit_is_answered(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        pairs = [{"input": EXPLICIT_CHUNK, "output": EXPLICIT_CHUNK}] * 15_000
        body = job(explicit={"pairs": pairs, "output_bytes": "1"})
        assert 3_000_000 < len(json.dumps({"job": body})) < HTTP_BODY_BYTES_MAX
        assert (await node.call("plan-job", {"job": body})).status_code == 200


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("absent", (404, "NOT_FOUND")),
        ("over", (409, "FAILED_PRECONDITION")),
        ("bad", (400, "INVALID_ARGUMENT")),
        ("broken-disk", (503, "UNAVAILABLE")),
    ],
)
@pytest.mark.parametrize("call", ["get-job", "stream-results"])
@in_loop
async def test_faults_of_the_node_have_their_status(
    tmp_path: Path, call: str, name: str, expected: tuple[int, str]
) -> None:
    async with served(tmp_path) as node:
        body: dict[str, Any] = {"job": name} if call == "get-job" else STREAM_RESULTS | {"job": name}
        assert problem(await node.call(call, body)) == expected


@in_loop
async def test_a_bug_is_500_without_its_details_which_the_log_has(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(tmp_path) as node:
        with caplog.at_level(logging.ERROR, logger="sgnus.service"):
            answer = await node.call("get-job", {"job": "bug"})
            again = await node.call("get-job", {"job": "bug"})
        assert problem(answer) == problem(again) == (500, "INTERNAL")
        assert SECRET not in answer.text
        number = answer.json()["message"].rstrip(".").rpartition(" ")[2]
        assert f"story {number}: GetJob" in caplog.text and SECRET in caplog.text
        assert answer.text != again.text, "each story has a number of its own"


@in_loop
async def test_a_malformed_body_is_told_its_place(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        body = job(array={"shape": ["4", None], "dtype": "uint8"})
        answer = await node.call("plan-job", {"job": body})
        assert "at job/array/shape/1" in answer.json()["message"]
        long = await node.call("get-job", {"job": {"x": "y" * 10_000}})
        assert problem(long) == (400, "INVALID_ARGUMENT")


@in_loop
async def test_docs_and_definition_load_without_the_token_and_forbid_foreign_content(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        del node.http.headers["authorization"]
        page = await node.http.get("/docs")
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "unsafe" not in page.headers["content-security-policy"]
        for path in ("/docs/docs.js", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"):
            assert f'"{path}"' in page.text
            assert (await node.http.get(path)).status_code == 200
        definition = (await node.http.get("/openapi.json")).json()
        assert sorted(definition["paths"]) == sorted(call.http_path for call in LOCAL_CALLS)


@in_loop
async def test_what_is_no_http_at_all_does_not_disturb_the_node(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        for junk in (
            b"\x16\x03\x01\x02\x00",
            b"GET / HTTP/1.1\r\n\r\n",
            b"A" * 100_000,
            b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        ):
            assert b" 200 " not in await _sent_raw(node.where.http, junk)
        assert (await node.call("get-node", {})).status_code == 200


async def _sent_raw(port: int, junk: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        writer.write(junk)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        pass
    finally:
        writer.close()
    return answer


def job(**more: Any) -> dict[str, Any]:
    return {
        "name": "n",
        "processor": "invert",
        "parameters": [],
        "array": {"shape": ["4", "4"], "dtype": "uint8"},
        "tile": [],
        "halo": [],
        "edge": "EDGE_REFLECT",
        "chunks_per_sub_block": 0,
        "deadline_ms": 0,
        "policy": {"verify": "VERIFY_NONE", "samples_permille": 0, "verifiers": 1, "min_members": 1},
        "lifetime_ms": "0",
        **more,
    }
