"""Frames are ExchangeRequests, made and split by hand."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sgnus.messages.errors import PeerFault
from sgnus.messages.limits import FRAME_ITEMS_MAX, PEER_MESSAGE_BYTES_MAX
from sgnus.messages.v1.types import (
    ExchangeReply,
    ExchangeRequest,
    Frame,
    Heartbeat,
    Hello,
    PeerMessage,
    ReadBlobReply,
    ReadChunksReply,
    SignedEnvelope,
    SignedKind,
    WriteOutputsRequest,
)
from sgnus.wire.codec import decode, encode
from sgnus.wire.frames import (
    data_bytes,
    data_of,
    frame_bytes,
    output_piece_bytes,
    output_piece_of,
    split_frame,
)

MESSAGES = tuple(
    PeerMessage(body=Heartbeat(instance="ab" * 32, epoch=1, sequence=number, records=b"digest"))
    for number in range(3)
)
HELLO = Hello(
    protocol=1,
    network="17" * 16,
    boot=7,
    address=SignedEnvelope(kind=SignedKind.ADDRESS, author="a", payload=b"p", signature=b"s"),
    attempt=3,
)


def test_a_frame_made_by_hand_is_the_encoded_message() -> None:
    raw = [encode(message) for message in MESSAGES]
    frame = Frame(hello=HELLO, messages=MESSAGES)
    assert (
        frame_bytes(raw, HELLO) == encode(ExchangeRequest(frame=frame)) == encode(ExchangeReply(frame=frame))
    )
    assert decode(ExchangeRequest, frame_bytes(raw)).frame.messages == MESSAGES


def test_a_frame_splits_into_the_bytes_of_its_messages() -> None:
    split = split_frame(encode(ExchangeRequest(frame=Frame(hello=HELLO, messages=MESSAGES))))
    assert split.hello == HELLO
    assert [decode(PeerMessage, message) for message in split.messages] == list(MESSAGES)
    assert split_frame(frame_bytes(())) == split_frame(b"\x0a\x00")


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=20))
def test_any_messages_come_back(messages: list[bytes]) -> None:
    assert list(split_frame(frame_bytes(messages)).messages) == messages


@given(st.binary(max_size=200))
@example(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
def test_any_bytes_split_or_are_a_peers_fault(data: bytes) -> None:
    for split in (split_frame, data_of, output_piece_of):
        try:
            split(data)
        except PeerFault:
            continue


@given(st.binary(max_size=200))
def test_whatever_splits_is_a_frame_to_the_codec_but_for_its_messages(data: bytes) -> None:
    try:
        split = split_frame(data)
    except PeerFault:
        return
    assert split_frame(frame_bytes(split.messages, split.hello)) == split


def test_bounds_of_a_frame_hold() -> None:
    assert len(split_frame(frame_bytes([b"x"] * FRAME_ITEMS_MAX)).messages) == FRAME_ITEMS_MAX
    for messages in ([b"x"] * (FRAME_ITEMS_MAX + 1), [b""], [bytes(PEER_MESSAGE_BYTES_MAX + 1)]):
        with pytest.raises(PeerFault):
            split_frame(frame_bytes(messages))


@given(st.binary(max_size=300))
def test_pieces_of_data_are_the_encoded_messages(piece: bytes) -> None:
    view = memoryview(piece)
    assert decode(ReadChunksReply, data_bytes(view)) == ReadChunksReply(data=piece)
    assert decode(ReadBlobReply, data_bytes(view)) == ReadBlobReply(data=piece)
    assert decode(WriteOutputsRequest, output_piece_bytes(view)).data == piece
    assert data_of(encode(ReadChunksReply(data=piece))) == data_of(data_bytes(piece)) == piece
    assert output_piece_of(output_piece_bytes(piece)) == piece
