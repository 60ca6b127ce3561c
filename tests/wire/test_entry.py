"""Entries of the job database: one value has one encoding, one CID, one signer."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnus.messages.errors import OurFault, PeerFault
from sgnus.messages.v1.types import CancelBody, EntryKind, TakenBody
from sgnus.wire.dagcbor import cid_of_digest, decode_dagcbor, digest_of_cid, encode_dagcbor
from sgnus.wire.entry import check_signature, open_entry, reopen_entry, seal_entry
from tests.database_support import (
    AUTHOR,
    DAY_MS,
    NETWORK,
    NOW_MS,
    OTHER_NETWORK,
    job_body,
    job_entry,
    sealed,
)

GOLDEN_JOB_CID = "bafyreid34hvhbnarmkv55sjdiytodqkuzpfjxarybrcpute5gream4wvei"
GOLDEN_CANCEL = (
    "a8617601636a6f62783b62616679726569643334687668626e61726d6b763535736a646979746f64716b757a70666a78"
    "6172796272637075746535677265616d347776656963736571036373696758407580a2128456b093056ac95ef1c14705"
    "b1ae89b928a905f5929d926a8385ada601a8e65e672692beb1e7ca06917917786bbe1dd6a8623e833ae7bb0377d9940f"
    "64626f6479a166726561736f6e676e6f206d6f7265646b696e640366617574686f727834313244334b6f6f574b393956"
    "6f56784e4537587a79427758457a573778684b37477076383572394633563366794b53554b5048356765787069726573"
    "1b000001a31d82ac00"
)


def fields_of(raw: bytes) -> dict[str, Any]:
    decoded: dict[str, Any] = cbor2.loads(raw)
    return decoded


def with_field(raw: bytes, name: str, value: object) -> bytes:
    return cbor2.dumps({**fields_of(raw), name: value}, canonical=True)


def test_a_job_entry_has_the_golden_cid() -> None:
    opened = job_entry(7)
    assert opened.cid == GOLDEN_JOB_CID
    assert opened.job == opened.cid
    assert digest_of_cid(opened.cid) == opened.digest
    assert check_signature(opened)


def test_a_cancel_entry_has_the_golden_bytes() -> None:
    opened = sealed(EntryKind.CANCEL, CancelBody(reason="no more"), job_entry(7).cid, seq=3)
    assert opened.raw.hex() == GOLDEN_CANCEL
    assert opened.job == GOLDEN_JOB_CID


def test_what_is_opened_is_what_was_sealed() -> None:
    body = TakenBody(microjob=4, root=b"r" * 32, receipt=b"c" * 32)
    opened = sealed(EntryKind.TAKEN, body, job_entry().cid, seq=2**62, expires=NOW_MS)
    assert opened.body == body
    assert opened.entry.body == encode_dagcbor(fields_of(opened.raw)["body"])
    assert (opened.entry.seq, opened.entry.expires, opened.author) == (2**62, NOW_MS, AUTHOR.peer_id)
    assert opened.id == NOW_MS.to_bytes(8, "big") + opened.digest


def test_an_entry_from_our_own_disk_opens_as_it_did_at_first() -> None:
    for opened in (job_entry(5), sealed(EntryKind.CANCEL, CancelBody(reason="x"), job_entry().cid)):
        assert reopen_entry(opened.raw, NETWORK) == opened


def test_the_signature_is_over_domain_network_and_the_map_without_it() -> None:
    opened = job_entry(1)
    unsigned = {name: value for name, value in fields_of(opened.raw).items() if name != "sig"}
    assert opened.signed == b"sgnus/1/entry\x00" + bytes.fromhex(NETWORK) + encode_dagcbor(unsigned)


def test_an_entry_of_another_network_has_no_valid_signature() -> None:
    raw = job_entry().raw
    assert not check_signature(open_entry(raw, OTHER_NETWORK))


def test_a_change_of_any_byte_is_noticed() -> None:
    raw = sealed(EntryKind.CANCEL, CancelBody(reason="x"), job_entry().cid).raw
    for place in range(len(raw)):
        for flip in (1, 0x20, 0x80):
            changed = bytearray(raw)
            changed[place] ^= flip
            try:
                opened = open_entry(bytes(changed), NETWORK)
            except PeerFault:
                continue
            assert not check_signature(opened), f"byte {place} does not matter"


def test_bytes_behind_an_entry_or_missing_from_it_are_refused() -> None:
    raw = job_entry().raw
    for changed in (raw + b"\0", raw[:-1], b"", raw + raw):
        with pytest.raises(PeerFault):
            open_entry(changed, NETWORK)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("v", 2),
        ("v", True),
        ("v", 1.0),
        ("kind", 0),
        ("kind", 99),
        ("kind", "JOB"),
        ("author", "nobody"),
        ("author", b"x"),
        ("seq", -1),
        ("seq", 2**63),
        ("seq", 1.5),
        ("expires", -1),
        ("expires", 2**63),
        ("expires", None),
        ("job", "bafyreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"),
        ("job", 5),
        ("body", {}),
        ("body", []),
        ("body", None),
        ("sig", b"short"),
        ("sig", "x" * 64),
        ("extra", 1),
    ],
)
def test_a_field_of_a_wrong_type_or_value_is_refused(name: str, value: object) -> None:
    with pytest.raises(PeerFault):
        open_entry(with_field(job_entry().raw, name, value), NETWORK)


def test_an_unknown_key_in_the_body_is_refused() -> None:
    raw = job_entry().raw
    body = {**fields_of(raw)["body"], "surprise": 1}
    with pytest.raises(PeerFault, match="surprise"):
        open_entry(with_field(raw, "body", body), NETWORK)


def test_another_encoding_of_the_same_value_is_refused() -> None:
    fields = fields_of(job_entry().raw)
    backwards = cbor2.dumps(dict(reversed(list(fields.items()))))
    with pytest.raises(PeerFault, match="canonical"):
        open_entry(backwards, NETWORK)


@pytest.mark.parametrize(
    "bomb",
    [
        b"\xc2\x59\xff\xff" + b"\xff" * 65_535,
        b"\xc4\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x03",
        b"\xd8\x23\x78\x1e" + b"(a+)+" * 6,
        b"\x81" * 60_000 + b"\x01",
        b"\xbf" * 60_000,
        b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\xd8\x1c\x81\xd8\x1d\x00",
        b"\xf9\x7e\x00",
        b"\xf7",
        b"\xe0",
        b"\xa1\x01\x02",
        b"\xd8\x2a\x43\x00\x01\x02",
        b"\x62\xff\xff",
        b"\xd9\x01\x02\x80",
    ],
)
def test_bombs_and_foreign_types_are_refused(bomb: bytes) -> None:
    with pytest.raises(PeerFault):
        decode_dagcbor(bomb)
    with pytest.raises(PeerFault):
        open_entry(bomb, NETWORK)


def test_nine_levels_are_too_deep_and_eight_are_not() -> None:
    assert decode_dagcbor(b"\x81" * 8 + b"\x01") is not None
    with pytest.raises(PeerFault):
        decode_dagcbor(b"\x81" * 9 + b"\x01")


def test_an_entry_over_its_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(PeerFault, match="65536"):
        open_entry(b"\xff" * 65_537, NETWORK)
    body = job_body()
    long = body.__class__(
        **{name: getattr(body, name) for name in body.__slots__} | {"address": bytes(70_000)}
    )
    with pytest.raises(OurFault, match="65536"):
        seal_entry(AUTHOR, NETWORK, EntryKind.JOB, None, long, seq=1, expires=NOW_MS + DAY_MS)


def test_a_body_of_another_kind_is_our_own_fault() -> None:
    with pytest.raises(OurFault):
        seal_entry(AUTHOR, NETWORK, EntryKind.CANCEL, job_entry().cid, job_body(), seq=1, expires=1)
    with pytest.raises(OurFault):
        seal_entry(AUTHOR, NETWORK, EntryKind.CANCEL, None, CancelBody(reason=""), seq=1, expires=1)


def test_a_cid_that_is_not_ours_is_refused() -> None:
    good = cid_of_digest(bytes(32))
    assert digest_of_cid(good) == bytes(32)
    for bad in ("", good[:-1], good.upper(), good + "a", "z" + good[1:], good[:-1] + "!", good[:-1] + "b"):
        with pytest.raises(PeerFault):
            digest_of_cid(bad)


@given(st.binary(max_size=600))
def test_hostile_bytes_never_raise_anything_but_a_peers_fault(data: bytes) -> None:
    try:
        open_entry(data, NETWORK)
    except PeerFault:
        return
    raise AssertionError("random bytes were an entry")


@given(st.data())
def test_a_mangled_entry_never_raises_anything_but_a_peers_fault(data: st.DataObject) -> None:
    raw = bytearray(job_entry(3).raw)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(raw)))
        stop = data.draw(st.integers(start, min(len(raw), start + 8)))
        raw[start:stop] = data.draw(st.binary(max_size=8))
    try:
        opened = open_entry(bytes(raw), NETWORK)
    except PeerFault:
        return
    assert bytes(raw) == job_entry(3).raw or not check_signature(opened)
