"""The unit in examples/systemd is one that systemd takes, and says of the node what is true of it."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from sgnus.frontends.cli.node import run
from sgnus.frontends.service.bounds import STOP_MS_MAX
from sgnus.messages.limits import DEPARTURE_MS_MAX, LAST_WRITES_MS_MAX

UNIT = Path(__file__).parents[2] / "examples/systemd/sgnus.service"
CLOSING_MS = 5_000
# Where there is no systemd to ask: the keys that systemd 252 took.
TAKEN = {
    "After",
    "AmbientCapabilities",
    "CapabilityBoundingSet",
    "Description",
    "DynamicUser",
    "Environment",
    "ExecStart",
    "KillMode",
    "KillSignal",
    "LimitNOFILE",
    "LockPersonality",
    "NoNewPrivileges",
    "PrivateDevices",
    "PrivateTmp",
    "ProtectClock",
    "ProtectControlGroups",
    "ProtectHome",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "ProtectSystem",
    "RemoveIPC",
    "Restart",
    "RestartPreventExitStatus",
    "RestartSec",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "RuntimeDirectory",
    "RuntimeDirectoryMode",
    "StateDirectory",
    "StateDirectoryMode",
    "SystemCallArchitectures",
    "SystemCallErrorNumber",
    "SystemCallFilter",
    "TasksMax",
    "TimeoutStopSec",
    "Type",
    "UMask",
    "WantedBy",
    "Wants",
}


def keys() -> dict[str, list[str]]:
    """Key -> its values, of all sections."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith(("#", "[")):
            key, _, value = line.partition("=")
            found[key].append(value)
    return found


def test_systemd_has_nothing_to_say_against_it(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        assert set(keys()) <= TAKEN
        return
    # Only what is installed can be verified: another program stands for ours.
    (command,) = keys()["ExecStart"]
    text = UNIT.read_text(encoding="utf-8").replace(shlex.split(command)[0], sys.executable)
    copy = tmp_path / UNIT.name
    copy.write_text(text, encoding="utf-8")
    ran = subprocess.run(
        [analyze, "verify", str(copy)], capture_output=True, text=True, timeout=60, check=False
    )
    about_ours = [line for line in ran.stderr.splitlines() if UNIT.name in line]
    assert (ran.returncode, about_ours) == (0, [])


def test_it_starts_the_node_with_options_that_there_are() -> None:
    (command,) = keys()["ExecStart"]
    _program, *words = shlex.split(command)
    assert words[:2] == ["node", "run"]
    known = {name for parameter in run.params for name in parameter.opts}
    assert [word for word in words[2:] if word.startswith("--") and word not in known] == []


def test_a_stop_has_the_time_that_it_may_take_and_goes_to_the_node_alone() -> None:
    (seconds,) = keys()["TimeoutStopSec"]
    assert int(seconds) * 1000 > DEPARTURE_MS_MAX + 2 * LAST_WRITES_MS_MAX + STOP_MS_MAX + CLOSING_MS
    assert keys()["KillMode"] == ["mixed"] and keys()["KillSignal"] == ["SIGTERM"]
    assert keys()["Restart"] == ["on-failure"] and keys()["RestartPreventExitStatus"] == ["2"]


def test_the_sandbox_of_the_children_keeps_what_it_needs() -> None:
    unit = keys()
    assert "MemoryDenyWriteExecute" not in unit and "PrivateUsers" not in unit
    allowed = " ".join(unit["SystemCallFilter"]).split()
    assert {"@system-service", "seccomp", "landlock_create_ruleset", "landlock_restrict_self"} <= set(allowed)
    assert unit["NoNewPrivileges"] == ["yes"] and unit["CapabilityBoundingSet"] == [""]
    assert unit["DynamicUser"] == ["yes"] and unit["StateDirectoryMode"] == ["0700"]
