"""What the codecs refuse, each with the field and the reason."""

from __future__ import annotations

from typing import Any

import pytest

from sgnus.messages.errors import OurFault, PeerFault
from sgnus.wire.codec import decode, encode, from_json, from_map, to_json, to_map
from sgnus.wire.decoding import UNKNOWN_FIELDS_MAX
from tests.wire.sample.generated import sample

types = sample().types
INNER = types.Inner(note="n", digest=bytes(32))
FULL = {
    "flag": True,
    "small": -1,
    "count": 300,
    "offset": -(2**63),
    "total": 2**64 - 1,
    "share": 0.5,
    "text": "t",
    "raw": b"r",
    "colour": types.SampleColour.BLUE,
    "inner": INNER,
    "named": "peer",
}


def everything(**changes: Any) -> Any:
    return types.Everything(**(FULL | changes))


GOOD = encode(everything())
TREE = to_json(everything())


def test_golden_bytes_of_a_message_stay_as_they_are() -> None:
    assert encode(INNER).hex() == "0a016e1220" + "00" * 32
    assert encode(types.Choice(body=types.SampleColour.RED)).hex() == "2001"
    assert encode(types.Choice(body=True)).hex() == "3001"
    assert encode(types.Choice(body=0)).hex() == "2800"
    assert encode(types.GetNothingRequest()) == b""


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x08", "the message ends within a varint"),
        (b"\x08" + b"\xff" * 10, "a varint of more than 10 bytes"),
        (b"\x08" + b"\xff" * 9 + b"\x02", "a varint of more than 64 bits"),
        (b"\x08\x02", "Everything.flag: 2 is no value of its type"),
        (b"\x08\x01\x08\x01", "Everything.flag is sent twice"),
        (b"\x0d\0\0\0\0", "Everything: field 1 has the wrong wire type"),
        (b"\x10\x80\x80\x80\x80\x08", "Everything.small: 2147483648 is not within -2147483648..2147483647"),
        (b"\x18\x80\x80\x80\x80\x10", "Everything.count: 4294967296 is not within 0..4294967295"),
        (b"\x31\0", "the message ends 7 bytes early"),
        (b"\x3a\x02\xff\xfe", "Everything.text: no UTF-8"),
        (b"\x3a\x7f", "the message ends 127 bytes early"),
        (b"\x3a\x65" + b"a" * 101, "Everything.text: 101 characters are more than 100"),
        (b"\x42\xad\x02" + bytes(301), "Everything.raw: 301 bytes are more than 300"),
        (b"\x48\x07", "Everything.colour: 7 is no value of its type"),
        (b"\x52\x03\x12\x01\0", "Inner.digest: 1 bytes are fewer than 32"),
        (b"\xaa\x01\x05" + bytes(5), "Everything.flags: more than 4 items"),
        (b"\xa8\x01\x01" * 5, "Everything.flags: more than 4 items"),
        (b"\xf8\x01\x0c", "Everything.bounded: 12 is not within 1..11"),
        (b"\xf8\x01\x00", "Everything.bounded: 0 is not within 1..11"),
        (b"\x00\x00", "0 is no field"),
        (b"\x9b\x06", "field 99 has wire type 3, which is not in use"),
        (b"", "Everything lacks inner"),
    ],
)
def test_malformed_bytes_are_refused_with_field_and_reason(data: bytes, reason: str) -> None:
    with pytest.raises(PeerFault) as caught:
        decode(types.Everything, data)
    assert str(caught.value) == reason


def test_required_scalars_that_are_left_out_are_zero() -> None:
    message = decode(types.Everything, b"\x52\x00")
    assert (message.flag, message.count, message.raw, message.colour) == (False, 0, b"", 0)
    assert type(message.colour) is types.SampleColour


@pytest.mark.parametrize(
    "unknown", [b"\x98\x06\x05", b"\x9a\x06\x02ab", b"\x99\x06" + bytes(8), b"\x9d\x06" + bytes(4)]
)
def test_unknown_fields_of_later_versions_are_passed_over(unknown: bytes) -> None:
    assert decode(types.Everything, unknown + GOOD + unknown) == everything()
    assert decode(types.Everything, unknown * UNKNOWN_FIELDS_MAX + GOOD) == everything()


def test_more_unknown_fields_than_any_version_has_are_refused() -> None:
    with pytest.raises(PeerFault, match="unknown fields"):
        decode(types.Everything, b"\x98\x06\x05" * (UNKNOWN_FIELDS_MAX + 1) + GOOD)


def test_arrays_of_numbers_are_read_unpacked_as_well() -> None:
    assert decode(types.Everything, GOOD + b"\xb0\x01\x05\xb0\x01\x06").smalls == (5, 6)
    assert decode(types.Everything, GOOD + b"\xb2\x01\x01\x05\xb0\x01\x06").smalls == (5, 6)


