"""mDNS finds peers of the same network and no others; only ever tried inside a network namespace of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

from sgnus.adapters.discovery import addresses_of, service_type
from sgnus.crypto.identity import Identity
from sgnus.messages.ids import NetworkId
from sgnus.messages.limits import DISCOVERY_ADDRESSES_MAX
from tests.missing_tool import miss

PEER = Identity.from_seed(bytes(32)).peer_id
NETWORKS = ("aa" * 16, "bb" * 16)
HOME = Path(__file__).parents[2]
PROCESS = Path(__file__).with_name("discovery_process.py")


def test_the_service_type_is_a_legal_name() -> None:
    kind = service_type(NetworkId(NETWORKS[0]))
    assert kind == "_sgnus-aaaaaaaa._tcp.local."
    assert len(kind.split(".")[0]) <= 16


def test_a_record_becomes_full_addresses_or_nothing() -> None:
    name = f"{PEER}.{service_type(NetworkId(NETWORKS[0]))}"
    assert [str(a) for a in addresses_of(name, ["10.9.0.2"], 4001)] == [f"/ip4/10.9.0.2/tcp/4001/p2p/{PEER}"]
    assert addresses_of("nobody." + service_type(NetworkId(NETWORKS[0])), ["10.9.0.2"], 4001) == []
    assert addresses_of(name, ["10.9.0.2"], None) == []
    assert addresses_of(name, ["224.0.0.1"], 4001) == []
    assert len(addresses_of(name, ["10.9.0.2"] * 99, 4001)) == DISCOVERY_ADDRESSES_MAX


def test_nodes_of_one_network_find_each_other_on_the_link_and_no_others() -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("ip") is None:
        miss("needs root, unshare and ip (apt-get install iproute2), to make a network namespace")
    # The namespace has a loopback link alone, and dies with the process that made it: no packet can leave it.
    script = textwrap.dedent("""
        set -e
        ip link set lo up multicast on
        ip address add 10.9.0.1/24 dev lo
        ip route add 224.0.0.0/4 dev lo
        exec "$@"
    """)
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script, "sh", sys.executable, "-m", "tests.ports.test_discovery", "inside"],
        check=False, capture_output=True, text=True, timeout=100, cwd=HOME,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["found", "found"]


def inside() -> None:
    """In the namespace: two nodes of one network and one of another."""
    seeds = [(1, NETWORKS[0]), (2, NETWORKS[0]), (3, NETWORKS[1])]
    nodes = [
        subprocess.Popen(
            [sys.executable, str(PROCESS), str(seed), "10.9.0.1", network],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for seed, network in seeds
    ]  # fmt: skip
    try:
        expected = [Identity.from_seed(bytes([seed]) * 32).peer_id for seed in (2, 1)]
        for node in nodes:
            assert node.stdout is not None
            assert node.stdout.readline() == "ready\n"
        for node, neighbour in zip(nodes, expected, strict=False):
            assert node.stdout is not None
            assert node.stdout.readline().split() == ["connected", neighbour]
            sys.stdout.write("found\n")
        assert nodes[2].poll() is None
    finally:
        for node in nodes:
            node.kill()
            node.wait()


if __name__ == "__main__" and sys.argv[1:] == ["inside"]:
    inside()
