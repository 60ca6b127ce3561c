"""A private network of real node processes on loopback, for tests that crash, freeze and restart them.

Every node has a home of its own, leads a session of its own, and dies with the process that started it. Nothing outlives
`PrivateNetwork.stop`, and a log that a test failed with stays where pytest keeps its folders.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

import sgnus
from sgnus.frontends.sdk.sync import Grid
from sgnus.runtime.network_file import new_network, write_network
from sgnus.runtime.sgnus_nodes import sgnus_node_of
from tests.whole.patience import stretched

ROOT: Final = Path(__file__).parents[2]
DEADLINE_S: Final = 90.0
STOP_S: Final = 20.0
POLL_S: Final = 0.05
NODE: Final = ("sgnus.frontends.node_main",)
PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True)

FoundT = TypeVar("FoundT")


def wait_for(
    condition: Callable[[], FoundT], what: str, deadline_s: float = DEADLINE_S, poll_s: float = POLL_S
) -> FoundT:
    """The first true value of `condition`; AssertionError that says `what` did not come, not even in the time that a machine
    as loaded as this one takes.
    """
    begun = time.monotonic()
    while True:
        found = condition()
        if found:
            return found
        waited_s = time.monotonic() - begun
        if waited_s > deadline_s and waited_s > stretched(deadline_s):
            raise AssertionError(f"in {waited_s:.1f} s it did not come that {what}")
        threading.Event().wait(poll_s)  # Processes tell of nothing that one could wait for.


class RunningNode:
    """One node process and its home; the home survives the process."""

    def __init__(
        self, home: Path, network: Path, workers: int, logs: Path, program: Sequence[str] = NODE
    ) -> None:
        self.home = home
        self.program = program
        self.log = logs / f"{home.name}.log"
        self._said = logs / f"{home.name}.said"
        self.network = network
        self.workers = workers
        self.options: tuple[str, ...] = ()
        self.within: tuple[str, ...] = ()  # A command that runs another one elsewhere, as in a namespace.
        self.ready: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        home.mkdir(parents=True, exist_ok=True)

    @property
    def peer(self) -> str:
        return str(self.ready["peer"])

    @property
    def multiaddr(self) -> str:
        return str(self.ready["multiaddrs"][0])

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def launch(self, bootstrap: Sequence[str] = (), more: Sequence[str] = ()) -> None:
        """Start the process on its home; `await_ready` waits for it."""
        assert not self.is_running
        command = [*self.within, sys.executable, "-m", *self.program, "--home", str(self.home)]
        command += ["--network", str(self.network), "--workers", str(self.workers)]
        command += [*self.options, *more]
        for multiaddr in bootstrap:
            command += ["--bootstrap", multiaddr]
        self.ready = {}
        with self._said.open("wb") as said, self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=said,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=environment(),
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - it calls prctl alone
            )

    def await_ready(self, deadline_s: float = DEADLINE_S) -> None:
        """Wait for the line that says that it runs."""
        wait_for(self.has_spoken, f"the node on {self.home.name} is ready", deadline_s)
        line = self._said.read_text()
        ended = self._process.poll() if self._process is not None else None
        assert line, f"the node on {self.home} ended with {ended}: {self.log.read_text()[-2000:]}"
        self.ready = json.loads(line)

    def connect(self) -> Grid:
        """The SDK on this node."""
        return sgnus.connect(home=self.home, start=False)

    def kill(self) -> None:
        """SIGKILL, as a power cut is to the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_S)

    def status(self) -> int:
        """Wait until it has ended of itself; its exit status."""
        assert self._process is not None
        return self._process.wait(STOP_S)

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        if self.is_running:
            os.kill(self.pid, signal.SIGCONT)

    def tell_to_stop(self) -> None:
        """SIGTERM, and do not wait."""
        if self.is_running:
            self.thaw()
            os.kill(self.pid, signal.SIGTERM)

    def stop(self) -> None:
        """SIGTERM; whatever does not end by that is killed, with its children."""
        if self._process is None:
            return
        self.thaw()
        children = descendants_of(self.pid)
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_S)
        self._process = None
        wait_for(
            lambda: not [pid for pid in children if is_alive(pid)], f"the children of {self.home.name} end"
        )

    def has_spoken(self) -> bool:
        return self._said.read_bytes().endswith(b"\n") or not self.is_running


