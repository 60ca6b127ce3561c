"""What waits to be sent to one neighbour: serialised frames, bounded in number and bytes, written many at a
time.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import trio
from libp2p.pubsub.rpc_queue import RpcQueue
from libp2p.utils.varint import encode_uvarint

from sgnus.messages.limits import (
    GOSSIP_FRAME_BYTES_MAX,
    GOSSIP_OUTBOUND_BYTES_MAX,
    GOSSIP_OUTBOUND_ITEMS_MAX,
)

_WRITE_BYTES: Final = 64 * 1024


def frame_of(rpc: Any) -> bytes:
    """An RPC as it goes over the stream: length prefix and protobuf."""
    body: bytes = rpc.SerializeToString()
    return bytes(encode_uvarint(len(body))) + body


class FrameQueue(RpcQueue):  # type: ignore[misc]
    """The library's queue, with bytes in it: a message is serialised once, not once for each neighbour."""

    def __init__(self) -> None:
        super().__init__(GOSSIP_OUTBOUND_ITEMS_MAX, GOSSIP_FRAME_BYTES_MAX)
        self._frames: deque[bytes] = deque()
        self._urgent: deque[bytes] = deque()
        self._waiting_bytes = 0

    def __len__(self) -> int:
        return len(self._frames) + len(self._urgent)

    def push(self, rpc: Any, priority: bool = False) -> bool:
        return self.push_frame(frame_of(rpc), priority)

    def push_frame(self, frame: bytes, priority: bool = False) -> bool:
        """False when it is full or closed."""
        if self._closed or len(self) >= GOSSIP_OUTBOUND_ITEMS_MAX:
            return False
        if self._waiting_bytes + len(frame) > GOSSIP_OUTBOUND_BYTES_MAX:
            return False
        (self._urgent if priority else self._frames).append(frame)
        self._waiting_bytes += len(frame)
        self._notify.set()
        return True

    async def pop_frames(self) -> bytes | None:
        """All that waits, up to one write of about 64 KiB; None when the queue was closed."""
        while True:
            if self._closed:
                return None
            if len(self):
                return self._take()
            self._notify = trio.Event()
            await self._notify.wait()

    def _take(self) -> bytes:
        batch = [self._next()]
        size = len(batch[0])
        while len(self) and size < _WRITE_BYTES:
            batch.append(self._next())
            size += len(batch[-1])
        self._waiting_bytes -= size
        return b"".join(batch)

    def _next(self) -> bytes:
        return self._urgent.popleft() if self._urgent else self._frames.popleft()
