"""What SGNUS nodes settled, as this node's database has it: pages for apps, with the credit of each peer in them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Final

from sgnus.core.shelf import JobView
from sgnus.messages.errors import NotFound, PeerFault, UserFault
from sgnus.messages.ids import BlockId
from sgnus.messages.limits import SETTLEMENTS_LISTED_MAX
from sgnus.messages.v1.types import (
    EntryKind,
    ListSettlementsReply,
    ListSettlementsRequest,
    SettledMicrojob,
    Share,
)
from sgnus.ports import Store
from sgnus.runtime.database import Database
from sgnus.wire.dagcbor import cid_of_digest, digest_of_cid

LISTED: Final = 100
JOBS_AT_ONCE: Final = 32
Cursor = tuple[BlockId, int]


async def page(store: Store, database: Database, request: ListSettlementsRequest) -> ListSettlementsReply:
    """By job (in the order of their digests) and microjob. NotFound for a job that is not known, UserFault for a cursor
    that is none.
    """
    limit = min(request.limit or LISTED, SETTLEMENTS_LISTED_MAX)
    after = _cursor(request.after) if request.after else None
    found: list[SettledMicrojob] = []
    async for view in _views(store, database, request.job or None, after):
        first = after[1] + 1 if after is not None and view.block_id == after[0] else 0
        for microjob, settled in view.settlements.items():
            if microjob < first:
                continue
            if len(found) == limit:
                last = found[-1]
                return _reply(found, f"{last.job}/{last.microjob}")
            found.append(
                SettledMicrojob(
                    job=view.block_id,
                    microjob=microjob,
                    receipt=settled.body.receipt,
                    node=settled.node,
                    audited=settled.body.audited,
                    rerun=settled.body.rerun or 0,
                    shares=settled.body.shares,
                )
            )
    return _reply(found, None)


async def _views(
    store: Store, database: Database, job: str | None, after: Cursor | None
) -> AsyncIterator[JobView]:
    """The jobs to look at, the one of the cursor first."""
    if job is not None:
        view = await _view(database, job)
        if view is None:
            raise NotFound(f"No job {job} is known to this node.")
        yield view
        return
    last = b""
    if after is not None:
        view, last = await _view(database, after[0]), digest_of_cid(after[0])
        if view is not None:
            yield view
    while digests := await store.jobs_with(EntryKind.SETTLED, last, JOBS_AT_ONCE):
        for digest in digests:
            view = await _view(database, cid_of_digest(digest))
            if view is not None:
                yield view
        last = digests[-1]


async def _view(database: Database, job: str) -> JobView | None:
    try:
        return await database.job(BlockId(job))
    except PeerFault as fault:
        raise UserFault(f"{job!r} is no job's id: {fault}.") from fault


def _reply(found: list[SettledMicrojob], following: str | None) -> ListSettlementsReply:
    shares = (share for one in found for share in one.shares)
    return ListSettlementsReply(settlements=tuple(found), credits=credits_of(shares), next=following)


def credits_of(shares: Iterable[Share]) -> tuple[Share, ...]:
    """The sums, by peer."""
    made: dict[str, int] = {}
    checked: dict[str, int] = {}
    for share in shares:
        made[share.peer] = made.get(share.peer, 0) + share.made
        checked[share.peer] = checked.get(share.peer, 0) + share.checked
    return tuple(Share(peer=peer, made=made[peer], checked=checked[peer]) for peer in sorted(made))


def _cursor(text: str) -> Cursor:
    """UserFault if it was never a `next`."""
    job, _, microjob = text.partition("/")
    try:
        digest_of_cid(BlockId(job))
        return BlockId(job), int(microjob)
    except (PeerFault, ValueError) as fault:
        raise UserFault("`after` is not the `next` of a page: leave it out to begin.") from fault
