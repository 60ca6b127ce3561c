"""What honest nodes tell of a flood, by their metrics."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path

from tests.whole.grid import RunningNode

THROTTLED = ("dropped_over_budget", "calls_over_budget", "calls_too_many", "frames_read_later")


def shut_outs(node: RunningNode) -> float:
    """How many peers this node has shut out since it was started."""
    return counted(metrics(node), "peers_shut_out")


def throttled(node: RunningNode) -> float:
    """How often this node dropped, refused or delayed something because it was too much."""
    told = metrics(node)
    return sum(counted(told, name) for name in THROTTLED)


def metrics(node: RunningNode) -> str:
    request = urllib.request.Request(
        f"http://127.0.0.1:{node.ready['http']}/metrics",
        headers={"Authorization": f"Bearer {(node.home / 'token').read_text().strip()}"},
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        return str(reply.read().decode())


def counted(told: str, label: str) -> float:
    """The counter of that label; 0 before it was ever counted."""
    found = re.search(rf'="{label}"\}} ([\d.e+]+)', told)
    return float(found[1]) if found else 0.0


def memory_mb(node: RunningNode) -> float:
    """Its PSS."""
    rolled = Path(f"/proc/{node.pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in rolled.splitlines() if line.startswith("Pss:")) * 1024 / 1e6
