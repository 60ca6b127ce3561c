"""What an app, a user or a machine hands over: jobs and their geometry, invitations, addresses, certificates, modules."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cache
from typing import Final

import wasmtime

from sgnus.adapters.gossip.addresses import parse_address
from sgnus.adapters.peers.certificates import author_of_leaf, authority_pem, make_leaf
from sgnus.adapters.processors import frames
from sgnus.adapters.processors.library import shipped_module
from sgnus.adapters.processors.pool import ProcessorPool
from sgnus.core.chunks import has_overlap, payload_bytes, segments, validate
from sgnus.core.cut import choose_plan
from sgnus.core.processors import check_halo, check_parameters, parameters_text, required_halo
from sgnus.messages.errors import UserFault
from sgnus.messages.v1 import types as v1
from sgnus.runtime.network_file import SgnusNode, from_invitation, invitation, new_network
from sgnus.wire.codec import decode, encode
from tests.fuzz.target import Target
from tests.fuzz.words import ALICE

STREAM_BYTES: Final = 4_096
ADDRESS: Final = f"/ip4/192.0.2.7/tcp/4001/p2p/{ALICE.peer_id}"


def take_job(data: bytes) -> None:
    """What an app asks for is planned, and the first and the last chunk lie where they should."""
    request = decode(v1.PlanJobRequest, data).job
    halo: tuple[int, ...] = ()
    if ":" not in request.processor and request.processor != "wasm":
        given = {one.name: one.value for one in request.parameters}
        shape = request.array.shape
        check_parameters(request.processor, given, request.array.dtype, shape)
        halo = required_halo(request.processor, given, len(shape))
        check_halo(request.processor, given, request.halo)
    parameters_text({one.name: one.value for one in request.parameters})
    _cut, plan = choose_plan(request, halo)
    plan.reply("everybody", "nobody")
    for index in (0, plan.chunks - 1):
        chunk = plan.chunk(index)
        validate(chunk.input, plan.input_bytes)
        validate(chunk.output, plan.output_bytes, writes=True)
        assert plan.place_of(index)[0] < plan.microjobs


def take_geometry(data: bytes) -> None:
    """Seven whole numbers of any size as one chunk of a stream, held against a loop over its bytes."""
    numbers = [int.from_bytes(part, "big", signed=True) for part in (data.split(b"|") + [b""] * 7)[:7]]
    names = ("chunk_id", "offset", "width", "height", "line_stride", "block_stride", "count")
    chunk = v1.Chunk(**dict(zip(names, numbers, strict=True)))
    validate(chunk, STREAM_BYTES)
    if payload_bytes(chunk) > 65_536:
        return
    walked = [at for start, length in segments(chunk) for at in range(start, start + length)]
    assert len(walked) == payload_bytes(chunk) and max(walked) < STREAM_BYTES
    assert has_overlap(chunk) is (len(set(walked)) < len(walked))


def take_invitation(data: bytes) -> None:
    """A line that somebody passed on: as it is, and as what a right check would guard."""
    with suppress(UserFault):
        from_invitation(data.decode("utf-8", "replace"))
    guarded = hashlib.sha256(data).digest()[:4] + data
    network = from_invitation("sgnus1" + base64.b32encode(guarded).decode().rstrip("=").lower())
    assert from_invitation(invitation(network)) == network


def take_address(data: bytes) -> None:
    """A multiaddr of whoever announces one."""
    text = data.decode("utf-8", "replace")
    assert parse_address(str(parse_address(text))) == parse_address(text)


def take_certificate(data: bytes) -> None:
    """A peer's leaf, in DER here: who signed it."""
    author_of_leaf(pem_of(data))


def pem_of(leaf: bytes) -> bytes:
    """DER as TLS hands it over."""
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(leaf) + b"-----END CERTIFICATE-----\n"


def take_reply(data: bytes) -> None:
    """What a child that a module has taken over may say to its parent."""
    heard = data
    while len(heard) >= 4 and not frames.missing_bytes(heard):
        body, heard = frames.split(heard)
        reply = frames.unpack_reply(body)
        assert reply is None or len(reply.text) <= len(body)


