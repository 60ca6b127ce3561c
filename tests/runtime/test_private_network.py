"""A home without a network is in a private one, for which nobody looks beyond this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from sgnus.messages.errors import UserFault
from sgnus.runtime.home import NodeHome
from sgnus.runtime.network_file import is_private, new_network, read_network, write_network
from sgnus.runtime.node import NodeOptions, network_of


def network_at(home: Path, *, discover: bool, network: Path | None = None) -> str:
    return network_of(NodeOptions(home=home, discover=discover, network=network), NodeHome(home)).id


def test_a_home_without_a_network_gets_a_private_one_and_keeps_it(tmp_path: Path) -> None:
    first = network_at(tmp_path, discover=False)
    assert network_at(tmp_path, discover=False) == first
    assert is_private(read_network(tmp_path / "network.json"))


def test_discovery_is_refused_before_a_private_network_is_made(tmp_path: Path) -> None:
    with pytest.raises(UserFault, match=r"sgnus network create NAME.* or leave out --discover"):
        network_at(tmp_path, discover=True)
    assert list(tmp_path.iterdir()) == []


def test_discovery_is_refused_in_the_private_network_of_an_earlier_run(tmp_path: Path) -> None:
    network_at(tmp_path, discover=False)
    with pytest.raises(UserFault, match="a private one of its own"):
        network_at(tmp_path, discover=True)


@pytest.mark.parametrize("is_named", [False, True])
def test_discovery_is_for_networks_that_somebody_created(tmp_path: Path, is_named: bool) -> None:
    made, path = new_network("lab"), tmp_path / ("elsewhere.json" if is_named else "network.json")
    write_network(path, made)
    assert network_at(tmp_path, discover=True, network=path if is_named else None) == made.id
