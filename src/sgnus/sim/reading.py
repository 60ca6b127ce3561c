"""What a copy of the job database tells a core: entries carry real peer ids, everything else names that people can read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from sgnus.core.inputs import JobFacts
from sgnus.core.shelf import RoomClaim, Shelf
from sgnus.core.terms import Terms
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import BlockId, NetworkId, PeerId
from sgnus.messages.v1.types import RoomAnnouncement, SignedEnvelope
from sgnus.sim.peer import Peer
from sgnus.sim.setting import Setting
from sgnus.wire.codec import decode
from sgnus.wire.entry import OpenedEntry

NETWORK: Final = NetworkId("00" * 16)


class Reading:
    """Turns the fold of the entries into what a core is told."""

    def __init__(self, setting: Setting, peers: Mapping[PeerId, Peer]) -> None:
        self._setting = setting
        self._peers = peers
        self._names: dict[PeerId, PeerId] = {}
        self._said: dict[BlockId, tuple[SignedEnvelope, Terms | None]] = {}

    def facts(self, shelf: Shelf, *, is_fresh: bool) -> JobFacts:
        view = shelf.view()
        address, terms = self._said_by(shelf.job)
        return JobFacts(
            job=view.block_id,
            publisher=self.name_of(view.author),
            address=address,
            processor=view.body.processor.id,
            sub_blocks=self._setting.sub_blocks,
            microjobs=(self._setting.sub_blocks + 9) // 10,
            deadline_ms=view.body.deadline_ms,
            terms=terms,
            banned=tuple(self.name_of(peer) for peer in view.banned),
            open=view.is_open,
            taken=frozenset(view.taken),
            is_fresh=is_fresh,
        )

    def _said_by(self, job: OpenedEntry) -> tuple[SignedEnvelope, Terms | None]:
        """The publisher's address and the terms, which the JOB entry alone says."""
        if job.cid not in self._said:
            terms = Terms.of(NETWORK, job, self._setting.sub_blocks * self._setting.chunks)
            if terms is not None:
                publisher, beacon = self.name_of(terms.publisher), self.name_of(terms.beacon)
                terms = replace(terms, publisher=publisher, beacon=beacon)
            self._said[job.cid] = decode(SignedEnvelope, job.body.address or b""), terms
        return self._said[job.cid]

    def announcement(self, facts: JobFacts, claim: RoomClaim) -> RoomAnnouncement | None:
        """A ROOM entry lets newcomers ask before the lobby answers; it says nothing of what became of the room. None if it says
        nothing at all.
        """
        try:
            address = decode(SignedEnvelope, claim.address)
        except PeerFault:
            return None
        if address.author != self.name_of(claim.host) or claim.microjob >= facts.microjobs:
            return None
        return RoomAnnouncement(
            job=facts.job,
            microjob=claim.microjob,
            instance=claim.instance,
            epoch=claim.epoch,
            members=1,
            seats=1,
            sub_blocks=facts.sub_blocks_of(claim.microjob),
            unleased=1,
            delivered=0,
            address=address,
            waiting=False,
            sequence=0,
            closing=False,
        )

    def name_of(self, author: PeerId) -> PeerId:
        """Entries carry real peer ids; everything else has names that people can read, but for keys that were made up."""
        if author not in self._names:
            self._names = {peer.identity.peer_id: peer.name for peer in self._peers.values()}
        return self._names.get(author, author)

    def author_of(self, name: PeerId) -> PeerId:
        """The real peer id behind a name; a name that is nobody's stands for itself."""
        peer = self._peers.get(name)
        return peer.identity.peer_id if peer is not None else name
