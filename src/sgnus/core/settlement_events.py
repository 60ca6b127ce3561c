"""Everything that can happen to settlement (`settlement.py`), and everything that it can ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sgnus.core import effects as fx
from sgnus.core.claims import Claim
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.v1.types import SettlementState

RECEIPTS: Final = "settlement"
"""Namespace of receipts that are kept, by job/microjob/digest."""
OPEN: Final = "settling"
"""Namespace of the cases that are not settled yet."""


# ---- inputs
@dataclass(frozen=True, slots=True)
class ReceiptSubmitted:
    """`claim` was checked, `data` are its bytes. Ends in Answer, for `token`."""

    token: int
    claim: Claim
    data: bytes


@dataclass(frozen=True, slots=True)
class CaseRestored:
    """What disk and database know of a case, before anything else is said of it. `settled` and `taken` are digests."""

    job: BlockId
    microjob: int
    claims: tuple[Claim, ...]
    settled: bytes | None
    taken: bytes | None


@dataclass(frozen=True, slots=True)
class MicrojobTaken:
    """The publisher's TAKEN names this receipt."""

    job: BlockId
    microjob: int
    receipt: bytes


@dataclass(frozen=True, slots=True)
class MicrojobSettled:
    """A SETTLED in the database, by another SGNUS node or by us, names this receipt."""

    job: BlockId
    microjob: int
    receipt: bytes


@dataclass(frozen=True, slots=True)
class AuditEnded:
    """Sub-blocks were run again: the digests of each, end to end. Those that could not be run are missing."""

    job: BlockId
    microjob: int
    digests: Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class JobGone:
    """The job expired."""

    job: BlockId


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


Input = ReceiptSubmitted | CaseRestored | MicrojobTaken | MicrojobSettled | AuditEnded | JobGone | Tick


# ---- effects beside Persist, PublishEntry and Accuse
@dataclass(frozen=True, slots=True)
class Answer:
    """To ReceiptSubmitted. `state` None: no place for it now, try again."""

    token: int
    state: SettlementState | None
    detail: str


@dataclass(frozen=True, slots=True)
class Audit:
    """Run these sub-blocks again, from inputs of the publisher or of `holders`; ends in AuditEnded."""

    job: BlockId
    microjob: int
    instance: InstanceId
    sub_blocks: tuple[int, ...]
    holders: tuple[PeerId, ...]


@dataclass(frozen=True, slots=True)
class Forget:
    """Facts that are not needed any more."""

    namespace: str
    keys: tuple[str, ...]


Effect = fx.Persist | fx.PublishEntry | fx.Accuse | Answer | Audit | Forget
