"""Pre-shared-key networks: every byte of a connection runs through XSalsa20 under a shared 32-byte key.

Source: libp2p specs, `pnet/Private-Networks-PSK-V1.md`: each side sends a random 24-byte nonce, then the
XSalsa20 stream. Who lacks the key sees noise and cannot get as far as the first protocol name. The bundled
wrapper of py-libp2p 0.8.1 is another cipher (Salsa20, 8-byte nonce) that no other implementation speaks.
"""

from __future__ import annotations

import os
import struct
from typing import Any, Final

from Crypto.Cipher import Salsa20
from libp2p.io.exceptions import IncompleteReadError
from libp2p.network.connection.raw_connection import RawConnection

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 24
_SIGMA: Final = struct.unpack("<4I", b"expand 32-byte k")
_ROUNDS: Final = 20
_QUARTERS: Final = (
    (0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11),
    (0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14),
)  # fmt: skip


def hsalsa20(key: bytes, nonce: bytes) -> bytes:
    """The sub-key of XSalsa20 for a 32-byte key and the first 16 bytes of its nonce (Bernstein, 2011)."""
    k, n = struct.unpack("<8I", key), struct.unpack("<4I", nonce)
    state = [_SIGMA[0], *k[:4], _SIGMA[1], *n, _SIGMA[2], *k[4:], _SIGMA[3]]
    for _ in range(_ROUNDS // 2):
        for a, b, c, d in _QUARTERS:
            state[b] ^= _rotate(state[a] + state[d], 7)
            state[c] ^= _rotate(state[b] + state[a], 9)
            state[d] ^= _rotate(state[c] + state[b], 13)
            state[a] ^= _rotate(state[d] + state[c], 18)
    return struct.pack("<8I", *(state[i] for i in (0, 5, 10, 15, 6, 7, 8, 9)))


def xsalsa20(key: bytes, nonce: bytes) -> Any:
    """A running XSalsa20 cipher with `encrypt` and `decrypt`."""
    return Salsa20.new(key=hsalsa20(key, nonce[:16]), nonce=nonce[16:])


def _rotate(value: int, bits: int) -> int:
    value &= 0xFFFFFFFF
    return ((value << bits) | (value >> (32 - bits))) & 0xFFFFFFFF


class ProtectedConnection(RawConnection):  # type: ignore[misc]
    """A raw connection whose bytes are XSalsa20 in both directions."""

    def __init__(self, connection: Any, key: bytes) -> None:
        super().__init__(connection.stream, connection.is_initiator)
        self._key = key
        self._sending: Any = None
        self._receiving: Any = None

    async def write(self, data: bytes) -> None:
        if self._sending is None:
            nonce = os.urandom(NONCE_BYTES)
            self._sending = xsalsa20(self._key, nonce)
            await super().write(nonce + self._sending.encrypt(data))
        else:
            await super().write(self._sending.encrypt(data))

    async def read(self, n: int | None = None) -> bytes:
        if self._receiving is None:
            self._receiving = xsalsa20(self._key, await self._read_nonce())
        data: bytes = await super().read(n)
        return bytes(self._receiving.decrypt(data)) if data else data

    async def _read_nonce(self) -> bytes:
        nonce = b""
        while len(nonce) < NONCE_BYTES:
            more = await super().read(NONCE_BYTES - len(nonce))
            if not more:
                raise IncompleteReadError("closed before the nonce of the private network")
            nonce += more
        return nonce
