"""Hashes: BLAKE3-256 for data (3 to 4 GB/s), SHA-256 for entries, trees and commits."""

from __future__ import annotations

import hashlib
from typing import Final

import blake3

DIGEST_BYTES: Final = 32


def digest(data: bytes | bytearray | memoryview) -> bytes:
    """BLAKE3-256 of the bytes of a chunk, module or blob."""
    return blake3.blake3(data).digest()


def sha256(data: bytes | bytearray | memoryview) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()
