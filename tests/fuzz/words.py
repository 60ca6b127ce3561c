"""What peers and apps say: frames, envelopes, gossip, bodies of gRPC and of HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

from sgnus.adapters.gossip import frames as gossip_frames
from sgnus.adapters.gossip.frames import MalformedFrame
from sgnus.core import id_index, reconcile
from sgnus.crypto import identity as ed25519
from sgnus.crypto.identity import Identity
from sgnus.frontends.service.bodies import json_line, message_of
from sgnus.frontends.service.calls import LOCAL_CALLS
from sgnus.frontends.service.faults import Refusal
from sgnus.messages.errors import PeerFault
from sgnus.messages.fields import Message
from sgnus.messages.ids import NetworkId
from sgnus.messages.v1 import types as v1
from sgnus.messages.v1.services import CALLS
from sgnus.wire.codec import decode, encode
from sgnus.wire.envelope import open_address, open_envelope, seal, seal_address
from sgnus.wire.frames import data_of, frame_bytes, output_piece_of, split_frame
from tests.fuzz.samples import samples
from tests.fuzz.target import Target

NETWORK: Final = NetworkId("0123456789abcdef0123456789abcdef")
ALICE: Final = Identity.from_seed(b"\1" * 32)
NOW_MS: Final = 1_800_000_000_000
SIGNED: Final[dict[v1.SignedKind, type[Message]]] = {
    v1.SignedKind.ADDRESS: v1.AddressRecord,
    v1.SignedKind.JOIN: v1.JoinRequest,
    v1.SignedKind.LIST: v1.MemberList,
    v1.SignedKind.VOTE: v1.Vote,
    v1.SignedKind.RECORD: v1.ProcessedRecord,
    v1.SignedKind.HELD: v1.Held,
    v1.SignedKind.LEAVE: v1.Leave,
    v1.SignedKind.ANNOUNCEMENT: v1.RoomAnnouncement,
    v1.SignedKind.PROPOSAL: v1.Proposal,
    v1.SignedKind.SEAL: v1.Seal,
    v1.SignedKind.REVEAL: v1.Reveal,
    v1.SignedKind.BEACON: v1.BeaconOutput,
    v1.SignedKind.VERDICT: v1.Verdict,
    v1.SignedKind.OPENING: v1.Opening,
    v1.SignedKind.SUSPICION: v1.Suspicion,
    v1.SignedKind.BEACON_MISSED: v1.BeaconMissed,
}
TYPES: Final = tuple(dict.fromkeys(kind for call in CALLS for kind in (call.request, call.response)))


def believed(*_: object) -> bool:
    """A check of signatures that lets all pass, so that a fuzzer reaches what stands behind it."""
    return True


def same_again(message: Message) -> None:
    """What was decoded has one meaning: encoded and decoded it is the same."""
    again = decode(type(message), encode(message))
    # A float that is no number differs from itself.
    assert again == message or "nan" in repr(message), f"{message} became {again}"


def take_frame(data: bytes) -> None:
    """The one stream of a pair; each message is decoded as the runtime does."""
    for message in split_frame(data).messages:
        same_again(decode(v1.PeerMessage, message))


def take_piece(data: bytes) -> None:
    """Pieces of inputs and outputs, which pass without message objects."""
    for read in (data_of, output_piece_of):
        try:
            assert len(read(data)) <= len(data)
        except PeerFault:
            continue


def take_envelope(data: bytes) -> None:
    """Any signed envelope: refused for its signature, and, were it right, for what it holds."""
    envelope = decode(v1.SignedEnvelope, data)
    kind = SIGNED.get(envelope.kind)
    for verify in (believed, ed25519.verify):
        if kind is not None:
            with suppress(PeerFault):
                same_again(open_envelope(envelope, NETWORK, envelope.kind, kind, verify=verify))
        with suppress(PeerFault):
            open_address(envelope, NETWORK, NOW_MS, verify=verify)


def take_gossip(data: bytes) -> None:
    """The payload of a gossip message."""
    body = decode(v1.GossipMessage, data).body
    if isinstance(body, v1.SignedEnvelope) and body.kind in SIGNED:
        same_again(open_envelope(body, NETWORK, body.kind, SIGNED[body.kind], verify=believed))


def take_gossip_frames(data: bytes) -> None:
    """The length prefixes of a meshsub stream."""
    buffer = bytearray(data)
    try:
        while gossip_frames.split_frame(buffer) is not None:
            pass
    except MalformedFrame as fault:
        raise PeerFault(str(fault)) from fault


def take_grpc(data: bytes) -> None:
    """The first byte chooses a type of the protocol, the rest is its body."""
    kind = TYPES[data[0] % len(TYPES)] if data else TYPES[0]
    same_again(decode(kind, data[1:]))


def take_http(data: bytes) -> None:
    """The first byte chooses a call, the rest is its JSON body. It must be refused with a status of the 400s."""
    call = LOCAL_CALLS[data[0] % len(LOCAL_CALLS)] if data else LOCAL_CALLS[0]
    try:
        message = message_of(call.request, data[1:])
    except Refusal as refusal:
        assert 400 <= refusal.status < 500, refusal
        raise PeerFault(refusal.message) from None
    json_line(message)


def take_reconciliation(data: bytes) -> None:
    """A frame of steps for one session over a small set of ids."""
    ids = [bytes([each]) * 40 for each in range(1, 200)]
    session = reconcile.Session(id_index.IdSnapshot(b"".join(ids)))
    for step in split_frame(data).messages:
        received = session.receive(decode(v1.ReconcileStep, step))
        if received.answer is not None:
            same_again(received.answer)
        session.next_owed()


# ---- seeds
def encoded(kinds: Iterable[type[Message]], number: int = 1) -> list[bytes]:
    return [encode(message) for kind in kinds for message in samples(kind, number)]


def seeds_of_frames() -> Sequence[bytes]:
    said = [field.type for field in v1.PeerMessage.FIELDS if field.type is not None]
    messages = [encode(v1.PeerMessage(body=each)) for kind in said for each in samples(kind, 1)]
    return [frame_bytes([one]) for one in messages] + [frame_bytes(messages[:5])]


def seeds_of_envelopes() -> Sequence[bytes]:
    record = seal_address(
        ALICE,
        NETWORK,
        endpoints=(v1.Endpoint(host="192.0.2.7", port=4001),),
        multiaddrs=("/ip4/192.0.2.7/tcp/4000",),
        sequence=1,
        expires_ms=NOW_MS + 1,
    )
    signed = [seal(ALICE, NETWORK, name, each) for name, kind in SIGNED.items() for each in samples(kind, 1)]
    return [encode(envelope) for envelope in (record, *signed)]


def seeds_of_gossip() -> Sequence[bytes]:
    envelopes = [decode(v1.SignedEnvelope, data) for data in seeds_of_envelopes()[:4]]
    batch = v1.EntryBatch(entries=(b"entry", bytes(300)))
    return [encode(v1.GossipMessage(body=body)) for body in (*envelopes, batch)]


def seeds_of_steps() -> Sequence[bytes]:
    edge = bytes([9]) * 40
    ranges = (
        v1.SetRange(upper=edge, fingerprint=bytes(32), skip=False),
        v1.SetRange(upper=b"", ids=bytes([10]) * 40, skip=False),
    )
    steps = [
        v1.ReconcileStep(ranges=ranges, wanted=edge, entries=(), end=False),
        v1.ReconcileStep(ranges=(v1.SetRange(upper=b"", skip=True),), entries=(b"entry",), end=True),
    ]
    return [frame_bytes([encode(step) for step in steps]), *(frame_bytes([encode(step)]) for step in steps)]


def seeds_of_http() -> Sequence[bytes]:
    bodies = [
        bytes([index]) + json_line(message)
        for index, call in enumerate(LOCAL_CALLS)
        for message in samples(call.request, 1)
    ]
    return [*bodies, b"\0" + json.dumps({"job": "é", "nested": [[{}]]}).encode()]


TARGETS: Final = (
    Target("frames", take_frame, seeds_of_frames),
    Target("pieces", take_piece, lambda: [b"", b"\x0a\x03abc", b"\x12\x03abc", b"\x0a\x80\x00"]),
    Target("envelopes", take_envelope, seeds_of_envelopes),
    Target("gossip", take_gossip, seeds_of_gossip),
    Target("gossip-frames", take_gossip_frames, lambda: [b"\x05abcde\x80\x01" + bytes(128), b"\xff" * 9]),
    Target("grpc", take_grpc, lambda: [bytes([at]) + one for at, one in enumerate(encoded(TYPES))]),
    Target("http", take_http, seeds_of_http),
    Target("reconciliation", take_reconciliation, seeds_of_steps),
)
