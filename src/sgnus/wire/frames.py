"""Frames of the one stream of a pair, made and split without decoding the messages in them.

`ExchangeRequest` and `ExchangeReply` have one wire form: field 1 is a `Frame`, whose field 1 is a Hello and whose
field 2 repeats `PeerMessage`. A message is encoded once for all its receivers and decoded by who reads it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sgnus.messages.errors import PeerFault
from sgnus.messages.limits import FRAME_ITEMS_MAX, PEER_MESSAGE_BYTES_MAX
from sgnus.messages.v1.types import Hello
from sgnus.wire.codec import decode, encode
from sgnus.wire.decoding import read_varint
from sgnus.wire.encoding import varint

_FIRST: Final = b"\x0a"
_SECOND: Final = b"\x12"
_LENGTH: Final = 2
DATA_TAG: Final = 0x0A


@dataclass(frozen=True, slots=True)
class RawFrame:
    """A frame whose messages are still bytes."""

    hello: Hello | None
    messages: tuple[bytes, ...]


def frame_bytes(messages: Iterable[bytes], hello: Hello | None = None) -> bytes:
    """An encoded ExchangeRequest (or ExchangeReply) that carries these encoded PeerMessages."""
    parts = [] if hello is None else [delimited(_FIRST, encode(hello))]
    for message in messages:
        parts += (_SECOND, varint(len(message)), message)
    return delimited(_FIRST, b"".join(parts))


def delimited(tag: bytes, content: bytes | memoryview) -> bytes:
    """One length-delimited field."""
    return b"".join((tag, varint(len(content)), content))


def split_frame(data: bytes) -> RawFrame:
    """The Hello and the raw messages of an encoded ExchangeRequest. PeerFault for anything else."""
    tag, length, position = _field(data, 0, len(data))
    if tag != DATA_TAG or position + length != len(data):
        raise PeerFault("the stream carries something that is no frame")
    hello: Hello | None = None
    messages: list[bytes] = []
    end = len(data)
    while position < end:
        tag, length, position = _field(data, position, end)
        content = data[position : position + length]
        position += length
        if tag == DATA_TAG and hello is None:
            hello = decode(Hello, content)
        elif tag == 0x12 and len(messages) < FRAME_ITEMS_MAX:
            messages.append(_bounded(content))
        else:
            raise PeerFault(f"a frame has an unexpected field (tag {tag}) after {len(messages)} messages")
    return RawFrame(hello, tuple(messages))


def _bounded(content: bytes) -> bytes:
    if not 0 < len(content) <= PEER_MESSAGE_BYTES_MAX:
        raise PeerFault(f"a message of {len(content)} bytes in a frame")
    return content


def _field(data: bytes, position: int, end: int) -> tuple[int, int, int]:
    """Tag, length and start of a length-delimited field that ends within `end`."""
    tag, position = read_varint(data, position, end)
    if tag & 7 != _LENGTH:
        raise PeerFault(f"a frame has a field of wire type {tag & 7}")
    length, position = read_varint(data, position, end)
    if length > end - position:
        raise PeerFault("a frame ends early")
    return tag, length, position


def data_bytes(piece: bytes | memoryview) -> bytes:
    """A ReadChunksReply or ReadBlobReply that carries `piece`: one copy."""
    return delimited(_FIRST, piece)


def data_of(message: bytes) -> bytes:
    """The piece inside a ReadChunksReply or ReadBlobReply: one copy. PeerFault for anything else."""
    if not message:
        return b""
    tag, length, position = _field(message, 0, len(message))
    if tag != DATA_TAG or position + length != len(message):
        raise PeerFault("a piece of data with more than its data")
    return message[position:]


def output_piece_bytes(piece: bytes | memoryview) -> bytes:
    """A WriteOutputsRequest that carries `piece` and no header."""
    return delimited(_SECOND, piece)


def output_piece_of(message: bytes) -> bytes:
    """The piece inside a WriteOutputsRequest without a header."""
    tag, length, position = _field(message, 0, len(message))
    if tag != 0x12 or position + length != len(message):
        raise PeerFault("a piece of outputs with more than its data")
    return message[position:]
