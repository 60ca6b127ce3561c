"""What the core needs of signatures: one object that signs as this peer and opens what others signed.

Ed25519 is a pure function, so a pen keeps the core deterministic; the simulator gives a cheaper one.
"""

from typing import Protocol, TypeVar

from sgnus.messages.fields import Message
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import SignedEnvelope, SignedKind

M = TypeVar("M", bound=Message)


class Pen(Protocol):
    """Signs as `peer`, for one network."""

    @property
    def peer(self) -> PeerId: ...

    def sign(self, kind: SignedKind, message: Message) -> SignedEnvelope: ...

    def open(self, envelope: SignedEnvelope, kind: SignedKind, of: type[M]) -> M:
        """The signed message; PeerFault if kind, signature or bytes are wrong."""

    def digest(self, envelope: SignedEnvelope) -> bytes:
        """sha256 over author, payload and signature: names exactly this signed thing."""

    @property
    def vrf_key(self) -> bytes:
        """Our public VRF key, apart from the key that signs."""

    def prove(self, alpha: bytes) -> bytes:
        """Our VRF proof over `alpha`."""

    def check_proof(self, key: bytes, alpha: bytes, proof: bytes) -> bytes | None:
        """The output of a proof by the holder of `key`, or None if the proof is wrong."""
