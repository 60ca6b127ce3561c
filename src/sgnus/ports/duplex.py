"""A conversation of two nodes about their job databases."""

from __future__ import annotations

from typing import Protocol

from sgnus.messages.v1.types import ReconcileStep


class Duplex(Protocol):
    """Both directions of one reconciliation, the same for caller and callee."""

    async def send(self, step: ReconcileStep) -> None: ...

    async def receive(self) -> ReconcileStep | None:
        """The next step of the other side; None when it has ended."""
