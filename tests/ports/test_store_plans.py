"""How SQLite goes about what is asked of it again and again."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sgnus.adapters.store import SqliteStore
from sgnus.adapters.store.sqlite import expire_in
from tests.database_support import in_loop


@in_loop
async def test_to_find_what_expired_no_more_is_read_than_that(tmp_path: Path) -> None:
    """A million entries are held, and this is asked once a minute, before anything else may be written."""
    path = tmp_path / "home" / "jobs.db"
    store = SqliteStore(path)
    await store.open()
    await store.close()
    steps: list[str] = []
    with sqlite3.connect(path) as connection:
        connection.set_trace_callback(steps.append)
        expire_in(connection, bytes(8), bytes(8))
        connection.set_trace_callback(None)
        asked = [step for step in steps if step.startswith("SELECT")]
        plans = [row[3] for step in asked for row in connection.execute(f"EXPLAIN QUERY PLAN {step}")]
    assert len(asked) == 3 and not [plan for plan in plans if plan.startswith("SCAN")]
    assert "SEARCH facts USING PRIMARY KEY (namespace=? AND key<?)" in plans
