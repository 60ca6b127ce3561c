"""Results of our jobs, streamed to apps in the order in which they were held, from any cursor on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

from sgnus.messages.ids import BlockId
from sgnus.messages.limits import DATA_BYTES_MAX, SUB_BLOCKS_PER_MICROJOB
from sgnus.messages.v1.types import ResultState, StreamResultsReply
from sgnus.runtime.events import EventHub
from sgnus.runtime.jobs import Job, OutputPlace

PIECE_BYTES_MAX: Final = DATA_BYTES_MAX
CURSORS_PER_RECEIPT: Final = 16


async def stream(
    job: Job, hub: EventHub, after: int, is_over: Callable[[], bool], *, provisional: bool
) -> AsyncIterator[StreamResultsReply]:
    """All outputs with a cursor above `after`; ends when the job is over and all was given.

    Of a job that wants proof those that a receipt verifies, in the order of receipts; with `provisional` all that are held,
    as they come: a later item of the same sub-block replaces one that was found false.
    """
    cursor = after
    items = _verified if job.wants_proof and not provisional else _held
    while True:
        changed = hub.log(BlockId(job.view.block_id)).changed
        over = is_over()
        for number, place in items(job, cursor):
            for piece in _pieces(job, place, number):
                yield piece
            cursor = number
        if over:
            return
        await changed.wait()


def _held(job: Job, after: int) -> list[tuple[int, OutputPlace]]:
    """By the order in which they were held."""
    first = bisect_right(job.places, after, key=lambda place: place.order)
    return [(place.order, place) for place in job.places[first:]]


def _verified(job: Job, after: int) -> list[tuple[int, OutputPlace]]:
    """By the order of receipts, then by sub-block: its numbers leave room for ten a microjob."""
    found = []
    for mark in job.verified[max(0, after - 1) // CURSORS_PER_RECEIPT :]:
        places = sorted(
            (place for place in job.places if place.microjob == mark.microjob), key=lambda one: one.sub_block
        )
        for place in places:
            cursor = mark.order * CURSORS_PER_RECEIPT + place.sub_block + 1
            if cursor > after:
                found.append((cursor, place))
    return found


def _pieces(job: Job, place: OutputPlace, cursor: int) -> Iterator[StreamResultsReply]:
    """One sub-block's outputs; the first piece has the tiles, the last one the cursor to resume after."""
    if job.files is None:
        return
    chunks = job.plan.chunks_of(place.microjob, place.sub_block)
    tiles = tuple(job.plan.chunk(index).tile for index in chunks)
    log = job.files.outputs
    receipt = job.receipt_of(place.microjob)
    if not job.wants_proof:
        state = ResultState.UNVERIFIED
    else:
        state = ResultState.VERIFIED if receipt is not None else ResultState.PROVISIONAL
    starts = range(0, max(1, place.length), PIECE_BYTES_MAX)
    for start in starts:
        yield StreamResultsReply(
            cursor=cursor if start == starts[-1] else 0,
            sub_block=place.microjob * SUB_BLOCKS_PER_MICROJOB + place.sub_block,
            tiles=tiles if start == 0 else (),
            data=log.read(place.offset + start, min(PIECE_BYTES_MAX, place.length - start)),
            last=start == starts[-1],
            state=state,
            receipt=receipt,
        )
