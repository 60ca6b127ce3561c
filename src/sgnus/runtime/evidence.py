"""The proofs of fraud that a node has: complete ones of its own accusations, and what the job database says of others'."""

from __future__ import annotations

from collections.abc import Iterator

from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import BlockId
from sgnus.messages.limits import DATA_BYTES_MAX
from sgnus.messages.v1.types import FraudProof, GetProofsReply
from sgnus.ports import Store
from sgnus.runtime.database import Database
from sgnus.runtime.jobs import Job
from sgnus.wire.codec import decode


async def proofs_of(job: Job, store: Store, database: Database) -> list[bytes]:
    """Of one job, by chunk. What is kept here complete is not told once more from the database. Whether they hold is for
    their reader to check: anybody may write such an entry.
    """
    block_id = BlockId(job.view.block_id)
    kept = await store.facts("fraud", f"{block_id}/")
    found = [(_chunk_in(key), key.rpartition("/")[2], data) for key, data in kept.items()]
    known = {(chunk, accused) for chunk, accused, _data in found}
    view = await database.job(block_id)
    for body in view.frauds if view is not None else ():
        try:
            chunk = decode(FraudProof, body.proof).chunk
        except PeerFault:
            continue  # It is no proof at all.
        if (chunk, body.accused) not in known:
            found.append((chunk, body.accused, body.proof))
    return [data for _chunk, _accused, data in sorted(found)]


def pieces(proof: bytes) -> Iterator[GetProofsReply]:
    """The proof as an app reads it."""
    starts = range(0, max(1, len(proof)), DATA_BYTES_MAX)
    for start in starts:
        yield GetProofsReply(data=proof[start : start + DATA_BYTES_MAX], last=start == starts[-1])


def _chunk_in(key: str) -> int:
    """Of a key `<job>/<chunk>/<accused>`."""
    return int(key.split("/")[1])
