"""The file that holds a node's identity: a libp2p protobuf private key, readable by its owner alone."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from sgnus.adapters.folders import flush_folder
from sgnus.crypto.identity import KEY_BYTES, SEED_BYTES, Identity
from sgnus.messages.errors import UserFault, WorldFault

# protobuf {Type = Ed25519 (1), Data = 64 bytes: seed and public key}; libp2p specs, `peer-ids/peer-ids.md`.
_PREFIX: Final = bytes((0x08, 0x01, 0x12, 0x40))
_FILE_BYTES: Final = len(_PREFIX) + SEED_BYTES + KEY_BYTES
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def load_or_create_identity(path: Path) -> Identity:
    """The identity in `path`; a new one is made and written when there is none."""
    try:
        return load_identity(path)
    except FileNotFoundError:
        try:
            return save_identity(path, Identity.from_seed(secrets.token_bytes(SEED_BYTES)))
        except FileExistsError:  # another process was faster: its identity is ours too
            return load_identity(path)


def load_identity(path: Path) -> Identity:
    """The identity in `path`. FileNotFoundError when there is none; UserFault when others could read it or it
    is no key.
    """
    raw = _read_private(path)
    if len(raw) != _FILE_BYTES or not raw.startswith(_PREFIX):
        raise UserFault(
            f"{path} is not an Ed25519 libp2p private key ({len(raw)} bytes, expected {_FILE_BYTES}): "
            "restore it from a backup, or move it away to get a new identity"
        )
    identity = Identity.from_seed(raw[len(_PREFIX) : len(_PREFIX) + SEED_BYTES])
    if raw[-KEY_BYTES:] != identity.public_key:
        raise UserFault(
            f"{path} is damaged (its public key does not belong to its private key): "
            "restore it from a backup, or move it away to get a new identity"
        )
    return identity


def save_identity(path: Path, identity: Identity) -> Identity:
    """Write a new key file, whole or not at all; FileExistsError when there is one already."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            _write_durably(descriptor, _PREFIX + identity.seed + identity.public_key)
            os.link(temporary, path)  # unlike rename, link never replaces an identity that is there
        finally:
            os.unlink(temporary)
        flush_folder(path.parent)
    except FileExistsError:
        raise
    except OSError as error:
        raise _fault_of(path, error) from error
    return identity


def _read_private(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UserFault(f"{path} is not a regular file: name a key file")
            if status.st_mode & _OTHERS:
                raise UserFault(f"{path} can be read by others: run `chmod 600 {path}`")
            return os.read(descriptor, _FILE_BYTES + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _fault_of(path, error) from error


def _write_durably(descriptor: int, content: bytes) -> None:
    try:
        os.fchmod(descriptor, 0o600)
        if os.write(descriptor, content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fault_of(path: Path, error: OSError) -> UserFault | WorldFault:
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EIO, errno.EDQUOT):
        return WorldFault(f"the key file {path} cannot be used: {reason}")
    return UserFault(f"the key file {path} cannot be used: {reason}: check the folder and its permissions")