class PrivateNetwork:
    """Nodes of one network. A context manager: all of them end with it."""

    def __init__(
        self,
        folder: Path,
        name: str = "whole",
        logs: Path | None = None,
        settling: Sequence[str] | None = None,
    ) -> None:
        """With `settling` the first node is the network's SGNUS node, and these are its options beside --settle."""
        self.folder = folder
        self.logs = logs or folder
        self.network = folder / f"{name}.json"
        self.nodes: list[RunningNode] = []
        folder.mkdir(parents=True, exist_ok=True)
        self.options: tuple[str, ...] = ()
        self._settling = settling
        (folder / "n0").mkdir(mode=0o700, exist_ok=True)
        listed = [] if settling is None else [sgnus_node_of(folder / "n0")]
        write_network(self.network, new_network(name, sgnus_nodes=listed))

    def __enter__(self) -> PrivateNetwork:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def add(self, *workers: int) -> list[RunningNode]:
        """Start one node for each number of workers, side by side, and wait until they see each other."""
        return self.add_as(NODE, *workers)

    def add_as(self, program: Sequence[str], *workers: int) -> list[RunningNode]:
        """As `add`, of another program: a module and its first arguments."""
        known = [node.multiaddr for node in self.nodes if node.is_running]
        added: list[RunningNode] = []
        for number in workers:
            node = RunningNode(self.folder / f"n{len(self.nodes)}", self.network, number, self.logs, program)
            node.options = self.options
            if self._settling is not None and not self.nodes:
                node.options = ("--settle", *self._settling, *self.options)
            self.nodes.append(node)
            added.append(node)
            node.launch(known)
            if not known:
                node.await_ready()
                known = [node.multiaddr]
        self._met(added)
        return added

    def restart(self, *nodes: RunningNode) -> None:
        """Start dead nodes again on their homes, side by side; they keep their ports, and so find each other."""
        known = [node.multiaddr for node in self.nodes if node.ready]
        for node in nodes:
            own = node.multiaddr
            node.launch([multiaddr for multiaddr in known if multiaddr != own])
        self._met(nodes)

    def heal(self) -> None:
        """Thaw what is frozen and restart what is dead."""
        for node in self.nodes:
            node.thaw()
        self.restart(*[node for node in self.nodes if not node.is_running])
        self._met(self.nodes)

    def node_of(self, peer: str) -> RunningNode:
        """The node of that peer id."""
        return next(node for node in self.nodes if node.peer == peer)

    def stop(self) -> None:
        """End all nodes, side by side."""
        for node in self.nodes:
            node.tell_to_stop()
        for node in self.nodes:
            node.stop()

    def _met(self, nodes: Sequence[RunningNode]) -> None:
        for node in nodes:
            if not node.ready:
                node.await_ready()
        running = sum(node.is_running for node in self.nodes)
        for node in nodes:
            with node.connect() as grid:
                wait_for(
                    lambda grid=grid: neighbours(grid) >= min(running - 1, 8),
                    f"{node.home.name} meets the others",
                )  # type: ignore[misc]


def neighbours(grid: Grid) -> int:
    """How many peers this node hears by gossip."""
    return sum(peer.gossip for peer in grid.peers())


def environment() -> dict[str, str]:
    """The environment of our processes: this checkout's code, whatever is installed."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}


def die_with_parent() -> None:
    """In the child, before it runs: it ends when the thread that started it ends."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def is_alive(pid: int) -> bool:
    """Whether a process of that id runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def descendants_of(pid: int) -> list[int]:
    """Living processes that `pid` started, and those that they started."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                facts = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(facts[1]), []).append(int(folder.name))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found
