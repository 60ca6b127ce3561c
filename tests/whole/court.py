"""What the nodes of a network know of frauds, read from their databases: who is accused by whom, and who is convicted."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sgnus.messages.v1.types import EntryKind, FraudBody
from sgnus.runtime import frauds
from sgnus.runtime.network_file import read_network
from sgnus.wire.entry import reopen_entry
from tests.whole.grid import RunningNode


def convicted(publisher: RunningNode, job: str) -> dict[str, None]:
    """Whom the publisher's own proofs convict, each checked offline by running the chunk again."""
    proofs = _rows(publisher, "SELECT value FROM facts WHERE namespace = 'fraud' AND key LIKE ?", f"{job}/%")
    return {peer: None for (proof,) in proofs for peer in frauds.verify(bytes(proof)).guilty}


def accused(node: RunningNode, job: str) -> dict[str, list[str]]:
    """Author of FRAUD entries about a job, as `node` has them -> whom each accuses."""
    network = read_network(node.network).id
    found: dict[str, list[str]] = {}
    for (raw,) in _rows(node, "SELECT raw FROM entries WHERE kind = ?", int(EntryKind.FRAUD)):
        opened = reopen_entry(bytes(raw), network)
        if opened.job == job and isinstance(opened.body, FraudBody):
            found.setdefault(opened.author, []).append(opened.body.accused)
    return found


def _rows(node: RunningNode, query: str, *values: Any) -> list[Any]:
    path: Path = node.home / "sgnus.db"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        return database.execute(query, values).fetchall()
