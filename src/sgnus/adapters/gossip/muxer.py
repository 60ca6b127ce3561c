"""yamux as we run it: unanswered pings end a connection, window updates are batched, a peer's streams are
bounded, and so is what it sends before anybody here reads it.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import trio
from libp2p.stream_muxer.yamux.yamux import (
    DEFAULT_WINDOW_SIZE,
    FLAG_SYN,
    TYPE_PING,
    YAMUX_HEADER_FORMAT,
    Yamux,
    YamuxStream,
)

from sgnus.messages.limits import (
    GOSSIP_PING_MS,
    GOSSIP_PING_MS_MAX,
    GOSSIP_STREAMS_PER_CONNECTION_MAX,
    GOSSIP_UNREAD_BYTES_MAX,
)

# Credit is given back in quarters of the window: a sender never stalls, and a small message costs no frame of
# its own.
_CREDIT_BYTES: Final = DEFAULT_WINDOW_SIZE // 4


class WindowExceeded(trio.TooSlowError):
    """A peer sent more than it was given credit for. Upon this type alone the library ends the connection."""


class ReceiveBuffers(dict[int, bytearray]):
    """What a connection's streams have received and nobody has read yet; the library keeps whatever comes."""

    def __setitem__(self, stream: int, buffer: bytearray) -> None:
        super().__setitem__(stream, ReceiveBuffer(self, buffer))

    def charge(self, buffer: bytearray, more: int) -> None:
        """WindowExceeded if a stream would hold more than its window, or the connection more than its share."""
        if len(buffer) + more > DEFAULT_WINDOW_SIZE:
            raise WindowExceeded("more than a stream's window")
        if sum(map(len, self.values())) + more > GOSSIP_UNREAD_BYTES_MAX:
            raise WindowExceeded("more than a connection may leave unread")


class ReceiveBuffer(bytearray):
    """Of one stream."""

    def __init__(self, charged: ReceiveBuffers, begun: bytearray) -> None:
        super().__init__(begun)
        self._charged = charged

    def extend(self, data: Any) -> None:
        """Take a frame's payload in, if the window allows it."""
        self._charged.charge(self, len(data))
        super().extend(data)


class BatchedCreditStream(YamuxStream):  # type: ignore[misc]
    """A stream with a fixed window. The library's own grows up to 16 MiB for each stream that a stranger
    opens.
    """

    async def _auto_tune_and_send_window_update(self, *, bytes_read: int = 0) -> None:
        owed = getattr(self, "_owed_bytes", 0) + bytes_read
        if owed >= _CREDIT_BYTES and not self.closed:
            self._owed_bytes = 0
            self.recv_window += owed
            await self.send_window_update(owed, skip_lock=True)
        else:
            self._owed_bytes = owed


class GossipMuxer(Yamux):  # type: ignore[misc]
    """One connection's multiplexer."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.stream_buffers: dict[int, bytearray] = ReceiveBuffers()

    async def start(self) -> None:
        try:
            await super().start()
        except Exception:  # noqa: BLE001 - the libp2p border: a peer's frames must not reach the service manager
            await self.abort()

    async def abort(self) -> None:
        """Close at once, without a goodbye: writing to a frozen peer would block."""
        await self._cleanup_on_error()

    async def open_stream(self) -> Any:
        return _with_batched_credit(await super().open_stream())

    async def accept_stream(self) -> Any:
        while True:
            stream = await super().accept_stream()
            if len(self.streams) <= GOSSIP_STREAMS_PER_CONNECTION_MAX:
                return _with_batched_credit(stream)
            await stream.reset()

    async def _read_data_body(self, length: int) -> bytes:
        # The library reads up to 16 MiB, and looks at the stream's window afterwards.
        if length > DEFAULT_WINDOW_SIZE:
            raise WindowExceeded("a frame larger than any window")
        data: bytes = await super()._read_data_body(length)
        return data

    def _finalize_stream_locked(self, stream: Any, *, fully_closed: bool) -> None:
        # Nobody reads what a stream that was reset has received; the library keeps it for a minute.
        if fully_closed and stream.reset_received:
            self.stream_buffers.get(stream.stream_id, bytearray()).clear()
        super()._finalize_stream_locked(stream, fully_closed=fully_closed)

    async def _measure_rtt_loop(self) -> None:
        """Ping; a peer that does not answer (frozen, or gone without a FIN) is closed here."""
        while not self.event_shutting_down.is_set():
            with trio.move_on_after(GOSSIP_PING_MS / 1000):
                await self.event_shutting_down.wait()
                return
            if not await self._ping():
                await self.abort()
                return

    async def _ping(self) -> bool:
        self._ping_id += 1
        self._ping_event = trio.Event()
        self._ping_sent_time = trio.current_time()
        with trio.move_on_after(GOSSIP_PING_MS_MAX / 1000):
            try:
                await self._write_frame(
                    struct.pack(YAMUX_HEADER_FORMAT, 0, TYPE_PING, FLAG_SYN, 0, self._ping_id)
                )
            except Exception:  # noqa: BLE001 - any failed write means that the connection is gone
                return False
            await self._ping_event.wait()
            return True
        return False


def _with_batched_credit(stream: Any) -> Any:
    # The library names its stream class in two places of one long loop; re-classing the object is the smaller
    # evil.
    if type(stream) is YamuxStream:
        stream.__class__ = BatchedCreditStream
    return stream
