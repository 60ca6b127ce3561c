"""The proofs of fraud that a node has: complete ones of its own accusations, and what the job database says of others'.

Whoever accuses serves what is needed to check it: the input of that one chunk, and the module, by their digests.
"""

from __future__ import annotations

from collections.abc import Iterator

from sgnus.crypto.digests import digest
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import BlockId
from sgnus.messages.limits import DATA_BYTES_MAX, EVIDENCE_MAX
from sgnus.messages.v1.types import FraudProof, GetProofsReply
from sgnus.ports import Store
from sgnus.runtime.database import Database
from sgnus.runtime.jobs import Job
from sgnus.wire.codec import decode, encode


async def proofs_of(job: Job, store: Store, database: Database) -> list[bytes]:
    """Of one job, by chunk. What is kept here complete is not told once more from the database. Whether they hold is for
    their reader to check: anybody may write such an entry.
    """
    block_id = BlockId(job.view.block_id)
    kept = await store.facts("fraud", f"{block_id}/")
    found = [(_chunk_in(key), key.rpartition("/")[2], data) for key, data in kept.items()]
    known = {(chunk, accused) for chunk, accused, _data in found}
    view = await database.job(block_id)
    for body in (entry.body for entry in view.frauds) if view is not None else ():
        try:
            chunk = decode(FraudProof, body.proof).chunk
        except PeerFault:
            continue  # It is no proof at all.
        if (chunk, body.accused) not in known:
            found.append((chunk, body.accused, body.proof))
    return [data for _chunk, _accused, data in sorted(found)]


class Evidence:
    """Which blobs the complete proofs of this node hold, by digest. They lie in the store; here is where."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys: dict[bytes, str] = {}

    async def load(self) -> None:
        """At start: of all that this node accused anybody of."""
        for key, data in (await self._store.facts("fraud")).items():
            self._note(key, decode(FraudProof, data))

    async def keep(self, key: str, proof: FraudProof) -> None:
        """A complete proof of ours, `<job>/<chunk>/<accused>`."""
        await self._store.put_facts("fraud", {key: encode(proof)})
        self._note(key, proof)

    async def blob(self, wanted: bytes) -> bytes | None:
        """The blob of this digest, if one of our proofs holds it."""
        key = self._keys.get(wanted)
        for data in (await self._store.facts("fraud", key)).values() if key is not None else ():
            found = [blob for blob in _blobs(decode(FraudProof, data)) if digest(blob) == wanted]
            if found:
                return found[0]
        return None

    def _note(self, key: str, proof: FraudProof) -> None:
        self._keys.update({digest(blob): key for blob in _blobs(proof)})
        while len(self._keys) > EVIDENCE_MAX:
            del self._keys[next(iter(self._keys))]


def _blobs(proof: FraudProof) -> list[bytes]:
    return [blob for blob in (proof.input, proof.module) if blob is not None]


def pieces(proof: bytes) -> Iterator[GetProofsReply]:
    """The proof as an app reads it."""
    starts = range(0, max(1, len(proof)), DATA_BYTES_MAX)
    for start in starts:
        yield GetProofsReply(data=proof[start : start + DATA_BYTES_MAX], last=start == starts[-1])


def _chunk_in(key: str) -> int:
    """Of a key `<job>/<chunk>/<accused>`."""
    return int(key.split("/")[1])
