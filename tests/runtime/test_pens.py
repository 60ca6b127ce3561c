"""What a node's pen keeps of what it opened: by bytes, since a member list is as large as fifty small messages."""

from __future__ import annotations

from typing import Any

import pytest

from sgnus.messages.v1.types import Leave, SignedEnvelope, SignedKind
from sgnus.runtime import pens
from sgnus.runtime.pens import EnvelopePen
from sgnus.wire.envelope import open_envelope
from tests.round_support import NETWORK, identity_of


def envelopes(count: int) -> list[SignedEnvelope]:
    author = EnvelopePen(identity_of("author"), NETWORK)
    return [author.sign(SignedKind.LEAVE, Leave(instance=f"{number:040}")) for number in range(count)]


def test_the_newest_are_kept_as_far_as_bytes_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    signed, verified = envelopes(6), []

    def open_and_count(envelope: SignedEnvelope, *rest: Any) -> Any:
        verified.append(envelope)
        return open_envelope(envelope, *rest)

    monkeypatch.setattr(pens, "open_envelope", open_and_count)
    monkeypatch.setattr(pens, "OPENED_BYTES_MAX", 3 * len(signed[0].payload))
    reader = EnvelopePen(identity_of("reader"), NETWORK)
    for envelope in [*signed, *signed[3:], *signed[3:]]:
        reader.open(envelope, SignedKind.LEAVE, Leave)
    assert verified == signed, "the last three were known"
    reader.open(signed[0], SignedKind.LEAVE, Leave)
    assert verified == [*signed, signed[0]], "the first was forgotten"
    for envelope in signed[4:]:
        reader.open(envelope, SignedKind.LEAVE, Leave)
    assert len(verified) == 7, "no byte was counted twice"
