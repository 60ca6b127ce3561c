"""Who verifies what: the order of members, the samples, and who checks which of them. Arithmetic alone.

Nobody can compute it before the beacon has spoken, and everybody computes the same then. docs/protocol/verification.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import Policy, Verify


@dataclass(frozen=True, slots=True)
class Draw:
    """`dues`: the chunks that each checker re-executes, in the order of the draw. `skipped`: who was passed over.
    `unchecked`: samples that nobody is left to check, since their worker alone remains.
    """

    order: tuple[PeerId, ...]
    samples: tuple[int, ...]
    dues: Mapping[PeerId, tuple[int, ...]]
    skipped: tuple[PeerId, ...] = ()
    unchecked: tuple[int, ...] = ()

    @property
    def verifier(self) -> PeerId | None:
        """The first in the order."""
        return self.order[0] if self.order else None


def draw(
    policy: Policy,
    seed: bytes,
    members: Sequence[PeerId],
    workers: Mapping[int, PeerId],
    skipped: Sequence[PeerId],
) -> Draw:
    """Deal the samples out. `workers` says whose result each chunk is, in the order of the chunks; `skipped` are silent
    members, whom the draw passes over without being made again.
    """
    order = order_of(seed, members)
    able = [peer for peer in order if peer not in skipped]
    samples = samples_of(policy, seed, tuple(workers))
    dues: dict[PeerId, list[int]] = {}
    unchecked = []
    for number, chunk in enumerate(samples):
        checker = _checker(able, number % max(1, policy.verifiers), workers[chunk])
        if checker is None:
            unchecked.append(chunk)
        else:
            dues.setdefault(checker, []).append(chunk)
    dealt = {peer: tuple(dues[peer]) for peer in able if peer in dues}
    return Draw(order, samples, dealt, tuple(skipped), tuple(unchecked))


def order_of(seed: bytes, members: Sequence[PeerId]) -> tuple[PeerId, ...]:
    """The members by H(seed, peer): the first is the verifier."""
    return tuple(sorted(members, key=lambda peer: _ticket(seed, b"peer", peer.encode())))


def samples_of(policy: Policy, seed: bytes, chunks: Sequence[int]) -> tuple[int, ...]:
    """The chunks to re-execute, by their number: all, or the first so many by H(seed, chunk), at least one."""
    if policy.verify is Verify.FULL:
        return tuple(sorted(chunks))
    count = max(1, -(-len(chunks) * policy.samples_permille // 1000))
    chosen = sorted(chunks, key=lambda chunk: _ticket(seed, b"chunk", chunk.to_bytes(8, "big")))
    return tuple(sorted(chosen[:count]))


def seed_of(r: bytes, outputs: Mapping[PeerId, bytes], beacon: bytes) -> bytes:
    """H(R, every revealed output, the beacon's)."""
    state = hashlib.sha256(b"sgnus/v1/draw\0" + r)
    for peer in sorted(outputs):
        name = peer.encode()
        state.update(len(name).to_bytes(2, "big") + name + outputs[peer])
    state.update(beacon)
    return state.digest()


def beacon_alpha(r: bytes, outputs: Mapping[PeerId, bytes]) -> bytes:
    """What the beacon proves over: R and the reveals, fixed by then."""
    return seed_of(r, outputs, b"")


def _checker(able: Sequence[PeerId], first: int, worker: PeerId) -> PeerId | None:
    """From place `first` on, the first that did not make the chunk itself."""
    turns = [*able[first % len(able) :], *able[: first % len(able)]] if able else []
    return next((peer for peer in turns if peer != worker), None)


def _ticket(seed: bytes, what: bytes, name: bytes) -> bytes:
    return hashlib.sha256(b"sgnus/v1/ticket\0" + seed + what + b"\0" + name).digest()
