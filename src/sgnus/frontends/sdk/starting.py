"""Starting a node in the background, and stopping it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from sgnus.frontends.sdk.errors import NodeUnreachable
from sgnus.frontends.sdk.home import Home
from sgnus.messages.errors import UserFault, WorldFault

NODE_COMMAND: Final = (sys.executable, "-m", "sgnus.frontends.node_main")
START_S_MAX: Final = 60.0
STOP_S_MAX: Final = 30.0
REFUSED: Final = 2
"""Exit status of a node that cannot run as it was asked to."""
POLL_S: Final = 0.02
LOG_TAIL_BYTES: Final = 8 * 1024
LOG_BYTES_MAX: Final = 16 * 1024 * 1024
"""A log that is larger at a start is put aside, in place of the one before it."""


def start_node(
    home: Home,
    options: Sequence[str] = (),
    *,
    command: Sequence[str] | None = None,
    wait_s: float = START_S_MAX,
) -> bool:
    """See that a node runs on `home`; True when this call started it. Its output goes to the home's node.log.

    The node outlives this process. Options are those of `sgnus node run`. UserFault and WorldFault carry the
    node's own sentence when it refuses to start.
    """
    if home.is_answering():
        return False
    home.prepare()
    with open(home.path / "start.lock", "a", opener=_private) as lock:
        # Two apps that start at the same time get one node: the second waits for what the first one does.
        fcntl.flock(lock, fcntl.LOCK_EX)
        return not home.is_answering() and _start(
            home, [*(command or NODE_COMMAND), *_home(home), *options], wait_s
        )


def _home(home: Home) -> tuple[str, str]:
    return "--home", str(home.path)


def _start(home: Home, arguments: Sequence[str], wait_s: float) -> bool:
    with suppress(FileNotFoundError):
        if home.log_path.stat().st_size > LOG_BYTES_MAX:
            home.log_path.replace(home.log_path.with_suffix(".log.1"))
    with open(home.log_path, "ab", opener=_private) as log:
        log_start = log.tell()
        process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=home.path
        )
    try:
        if _has_started(home, process, wait_s):
            return True
    except KeyboardInterrupt:
        process.terminate()  # Whoever breaks off the start wants no node.
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S_MAX)
        raise
    sentence = (
        _last_line(home, log_start)
        or f"The node ended with status {process.returncode}; see {home.log_path}."
    )
    raise (UserFault if process.returncode == REFUSED else WorldFault)(sentence)


def _has_started(home: Home, process: subprocess.Popen[bytes], wait_s: float) -> bool:
    """Wait until it answers, or has ended."""
    deadline = time.monotonic() + wait_s
    while process.poll() is None:
        if home.pid() == process.pid and home.is_answering():
            # The node is on its own now: this handle must not complain that its child still runs.
            process.returncode = 0
            return True
        if time.monotonic() > deadline:
            process.terminate()
            process.wait(STOP_S_MAX)
            raise WorldFault(f"The node did not start in time; its words are in {home.log_path}.")
        time.sleep(POLL_S)
    return False


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _last_line(home: Home, start: int) -> str:
    with home.log_path.open("rb") as log:
        log.seek(max(start, log.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
        lines = log.read().decode(errors="replace").split("\n")
    spoken = [line.strip() for line in lines if line.strip()]
    return _sentence(spoken[-1]) if spoken else ""


def _sentence(line: str) -> str:
    """What a line of the log says, whichever form it has."""
    try:
        return str(json.loads(line)["message"])
    except (ValueError, TypeError, KeyError):
        return line


def stop_node(home: Home, wait_s: float = STOP_S_MAX) -> bool:
    """End the node of `home` and wait until it is gone; False when none runs. The jobs in its database stay."""
    pid = home.pid()
    if pid is None or not (home.is_answering() or _is_node(pid)):
        return False
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return False
    except PermissionError as error:
        raise UserFault(
            f"The node {pid} of {home.path} belongs to another user; stop it as that user."
        ) from error
    deadline = time.monotonic() + wait_s
    while _is_alive(pid):
        if time.monotonic() > deadline:
            raise NodeUnreachable(
                f"The node {pid} did not end within {wait_s:.0f} s; end it with: kill -9 {pid}"
            )
        time.sleep(POLL_S)
    return True


def _is_node(pid: int) -> bool:
    """Whether that process is a node (a frozen one answers nothing); a pid may have been given to another since."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"sgnus" in file.read(4096)
    except OSError:
        return False


def _is_alive(pid: int) -> bool:
    try:
        waited, _ = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        waited = 0
    if waited == pid:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
