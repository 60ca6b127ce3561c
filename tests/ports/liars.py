"""Peers that lie, for tests: forged certificates, raw channels, Hellos that say what a liar wants."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from sgnus.adapters.peers.certificates import Leaf, authority_pem, make_leaf
from sgnus.adapters.peers.channels import path
from sgnus.crypto.identity import Identity
from sgnus.messages.ids import NetworkId
from sgnus.messages.limits import (
    PROTOCOL_VERSION,
)
from sgnus.messages.v1.types import AddressRecord, Endpoint, Hello, ReadBranchRequest
from sgnus.wire.codec import decode, encode
from sgnus.wire.envelope import seal_address
from sgnus.wire.frames import frame_bytes, split_frame
from tests.ports.peers_support import (
    NETWORK,
    Nodes,
    Party,
    identity,
    nodes_of,
)

BRANCH = ReadBranchRequest(job="j", microjob=0)
OTHER_NETWORK = NetworkId("99" * 16)
MALLORY = identity(66)
PEM = serialization.Encoding.PEM


def run(story: Callable[[Nodes], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with nodes_of("grpc") as nodes:
            await story(nodes)

    asyncio.run(whole())


def record_of(
    who: Identity,
    party: Party,
    *,
    network: NetworkId = NETWORK,
    sequence: int = 1,
    endpoint: Endpoint | None = None,
) -> Any:
    """An address record of `who`; by default at the place of `party`."""
    known = decode(AddressRecord, party.peers.address.payload)
    return seal_address(
        who,
        network,
        endpoints=(endpoint or known.endpoints[0],),
        sequence=sequence,
        expires_ms=known.expires_ms,
    )


def endpoint_of(party: Party) -> Endpoint:
    return decode(AddressRecord, party.peers.address.payload).endpoints[0]


def hello_of(who: Identity, party: Party, **changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "protocol": PROTOCOL_VERSION,
        "network": NETWORK,
        "boot": 1,
        "address": record_of(who, party),
        "attempt": 1,
    }
    return frame_bytes((), Hello(**(fields | changes)))


@asynccontextmanager
async def channel_to(party: Party, leaf: Leaf) -> AsyncIterator[Any]:
    credentials = grpc.ssl_channel_credentials(authority_pem(party.peer), leaf.key_pem, leaf.certificate_pem)
    options = (("grpc.ssl_target_name_override", str(party.peer)), ("grpc.max_send_message_length", -1))
    endpoint = endpoint_of(party)
    channel = grpc.aio.secure_channel(f"{endpoint.host}:{endpoint.port}", credentials, options=options)
    try:
        yield channel
    finally:
        await channel.close(None)


async def code_of(channel: Any) -> tuple[grpc.StatusCode, str]:
    """How a small call ends."""
    call = channel.unary_unary(path("ReadBranch"))(encode(BRANCH), timeout=20)
    return await call.code(), await call.details()


def named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(
    *, issuer: str, subject: str, key: Any, signer: Any, san: str = "", is_authority: bool = False
) -> bytes:
    """A certificate that says whatever a liar wants."""
    builder = (
        x509.CertificateBuilder()
        .issuer_name(named(issuer))
        .subject_name(named(subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2000, 1, 1))
        .not_valid_after(datetime.datetime(2100, 1, 1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if san:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(san)]), critical=False)
    is_edwards = isinstance(signer, ed25519.Ed25519PrivateKey)
    return builder.sign(signer, None if is_edwards else hashes.SHA256()).public_bytes(PEM)


def private_pem(key: Any) -> bytes:
    return cast(
        bytes, key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def forged_leaf(*, issuer: str, signer: Any, san: str) -> Leaf:
    key = ec.generate_private_key(ec.SECP256R1())
    return Leaf(private_pem(key), certificate(issuer=issuer, subject="x", key=key, signer=signer, san=san))


def key_of(who: Identity) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(who.seed)


@asynccontextmanager
async def stream_of_mallory(party: Party) -> AsyncIterator[Any]:
    """A stream that was accepted."""
    party.peers.admit(record_of(MALLORY, party))
    async with channel_to(party, make_leaf(MALLORY)) as channel:
        call = channel.stream_stream(path("Exchange"))()
        await call.write(hello_of(MALLORY, party))
        assert split_frame(await call.read()).hello is not None
        yield call
