"""A network of real nodes, each in a network namespace of its own, on wires whose weather a test makes.

Apps reach a node by the unix socket in its home, for files are the same in all namespaces. Nodes reach each other over the switch
alone. All of it ends with the process that started it, however that ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

from sgnus.runtime.network_file import from_invitation, write_network
from tests.missing_tool import lack, miss
from tests.whole.grid import ROOT, STOP_S, RunningNode, die_with_parent, environment, neighbours, wait_for
from tests.whole.patience import stretched
from tests.wires.namespaces import what_is_missing, what_is_refused
from tests.wires.plan import Plan

CLI: Final = (sys.executable, "-m", "sgnus.frontends.cli")
NODE_RUN: Final = ("sgnus.frontends.cli", "node", "run", "--json")
OPTIONS: Final = (
    *("--listen", "0.0.0.0", "--port", "4001", "--peer-port", "4002"),
    *("--log-format", "json", "--verbose"),
)
CLI_S_MAX: Final = 60.0
MET_MAX: Final = 8
READY_S: Final = 60.0
MESH_S: Final = 60.0
STARTED_AT_ONCE: Final = 4


class WiredNetwork:
    """Nodes `n0`, `n1`, ... on ports 0, 1, ... of the switch. A context manager."""

    def __init__(self, folder: Path, nodes: int) -> None:
        if reason := what_is_missing():
            miss(reason)
        if reason := what_is_refused():
            lack(reason)
        self.folder = folder
        self._said_before = 0
        self._read: dict[str, int] = {}
        self.nodes = [self._node(number) for number in range(nodes)]
        self._board: subprocess.Popen[bytes] | None = None
        self._said = folder / "switch.said"

    def __enter__(self) -> WiredNetwork:
        try:
            self._start_switch()
            self._start_nodes()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def port_of(self, peer: str) -> int:
        """At which port of the switch this peer is."""
        return next(port for port, node in enumerate(self.nodes) if node.peer == peer)

    def new_log(self, node: RunningNode) -> str:
        """What this node has logged since it was last asked for."""
        with node.log.open() as log:
            log.seek(self._read.get(node.home.name, 0))
            text = log.read()
            self._read[node.home.name] = log.tell()
        return text

    def begin(self, plan: Plan) -> None:
        """The weather of `plan`, from now on."""
        self._said_before = len(self._lines())
        line = {
            "seed": plan.seed,
            "timetable": [(at_ms, weather.to_json()) for at_ms, weather in plan.timetable],
        }
        self._input().write(json.dumps(line).encode() + b"\n")
        self._input().flush()

    def changes(self) -> list[dict[str, Any]]:
        """What the switch said since `begin`: one object for each change of the weather, the last one with `left` 0."""
        return self._lines()[self._said_before :]

    def await_end_of_plan(self, plan: Plan) -> dict[str, Any]:
        """Wait until the last weather of `plan` has begun; what the switch had counted by then."""

        def ended() -> list[dict[str, Any]]:
            return [said for said in self.changes() if said["left"] == 0]

        return wait_for(ended, f"the switch follows the plan {plan.name}", plan.heals_ms / 1000 + 30.0)[0]

    def stop(self) -> None:
        """End all nodes, side by side, and the switch after them."""
        for node in self.nodes:
            node.tell_to_stop()
        for node in self.nodes:
            node.stop()
        if self._board is not None:
            self._input().close()
            try:
                self._board.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._board.kill()
                self._board.wait(STOP_S)
            self._board = None

    def _node(self, number: int) -> RunningNode:
        home = self.folder / f"n{number}"
        home.mkdir(mode=0o700, parents=True)
        node = RunningNode(home, home / "network.json", 1, self.folder, NODE_RUN)
        node.options = OPTIONS
        return node

    def _start_switch(self) -> None:
        command = [sys.executable, "-m", "tests.wires.switchboard", str(len(self.nodes))]
        with self._said.open("wb") as said, (self.folder / "switch.log").open("wb") as log:
            self._board = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=log,
                cwd=ROOT,
                env=environment(),
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - it calls prctl alone
            )
        board = self._board
        wait_for(lambda: self._lines() or board.poll() is not None, "the switch is ready")
        assert self._lines(), (self.folder / "switch.log").read_text()
        ready = self._lines()[0]
        for node, namespace in zip(self.nodes, ready["namespaces"], strict=True):
            node.within = ("nsenter", f"--net=/proc/{ready['pid']}/fd/{namespace}", "--")

    def _start_nodes(self) -> None:
        """As people do it: one creates the network with a pre-shared key, and passes the invitation on once it runs."""
        first, *others = self.nodes
        sgnus("network", "create", "wires", "--psk", "--home", str(first.home))
        first.launch()
        first.await_ready(READY_S)
        shown = sgnus("network", "show", "--json", "--home", str(first.home))
        invited = from_invitation(json.loads(shown)["invitation"])
        assert [address for address in invited.bootstrap if address.startswith("/ip4/10.77.0.1/tcp/4001/")]
        for begin in range(0, len(others), STARTED_AT_ONCE):
            batch = others[begin : begin + STARTED_AT_ONCE]
            for node in batch:
                write_network(node.network, invited)
                node.launch()
            for node in batch:
                node.await_ready(READY_S)
        self.await_mesh()

    def await_mesh(self) -> None:
        """Wait until every node hears several others by gossip."""
        for node in self.nodes:
            with node.connect() as grid:
                wait_for(
                    lambda grid=grid: neighbours(grid) >= min(MET_MAX, len(self.nodes) - 1),
                    f"{node.home.name} meets the others",
                    MESH_S,
                )  # type: ignore[misc]

    def _input(self) -> IO[bytes]:
        assert self._board is not None
        assert self._board.stdin is not None
        return self._board.stdin

    def _lines(self) -> list[dict[str, Any]]:
        """What the switch has said; the last line may be under way."""
        whole, _newline, _part = self._said.read_bytes().rpartition(b"\n")
        return [json.loads(line) for line in whole.splitlines()]


def sgnus(*arguments: str) -> str:
    """What a command of the command line prints; AssertionError with its words if it fails."""
    done = subprocess.run(
        [*CLI, *arguments],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=stretched(CLI_S_MAX),
        check=False,
    )
    assert done.returncode == 0, f"sgnus {' '.join(arguments)}: {done.returncode}: {done.stderr[-2000:]}"
    return done.stdout
