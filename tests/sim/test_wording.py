"""A trace is told in words."""

from __future__ import annotations

import dataclasses
import re

import pytest

from sgnus.core import effects as fx
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import LeaseReturned, PeerMessage, ReturnReason, SignedEnvelope
from sgnus.sim.run import KINDS, judge
from sgnus.sim.wording import MESSAGES, sentence_of

CODE = re.compile(r"[a-z][A-Z]|[a-z]_[a-z]|[(=]None")
"""Names of types and fields, and whatever else only a program would say."""


@pytest.mark.parametrize("kind", KINDS)
def test_each_line_of_a_trace_is_a_sentence(kind: str) -> None:
    for seed in range(2):
        verdict = judge(dataclasses.replace(KINDS[kind](seed), trace=True))
        assert verdict.is_right and len(verdict.story) > 100
        assert not [line for line in verdict.story if CODE.search(line)]


def test_every_message_between_peers_has_words() -> None:
    kinds = [field.type for field in PeerMessage.FIELDS if field.type is not SignedEnvelope]
    assert len(kinds) > 15
    assert not [kind for kind in kinds if kind is None or kind.__name__ not in MESSAGES]


def test_a_sentence_says_what_it_is_about() -> None:
    said = LeaseReturned(instance="0123456789", epoch=2, sub_block=4, reason=ReturnReason.LEAVING, detail="")
    told = sentence_of(fx.Send((PeerId("p01"), PeerId("p02")), said))
    assert told == "tells p01 p02: it gives work back (sub-block 4, room 01234567, epoch 2, leaving)"
