"""What a job's policy may ask for, and what it means where it says nothing. Apps check a wish by it before they send
anything, and nodes check what they are asked by any app.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sgnus.messages.errors import UserFault
from sgnus.messages.limits import PROVED_MEMBERS_MIN, ROOM_MEMBERS_MAX

SAMPLES_PERMILLE: Final = 100
PERMILLE: Final = 1000


class PolicyTerms(NamedTuple):
    """`verify` is none, sample, full, or empty for the usual; a 0 says nothing."""

    verify: str = ""
    samples_permille: int = 0
    verifiers: int = 0
    min_members: int = 0


def settle(asked: PolicyTerms, *, is_app: bool) -> PolicyTerms:
    """The policy in full. UserFault says what in it cannot be; `is_app`: an app processes the job."""
    is_detailed = bool(asked.samples_permille or asked.verifiers or asked.min_members > 1)
    usual = "none" if is_app and not is_detailed else "sample"
    verify = asked.verify or usual
    if verify == "none":
        if is_detailed:
            raise UserFault(
                "With --verify none nothing is run again: leave out --samples, --verifiers and --min-members, "
                "or take --verify sample or full."
            )
        return PolicyTerms("none", min_members=1)
    if is_app:
        raise UserFault("What an app processes cannot be run again by others: submit it with --verify none.")
    verifiers = asked.verifiers or 1
    return PolicyTerms(verify, _permille(verify, asked), verifiers, _members(verifiers, asked))


def _permille(verify: str, asked: PolicyTerms) -> int:
    if not 0 <= asked.samples_permille <= PERMILLE:
        raise UserFault(f"A share of {asked.samples_permille} permille of the chunks cannot be run again.")
    if verify != "full":
        return asked.samples_permille or SAMPLES_PERMILLE
    if asked.samples_permille not in (0, PERMILLE):
        raise UserFault(
            "With --verify full all chunks are run again: leave out --samples, or take --verify sample."
        )
    return PERMILLE


def _members(verifiers: int, asked: PolicyTerms) -> int:
    """By default enough that the samples can be dealt to as many as were asked for."""
    if not 1 <= verifiers <= ROOM_MEMBERS_MAX:
        raise UserFault(f"A room has 1 to {ROOM_MEMBERS_MAX} verifiers, not {verifiers}.")
    members = asked.min_members or max(PROVED_MEMBERS_MIN, verifiers)
    if not PROVED_MEMBERS_MIN <= members <= ROOM_MEMBERS_MAX:
        raise UserFault(
            f"A job that is verified takes {PROVED_MEMBERS_MIN} to {ROOM_MEMBERS_MAX} members, not {members}."
        )
    if members < verifiers:
        raise UserFault(
            f"{verifiers} verifiers need a room of as many members: take --min-members {verifiers} or more, "
            "or fewer --verifiers."
        )
    return members
