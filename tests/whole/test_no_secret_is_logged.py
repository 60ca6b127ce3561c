"""Real nodes that say all that they can, of a whole job: no secret of theirs stands in any line."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sgnus.adapters.identity_file import load_identity
from sgnus.crypto.vrf import vrf_seed_of
from sgnus.runtime.network_file import invitation, new_network, read_network, write_network
from tests.whole.facts import members, submit_slow
from tests.whole.grid import PrivateNetwork, RunningNode, wait_for

pytestmark = pytest.mark.timeout(300)


OWN_KEYS = ("PRIVATE KEY", "PrivateKey object")


def forms(secret: bytes) -> Iterator[str]:
    """A key as somebody may have written it: as hex, as base64, as Python shows bytes."""
    yield secret.hex()
    yield base64.b64encode(secret).decode().rstrip("=")
    yield base64.urlsafe_b64encode(secret).decode().rstrip("=")
    yield repr(secret)[2:-1]


def secrets_of(network: Path, node: RunningNode) -> dict[str, list[str]]:
    identity, known = load_identity(node.home / "identity.key"), read_network(network)
    assert known.psk
    return {
        "token": [(node.home / "token").read_text().strip()],
        "seed": list(forms(identity.seed)),
        "vrf": list(forms(vrf_seed_of(identity.seed))),
        "psk": list(forms(bytes.fromhex(known.psk))),
        "invitation": [invitation(known)],
    }


def found_in(text: str, secrets: dict[str, list[str]]) -> list[str]:
    """The names of what stands there, whole or the first third of it; of a key that a node makes for itself, as for TLS, the
    words that keys are written with.
    """
    found = [
        name for name, written in secrets.items() if any(one[: len(one) // 3] in text for one in written)
    ]
    return found + [words for words in OWN_KEYS if words in text]


def test_no_secret_stands_in_a_log_that_tells_everything(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path) as network:
        write_network(network.network, new_network("guarded", has_psk=True))
        network.options = ("--verbose", "--log-format", "json")
        publisher, *workers = network.add(0, 1, 1)
        with publisher.connect() as grid:
            job, right = submit_slow(grid, 6, 0.3, verify="full", min_members=2)
            wait_for(lambda: len(members(job)) == 2, "two have seats")
            assert np.array_equal(job.result(), right)
        token = (publisher.home / "token").read_text().strip()
        service = json.loads((publisher.home / "service.json").read_text())
        metrics = httpx.get(
            f"http://127.0.0.1:{service['http']}/metrics",
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
        )
        assert metrics.status_code == 200 and "sgnus_outputs_held_total 6.0" in metrics.text
        secrets = {node.home: secrets_of(network.network, node) for node in network.nodes}
        network.stop()
        for node in network.nodes:
            log = node.log.read_text()
            said = [json.loads(line) for line in log.splitlines()]
            assert len(said) > 20, "it said nothing"
            assert any(one.get("job") == job.id and one.get("room") for one in said)
            assert found_in(log + json.dumps(node.ready), secrets[node.home]) == []
        assert workers


def test_a_key_that_a_node_made_for_itself_would_be_found() -> None:
    key = Ed25519PrivateKey.generate()
    written = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert found_in(json.dumps({"message": f"leaf {written}"}), {}) == ["PRIVATE KEY"]
    assert found_in(f"{key}", {}) == ["PrivateKey object"]


@pytest.mark.parametrize("name", ["token", "seed", "vrf", "psk", "invitation"])
def test_a_secret_in_a_log_would_be_found(name: str) -> None:
    written = {"seed": list(forms(bytes(range(32)))), "token": ["Kx" * 20]}
    written = {name: written.get(name, written["seed"])}
    assert found_in(f"a line with {written[name][0]} in it", written) == [name]
    assert found_in("a line with none", written) == []
