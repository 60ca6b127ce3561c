"""The command `sgnus` against a node: what people see, what programs read, exit statuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sgnus.frontends.cli import main
from sgnus.frontends.files.inputs import open_input
from sgnus.frontends.sdk.home import Home
from sgnus.runtime.network_file import invitation, new_network, private_network, read_network, write_network
from tests.frontends.fake_node import FakeNode
from tests.frontends.pictures import PIXELS, png

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def run(node: FakeNode, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command on the node's home: exit status, stdout, stderr."""
    monkeypatch.setenv("SGNUS_HOME", str(node.home))

    def run_(*arguments: object) -> tuple[int, str, str]:
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run_


def test_submit_writes_the_processed_picture(run: Any, tmp_path: Path) -> None:
    source, out = png(tmp_path / "a.png"), tmp_path / "b.png"
    status, said, remarks = run(
        "submit", source, "--processor", "invert", "--tile", "32x32", "--halo", 1, "-o", out
    )
    assert status == 0
    assert np.array_equal(open_input(out).array, ~PIXELS)
    assert said.startswith(f"{out}  60x80x3 uint8, ")
    assert "6 chunks in 6 sub-blocks, for 1 room." in remarks
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.png", "b.png", "home"]


def test_one_of_a_thing_is_not_many(run: Any, tmp_path: Path) -> None:
    _, _, remarks = run("submit", png(tmp_path / "a.png"), "--processor", "invert", "-o", tmp_path / "b.png")
    assert "1 chunk in 1 sub-block, for 1 room." in remarks


def test_submit_with_json_ends_with_one_object(run: Any, tmp_path: Path) -> None:
    _, said, _ = run(
        "submit", png(tmp_path / "a.png"), "--processor", "invert", "-o", tmp_path / "b.tif", "--json"
    )
    done = json.loads(said.splitlines()[-1])
    assert (done["state"], done["shape"], done["dtype"]) == ("completed", [60, 80, 3], "uint8")


def test_submit_hands_everything_on(run: Any, node: FakeNode, tmp_path: Path) -> None:
    module = tmp_path / "mine.wasm"
    module.write_bytes(b"\0asm and so on")
    given = ["--processor", f"wasm:{module}", "--param", "sigma=2", "--param", "mode=a=b", "--deadline", 1.5]
    status, _, _ = run("submit", png(tmp_path / "a.png"), *given, "--name", "mine", "-o", tmp_path / "b.npy")
    assert status == 0
    (job,) = node.service.jobs.values()
    assert job.module == b"\0asm and so on"
    assert {one.name: one.value for one in job.request.parameters} == {"sigma": "2", "mode": "a=b"}
    assert (job.request.deadline_ms, job.request.name, job.request.processor) == (1500, "mine", "wasm")


def test_a_policy_is_handed_on_whether_its_share_is_written_in_percent_or_not(
    run: Any, node: FakeNode, tmp_path: Path
) -> None:
    given = ["submit", png(tmp_path / "a.png"), "--processor", "invert", "-o", tmp_path / "b.png"]
    for samples, permille in (("12.5%", 125), ("0.3", 300), (".05", 50), ("100%", 1000), ("1", 1000)):
        assert run(*given, "--samples", samples, "--verifiers", 2, "--min-members", 3)[0] == 0
        policy = list(node.service.jobs.values())[-1].request.policy
        assert (policy.samples_permille, policy.verifiers, policy.min_members) == (permille, 2, 3)


def test_submit_says_at_once_what_a_job_without_members_waits_for(
    run: Any, node: FakeNode, tmp_path: Path
) -> None:
    node.service.waits_for = "it waits for two others (--verify none needs none)"
    _, said, remarks = run("submit", png(tmp_path / "a.png"), "--processor", "slow", "--detach", "--json")
    assert json.loads(said)["state"] == "pending"
    assert "The job is pending: it waits for two others (--verify none needs none)." in remarks


