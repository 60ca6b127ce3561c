"""A network as a small file in the home, and as an invitation: one line that people pass on.

An invitation is `sgnus1` and the base32 (lower case, no padding) of four bytes of SHA-256 and the JSON that they
guard. It holds the pre-shared key, if there is one: whoever has the invitation can join.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from sgnus.adapters.folders import flush_folder
from sgnus.messages.errors import UserFault

INVITATION_HEAD: Final = "sgnus1"
INVITATION_CHARACTERS_MAX: Final = 16 * 1024
CHECK_BYTES: Final = 4
NETWORK_FILE_BYTES_MAX: Final = 64 * 1024
NAME_CHARACTERS_MAX: Final = 64
ADDRESSES_MAX: Final = 64
ADDRESS_CHARACTERS_MAX: Final = 255
PRIVATE_NAME: Final = "private"
"""What a node calls the network that it makes when its home has none; no other may be called so."""
ID_BYTES: Final = 16
PSK_BYTES: Final = 32
VRF_KEY_BYTES: Final = 32
_MULTIADDR: Final = re.compile(
    r"/(ip4|ip6|dns|dns4|dns6)/[^/\s]+/tcp/\d{1,5}/p2p/[1-9A-HJ-NP-Za-km-z]{40,64}"
)
_PEER: Final = re.compile(r"[1-9A-HJ-NP-Za-km-z]{40,64}")


@dataclass(frozen=True, slots=True)
class SgnusNode:
    """A SGNUS node of the network: its peer id, and its VRF key (hex of 32 bytes), by which anybody checks its audits."""

    peer: str
    vrf_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFile:
    """Name, id (hex of 16 bytes), pre-shared key (hex of 32 bytes, or none), bootstrap multiaddrs with peer ids, and
    the network's SGNUS nodes.
    """

    name: str
    id: str
    psk: str | None = None
    bootstrap: tuple[str, ...] = ()
    sgnus_nodes: tuple[SgnusNode, ...] = ()


def new_network(
    name: str,
    *,
    has_psk: bool = False,
    bootstrap: Sequence[str] = (),
    sgnus_nodes: Sequence[SgnusNode] = (),
) -> NetworkFile:
    """A network of its own id. UserFault for a name or address that cannot be."""
    network = NetworkFile(
        name=name,
        id=secrets.token_hex(ID_BYTES),
        psk=secrets.token_hex(PSK_BYTES) if has_psk else None,
        bootstrap=tuple(bootstrap),
        sgnus_nodes=tuple(sgnus_nodes),
    )
    return _checked(network, "The network")


def private_network() -> NetworkFile:
    """The network of a node that was given none: its own, which nobody else can know."""
    return new_network(PRIVATE_NAME)


def is_private(network: NetworkFile) -> bool:
    """Whether it looks as a node makes it: nobody in it, as long as nobody was invited."""
    return network == NetworkFile(name=PRIVATE_NAME, id=network.id)


def with_bootstrap(network: NetworkFile, addresses: Sequence[str]) -> NetworkFile:
    """The same network with further bootstrap addresses."""
    return replace(network, bootstrap=tuple(dict.fromkeys([*network.bootstrap, *addresses]))[:ADDRESSES_MAX])


def read_network(path: Path) -> NetworkFile:
    """The network file at `path`. UserFault when there is none, or it is damaged."""
    try:
        with path.open("rb") as file:
            data = file.read(NETWORK_FILE_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise UserFault(
            f"There is no network file {path}; make one with: sgnus network create NAME"
        ) from error
    except OSError as error:
        raise UserFault(f"The network file {path} cannot be read: {error.strerror}.") from error
    return _parsed(data, f"The network file {path}")


def write_network(path: Path, network: NetworkFile) -> None:
    """Write it in one step, for its owner alone: it may hold a key."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(network), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        flush_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise UserFault(f"The network file {path} cannot be written: {error.strerror}.") from error


def invitation(network: NetworkFile) -> str:
    """The one line that `from_invitation` reads."""
    content = json.dumps(asdict(network), separators=(",", ":"), sort_keys=True).encode()
    guarded = hashlib.sha256(content).digest()[:CHECK_BYTES] + content
    return INVITATION_HEAD + base64.b32encode(guarded).decode().rstrip("=").lower()


def from_invitation(text: str) -> NetworkFile:
    """The network that an invitation names. UserFault when it is none, or was damaged on its way."""
    line = "".join(text.split()).lower()
    if not line.startswith(INVITATION_HEAD):
        raise UserFault(f"This is no invitation: one begins with {INVITATION_HEAD}. Ask for it again.")
    damaged = UserFault(
        "The invitation is damaged: a character is wrong or missing. Copy the whole line again."
    )
    if len(line) > INVITATION_CHARACTERS_MAX:
        raise damaged
    body = line.removeprefix(INVITATION_HEAD).upper()
    try:
        guarded = base64.b32decode(body + "=" * (-len(body) % 8))
    except (binascii.Error, ValueError) as error:
        raise damaged from error
    content = guarded[CHECK_BYTES:]
    if hashlib.sha256(content).digest()[:CHECK_BYTES] != guarded[:CHECK_BYTES]:
        raise damaged
    return _parsed(content, "The invitation")


def _parsed(data: bytes, where: str) -> NetworkFile:
    if len(data) > NETWORK_FILE_BYTES_MAX:
        raise UserFault(f"{where} is too long to be one.")
    try:
        content = json.loads(data)
        network = NetworkFile(
            name=content["name"],
            id=content["id"],
            psk=content.get("psk"),
            bootstrap=tuple(content.get("bootstrap", ())),
            sgnus_nodes=tuple(SgnusNode(**one) for one in content.get("sgnus_nodes", ())),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserFault(f"{where} is damaged; ask for the invitation again, and join with it.") from error
    return _checked(network, where)


def _checked(network: NetworkFile, where: str) -> NetworkFile:
    if (
        not isinstance(network.name, str)
        or not 1 <= len(network.name) <= NAME_CHARACTERS_MAX
        or not network.name.isprintable()
    ):
        raise UserFault(f"{where} needs a name of 1 to {NAME_CHARACTERS_MAX} printable characters.")
    if not _is_hex(network.id, ID_BYTES):
        raise UserFault(f"{where} has an id that is not {ID_BYTES} bytes in hexadecimal.")
    if network.psk is not None and not _is_hex(network.psk, PSK_BYTES):
        raise UserFault(f"{where} has a pre-shared key that is not {PSK_BYTES} bytes in hexadecimal.")
    if len(network.bootstrap) > ADDRESSES_MAX or len(network.sgnus_nodes) > ADDRESSES_MAX:
        raise UserFault(f"{where} has more than {ADDRESSES_MAX} addresses.")
    for address in network.bootstrap:
        if not _matches(_MULTIADDR, address):
            raise UserFault(
                f"{where} has the bootstrap address {str(address)[:80]!r}; one looks like "
                "/ip4/192.0.2.7/tcp/4001/p2p/12D3KooW..."
            )
    for node in network.sgnus_nodes:
        if not _matches(_PEER, node.peer):
            raise UserFault(f"{where} names the SGNUS node {str(node.peer)[:80]!r}, which is no peer id.")
        if not _is_hex(node.vrf_key, VRF_KEY_BYTES):
            raise UserFault(
                f"{where} names a SGNUS node whose VRF key is not {VRF_KEY_BYTES} bytes in hexadecimal."
            )
    return network


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and len(value) <= ADDRESS_CHARACTERS_MAX and bool(pattern.fullmatch(value))


def _is_hex(value: Any, size: int) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(f"[0-9a-f]{{{2 * size}}}", value))
