"""The first message in both directions of a stream: who we are, and whether we can talk."""

from __future__ import annotations

from sgnus.adapters.peers.directory import SHUT_OUT, Directory
from sgnus.adapters.peers.wires import FinalRefusal
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import NetworkId, PeerId
from sgnus.messages.limits import PROTOCOL_VERSION
from sgnus.messages.v1.types import Hello, SignedEnvelope
from sgnus.wire.frames import frame_bytes, split_frame


class Greeting:
    """Makes our Hello and checks theirs."""

    def __init__(self, network: NetworkId, boot: int, directory: Directory) -> None:
        self._network = network
        self._boot = boot
        self._directory = directory
        self.address: SignedEnvelope | None = None

    def frame(self, attempt: int) -> bytes:
        """A frame with our Hello alone; `attempt` counts our attempts to open a stream to this peer."""
        assert self.address is not None
        hello = Hello(
            protocol=PROTOCOL_VERSION,
            network=self._network,
            boot=self._boot,
            address=self.address,
            attempt=attempt,
        )
        return frame_bytes((), hello)

    def read(self, peer: PeerId, data: bytes | None) -> Hello:
        """The Hello of `peer` in the first message of a stream; its address record is admitted. PeerFault says why not,
        WorldFault that there was none.
        """
        if data is None:
            raise WorldFault("the stream ended before Hello")
        frame = split_frame(data)
        hello = frame.hello
        if hello is None or frame.messages:
            raise PeerFault("a stream begins with a frame that holds Hello alone")
        if hello.protocol != PROTOCOL_VERSION:
            raise FinalRefusal(f"protocol version {hello.protocol}; here it is {PROTOCOL_VERSION}")
        if hello.network != self._network:
            raise FinalRefusal("another network")
        if hello.address.author != peer:
            raise PeerFault("the address record in Hello is another peer's")
        if self._directory.is_shut_out(peer):
            raise PeerFault(SHUT_OUT)
        self._directory.admit(hello.address)
        return hello
