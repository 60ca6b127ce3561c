"""The Store port: SQLite on disk, and a fake in memory."""

from sgnus.adapters.store.memory import FakeStore
from sgnus.adapters.store.sqlite import SqliteStore

__all__ = ["FakeStore", "SqliteStore"]
