"""Our codecs against the protobuf library, for every message type of the definition and of the sample."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sgnus.messages.errors import PeerFault
from sgnus.wire.codec import decode, encode, from_json, from_map, to_json, to_map
from tests.wire.sample.generated import Generated, definition, sample
from tests.wire.sample.strategies import as_protobuf, messages

ALL = [(made, kind) for made in (sample(), definition()) for kind in made.types.MESSAGES]
EVERY_TYPE = pytest.mark.parametrize(("made", "kind"), ALL, ids=[f"{m.name}-{k.__name__}" for m, k in ALL])
SETTINGS = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


@EVERY_TYPE
@SETTINGS
@given(data=st.data())
def test_bytes_are_those_of_protobuf_and_come_back(made: Generated, kind: Any, data: st.DataObject) -> None:
    message = data.draw(messages(kind))
    ours = encode(message)
    theirs = as_protobuf(message, made.protobuf)
    assert ours == theirs.SerializeToString(deterministic=True)
    assert made.protobuf[kind.__name__].FromString(ours) == theirs
    assert decode(kind, ours) == message
    assert encode(decode(kind, ours)) == ours


@EVERY_TYPE
@SETTINGS
@given(data=st.data())
def test_json_is_read_by_protobuf_and_comes_back(made: Generated, kind: Any, data: st.DataObject) -> None:
    message = data.draw(messages(kind))
    tree = to_json(message)
    text = json.dumps(tree, allow_nan=False)
    theirs = json_format.Parse(text, made.protobuf[kind.__name__]())
    assert theirs == as_protobuf(message, made.protobuf)
    assert from_json(kind, json.loads(text)) == message


@EVERY_TYPE
@SETTINGS
@given(data=st.data())
def test_maps_come_back_unless_they_hold_floats(made: Generated, kind: Any, data: st.DataObject) -> None:
    message = data.draw(messages(kind))
    if "double" in _kinds_of(kind):
        return
    tree = to_map(message)
    assert from_map(kind, tree) == message
    assert to_map(from_map(kind, tree)) == tree


@EVERY_TYPE
@SETTINGS
@given(noise=st.binary(max_size=80), data=st.data())
def test_damaged_bytes_are_refused_or_read_and_never_a_traceback(
    made: Generated, kind: Any, noise: bytes, data: st.DataObject
) -> None:
    good = encode(data.draw(messages(kind)))
    cut = data.draw(st.integers(0, len(good)))
    for damaged in (noise, good[:cut], good[:cut] + noise, noise + good, good[:cut] + noise + good[cut:]):
        try:
            message = decode(kind, damaged)
        except PeerFault as fault:
            assert str(fault)
        else:
            made.protobuf[kind.__name__].FromString(damaged)
            encode(message)


def _kinds_of(kind: Any) -> set[str]:
    found = {field.kind.value for field in kind.FIELDS}
    for field in kind.FIELDS:
        if field.kind.value == "message":
            found |= _kinds_of(field.type)
    return found
