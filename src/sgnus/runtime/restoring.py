"""Jobs of ours that the database lost come back from their folders: their entries, what is HELD, where its outputs lie. Folders
of jobs that are over for good go.

The database was set aside as corrupt, say, and no peer may have the job. TAKEN, and the DONE of a job that completed, follow
anew from what is held, so a folder keeps only the entries that follow from nothing: JOB, REVISE, CANCEL, a DONE that tells of a
failure. A job whose last HELDs were lost, too, thus goes on.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from sgnus.adapters.folders import flush_folder
from sgnus.core.pen import Pen
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import BlockId, NetworkId, PeerId
from sgnus.messages.limits import FACTS_KEPT_MS
from sgnus.messages.v1.types import DoneStatus, EntryKind, Held, SignedEnvelope, SignedKind
from sgnus.ports import Store
from sgnus.runtime.database import Database
from sgnus.runtime.held_log import PLACE_BYTES, HeldRecord, read_records, write_records
from sgnus.runtime.job_files import BODY, OUTPUTS, UNNAMED, JobFiles
from sgnus.runtime.jobs import Job, OutputPlace
from sgnus.wire.codec import decode, encode
from sgnus.wire.entry import OpenedEntry, open_entry

LOG: Final = logging.getLogger("sgnus.jobs")
ENTRIES: Final = "entries.bin"
KEPT_KINDS: Final = (EntryKind.JOB, EntryKind.REVISE, EntryKind.CANCEL)


async def restore_jobs(
    folder: Path, database: Database, network: NetworkId, me: PeerId, now_ms: int
) -> Sequence[str]:
    """Give the database the jobs of ours that lie in `folder` and that it lacks; returns what the operator must read.

    What expired a day ago or more, while nobody looked, is removed; what is of another network or key stays where it is.
    Faults: WorldFault.
    """
    known = frozenset(view.block_id for view in await database.own_jobs())
    restored = 0
    for name, entries in await asyncio.to_thread(_entries_of_others, folder, known):
        job = next((one for raw in entries if (one := _job_in(raw, name, network, me)) is not None), None)
        if job is not None and job.entry.expires < now_ms - FACTS_KEPT_MS:
            await asyncio.to_thread(shutil.rmtree, folder / name, ignore_errors=True)
        elif job is not None:
            intake = await database.receive(entries)
            restored += intake.accepted > 0
    if not restored:
        return ()
    what = "1 job of this node was" if restored == 1 else f"{restored} jobs of this node were"
    return (f"{what} missing in its database, and came back with what it holds from {folder}.",)


async def remove_unfinished(folder: Path, database: Database, now_ms: int) -> None:
    """Remove what was taken in a day ago or more and never published: submissions that a crash cut short."""
    views = await database.own_jobs()
    bodies = [encode(view.body) for view in views if not (folder / view.block_id).is_dir()]
    await asyncio.to_thread(_remove_unnamed, folder, bodies, (now_ms - FACTS_KEPT_MS) / 1000)


def _remove_unnamed(folder: Path, bodies: Collection[bytes], before_s: float) -> None:
    """All but those that a crash kept from getting the name of their published job, and what cannot be looked into."""
    for unnamed in sorted(folder.glob(f"{UNNAMED}*")):
        try:
            is_old = unnamed.stat().st_mtime < before_s
            body = (unnamed / BODY).read_bytes() if (unnamed / BODY).exists() else b""
        except OSError as error:
            LOG.info("%s stays where it is: %s", unnamed, error.strerror)
            continue
        if is_old and body not in bodies:
            shutil.rmtree(unnamed, ignore_errors=True)


async def keep_entries(job: Job, files: JobFiles, database: Database) -> None:
    """See that the job's folder has the newest of its entries, durably. Faults: WorldFault."""
    said = (job.view.is_open, job.view.priority, job.view.paused)
    if job.folder.kept == said:
        return
    has_failed = job.view.done is not None and job.view.done.status is DoneStatus.FAILED
    kinds = (*KEPT_KINDS, EntryKind.DONE) if has_failed else KEPT_KINDS
    entries = await database.entries(BlockId(job.view.block_id), kinds)
    try:
        await asyncio.to_thread(_replace, files.folder / ENTRIES, write_records(iter(entries)))
    except OSError as error:
        raise WorldFault(f"cannot write {files.folder / ENTRIES}: {error.strerror}") from error
    job.folder.kept = said


async def settle_held(block_id: BlockId, files: JobFiles, store: Store, pen: Pen) -> dict[str, HeldRecord]:
    """What is HELD of a job of ours, by key: the store's and the folder's become the same. Faults: WorldFault.

    An empty HELD in the store is one that was found false and taken back; the folder's does not count then.
    """
    held = await store.facts("held", f"{block_id}/")
    places = await store.facts("outputs", f"{block_id}/")
    stored = {key: HeldRecord(key, places[key], held[key]) for key in places if held.get(key)}
    logged = {record.key: record for record in await asyncio.to_thread(files.held.read)}
    size = _size_of(files.folder / OUTPUTS)
    lost = {key: one for key, one in logged.items() if key not in held and _is_ours(one, block_id, size, pen)}
    if lost:
        await store.put_facts("outputs", {key: record.place for key, record in lost.items()})
        await store.put_facts("held", {key: record.held for key, record in lost.items()})
    unlogged = [record for key, record in stored.items() if key not in logged]
    if unlogged:
        await asyncio.to_thread(files.held.append, unlogged)
    return stored | lost


def _entries_of_others(folder: Path, known: Collection[str]) -> list[tuple[str, list[bytes]]]:
    """The folders of jobs, but for those that are known, with what each keeps of its job's entries."""
    paths = [path for path in sorted(folder.glob(f"*/{ENTRIES}")) if path.parent.name not in known]
    try:
        return [(path.parent.name, list(read_records(path.read_bytes()))) for path in paths]
    except OSError as error:
        raise WorldFault(f"cannot read the jobs in {folder}: {error.strerror}") from error


def _job_in(raw: bytes, block_id: str, network: NetworkId, me: PeerId) -> OpenedEntry | None:
    """The JOB entry of that name, if it is by us: the folder of another key has nobody to publish it."""
    try:
        opened = open_entry(raw, network)
    except PeerFault:
        return None
    return opened if opened.cid == block_id and opened.author == me else None


def _is_ours(record: HeldRecord, block_id: BlockId, outputs_bytes: int, pen: Pen) -> bool:
    """Whether we signed that, under this key, and its outputs are there."""
    try:
        envelope = decode(SignedEnvelope, record.held)
        held = pen.open(envelope, SignedKind.HELD, Held)
    except PeerFault:
        return False
    key = f"{block_id}/{held.microjob}/{held.sub_block}"
    if envelope.author != pen.peer or held.job != block_id or record.key != key:
        return False
    if len(record.place) != PLACE_BYTES:
        return False
    place = OutputPlace.unpack(held.microjob, held.sub_block, record.place)
    return place.offset + place.length <= outputs_bytes


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _replace(path: Path, data: bytes) -> None:
    """The file holds `data`, whole and on disk; nothing is written if it does already."""
    if path.exists() and path.read_bytes() == data:
        return
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    flush_folder(path.parent)
