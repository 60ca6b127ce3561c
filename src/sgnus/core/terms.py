"""What a job says about its verification, as far as the core must know: who may be drawn, who draws, what is sampled.

Follows from the job's entry alone, so that every node and whoever checks a receipt read the same.
docs/protocol/verification.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.limits import SUB_BLOCKS_PER_MICROJOB
from sgnus.messages.v1.types import JobBody, Policy, Verify
from sgnus.wire.entry import OpenedEntry


@dataclass(frozen=True, slots=True)
class Terms:
    """`entry` is the JOB entry's bytes; `chunks` is None where only the job's own list of chunks would tell."""

    network: str
    job: BlockId
    publisher: PeerId
    entry: bytes
    policy: Policy
    beacon: PeerId
    beacon_key: bytes
    chunks: int | None
    chunks_per_sub_block: int
    settlement: PeerId | None = None
    """The SGNUS node that the job names."""

    @staticmethod
    def of(network: str, opened: OpenedEntry, chunks: int | None) -> Terms | None:
        """The terms of a JOB entry that wants proof; None for one that does not. PeerFault if its policy cannot be."""
        body: JobBody = opened.body
        policy, publisher = body.policy, opened.author
        if policy.verify not in (Verify.SAMPLE, Verify.FULL):
            return None
        if not body.beacon or body.beacon_vrf_key is None or len(body.beacon_vrf_key) != 32:
            raise PeerFault("a job that wants proof names its beacon, with a VRF key of 32 bytes")
        if policy.min_members < 2 or policy.verifiers < 1:
            raise PeerFault("a job that wants proof needs two members and one verifier at least")
        return Terms(
            network=network,
            job=opened.cid,
            publisher=publisher,
            entry=opened.raw,
            policy=policy,
            beacon=PeerId(body.beacon),
            beacon_key=body.beacon_vrf_key,
            chunks=chunks,
            chunks_per_sub_block=body.cut.chunks_per_sub_block,
            settlement=PeerId(body.settlement) if body.settlement else None,
        )

    def first_chunk(self, microjob: int, sub_block: int) -> int:
        """Index within the job of a sub-block's first chunk."""
        return (microjob * SUB_BLOCKS_PER_MICROJOB + sub_block) * self.chunks_per_sub_block

    def check_cover(self, microjob: int, counts: tuple[int, ...]) -> None:
        """PeerFault unless sub-blocks of so many chunks are exactly those of the microjob."""
        full = SUB_BLOCKS_PER_MICROJOB * self.chunks_per_sub_block
        if not 1 <= len(counts) <= SUB_BLOCKS_PER_MICROJOB:
            raise PeerFault("a microjob has 1 to 10 sub-blocks")
        if any(count != self.chunks_per_sub_block for count in counts[:-1]):
            raise PeerFault("a sub-block before the last one does not have the chunks of the plan")
        if not 1 <= counts[-1] <= self.chunks_per_sub_block:
            raise PeerFault("the last sub-block does not have the chunks of the plan")
        if self.chunks is not None and sum(counts) != min(full, self.chunks - microjob * full):
            raise PeerFault("the sub-blocks do not cover the microjob exactly")
