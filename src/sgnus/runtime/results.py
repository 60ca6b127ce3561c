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


async def stream(
    job: Job, hub: EventHub, after: int, is_over: Callable[[], bool]
) -> AsyncIterator[StreamResultsReply]:
    """All held outputs with a cursor above `after`; ends when the job is over and all was given."""
    cursor = after
    while True:
        changed = hub.log(BlockId(job.view.block_id)).changed
        over = is_over()
        first = bisect_right(job.places, cursor, key=lambda place: place.order)
        for place in job.places[first:]:
            for piece in _pieces(job, place):
                yield piece
            cursor = place.order
        if over:
            return
        await changed.wait()


def _pieces(job: Job, place: OutputPlace) -> Iterator[StreamResultsReply]:
    """One sub-block's outputs; the first piece has the tiles, the last one the cursor to resume after."""
    if job.files is None:
        return
    chunks = job.plan.chunks_of(place.microjob, place.sub_block)
    tiles = tuple(job.plan.chunk(index).tile for index in chunks)
    log = job.files.outputs
    starts = range(0, max(1, place.length), PIECE_BYTES_MAX)
    for start in starts:
        yield StreamResultsReply(
            cursor=place.order if start == starts[-1] else 0,
            sub_block=place.microjob * SUB_BLOCKS_PER_MICROJOB + place.sub_block,
            tiles=tiles if start == 0 else (),
            data=log.read(place.offset + start, min(PIECE_BYTES_MAX, place.length - start)),
            last=start == starts[-1],
            state=ResultState.UNVERIFIED,
        )
