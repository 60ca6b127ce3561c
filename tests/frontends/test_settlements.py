"""`sgnus settlements`, the SGNUS node in a network's file, and a node that was never listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sgnus.frontends.cli import main
from sgnus.messages.errors import UserFault
from sgnus.runtime.network_file import SgnusNode, from_invitation, new_network, read_network
from sgnus.runtime.sgnus_nodes import check_listed, sgnus_node_of
from tests.frontends.fake_node import FakeNode
from tests.frontends.pictures import png

Captured = pytest.CaptureFixture[str]
KEY = "ab" * 32


@pytest.fixture
def run(capsys: Captured) -> Any:
    """Run a command: exit status, stdout, stderr."""

    def run_(*arguments: object) -> tuple[int, str, str]:
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run_


def test_settlements_of_all_pages_are_listed(run: Any, node: FakeNode) -> None:
    home = ["--home", node.home]
    lines = run("settlements", *home)[1].splitlines()
    assert lines[0].split() == ["JOB", "MICROJOB", "RECEIPT", "CHUNKS", "RUN", "AGAIN", "AUDIT", "BY"]
    assert [line.split()[1:6] for line in lines[1:]] == [
        ["0", "0" * 16, "11", "0", "owed"],
        ["1", "01" * 8, "11", "11", "done"],
    ]
    found = json.loads(run("settlements", "--json", *home)[1])
    assert [one["audited"] for one in found] == [False, True]
    assert found[1]["receipt"] == "01" * 32
    assert found[1]["shares"] == [{"peer": "12D3KooWWorker", "made": 11, "checked": 1}]


def test_credit_is_added_up_over_all_pages(run: Any, node: FakeNode) -> None:
    home = ["--home", node.home]
    assert run("settlements", "--credits", *home)[1].splitlines()[1].split() == ["12D3KooWWorker", "22", "1"]
    assert json.loads(run("settlements", "--credits", "--json", *home)[1]) == [
        {"peer": "12D3KooWWorker", "made": 22, "checked": 1}
    ]


def test_nothing_settled_is_said(run: Any, node: FakeNode, tmp_path: Path) -> None:
    home = ["--home", node.home]
    job = run("submit", png(tmp_path / "a.png"), "--processor", "invert", "--detach", *home)[1].strip()
    assert run("settlements", job, *home)[:2] == (0, "Nothing is settled yet.\n")
    assert run("settlements", job, "--json", *home)[:2] == (0, "[]\n")


def test_the_command_has_examples_json_and_home(run: Any) -> None:
    said = run("settlements", "--help")[1]
    for words in ("Examples:", "sgnus settlements", "--json", "--home", "--credits"):
        assert words in said


def test_a_network_can_name_this_homes_node_as_its_sgnus_node(run: Any, tmp_path: Path) -> None:
    home = tmp_path / "home"
    said = run("network", "create", "lab", "--settle", "--home", home)[1]
    network = read_network(home / "network.json")
    assert network.sgnus_nodes == (sgnus_node_of(home),)
    assert from_invitation(said.splitlines()[-1]) == network
    shown = json.loads(run("network", "show", "--home", home, "--json")[1])
    assert shown["sgnus_nodes"] == [
        {"peer": network.sgnus_nodes[0].peer, "vrf_key": network.sgnus_nodes[0].vrf_key}
    ]
    assert network.sgnus_nodes[0].peer in run("network", "show", "--home", home)[1]


def test_a_node_that_its_network_does_not_list_may_not_settle(run: Any, tmp_path: Path) -> None:
    own = sgnus_node_of(_made(tmp_path / "home"))
    key = bytes.fromhex(own.vrf_key)
    check_listed(new_network("lab", sgnus_nodes=[own]), own.peer, key)  # type: ignore[arg-type]
    with pytest.raises(UserFault, match="sgnus network create NAME --settle"):
        check_listed(new_network("lab"), own.peer, key)  # type: ignore[arg-type]
    with pytest.raises(UserFault, match="another VRF key"):
        other = new_network("lab", sgnus_nodes=[SgnusNode(own.peer, KEY)])
        check_listed(other, own.peer, key)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "listed",
    [
        [{"peer": "not a peer", "vrf_key": KEY}],
        [{"peer": "12D3KooWGRUVh7yBPVcCVZWQXyZ7vUyoVPRcEBbRRLYVq2xwZ5yS", "vrf_key": "ab"}],
        [{"peer": "12D3KooWGRUVh7yBPVcCVZWQXyZ7vUyoVPRcEBbRRLYVq2xwZ5yS"}],
        [{"peer": 7, "vrf_key": KEY}],
        [{"peer": "12D3KooWGRUVh7yBPVcCVZWQXyZ7vUyoVPRcEBbRRLYVq2xwZ5yS", "vrf_key": KEY, "more": 1}],
        ["12D3KooWGRUVh7yBPVcCVZWQXyZ7vUyoVPRcEBbRRLYVq2xwZ5yS"],
        5,
    ],
)
def test_a_sgnus_node_that_cannot_be_is_said(tmp_path: Path, listed: Any) -> None:
    (tmp_path / "network.json").write_text(
        json.dumps({"name": "lab", "id": "00" * 16, "sgnus_nodes": listed})
    )
    with pytest.raises(UserFault, match=r"The network file .*network\.json"):
        read_network(tmp_path / "network.json")


def _made(home: Path) -> Path:
    home.mkdir(mode=0o700)
    return home