class Sandbox:
    """One hardened child for all inputs: whatever a module is, the child says yes or no and lives on, or is replaced."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._pool = ProcessorPool(1)
        self._loop.run_until_complete(self._pool.start())

    def check(self, module: bytes) -> None:
        """UserFault when it cannot be a processor."""
        self._loop.run_until_complete(self._pool.check_module(module))

    def close(self) -> None:
        """End the child."""
        self._loop.run_until_complete(self._pool.stop())
        self._loop.close()
        sandbox.cache_clear()


@cache
def sandbox() -> Sandbox:
    """The one of this process."""
    return Sandbox()


def take_module(data: bytes) -> None:
    """A module of a stranger, compiled and checked in the child."""
    sandbox().check(data)


# ---- seeds
def seeds_of_jobs() -> Sequence[bytes]:
    whole = v1.JobRequest(
        name="picture",
        processor="sobel",
        array=v1.ArraySpec(shape=(512, 300, 3), dtype="uint8"),
        edge=v1.Edge.REFLECT,
        chunks_per_sub_block=0,
        deadline_ms=0,
        policy=v1.Policy(verify=v1.Verify.NONE, samples_permille=0, verifiers=0, min_members=1),
        lifetime_ms=0,
    )
    piece = v1.Chunk(chunk_id=0, offset=0, width=8, height=2, line_stride=8, block_stride=0, count=1)
    pairs = (v1.ChunkPair(input=piece, output=piece),)
    listed = replace(
        whole,
        processor="wasm",
        array=v1.ArraySpec(shape=(16,), dtype="uint8"),
        explicit=v1.ExplicitChunks(output_bytes=16, pairs=pairs),
    )
    cut = replace(whole, processor="wasm", tile=(64, 300, 3), halo=(2, 0, 0), chunks_per_sub_block=4)
    return [encode(v1.PlanJobRequest(job=job)) for job in (whole, listed, cut)]


def seeds_of_geometry() -> Sequence[bytes]:
    return [b"\0|\0|\x04|\x03|\x10|\x40|\x02", b"\0|\0|\x04|\x03|\x03|\x05|\x02", b"\1|" * 7, b"\x7f" * 40]


def seeds_of_invitations() -> Sequence[bytes]:
    node = SgnusNode(peer=ALICE.peer_id, vrf_key="ab" * 32)
    network = replace(new_network("room", bootstrap=[ADDRESS], sgnus_nodes=[node]), id="01" * 16)
    return [json.dumps(asdict(network)).encode(), invitation(network).encode(), b'{"name": [], "id": {}}']


def seeds_of_addresses() -> Sequence[bytes]:
    texts = (ADDRESS, ADDRESS.replace("ip4/192.0.2.7", "dns/example.org"), ADDRESS.replace("ip4", "ip6"))
    return [text.encode() for text in texts]


def seeds_of_certificates() -> Sequence[bytes]:
    """Only the authority's is the same in every run; a leaf has a new key and number each time."""
    return [base64.b64decode(b"".join(authority_pem(ALICE.peer_id).splitlines()[1:-1]))]


def a_leaf() -> bytes:
    """A right certificate in DER, for tests to change."""
    return base64.b64decode(b"".join(make_leaf(ALICE).certificate_pem.splitlines()[1:-1]))


def seeds_of_modules() -> Sequence[bytes]:
    small = (
        '(module (memory (export "memory") 1) (func (export "alloc") (param i32) (result i32) i32.const 0)'
    )
    run = '(func (export "run") (param i32 i32) (result i64) i64.const 0))'
    return [
        bytes(wasmtime.wat2wasm(small + run)),
        bytes(wasmtime.wat2wasm("(module)")),
        shipped_module("invert"),
    ]


def seeds_of_replies() -> Sequence[bytes]:
    return [frames.pack_reply(frames.Reply(frames.VALID, 0, 7, "fine")), b"\xff" * 8]


TARGETS: Final = (
    Target("jobs", take_job, seeds_of_jobs),
    Target("geometry", take_geometry, seeds_of_geometry, 512),
    Target("invitations", take_invitation, seeds_of_invitations),
    Target("addresses", take_address, seeds_of_addresses, 600),
    Target("certificates", take_certificate, seeds_of_certificates, 2_048),
    Target("modules", take_module, seeds_of_modules, 8_192),
    Target("child-replies", take_reply, seeds_of_replies),
)