def test_a_oneof_holds_exactly_one_value() -> None:
    for data, count in ((b"", 0), (b"\x28\x01\x30\x01", 2)):
        with pytest.raises(PeerFault, match=f"Choice.body holds {count} values instead of one"):
            decode(types.Choice, data)


@pytest.mark.parametrize(
    "changes",
    [
        {"count": -1},
        {"small": 2**31},
        {"total": 2**64},
        {"bounded": 12},
        {"text": "a" * 101},
        {"text": "\ud800"},
        {"text": 5},
        {"raw": bytes(301)},
        {"colour": 7},
        {"inner": None},
        {"inner": everything()},
        {"flags": (True,) * 5},
        {"raws": ("text",)},
    ],
    ids=repr,
)
def test_a_message_that_breaks_the_definition_is_our_fault(changes: dict[str, Any]) -> None:
    with pytest.raises(OurFault):
        encode(everything(**changes))


def test_a_oneof_of_a_foreign_type_is_our_fault() -> None:
    for write in (encode, to_map, to_json):
        with pytest.raises(OurFault):
            write(types.Choice(body=1.5))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"surplus": 1}, "Everything has no field 'surplus'"),
        ({"flag": None}, "Everything.flag: 'None' is not of its type (bool)"),
        ({"count": True}, "Everything.count: 'True' is not of its type (uint32)"),
        ({"count": "5"}, "Everything.count: '5' is not of its type (uint32)"),
        ({"count": -1}, "Everything.count: -1 is not within 0..4294967295"),
        ({"total": 5}, "Everything.total: '5' is not of its type (uint64)"),
        ({"total": "05"}, "Everything.total: '05' is not of its type (uint64)"),
        ({"total": "18446744073709551616"}, "is not within"),
        ({"raw": "a"}, "Everything.raw: "),
        ({"raw": "YQ==\n"}, "Everything.raw: "),
        ({"colour": 1}, "Everything.colour: '1' is not of its type (enum)"),
        ({"colour": "SAMPLE_COLOUR_GREEN"}, "is not of its type (enum)"),
        ({"inner": []}, "Inner is no map"),
        ({"flags": {}}, "Everything.flags is no array"),
        ({"flags": [True] * 5}, "Everything.flags: 5 items are more than 4"),
        ({"share": 10**400}, "is not of its type (double)"),
    ],
    ids=repr,
)
def test_json_of_another_type_is_refused_with_field_and_reason(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(PeerFault) as caught:
        from_json(types.Everything, TREE | changes)
    assert reason in str(caught.value)


def test_json_without_a_required_field_is_refused() -> None:
    for name in FULL:
        with pytest.raises(PeerFault, match=f"Everything lacks {name}"):
            from_json(types.Everything, {key: value for key, value in TREE.items() if key != name})


def test_json_writes_long_integers_bytes_and_enums_as_strings() -> None:
    assert (TREE["total"], TREE["raw"], TREE["colour"]) == (
        "18446744073709551615",
        "cg==",
        "SAMPLE_COLOUR_BLUE",
    )


def test_maps_hold_integers_for_enums_and_leave_out_what_is_absent() -> None:
    assert to_map(types.Choice(body=types.SampleColour.RED)) == {"colour": 1}
    assert to_map(types.Inner(note="n")) == {"note": "n"}


@pytest.mark.parametrize(
    "tree",
    [
        {"note": 1},
        {"note": None},
        {"note": "n", "more": 1},
        {"digest": "text"},
        {"digest": b"short"},
        {1: 2},
        [],
        None,
    ],
    ids=repr,
)
def test_maps_of_another_type_are_refused(tree: Any) -> None:
    with pytest.raises(PeerFault):
        from_map(types.Inner, tree)


def test_an_empty_array_has_one_form_in_a_map_and_two_in_json() -> None:
    kind = types.Listing
    assert to_map(kind(kept=())) == {"kept": []}
    assert from_map(kind, {"kept": []}) == kind()
    with pytest.raises(PeerFault, match=r"Listing.notes is empty and not left out"):
        from_map(kind, {"kept": [], "notes": []})
    assert to_json(kind()) == {"kept": [], "notes": []}
    assert from_json(kind, {"kept": []}) == from_json(kind, {"kept": [], "notes": []}) == kind()
    with pytest.raises(PeerFault, match="Listing lacks kept"):
        from_map(kind, {})


def test_maps_hold_no_floats_in_either_direction() -> None:
    with pytest.raises(OurFault, match="floats"):
        to_map(everything())
    with pytest.raises(PeerFault, match="is not of its type"):
        from_map(types.Everything, {**FULL, "colour": 1, "inner": {}})


def test_types_are_frozen_and_have_no_other_attributes() -> None:
    with pytest.raises(AttributeError):
        INNER.note = "m"
    assert not hasattr(INNER, "__dict__")
