"""What a poisoner of the job database writes reaches everybody, and lies in nobody's copy."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from sgnus.core.shelf import Shelf
from sgnus.messages.errors import PeerFault
from sgnus.messages.fields import Message
from sgnus.messages.v1.types import CancelBody, EntryKind, RoomBody
from sgnus.sim.agenda import BEGUN_MS
from sgnus.sim.disk import Disk
from sgnus.sim.doorway import Inspector
from sgnus.sim.grid import Grid
from sgnus.sim.peer import Peer
from sgnus.sim.reading import NETWORK
from sgnus.sim.run import judge
from sgnus.sim.setting import Setting
from sgnus.wire.entry import open_entry, seal_entry

SETTING: Final = Setting(1, peers=5, sub_blocks=12, faults=(), vices=("poisoner",))
MINUTE_MS: Final = 60_000


def begun(setting: Setting = SETTING) -> Grid:
    grid = Grid(setting)
    grid.begin()
    return grid


def room(microjob: int) -> RoomBody:
    return RoomBody(microjob=microjob, instance="00" * 32, epoch=1, address=b"")


def is_entry(raw: bytes) -> bool:
    try:
        open_entry(raw, NETWORK)
    except PeerFault:
        return False
    return True


def written(
    grid: Grid, author: Peer, kind: EntryKind, body: Message, *, life_ms: int = MINUTE_MS, seq: int = 1
) -> bytes:
    expires = BEGUN_MS + grid.agenda.now_ms + life_ms
    return seal_entry(author.identity, NETWORK, kind, grid.steps.copies.job, body, seq=seq, expires=expires)


def with_job(grid: Grid) -> Disk:
    grid.run(5_000, lambda: grid.publisher.disk.shelf is not None)
    (raw,) = grid.publisher.disk.entries
    return Disk(entries={raw: None}, shelf=Shelf(open_entry(raw, NETWORK)))


def test_what_a_poisoner_writes_comes_to_all_and_no_honest_copy_has_what_may_not_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grid = begun()
    copies, brought = grid.steps.copies, dict.fromkeys((peer.name for peer in grid.honest), 0)
    take = copies.take

    def watched(peer: Peer, raw: bytes) -> None:
        before = dict(peer.disk.entries)
        take(peer, raw)
        if peer.name in brought and not is_entry(raw):
            brought[peer.name] += 1
            assert peer.disk.entries == before

    monkeypatch.setattr(copies, "take", watched)
    grid.run(20_000)
    assert all(brought.values()), brought


def test_without_quotas_a_poisoner_breaks_the_law(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shelf, "_excess", lambda *_: None)
    assert judge(replace(SETTING, sub_blocks=40)).law == "copy"


def test_an_inspector_finds_nothing_wrong_with_what_may_be() -> None:
    grid = begun()
    disk, inspector = with_job(grid), Inspector()
    disk.entries[written(grid, grid.publisher, EntryKind.ROOM, room(0))] = None
    assert inspector.unlawful(grid.publisher.name, disk, grid.agenda.unix_ms) == ""


@pytest.mark.parametrize(
    ("kind", "body", "life_ms", "found"),
    [
        (EntryKind.ROOM, room(0), 21 * MINUTE_MS, "it lives too long"),
        (EntryKind.ROOM, room(0), -50 * MINUTE_MS, "it was over before it came"),
        (EntryKind.ROOM, room(1 << 20), MINUTE_MS, "its microjob is beyond any"),
        (EntryKind.CANCEL, CancelBody(reason="mine"), MINUTE_MS, "its author has no say in that"),
    ],
)
def test_an_inspector_finds_what_may_not_be(kind: EntryKind, body: Message, life_ms: int, found: str) -> None:
    grid = begun()
    disk, author = with_job(grid), list(grid.peers.values())[-1]
    disk.entries[written(grid, author, kind, body, life_ms=life_ms)] = None
    assert found in Inspector().unlawful(author.name, disk, grid.agenda.unix_ms)


def test_an_inspector_finds_what_nobody_signed() -> None:
    grid = begun()
    disk, raw = with_job(grid), written(grid, grid.publisher, EntryKind.ROOM, room(0))
    disk.entries[raw.replace(open_entry(raw, NETWORK).entry.sig, bytes(64))] = None
    assert "did not sign it" in Inspector().unlawful(grid.publisher.name, disk, grid.agenda.unix_ms)


def test_an_inspector_counts_rooms() -> None:
    grid = begun(Setting(1, peers=9, faults=()))
    disk, peers = with_job(grid), list(grid.peers.values())
    disk.entries |= {written(grid, peer, EntryKind.ROOM, room(0)): None for peer in peers[:8]}
    inspector = Inspector()
    assert inspector.unlawful(peers[0].name, disk, grid.agenda.unix_ms) == ""
    disk.entries[written(grid, peers[0], EntryKind.ROOM, room(1))] = None
    assert inspector.unlawful(peers[0].name, disk, grid.agenda.unix_ms) == ""
    disk.entries[written(grid, peers[0], EntryKind.ROOM, room(1), seq=2)] = None
    assert "two rooms" in inspector.unlawful(peers[0].name, disk, grid.agenda.unix_ms)
    disk.entries.popitem()
    disk.entries[written(grid, peers[8], EntryKind.ROOM, room(0))] = None
    assert "too many rooms" in inspector.unlawful(peers[0].name, disk, grid.agenda.unix_ms)
