"""What /metrics tells of a node, read from its parts: families with fixed names and fixed label values.

No family is labelled by job, room or peer: strangers make those, and each would be a time series for ever.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sgnus
from sgnus.adapters.exposition import Figure, Kind, exposition
from sgnus.core.room import Phase
from sgnus.messages.limits import PROTOCOL_VERSION
from sgnus.messages.v1.types import JobState
from sgnus.runtime.home import NodeHome
from sgnus.runtime.status import StatusView

if TYPE_CHECKING:
    from sgnus.runtime.node import NodeParts

Numbers = Mapping[str, float]
EVENTS: Final = {
    "outputs_held": "Sub-blocks of own jobs whose outputs lie on this disk, acknowledged.",
    "outputs_voided": "Sub-blocks of own jobs whose outputs were found false.",
    "rooms_left": "Seats of this node that ended, for whatever reason.",
    "rounds_sealed": "Rounds of verification in which this node sealed.",
    "reexecutions": "Times that this node ran chunks again as a verifier.",
    "rechecks": "Times that this node ran chunks of its own jobs again in secret.",
    "receipts_kept": "Receipts of own microjobs that were checked and kept.",
    "receipts_submitted": "Receipts that were handed over for the SGNUS node.",
    "microjobs_verified": "Own microjobs that a receipt verified.",
    "accusations": "Proofs of fraud that this node made.",
    "blames": "Messages of peers that the core refused.",
}
GAUGES: Final = {
    "room_members": "Members of the room that this node sits in; 0 without a seat.",
    "room_hosting": "1 while this node hosts its room.",
    "lobbies": "Open jobs that this node knows.",
    "rooms_known": "Rooms of others that are known from announcements.",
    "rounds_running": "Rounds of verification under way with this node as a member.",
    "undelivered_sub_blocks": "Outputs that the publisher has not acknowledged yet.",
    "refused_peers": "Peers that get no seat from this node: proven guilty, or false accusers.",
    "inbox_inputs": "Inputs that wait for the core.",
    "workers": "Sandboxed children that this node may run at once.",
    "worker_processes": "Sandboxed children that live now.",
    "disk_free_bytes": "Free space where the home of this node lies.",
}


class Figures:
    """Reads only."""

    def __init__(self, parts: NodeParts) -> None:
        self._parts = parts
        self._status = StatusView(parts)

    def text(self) -> bytes:
        """All of them as Prometheus reads them."""
        return exposition(self.all())

    def all(self) -> list[Figure]:
        """All of them, whatever their order."""
        tally = self._parts.engine.tally
        found = [
            _labelled(
                "sub_blocks", "outcome", "Sub-blocks of this node's workers and apps.", tally.sub_blocks
            ),
            _labelled("inputs", "input", "What the core was given.", tally.inputs),
            *(
                Figure(f"sgnus_{name}", Kind.COUNTER, EVENTS[name], {"": count})
                for name, count in tally.events.items()
            ),
            *(
                Figure(f"sgnus_{name}", Kind.GAUGE, GAUGES[name], {"": number})
                for name, number in self._now().items()
            ),
        ]
        return [*found, *self._of_network(), *self._of_database(), *self._of_jobs(), *self._of_clearing()]

    def _now(self) -> Numbers:
        parts, core = self._parts, self._parts.core
        room, pool = core.room, parts.drivers.pool
        return {
            "room_members": len(room.roster.peers) if room is not None else 0,
            "room_hosting": int(room is not None and room.phase is Phase.HOST),
            "lobbies": len(core.jobs),
            "rooms_known": sum(len(lobby.rooms) for lobby in core.jobs.values()),
            "rounds_running": len(core.rounds.running),
            "undelivered_sub_blocks": len(core.outbox.parcels),
            "refused_peers": len(core.own.refused),
            "inbox_inputs": len(parts.engine.waiting()),
            "workers": parts.options.workers,
            "worker_processes": len(pool.pids) if pool is not None else 0,
            "disk_free_bytes": shutil.disk_usage(parts.options.home).free,
        }

    def _of_network(self) -> list[Figure]:
        parts, drivers = self._parts, self._parts.drivers
        gossip, peers = (drivers.counters[name]() for name in ("gossip", "peers"))
        links = {"gossip": len(drivers.gossip.neighbours()), "stream": len(drivers.peers.connected())}
        dropped = {"": float(parts.engine.dropped)}
        return [
            _labelled("gossip_events", "event", "What gossip received, sent, dropped and dialled.", gossip),
            _labelled("peer_refusals", "reason", "Calls and streams of peers that were refused.", peers),
            _labelled(
                "message_refusals", "reason", "Messages of peers that were refused.", parts.hearing.faults
            ),
            Figure("sgnus_peers", Kind.GAUGE, "Peers that this node is connected to.", links, "link"),
            Figure("sgnus_inbox_dropped", Kind.COUNTER, "Inputs that a full inbox dropped.", dropped),
        ]

    def _of_database(self) -> list[Figure]:
        counts = self._parts.drivers.database.counters()
        database = NodeHome(self._parts.options.home).database_path
        files = {"database": database, "wal": database.with_name(f"{database.name}-wal")}
        outcomes = {name: counts[name] for name in ("accepted", "known", "orphans", "refused")}
        compared = {"done": counts["reconciled"], "failed": counts["reconcile_faults"]}
        gossiped = {"sent": counts["gossip_messages"], "left_out": counts["gossip_left_out"]}
        held = {"held": counts["entries"], "orphan": counts["orphans_waiting"]}
        sizes = {name: _size(path) for name, path in files.items()}
        return [
            _labelled("database_intake", "outcome", "Entries that were said or brought.", outcomes),
            _labelled("database_reconciliations", "outcome", "Comparisons with a peer.", compared),
            _labelled("database_gossip", "outcome", "Messages of own entries to gossip.", gossiped),
            Figure("sgnus_database_entries", Kind.GAUGE, "Entries in the database.", held, "state"),
            Figure("sgnus_store_bytes", Kind.GAUGE, "Size of the database's files.", sizes, "file"),
        ]

    def _of_jobs(self) -> list[Figure]:
        own = Counter(self._status.state(job).name.lower() for job in self._parts.jobs.all_own())
        states = {state.name.lower(): own[state.name.lower()] for state in JobState if state}
        build = {sgnus.__version__: 1}
        return [
            Figure("sgnus_own_jobs", Kind.GAUGE, "Jobs that this node published.", states, "state"),
            Figure("sgnus_build_info", Kind.GAUGE, "Always 1; the version is the label.", build, "version"),
            Figure("sgnus_protocol_version", Kind.GAUGE, "Of the protocol.", {"": PROTOCOL_VERSION}),
        ]

    def _of_clearing(self) -> list[Figure]:
        clearing = self._parts.background.clearing
        waiting = {"receipts_out": clearing.outbox.waiting}
        if clearing.settling is not None:
            waiting["microjobs"] = clearing.settling.open_cases
        what = "What waits for the SGNUS node, and in one what waits to be settled."
        return [Figure("sgnus_settlement_waiting", Kind.GAUGE, what, waiting, "what")]


def _labelled(noun: str, label: str, what: str, counts: Mapping[str, int]) -> Figure:
    """A counter by a fixed list of names, which are written as Prometheus likes its label values."""
    samples = {_snake(name): float(count) for name, count in counts.items()}
    return Figure(f"sgnus_{noun}", Kind.COUNTER, what, samples, label)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[^A-Za-z0-9]+", "_", name).strip("_").lower()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
