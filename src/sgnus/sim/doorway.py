"""What may come into a copy of the job database, and what may never lie in one: the one by the rules of the core, the other
reckoned without them, to hold one against the other.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from sgnus.core.database import check_life
from sgnus.crypto.identity import public_key_of, verify_key
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import EntryKind
from sgnus.sim.disk import Disk
from sgnus.sim.laws import Broken
from sgnus.sim.peer import Peer
from sgnus.sim.reading import NETWORK
from sgnus.wire.entry import OpenedEntry, check_signature, open_entry

MINUTE_MS: Final = 60_000
AHEAD_MS_MAX: Final = {EntryKind.ROOM: 20 * MINUTE_MS}
"""How far ahead an entry may expire, by the clock of whoever keeps it; all else expires with its job."""
OVER_MS_MAX: Final = 40 * MINUTE_MS
"""Nobody sweeps here, and no run lasts so long that what was kept in time is over for as long as that."""
ROOMS_OF_HOST_MAX: Final = 1
ROOMS_OF_MICROJOB_MAX: Final = 8
MICROJOBS_MAX: Final = 1 << 20


@dataclass(slots=True)
class Doorway:
    """Looks at each entry's form and signature once, for all peers."""

    _opened: dict[bytes, OpenedEntry | None] = field(default_factory=dict)

    def admitted(self, raw: bytes, now_ms: int) -> OpenedEntry | None:
        """The entry, if these bytes are one that may live now, as a node looks at what comes."""
        if raw not in self._opened:
            self._opened[raw] = _opened(raw)
        opened = self._opened[raw]
        try:
            if opened is not None:
                check_life(opened, now_ms)
        except PeerFault:
            return None
        return opened

    def ids_of(self, disk: Disk) -> dict[bytes, bytes]:
        """What a peer has to offer, by id. What is no entry has none, so a hostile peer makes one up."""
        kept = {raw: self._opened.get(raw) for raw in disk.entries}
        ids = {opened.id: raw for raw, opened in kept.items() if opened is not None}
        made_up = {bytes(8) + hashlib.sha256(raw).digest(): raw for raw in disk.poison if raw not in kept}
        return made_up | ids


def _opened(raw: bytes) -> OpenedEntry | None:
    try:
        opened = open_entry(raw, NETWORK)
    except PeerFault:
        return None
    return opened if check_signature(opened) else None


@dataclass(slots=True)
class Inspector:
    """Finds what no honest copy may hold. It looks at copies that changed, and at each signature once."""

    _seen: dict[bytes, OpenedEntry] = field(default_factory=dict)
    _looked_at: dict[PeerId, tuple[int, bytes]] = field(default_factory=dict)

    def look(self, peers: Iterable[Peer], now_ms: int) -> None:
        """Broken if one of these honest peers keeps what may not be."""
        for peer in peers:
            found = self.unlawful(peer.name, peer.disk, now_ms)
            if found:
                raise Broken("copy", f"{peer.name} keeps {found}")

    def unlawful(self, owner: PeerId, disk: Disk, now_ms: int) -> str:
        """What is wrong with this peer's copy, in words; empty if nothing is."""
        state = (len(disk.entries), next(reversed(disk.entries), b""))
        if self._looked_at.get(owner) == state:
            return ""
        self._looked_at[owner] = state
        if disk.shelf is None:
            return "entries without their job" if disk.entries else ""
        job, rooms = disk.shelf.job, Counter[tuple[int, str]]()
        for raw in disk.entries:
            opened = self._seen.get(raw) or open_entry(raw, NETWORK)
            found = _wrong_with(opened, job, now_ms)
            if raw not in self._seen:
                found = found or _forged(opened)
                self._seen[raw] = opened
            if found:
                return f"{opened.entry.kind.name} by {opened.author[-6:]}: {found}"
            if opened.entry.kind is EntryKind.ROOM:
                rooms[opened.body.microjob, opened.author] += 1
        return _too_many(rooms)


def _wrong_with(opened: OpenedEntry, job: OpenedEntry, now_ms: int) -> str:
    """By itself, and as an entry about this job."""
    entry, kind = opened.entry, opened.entry.kind
    if opened.job != job.cid:
        return "it is about another job"
    if entry.expires + OVER_MS_MAX <= now_ms:
        return "it was over before it came"
    if kind in AHEAD_MS_MAX and entry.expires > now_ms + AHEAD_MS_MAX[kind]:
        return "it lives too long"
    if kind not in (EntryKind.ROOM, EntryKind.FRAUD) and entry.author != job.entry.author:
        return "its author has no say in that"
    return "its microjob is beyond any" if getattr(opened.body, "microjob", 0) >= MICROJOBS_MAX else ""


def _forged(opened: OpenedEntry) -> str:
    key = public_key_of(opened.entry.author)
    return "" if verify_key(key, opened.signed, opened.entry.sig) else "its author did not sign it"


def _too_many(rooms: Counter[tuple[int, str]]) -> str:
    if any(count > ROOMS_OF_HOST_MAX for count in rooms.values()):
        return "a host has two rooms of a microjob"
    by_microjob = Counter(microjob for microjob, _host in rooms)
    return (
        "a microjob has too many rooms"
        if any(n > ROOMS_OF_MICROJOB_MAX for n in by_microjob.values())
        else ""
    )
