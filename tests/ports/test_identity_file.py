"""The key file: made private, read back by libp2p, and refused with one clear sentence when something is wrong."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sgnus.adapters import identity_file
from sgnus.adapters.identity_file import load_identity, load_or_create_identity, save_identity
from sgnus.crypto.identity import Identity
from sgnus.messages.errors import UserFault, WorldFault


def test_a_new_identity_is_kept_in_a_file_of_mode_0600(tmp_path: Path) -> None:
    path = tmp_path / "identity.key"
    made = load_or_create_identity(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create_identity(path) == made
    assert os.listdir(tmp_path) == ["identity.key"]


def test_the_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        load_or_create_identity(tmp_path / "key")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_the_file_is_the_private_key_of_the_libp2p_specification(tmp_path: Path) -> None:
    """The test vector of libp2p specs, `peer-ids/peer-ids.md`. (py-libp2p writes half of it, the seed alone.)"""
    vector = bytes.fromhex(
        "080112407e0830617c4a7de83925dfb2694556b12936c477a0e1feb2e148ec9da60fee7d"
        "1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e"
    )
    made = save_identity(tmp_path / "key", Identity.from_seed(vector[4:36]))
    assert (tmp_path / "key").read_bytes() == vector
    assert load_identity(tmp_path / "key") == made


def test_an_identity_is_never_overwritten(tmp_path: Path) -> None:
    made = load_or_create_identity(tmp_path / "key")
    with pytest.raises(FileExistsError):
        save_identity(tmp_path / "key", Identity.from_seed(bytes(32)))
    assert load_identity(tmp_path / "key") == made
    assert os.listdir(tmp_path) == ["key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    load_or_create_identity(tmp_path / "key")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(UserFault, match="can be read by others: run `chmod 600"):
        load_identity(tmp_path / "key")


@pytest.mark.parametrize(
    "content", [b"", b"\x08\x01\x12\x40" + bytes(63), b"-----BEGIN PRIVATE KEY-----\n" * 9]
)
def test_a_truncated_or_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(UserFault, match="is not an Ed25519 libp2p private key"):
        load_or_create_identity(tmp_path / "key")
    assert (tmp_path / "key").read_bytes() == content


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    load_or_create_identity(tmp_path / "key")
    raw = bytearray((tmp_path / "key").read_bytes())
    raw[10] ^= 1
    (tmp_path / "key").write_bytes(raw)
    with pytest.raises(UserFault, match="is damaged"):
        load_identity(tmp_path / "key")


def test_a_folder_that_is_missing_or_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "none" / "key", tmp_path / "file" / "key"):
        with pytest.raises(UserFault, match=f"the key file {path} cannot be used"):
            load_or_create_identity(path)
    with pytest.raises(UserFault, match="is not a regular file"):
        load_identity(tmp_path)


def test_a_full_disk_is_the_worlds_fault_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity_file.os, "write", lambda *_: 7)
    with pytest.raises(WorldFault, match="No space left"):
        load_or_create_identity(tmp_path / "key")
    assert os.listdir(tmp_path) == []
