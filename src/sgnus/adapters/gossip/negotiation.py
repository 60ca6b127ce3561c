"""multistream-select as we speak it: what a stranger may say before a protocol is agreed on is bounded.

The library reads as many bytes as a length prefix announces, up to 2^64 of them, before noise has begun, and answers
proposals until its time is up.
"""

from __future__ import annotations

from typing import Any

from libp2p.exceptions import ParseError
from libp2p.protocol_muxer.multiselect import DEFAULT_NEGOTIATE_TIMEOUT, Multiselect
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator

from sgnus.messages.limits import GOSSIP_NEGOTIATION_BYTES_MAX


class BoundedReader:
    """A connection or stream from which one negotiation may read so much, and no more."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._left_bytes = GOSSIP_NEGOTIATION_BYTES_MAX

    async def read(self, n: int) -> bytes:
        """See the library's `Reader`. ParseError ends the negotiation."""
        if n > self._left_bytes:
            raise ParseError(f"a negotiation of more than {GOSSIP_NEGOTIATION_BYTES_MAX} bytes")
        data: bytes = await self._stream.read(n)
        self._left_bytes -= len(data)
        return data

    async def write(self, data: bytes) -> None:
        """See the library's `Writer`."""
        await self._stream.write(data)


class BoundedMultiselect(Multiselect):  # type: ignore[misc]
    """The side that is asked."""

    async def negotiate(self, communicator: Any, negotiate_timeout: int = DEFAULT_NEGOTIATE_TIMEOUT) -> Any:
        return await super().negotiate(_bounded(communicator), negotiate_timeout)


class BoundedMultiselectClient(MultiselectClient):  # type: ignore[misc]
    """The side that asks; who answers may be anybody."""

    async def select_one_of(
        self, protocols: Any, communicator: Any, negotiate_timeout: int = DEFAULT_NEGOTIATE_TIMEOUT
    ) -> Any:
        return await super().select_one_of(protocols, _bounded(communicator), negotiate_timeout)


def bound_negotiation(speaker: Any) -> None:
    """Give the library's host, or one of its selectors, our two sides in place of its own."""
    speaker.multiselect = BoundedMultiselect(speaker.multiselect.handlers)
    speaker.multiselect_client = BoundedMultiselectClient()


def _bounded(communicator: Any) -> MultiselectCommunicator:
    return MultiselectCommunicator(BoundedReader(communicator.read_writer))
