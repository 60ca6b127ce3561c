"""A process that is told to stop: it leaves in order, and ends when it owes nobody anything, or has had its time."""

from __future__ import annotations

from typing import Final

from sgnus.core.departing import owes
from sgnus.core.inputs import Stopping
from sgnus.messages.limits import DEPARTURE_MS_MAX
from sgnus.sim.grid import Grid
from sgnus.sim.peer import Peer

LOOK_MS: Final = 20
LAST_WORDS_MS: Final = 500
"""How long a node's streams stay open for what is queued in them."""


def stop(grid: Grid, peer: Peer, starts_after_ms: int | None = None) -> None:
    """Tell it; a frozen one hears nothing. With `starts_after_ms` it is started again so long after its end."""
    if peer.process is None or peer.frozen:
        return
    grid.steps.tell(peer.name, "is told to stop")
    run, until_ms = peer.run, grid.agenda.now_ms + DEPARTURE_MS_MAX

    def look() -> None:
        if peer.process is None or peer.run != run:
            return
        if grid.agenda.now_ms < until_ms and owes(peer.process.core):
            grid.agenda.after(LOOK_MS, look)
        else:
            grid.agenda.after(LAST_WORDS_MS, end)

    def end() -> None:
        if peer.run == run:
            grid.crash(peer)
        if starts_after_ms is not None:
            grid.agenda.after(starts_after_ms, grid.start, peer)

    grid.steps.give(peer, Stopping())
    look()
