"""What peers say that a chunk's output is: the truth, or, by those that lie, the one falsehood that all of them agree on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from sgnus.crypto.commits import commit_root_of
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.v1.types import Opening, Verify
from sgnus.sim.peer import Peer
from sgnus.sim.setting import Setting

Place = tuple[int, int]
SUB_BLOCKS = 10


def right(chunk: int) -> bytes:
    """The digest of a chunk's one right output: processors are deterministic."""
    return hashlib.sha256(f"{chunk}".encode()).digest()


def false(chunk: int) -> bytes:
    """What all liars say instead."""
    return hashlib.sha256(f"not {chunk}".encode()).digest()


class Honesty:
    """Who tells the truth about what it computed: all but the last `liars` peers. `made` says whose output of a sub-block
    reached the publisher last.
    """

    def __init__(self, setting: Setting, peers: Mapping[PeerId, Peer]) -> None:
        self.is_rechecked = setting.recheck
        self.chunks_per_sub_block = setting.chunks
        self.made: dict[Place, PeerId] = {}
        self._setting = setting
        self._peers = peers

    def is_liar(self, peer: PeerId) -> bool:
        """Whether this one lies."""
        return peer in list(self._peers)[len(self._peers) - self._setting.liars :]

    def is_hostile(self, peer: PeerId) -> bool:
        """Whether it lies or has a vice, or is nobody but a name that such a one made up."""
        named = self._peers.get(peer)
        return named is None or named.villain is not None or self.is_liar(peer)

    def chunks_of(self, place: Place) -> range:
        """The chunks of a sub-block."""
        first = (place[0] * SUB_BLOCKS + place[1]) * self.chunks_per_sub_block
        return range(first, first + self.chunks_per_sub_block)

    def digests(self, peer: PeerId, place: Place) -> bytes:
        """What a worker says that the outputs of a sub-block hash to."""
        say = false if self.is_liar(peer) else right
        return b"".join(say(chunk) for chunk in self.chunks_of(place))

    def checked(self, peer: PeerId, chunk: int) -> bytes:
        """What a checker says. A liar says what is false; in league with others it does so for their chunks alone."""
        worker = self.made.get(divmod(chunk // self.chunks_per_sub_block, SUB_BLOCKS))
        is_for_friends = not self._setting.league or (worker is not None and self.is_liar(worker))
        return false(chunk) if self.is_liar(peer) and is_for_friends else right(chunk)

    def committed(
        self, peer: Peer, job: BlockId, instance: InstanceId, place: Place
    ) -> tuple[bytes, Opening | None]:
        """What a peer commits to, and what that hides; without proof the digest itself does."""
        if self._setting.verify is Verify.NONE:
            return root_of(self, place), None
        digests, chunks = self.digests(peer.name, place), self.chunks_of(place)
        seed = hashlib.sha256(f"{peer.name}/{instance}/{place}".encode()).digest()
        parts = [digests[start : start + 32] for start in range(0, len(digests), 32)]
        root = commit_root_of(job, instance, peer.name, seed=seed, chunks=chunks, digests=parts)
        return root, Opening(instance=instance, sub_block=place[1], salt_seed=seed, digests=digests)


def root_of(honesty: Honesty, place: Place) -> bytes:
    """The one right root of a sub-block where nothing is committed to."""
    return hashlib.sha256(b"".join(right(chunk) for chunk in honesty.chunks_of(place))).digest()
