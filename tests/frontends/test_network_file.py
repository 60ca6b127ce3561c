"""Networks and invitations: what one writes another reads; what was damaged is refused."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from sgnus.messages.errors import UserFault
from sgnus.runtime.network_file import (
    from_invitation,
    invitation,
    is_private,
    new_network,
    private_network,
    read_network,
    with_bootstrap,
    write_network,
)

ADDRESS = "/ip4/192.0.2.7/tcp/4001/p2p/12D3KooWGRUVh7yBPVcCVZWQXyZ7vUyoVPRcEBbRRLYVq2xwZ5yS"


def test_an_invitation_carries_the_whole_network_on_one_line() -> None:
    network = new_network("lab", has_psk=True, bootstrap=[ADDRESS])
    line = invitation(network)
    assert line.startswith("sgnus1")
    assert line.isalnum()
    assert from_invitation(line) == network
    assert from_invitation(f"  {line[:40]}\n{line[40:].upper()} ") == network


def test_every_single_wrong_or_missing_character_is_noticed() -> None:
    line = invitation(new_network("lab"))
    for position in range(6, len(line)):
        other = "a" if line[position] != "a" else "b"
        # The last character's low bits are padding: such a line still says the same.
        for damaged in (
            line[:position] + other + line[position + 1 :],
            line[:position] + line[position + 1 :],
        ):
            if position < len(line) - 1:
                with pytest.raises(UserFault, match="The invitation is damaged"):
                    from_invitation(damaged)


@pytest.mark.parametrize("text", ["", "hello", "sgnus2abc", "https://example.org"])
def test_what_is_no_invitation_is_said(text: str) -> None:
    with pytest.raises(UserFault, match="This is no invitation: one begins with sgnus1"):
        from_invitation(text)


@pytest.mark.parametrize("text", ["sgnus1", "sgnus1!!!", "sgnus1a", "sgnus1" + "a" * 20000])
def test_what_only_begins_like_one_is_damaged(text: str) -> None:
    with pytest.raises(UserFault, match="The invitation is damaged"):
        from_invitation(text)


def test_a_network_file_is_its_owners_alone_and_reads_back(tmp_path: Path) -> None:
    network = with_bootstrap(new_network("lab", has_psk=True), [ADDRESS, ADDRESS])
    write_network(tmp_path / "network.json", network)
    assert read_network(tmp_path / "network.json") == network
    assert network.bootstrap == (ADDRESS,)
    assert stat.S_IMODE((tmp_path / "network.json").stat().st_mode) == 0o600


def test_a_network_that_a_node_made_for_itself_is_known_again() -> None:
    made = private_network()
    assert is_private(made)
    assert not is_private(new_network("lab"))
    assert not is_private(with_bootstrap(made, [ADDRESS]))
    assert not is_private(new_network(made.name, has_psk=True))


def test_networks_have_ids_of_their_own() -> None:
    assert new_network("lab").id != new_network("lab").id


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        json.dumps({"name": "lab", "id": "00"}),
        json.dumps({"name": "", "id": "00" * 16}),
        json.dumps({"name": 7, "id": "00" * 16}),
        json.dumps({"name": "lab", "id": "00" * 16, "psk": "secret"}),
        json.dumps({"name": "lab", "id": "00" * 16, "bootstrap": ["example.org:4001"]}),
        json.dumps({"name": "lab", "id": "00" * 16, "bootstrap": 5}),
        json.dumps({"name": "lab", "id": "00" * 16, "sgnus_nodes": ["not a peer"]}),
    ],
)
def test_a_damaged_network_file_is_said(tmp_path: Path, content: str) -> None:
    (tmp_path / "network.json").write_text(content)
    with pytest.raises(UserFault, match=r"The network file .*network\.json"):
        read_network(tmp_path / "network.json")
