"""Pages of what is settled, and the credit of each peer in them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sgnus.adapters.store.memory import FakeStore
from sgnus.core import audit_lot
from sgnus.messages.errors import NotFound, UserFault
from sgnus.messages.ids import BlockId
from sgnus.messages.v1.types import (
    AuditState,
    EntryKind,
    ListSettlementsRequest,
    SettledBody,
    SettledMicrojob,
    Share,
)
from sgnus.runtime import settlements
from sgnus.runtime.database import Database
from sgnus.runtime.pens import EnvelopePen
from sgnus.runtime.settlements import Books
from tests.database_support import (
    AUTHOR,
    NETWORK,
    NOW_MS,
    SETTLER,
    STRANGER,
    in_loop,
    job_entry,
    sealed,
    taken,
)

PEN = EnvelopePen(SETTLER, NETWORK)


async def database(*, jobs: int, microjobs: int) -> tuple[Books, list[BlockId]]:
    store = FakeStore()
    held = Database(
        store,
        AUTHOR,
        NETWORK,
        settlement_peers=[SETTLER.peer_id],
        clock_ms=lambda: NOW_MS,
        publish=lambda payload: None,
        on_change=lambda job: None,
    )
    await held.start()
    ids = []
    for number in range(jobs):
        job = job_entry(number)
        bodies = [body(microjob, number) for microjob in range(microjobs)]
        entries = [sealed(EntryKind.SETTLED, one, job.cid, by=SETTLER) for one in bodies]
        forged = sealed(EntryKind.SETTLED, body(microjobs, 9), job.cid, by=STRANGER)
        await held.receive([one.raw for one in (job, taken(job.cid, 0), *entries, forged)])
        ids.append(job.cid)
    return Books(store, held, {SETTLER.peer_id: PEN.vrf_key}), sorted(ids)


def body(microjob: int, number: int) -> SettledBody:
    shares = (Share(peer="ann", made=5, checked=0), Share(peer="bob", made=number, checked=1))
    return SettledBody(
        microjob=microjob,
        receipt=bytes([microjob]) * 32,
        audited=False,
        audit_proof=PEN.prove(audit_lot.alpha_of(bytes([microjob]) * 32)),
        shares=shares,
        rerun=0,
    )


async def pages(held: Books, **asked: Any) -> list[list[SettledMicrojob]]:
    found: list[list[SettledMicrojob]] = []
    after: str | None = None
    while True:
        page = await settlements.page(held, ListSettlementsRequest(after=after, **asked))
        found.append(list(page.settlements))
        after = page.next
        if after is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7, 100])
@in_loop
async def test_pages_hold_everything_once_in_order(limit: int) -> None:
    held, ids = await database(jobs=3, microjobs=2)
    found = await pages(held, limit=limit)
    assert all(len(page) <= limit for page in found)
    flat = [one for page in found for one in page]
    assert len({(one.job, one.microjob) for one in flat}) == len(flat) == 6
    assert sorted({one.job for one in flat}) == ids
    assert all(one.node == SETTLER.peer_id for one in flat)
    await held.database.stop()


@in_loop
async def test_credit_is_a_count_of_settled_chunks_by_peer_and_role() -> None:
    held, _ids = await database(jobs=2, microjobs=3)
    page = await settlements.page(held, ListSettlementsRequest())
    assert page.credits == (Share(peer="ann", made=30, checked=0), Share(peer="bob", made=3, checked=6))
    await held.database.stop()


@in_loop
async def test_those_of_one_job_can_be_asked_for() -> None:
    held, ids = await database(jobs=2, microjobs=3)
    (first, second) = await pages(held, job=ids[1], limit=2)
    assert [one.microjob for one in first + second] == [0, 1, 2]
    assert {one.job for one in first + second} == {ids[1]}
    await held.database.stop()


@in_loop
async def test_a_job_that_is_not_known_and_a_cursor_that_is_none_are_said() -> None:
    held, ids = await database(jobs=1, microjobs=1)
    unknown = job_entry(77).cid
    with pytest.raises(NotFound, match="is known to this node"):
        await settlements.page(held, ListSettlementsRequest(job=unknown))
    with pytest.raises(UserFault, match="no job's id"):
        await settlements.page(held, ListSettlementsRequest(job="bafynone"))
    for after in ("x", "x/1", f"{ids[0]}/x", f"{ids[0]}"):
        with pytest.raises(UserFault, match="leave it out to begin"):
            await settlements.page(held, ListSettlementsRequest(after=after))
    await held.database.stop()


@in_loop
async def test_whether_an_audit_was_due_and_done_is_checked_by_the_key_of_the_network_file() -> None:
    held, ids = await database(jobs=1, microjobs=60)
    (found,) = await pages(held, job=ids[0])
    states = [one.audit for one in found]
    chosen = [audit_lot.is_chosen(output(one.receipt)) for one in found]
    assert states == [AuditState.OWED if is_chosen else AuditState.NOT_DUE for is_chosen in chosen]
    assert any(chosen)
    assert not all(chosen)
    done = replace(body(0, 0), rerun=3, audited=True)
    assert audit_lot.state_of(PEN.vrf_key, done) is AuditState.DONE
    assert audit_lot.state_of(PEN.vrf_key, replace(done, receipt=bytes([9]) * 32)) is AuditState.UNPROVEN
    assert audit_lot.state_of(PEN.vrf_key, replace(done, audit_proof=None)) is AuditState.UNPROVEN
    assert audit_lot.state_of(EnvelopePen(STRANGER, NETWORK).vrf_key, done) is AuditState.UNPROVEN
    assert audit_lot.state_of(b"", done) is AuditState.UNPROVEN
    await held.database.stop()


def output(receipt: bytes) -> bytes:
    alpha = audit_lot.alpha_of(receipt)
    found = PEN.check_proof(PEN.vrf_key, alpha, PEN.prove(alpha))
    assert found is not None
    return found