def test_raw_bytes_go_in_and_out(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(PIXELS.tobytes())
    given = ["--shape", "60x80x3", "--dtype", "uint8", "--processor", "invert", "-o", tmp_path / "b.raw"]
    assert run("submit", tmp_path / "a.raw", *given)[0] == 0
    assert (tmp_path / "b.raw").read_bytes() == (~PIXELS).tobytes()


def test_a_dry_run_says_what_the_job_would_become(run: Any, node: FakeNode, tmp_path: Path) -> None:
    given = [
        "submit",
        png(tmp_path / "a.png"),
        "--processor",
        "invert",
        "--tile",
        "32x32",
        "--halo",
        1,
        "--dry-run",
    ]
    status, said, _ = run(*given)
    assert status == 0
    for words in (
        "chunks",
        "sub-blocks",
        "rooms",
        "to upload to members",
        "who will see the data",
        "the members of",
    ):
        assert words in said
    told = json.loads(run(*given, "--json")[1])
    assert (told["chunks"], told["waits_for"]) == (6, "")
    node.service.waits_for = "it waits for two others"
    assert run(*given)[2].strip() == "Nothing was submitted. As things are, it waits for two others."
    assert json.loads(run(*given, "--json")[1])["waits_for"] == "it waits for two others"
    assert node.service.jobs == {}


def test_a_detached_job_is_collected_later(run: Any, tmp_path: Path) -> None:
    status, said, remarks = run("submit", png(tmp_path / "a.png"), "--processor", "invert", "--detach")
    job = said.strip()
    assert status == 0
    assert f"sgnus job results {job} -o OUT" in remarks
    assert run("job", "results", job[:14], "-o", tmp_path / "b.png")[0] == 0
    assert np.array_equal(open_input(tmp_path / "b.png").array, ~PIXELS)


def test_a_failed_job_is_exit_status_1_with_its_reason(run: Any, tmp_path: Path) -> None:
    status, said, remarks = run(
        "submit", png(tmp_path / "a.png"), "--processor", "fail", "-o", tmp_path / "b.png", "--json"
    )
    assert status == 1
    assert "the module trapped: unreachable" in remarks
    assert json.loads(said.splitlines()[-1])["kind"] == "JobFailed"
    assert not (tmp_path / "b.png.part").exists()


def test_breaking_off_detaches_and_the_results_are_resumed(run: Any, node: FakeNode, tmp_path: Path) -> None:
    source, out = png(tmp_path / "a.png"), tmp_path / "b.png"
    command = [sys.executable, "-m", "sgnus.frontends.cli", "submit", str(source), "--processor", "slow"]
    environment = {**os.environ, "SGNUS_HOME": str(node.home)}
    process = subprocess.Popen(
        [*command, "--tile", "32x32", "-o", str(out)], env=environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert "6 sub-blocks" in process.stderr.readline()
    (job,) = node.service.jobs.values()
    node.service.deliver(job, 2)
    process.send_signal(signal.SIGINT)
    _, remarks = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"sgnus job results {job.id} -o {out}" in remarks
    assert job.status().delivered == 2
    finishing = threading.Timer(0.1, node.service.deliver, [job, 4])
    finishing.start()
    assert run("job", "results", job.id, "-o", out)[0] == 0
    finishing.join()
    assert np.array_equal(open_input(out).array, ~PIXELS)


def test_jobs_are_listed_shown_told_and_cancelled(run: Any, tmp_path: Path) -> None:
    job = run("submit", png(tmp_path / "a.png"), "--processor", "slow", "--detach")[1].strip()
    listed = run("job", "list")[1]
    assert job[:16] in listed
    assert "a.png" in listed
    assert json.loads(run("job", "list", "--json")[1])[0]["job"] == job
    assert "running" in run("job", "show", job)[1]
    assert json.loads(run("job", "show", job, "--json")[1])["state"] == "running"
    assert "the job was submitted" in run("job", "story", job)[1]
    assert json.loads(run("job", "story", job, "--json")[1])["lines"]
    assert run("job", "cancel", job)[:2] == (0, f"Job {job} is cancelled.\n")
    status, _, remarks = run("job", "cancel", job)
    assert (status, "has ended already" in remarks) == (2, True)


def test_rooms_and_peers_are_listed(run: Any, node: FakeNode, tmp_path: Path) -> None:
    assert "There is no room now." in run("rooms")[1]
    job = run("submit", png(tmp_path / "a.png"), "--processor", "app:thumb", "--detach")[1].strip()
    assert "none yet" in run("rooms", "--job", job)[1]
    assert json.loads(run("rooms", "--json")[1])[0]["job"] == job
    assert "127.0.0.1:4002" in run("peers")[1]
    assert json.loads(run("peers", "--json")[1])[0]["gossip"] is True


def test_a_node_is_started_looked_at_and_stopped(startable: Home, capsys: Captured) -> None:
    home = ["--home", str(startable.path)]
    assert main(["node", "status", *home]) == 1
    assert "No node runs on" in capsys.readouterr().out
    assert main(["node", "start", *home, "--workers", "2", "--discover"]) == 0
    assert "runs in the background" in capsys.readouterr().out
    assert json.loads((startable.path / "arguments.json").read_text())[2:] == ["--workers", "2", "--discover"]
    assert main(["node", "start", *home]) == 0
    assert "already" in capsys.readouterr().out
    assert main(["node", "status", *home, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["running"] is True
    assert main(["node", "stop", *home]) == 0
    assert "is stopped" in capsys.readouterr().out
    assert main(["node", "stop", *home]) == 0
    assert "No node runs" in capsys.readouterr().out


def test_submit_starts_a_node_when_none_runs_and_says_so(
    startable: Home, capsys: Captured, tmp_path: Path
) -> None:
    out = tmp_path / "b.png"
    given = ["--processor", "invert", "-o", str(out), "--home", str(startable.path)]
    assert main(["submit", str(png(tmp_path / "a.png")), *given]) == 0
    assert "No node was running: one was started in the background" in capsys.readouterr().err
    assert np.array_equal(open_input(out).array, ~PIXELS)


def test_a_network_is_created_joined_and_shown(run: Any, node: FakeNode, tmp_path: Path) -> None:
    first, second = ["--home", tmp_path / "one"], ["--home", tmp_path / "two"]
    invitation = run("network", "create", "lab", "--psk", *first)[1].splitlines()[-1]
    assert run("network", "join", invitation, *second)[0] == 0
    created = json.loads(run("network", "show", "--json", *first)[1])
    joined = json.loads(run("network", "show", "--json", *second)[1])
    assert created["network"] == joined["network"]
    assert created["invitation"] == joined["invitation"] == invitation
    assert "private network on loopback" in run("network", "show", "--home", tmp_path / "three")[1]


@pytest.fixture
def private(tmp_path: Path) -> Home:
    """A home whose node made itself a network, and was stopped."""
    home = Home.of(tmp_path / "used")
    home.prepare()
    write_network(home.network_path, private_network())
    return home


@pytest.mark.parametrize("command", [["create", "lab"], ["join", invitation(new_network("lab"))]])
def test_the_network_that_a_node_made_for_itself_makes_way(
    command: list[str], run: Any, private: Home
) -> None:
    status, said, remarks = run("network", *command, "--home", private.path)
    assert status == 0
    assert "'lab'" in said
    assert "its node had made for itself is left" in remarks
    assert read_network(private.network_path).name == "lab"


@pytest.mark.parametrize("command", [["create", "lab"], ["join", invitation(new_network("lab"))]])
def test_a_private_network_that_somebody_may_be_in_stays(command: list[str], run: Any, private: Home) -> None:
    before = read_network(private.network_path)
    run("network", "show", "--home", private.path)
    status, _, said = run("network", *command, "--home", private.path)
    assert status == 2
    assert "--force" in said
    assert read_network(private.network_path) == before


def test_a_private_network_in_use_is_left_only_once_its_node_ended(run: Any, node: FakeNode) -> None:
    write_network(node.home / "network.json", private_network())
    status, _, said = run("network", "create", "lab")
    assert status == 2
    assert f"end it first: sgnus node stop --home {node.home}" in said
    node.stop()
    assert run("network", "create", "lab")[0] == 0


def test_the_invitation_of_a_running_node_holds_its_addresses(run: Any) -> None:
    peer = "12D3KooWGRUVh7yBPVcCVZWQXyZ7vUyoVPRcEBbRRLYVq2xwZ5yS"
    run("network", "create", "lab", "--bootstrap", f"/ip4/192.0.2.9/tcp/4001/p2p/{peer}")
    shown = json.loads(run("network", "show", "--json")[1])
    assert [address.split("/")[2] for address in shown["bootstrap"]] == ["192.0.2.9", "192.0.2.7"]


def test_an_invitation_by_which_nobody_finds_a_node_says_so(run: Any, tmp_path: Path) -> None:
    first, second = ["--home", tmp_path / "one"], ["--home", tmp_path / "two"]
    assert "It holds no address" in run("network", "create", "lab", *first)[2]
    assert "It holds no address" in run("network", "show", *first)[2]
    peer = "12D3KooWGRUVh7yBPVcCVZWQXyZ7vUyoVPRcEBbRRLYVq2xwZ5yS"
    reached = run("network", "create", "lab", "--bootstrap", f"/ip4/192.0.2.9/tcp/4001/p2p/{peer}", *second)
    assert "It holds no address" not in reached[2]


@pytest.mark.parametrize(
    "command",
    [
        ["node", "start"],
        ["node", "run"],
        ["node", "status"],
        ["node", "stop"],
        ["network", "create"],
        ["network", "join"],
        ["network", "show"],
        ["submit"],
        *(["job", name] for name in ("list", "show", "results", "cancel", "story")),
        ["rooms"],
        ["peers"],
    ],
    ids=" ".join,
)
def test_every_command_has_examples_json_and_home(command: list[str], capsys: Captured) -> None:
    assert main([*command, "--help"]) == 0
    said = capsys.readouterr().out
    for words in ("Examples:", f"sgnus {' '.join(command)}", "--json", "--home"):
        assert words in said
