"""X.509 for peers: a CA certificate that is rebuilt from a peer id alone, and a P-256 leaf that it signed.

An Ed25519 leaf fails in grpcio's TLS, and a self-signed one cannot be foretold; so each node is its own CA. The CA
certificate is a constant but for the name and the key, both inside the peer id. Nobody checks the signature of
a trust anchor, so it is zeros, and whoever knows the peer id has the anchor, byte for byte.
"""

from __future__ import annotations

import base64
import datetime
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from sgnus.crypto.identity import Identity, public_key_of, verify
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import PEERS_ADMITTED_MAX

LEAF_NAME: Final = "sgnus"
# The private key of a leaf lives in the memory of one process, beside the seed that could sign another: a shorter
# life would protect nothing, and would make two machines compare their clocks.
_NOT_BEFORE: Final = datetime.datetime(2000, 1, 1)
_NOT_AFTER: Final = datetime.datetime(9999, 12, 31, 23, 59, 59)

_INTEGER, _BITS, _OCTETS, _OID, _UTF8, _SEQUENCE, _SET = 0x02, 0x03, 0x04, 0x06, 0x0C, 0x30, 0x31
_TRUE: Final = bytes((0x01, 0x01, 0xFF))


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    length = len(content)
    if length < 128:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 128 | size)) + length.to_bytes(size, "big") + content


def _extension(oid: bytes, value: bytes) -> bytes:
    return _der(_SEQUENCE, _der(_OID, oid), _TRUE, _der(_OCTETS, value))


_ED25519: Final = _der(_SEQUENCE, _der(_OID, b"\x2b\x65\x70"))
_VALIDITY: Final = _der(_SEQUENCE, _der(0x17, b"000101000000Z"), _der(0x18, b"99991231235959Z"))
# basicConstraints CA:TRUE, pathlen:0 and keyUsage keyCertSign; both critical. The path length is a wish: gRPC's TLS was
# seen to take a chain with an intermediate all the same. What holds is `author_of_leaf`.
_EXTENSIONS: Final = _der(
    0xA3,
    _der(
        _SEQUENCE,
        _extension(b"\x55\x1d\x13", _der(_SEQUENCE, _TRUE, _der(_INTEGER, b"\0"))),
        _extension(b"\x55\x1d\x0f", _der(_BITS, b"\x02\x04")),
    ),
)


@lru_cache(maxsize=2 * PEERS_ADMITTED_MAX)
def authority_pem(peer: PeerId) -> bytes:
    """The CA certificate of `peer`, always the same bytes. PeerFault when it is no Ed25519 peer id."""
    key = public_key_of(peer)
    name = _der(
        _SEQUENCE, _der(_SET, _der(_SEQUENCE, _der(_OID, b"\x55\x04\x03"), _der(_UTF8, peer.encode())))
    )
    body = _der(
        _SEQUENCE,
        _der(0xA0, _der(_INTEGER, b"\x02")),
        _der(_INTEGER, b"\x01"),
        _ED25519,
        name,
        _VALIDITY,
        name,
        _der(_SEQUENCE, _ED25519, _der(_BITS, b"\0" + key)),
        _EXTENSIONS,
    )
    certificate = _der(_SEQUENCE, body, _ED25519, _der(_BITS, bytes(65)))
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(certificate) + b"-----END CERTIFICATE-----\n"


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a node presents: a P-256 key and the certificate that its identity signed."""

    key_pem: bytes = field(repr=False)
    certificate_pem: bytes


def make_leaf(identity: Identity) -> Leaf:
    """A new leaf of `identity`, for the life of this process."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_common_name(LEAF_NAME))
        .issuer_name(_common_name(identity.peer_id))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOT_BEFORE)
        .not_valid_after(_NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(identity.peer_id)]), critical=False)
        .sign(ed25519.Ed25519PrivateKey.from_private_bytes(identity.seed), None)
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Leaf(private, certificate.public_bytes(pem))


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@lru_cache(maxsize=2 * PEERS_ADMITTED_MAX)
def author_of_leaf(certificate_pem: bytes) -> PeerId:
    """The peer whose Ed25519 key signed this leaf; PeerFault when the key of the issuer's name did not.

    The issuer's common name alone says who it is: the subject and the SAN are whatever their owner likes. The
    signature is checked although TLS verified a chain: an admitted peer can sign an intermediate CA that bears
    another peer's name, and a leaf under it.
    """
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        issuer = list(certificate.issuer)
        signed, signature = certificate.tbs_certificate_bytes, certificate.signature
    except Exception as error:  # noqa: BLE001 - of strange names and versions the library raises whatever it finds
        raise PeerFault(f"not a certificate: {error}") from None
    if len(issuer) != 1 or issuer[0].oid != NameOID.COMMON_NAME:
        raise PeerFault("the certificate's issuer is not one peer id")
    peer = PeerId(str(issuer[0].value))
    public_key_of(peer)
    if not verify(peer, signed, signature):
        raise PeerFault(f"the certificate is not signed by {peer}")
    return peer
