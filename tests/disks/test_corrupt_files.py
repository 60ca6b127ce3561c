"""A database file that was damaged, in whichever way: it is told in a sentence, set aside whole, and an empty one serves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

import pytest

from sgnus.adapters.store import SqliteStore
from tests.database_support import in_loop
from tests.disks.faults import NAMESPACE, facts_of

FACTS: Final = 60
PAGE: Final = 4_096
HEAD: Final = 32


async def full_database(path: Path) -> None:
    """One that was closed in order."""
    store = SqliteStore(path)
    await store.open()
    await asyncio.gather(*(store.put_facts(NAMESPACE, facts_of(number)) for number in range(FACTS)))
    await store.close()


async def killed_database(path: Path) -> None:
    """One as a kill leaves it: the newest commits are in its log."""
    await full_database(path.with_name("other"))
    path.with_name("other").rename(path)
    store = SqliteStore(path)
    await store.open()
    await store.put_facts(NAMESPACE, facts_of(FACTS))
    files = {name: path.with_name(name).read_bytes() for name in (path.name, f"{path.name}-wal")}
    await store.close()
    for name, content in files.items():
        path.with_name(name).write_bytes(content)


def zeroed(content: bytes) -> bytes:
    return bytes(len(content))


def garbage(content: bytes) -> bytes:
    return Random(1).randbytes(len(content))


def garbage_head(content: bytes) -> bytes:
    return Random(2).randbytes(100) + content[100:]


def cut_short(content: bytes) -> bytes:
    return content[: len(content) // 2]


def emptied(_content: bytes) -> bytes:
    return b""


def zeroed_page(content: bytes) -> bytes:
    return content[:PAGE] + bytes(PAGE) + content[2 * PAGE :]


def flipped(content: bytes) -> bytes:
    """A bit in the head of each page but the first."""
    data = bytearray(content)
    for at in range(PAGE, len(data), PAGE):
        data[at + 1] ^= 0x40
    return bytes(data)


DAMAGES: Final = (zeroed, garbage, garbage_head, cut_short, emptied, zeroed_page, flipped)


async def opened_with(path: Path) -> list[str]:
    """The notices of an opening, after which the store must serve, and the next opening finds nothing amiss."""
    store = SqliteStore(path)
    notices = list(await store.open())
    await store.put_facts(NAMESPACE, {"new": b"fact"})
    await store.close()
    again = SqliteStore(path)
    assert not await again.open()
    assert (await again.facts(NAMESPACE, "new")) == {"new": b"fact"}
    await again.close()
    return notices


@pytest.mark.parametrize("damage", DAMAGES)
@in_loop
async def test_a_damaged_database_is_told_and_set_aside(
    damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "sgnus.db"
    await full_database(path)
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    (notice,) = await opened_with(path)
    assert f"The database {path} was corrupt. It was set aside as {path}.corrupt-1" in notice
    assert path.with_name("sgnus.db.corrupt-1").read_bytes() == damaged


@pytest.mark.parametrize("damage", [garbage_head, zeroed, garbage])
@in_loop
async def test_a_damaged_log_is_told_and_set_aside_with_its_database(
    damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    """SQLite takes a log without a sound head for an empty one, and would be silent about what was committed to it."""
    path, log = tmp_path / "sgnus.db", tmp_path / "sgnus.db-wal"
    await killed_database(path)
    before, damaged = path.read_bytes(), damage(log.read_bytes())
    log.write_bytes(damaged)
    (notice,) = await opened_with(path)
    assert "corrupt" in notice
    assert path.with_name("sgnus.db.corrupt-1").read_bytes() == before
    assert path.with_name("sgnus.db.corrupt-1-wal").read_bytes() == damaged


@in_loop
async def test_a_log_that_lost_its_database_is_told_and_set_aside(tmp_path: Path) -> None:
    path, log = tmp_path / "sgnus.db", tmp_path / "sgnus.db-wal"
    await killed_database(path)
    kept = log.read_bytes()
    path.unlink()
    (notice,) = await opened_with(path)
    assert "corrupt" in notice
    assert path.with_name("sgnus.db.corrupt-1-wal").read_bytes() == kept


@in_loop
async def test_a_log_that_ends_in_a_torn_commit_is_sound(tmp_path: Path) -> None:
    """That is what every power cut leaves: nothing is amiss, and nobody is told anything."""
    path, log = tmp_path / "sgnus.db", tmp_path / "sgnus.db-wal"
    await killed_database(path)
    log.write_bytes(log.read_bytes() + Random(3).randbytes(PAGE))
    assert not await opened_with(path)
    store = SqliteStore(path)
    await store.open()
    facts = await store.facts(NAMESPACE)
    await store.close()
    assert all(facts[key] == value for key, value in facts_of(FACTS).items())


@in_loop
async def test_whatever_single_byte_is_damaged_the_store_opens_and_answers(tmp_path: Path) -> None:
    """It may be told as corrupt or not be noticed (a value has no checksum of its own): it is never a traceback."""
    path, dice = tmp_path / "sgnus.db", Random(4)
    await full_database(path)
    sound = path.read_bytes()
    for number in range(60):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        data = bytearray(sound)
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        (folder / path.name).write_bytes(data)
        notices = await opened_with(folder / path.name)
        aside = [one for one in folder.iterdir() if "corrupt" in one.name]
        assert bool(notices) == bool(aside)
        assert not aside or aside[0].read_bytes() == bytes(data)
