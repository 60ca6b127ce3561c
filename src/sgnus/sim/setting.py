"""What one simulated run is: its seed, its size, its faults. The same setting gives the same run, byte for byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sgnus.messages.limits import PROVED_MEMBERS_MIN, STRIKES_MAX
from sgnus.messages.v1.types import Verify

FAULTS = (
    "delay",
    "loss",
    "duplicate",
    "slow",
    "abandon",
    "clock",
    "break",
    "crash",
    "publisher",
    "power",
    "part",
    "oneway",
    "pause",
    "stop",
    "gone",
)
PEERS_MIN, PEERS_MAX = 2, 64
FAULTS_MS = 15_000
CALM_MS = 30_000
LATE_CALM_MS = 50_000
"""Where results are proved, and half of those who made them are gone for good, times add up: broken streams are noticed after up
to 15 s, a room waits 10 s for its host and a quorum, the publisher 12 or 24 s for the absent; then the work is done again. So
they do where somebody lies: it is found after a round, and another round follows.
"""
HOSTILE_CALM_MS = 120_000
"""Where both are so, or peers are hostile in other ways and go on when all is calm."""
LAZY: Final = ("squatter", "withholder")
"""Vices that hold up what they were leased, and nothing else: two deadlines each, by the second of which they struck out."""
LAZY_CALM_MS = 5_000
"""And what a few good members need besides, where nothing else fails; they do two sub-blocks at a time at least."""


@dataclass(frozen=True, slots=True)
class Setting:
    """`faults` are names of FAULTS; they happen until `faults_ms`, but for the blows whose numbers `skip` has; then all is
    calm for those that are not gone, and the job must end by `end_ms`.
    `other_beacon`: the second peer, not the publisher, is the job's beacon, and has no seat. Liars of a
    `league` lie about each other's work alone when they check. `chunks` are those of a sub-block.
    """

    seed: int
    peers: int = 8
    sub_blocks: int = 30
    faults: tuple[str, ...] = FAULTS
    faults_ms: int = FAULTS_MS
    skip: tuple[int, ...] = ()
    deadline_ms: int = 4_000
    compute_ms: tuple[int, int] = (200, 900)
    trace: bool = False
    verify: Verify = Verify.NONE
    liars: int = 0
    vices: tuple[str, ...] = ()
    """Of the last peers, the very last one's first; names of `host_vices.VICES`."""
    other_beacon: bool = False
    members_min: int = PROVED_MEMBERS_MIN
    recheck: bool = False
    """The publisher runs all that it receives again."""
    league: bool = False
    chunks: int = 1
    verifiers: int = 1
    exchange_ms: int = 5_000
    """How often each peer compares its copy of the database, on average."""

    @property
    def end_ms(self) -> int:
        """By when the job must have ended: `CALM_MS` after the calm, if all that worked on it are back and honest."""
        if self.vices and not self.faults and self.verify is Verify.NONE and set(self.vices) <= set(LAZY):
            strikes_ms = STRIKES_MAX * self.deadline_ms * len(self.vices)
            return LAZY_CALM_MS + strikes_ms + self.sub_blocks * self.compute_ms[1] // 2
        is_late = self.verify is not Verify.NONE and "gone" in self.faults
        if self.vices or (is_late and self.liars):
            return self.faults_ms + HOSTILE_CALM_MS
        return self.faults_ms + (LATE_CALM_MS if is_late or self.liars else CALM_MS)

    def command(self) -> str:
        """What repeats this run."""
        faults = "all" if self.faults == FAULTS else ",".join(self.faults) or "none"
        command = f"sgnus sim --seed {self.seed} --peers {self.peers} --sub-blocks {self.sub_blocks} --faults {faults}"
        if self.verify is not Verify.NONE:
            command += f" --verify {self.verify.name.lower()} --liars {self.liars}"
            command += f" --min-members {self.members_min}"
            command += " --recheck" if self.recheck else ""
        if self.vices:
            command += f" --vices {','.join(self.vices)}"
        if self.faults_ms != FAULTS_MS:
            command += f" --faults-ms {self.faults_ms}"
        if self.skip:
            command += f" --skip {','.join(map(str, self.skip))}"
        if self.other_beacon:
            command += " --other-beacon"
        return command
