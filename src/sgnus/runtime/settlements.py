"""What SGNUS nodes settled, as this node's database has it: pages for apps, with the credit of each peer in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sgnus.core import audit_lot
from sgnus.core.shelf import JobView, Settled
from sgnus.messages.errors import NotFound, PeerFault, UserFault
from sgnus.messages.ids import BlockId, PeerId
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


@dataclass(frozen=True, slots=True)
class Books:
    """Where settlements are read, and the VRF keys of the SGNUS nodes of the network file."""

    store: Store
    database: Database
    keys: Mapping[PeerId, bytes]


async def page(books: Books, request: ListSettlementsRequest) -> ListSettlementsReply:
    """By job (in the order of their digests) and microjob. NotFound for a job that is not known, UserFault for a cursor
    that is none.
    """
    limit = min(request.limit or LISTED, SETTLEMENTS_LISTED_MAX)
    after = _cursor(request.after) if request.after else None
    found: list[tuple[BlockId, int, Settled]] = []
    async for view in _views(books, request.job or None, after):
        first = after[1] + 1 if after is not None and view.block_id == after[0] else 0
        for microjob, settled in view.settlements.items():
            if microjob < first:
                continue
            if len(found) == limit:
                job, last, _settled = found[-1]
                return await _reply(books, found, f"{job}/{last}")
            found.append((BlockId(view.block_id), microjob, settled))
    return await _reply(books, found, None)


async def _views(books: Books, job: str | None, after: Cursor | None) -> AsyncIterator[JobView]:
    """The jobs to look at, the one of the cursor first."""
    if job is not None:
        view = await _view(books.database, job)
        if view is None:
            raise NotFound(f"No job {job} is known to this node.")
        yield view
        return
    last = b""
    if after is not None:
        view, last = await _view(books.database, after[0]), digest_of_cid(after[0])
        if view is not None:
            yield view
    while digests := await books.store.jobs_with(EntryKind.SETTLED, last, JOBS_AT_ONCE):
        for digest in digests:
            view = await _view(books.database, cid_of_digest(digest))
            if view is not None:
                yield view
        last = digests[-1]


async def _view(database: Database, job: str) -> JobView | None:
    try:
        return await database.job(BlockId(job))
    except PeerFault as fault:
        raise UserFault(f"{job!r} is no job's id: {fault}.") from fault


async def _reply(
    books: Books, found: list[tuple[BlockId, int, Settled]], following: str | None
) -> ListSettlementsReply:
    """Proofs are checked beside the loop: a page of them takes a while."""
    listed = await asyncio.to_thread(lambda: tuple(_settlement(books.keys, *one) for one in found))
    shares = (share for one in listed for share in one.shares)
    return ListSettlementsReply(settlements=listed, credits=credits_of(shares), next=following)


def _settlement(
    keys: Mapping[PeerId, bytes], job: BlockId, microjob: int, settled: Settled
) -> SettledMicrojob:
    body = settled.body
    return SettledMicrojob(
        job=job,
        microjob=microjob,
        receipt=body.receipt,
        node=settled.node,
        audited=body.audited,
        rerun=body.rerun or 0,
        shares=body.shares,
        audit=audit_lot.state_of(keys.get(settled.node, b""), body),
    )


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
