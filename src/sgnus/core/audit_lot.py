"""Which receipts a SGNUS node has to run again, and which parts of them: by its own VRF over the receipt's digest.

Nobody else can tell beforehand, and everybody can check it afterwards. docs/protocol/settlement.md.
"""

from __future__ import annotations

import hashlib

from sgnus.core.claims import Claim
from sgnus.core.pen import Pen
from sgnus.crypto.vrf import verify
from sgnus.messages.errors import OurFault
from sgnus.messages.limits import AUDITED_ONE_IN, AUDITED_SUB_BLOCKS_ONE_IN
from sgnus.messages.v1.types import AuditState, SettledBody


def alpha_of(digest: bytes) -> bytes:
    """What a SGNUS node proves over, for the receipt of this digest."""
    return b"sgnus/v1/audit\0" + digest


def is_chosen(output: bytes) -> bool:
    """Whether this VRF output says that the receipt is to be audited."""
    return int.from_bytes(output[:8], "big") * AUDITED_ONE_IN < 1 << 64


def parts_of(output: bytes, sub_blocks: int) -> tuple[int, ...]:
    """Which sub-blocks of a chosen receipt are run again: one of ten, at least one, by the VRF output."""

    def ticket(number: int) -> bytes:
        return hashlib.sha256(b"sgnus/v1/audit-part\0" + output + number.to_bytes(4, "big")).digest()

    count = -(-sub_blocks // AUDITED_SUB_BLOCKS_ONE_IN)
    return tuple(sorted(sorted(range(sub_blocks), key=ticket)[:count]))


def state_of(key: bytes, body: SettledBody) -> AuditState:
    """What a SETTLED by the holder of this VRF key says of its audit, for anybody who knows the key."""
    output = verify(key, alpha_of(body.receipt), body.audit_proof or b"")
    if output is None:
        return AuditState.UNPROVEN
    if body.rerun:
        return AuditState.DONE
    return AuditState.OWED if is_chosen(output) else AuditState.NOT_DUE


def sampled(pen: Pen, claim: Claim) -> tuple[int, ...]:
    """The sub-blocks that our own VRF says we have to run again: of most receipts none."""
    alpha = alpha_of(claim.digest)
    output = pen.check_proof(pen.vrf_key, alpha, pen.prove(alpha))
    if output is None:
        raise OurFault("a VRF proof of our own does not hold")
    return parts_of(output, len(claim.works)) if is_chosen(output) else ()
