"""Length-prefixed frames from a stream, read in large pieces: the library reads the prefix byte by byte."""

from __future__ import annotations

from typing import Any, Final

from sgnus.messages.limits import GOSSIP_FRAME_BYTES_MAX

_READ_BYTES: Final = 64 * 1024
_PREFIX_BYTES_MAX: Final = 4


class MalformedFrame(Exception):
    """A neighbour's bytes are no frame of ours; its stream ends."""


class FrameReader:
    """Splits a stream into the frames that it carries."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._buffer = bytearray()

    async def next(self) -> bytes | None:
        """The next whole frame; None at the end of the stream."""
        while True:
            found = split_frame(self._buffer)
            if found is not None:
                return found
            more = await self._stream.read(_READ_BYTES)
            if not more:
                if self._buffer:
                    raise MalformedFrame("the stream ended inside a frame")
                return None
            self._buffer += more


def split_frame(buffer: bytearray) -> bytes | None:
    """Take the first frame off `buffer`; None when it is not whole yet; MalformedFrame on a bad length."""
    length = 0
    for index, byte in enumerate(buffer[: _PREFIX_BYTES_MAX + 1]):
        if index == _PREFIX_BYTES_MAX:
            raise MalformedFrame("length prefix too long")
        length |= (byte & 0x7F) << (7 * index)
        if byte & 0x80:
            continue
        if length > GOSSIP_FRAME_BYTES_MAX:
            raise MalformedFrame(f"a frame of {length} bytes")
        end = index + 1 + length
        if len(buffer) < end:
            return None
        frame = bytes(buffer[index + 1 : end])
        del buffer[:end]
        return frame
    return None
