"""Laws of what a round of verification binds: a commit all that it names, R all records, the draw all reveals and the beacon, a
receipt each of its parts.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgnus.core import receipt
from sgnus.core import sealing as sealings
from sgnus.core.docket import opens
from sgnus.core.draw import seed_of
from sgnus.crypto.commits import chunk_salt, commit_root_of
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.v1.types import Receipt, SignedKind
from sgnus.wire.codec import decode, encode
from tests.round_support import Round, false_output, held_by, proven

digests = st.binary(min_size=32, max_size=32)
ROUND: Final = Round(members=4)
RECEIPT: Final = proven(ROUND)
PARTS: Final = ("seals", "reveals", "missed", "suspicions", "verdicts", "openings")
WHOLE: Final = decode(Receipt, RECEIPT)


def root_of(said: dict[str, Any]) -> bytes:
    return commit_root_of(
        said["job"],
        said["instance"],
        said["peer"],
        seed=said["seed"],
        chunks=said["chunks"],
        digests=said["digests"],
    )


@given(st.sampled_from(["job", "instance", "peer", "seed", "chunks", "digests"]), digests, digests)
def test_a_commit_with_anything_else_in_it_has_another_root(part: str, seed: bytes, digest: bytes) -> None:
    said: dict[str, Any] = {
        "job": BlockId("job"),
        "instance": InstanceId("i"),
        "peer": PeerId("a"),
        "seed": seed,
        "chunks": (3, 4),
        "digests": (digest, digest),
    }
    other = {
        "job": BlockId("jod"),
        "instance": InstanceId("j"),
        "peer": PeerId("b"),
        "seed": hashlib.sha256(seed).digest(),
        "chunks": (3, 5),
        "digests": (digest, hashlib.sha256(digest).digest()),
    }
    assert root_of(said) != root_of({**said, part: other[part]})


@given(digests, st.lists(st.integers(0, 2**40), min_size=2, max_size=50, unique=True))
def test_no_two_chunks_of_a_commit_are_hidden_by_one_salt(seed: bytes, chunks: list[int]) -> None:
    # Who opens one chunk shows its salt: the others must stay hidden.
    assert len({chunk_salt(seed, chunk) for chunk in chunks}) == len(chunks)


@given(st.sampled_from(["salt_seed", "digests"]), digests)
def test_an_opening_fits_its_commit_alone(part: str, other: bytes) -> None:
    commit = ROUND.docket.commits()[0]
    opening = ROUND.openings[commit.sub_block]
    assert opens(ROUND.terms, commit, opening)
    changed = other if part == "salt_seed" else other + opening.digests[len(other) :]
    if changed != getattr(opening, part):
        assert not opens(ROUND.terms, commit, replace(opening, **{part: changed}))


@pytest.mark.parametrize("number", range(3))
def test_whoever_exchanges_a_record_after_the_seal_has_another_r(number: int) -> None:
    round_ = Round().commit()
    exchanged = list(round_.held)
    exchanged[number] = held_by(round_, number, false_output)
    author = round_.pens[round_.peers[0]]
    sealed = [
        sealings.read(
            round_.publisher, round_.terms, author.sign(SignedKind.PROPOSAL, round_.proposal(tuple(held)))
        )
        for held in (round_.held, exchanged)
    ]
    assert sealed[0].r != sealed[1].r
    assert sealed[0].members == sealed[1].members


@given(st.lists(digests, min_size=1, max_size=5, unique=True), digests, digests, st.data())
def test_the_draw_hangs_on_r_on_every_reveal_and_on_the_beacon(
    outputs: list[bytes], r: bytes, beacon: bytes, data: st.DataObject
) -> None:
    revealed = {PeerId(f"member {number}"): output for number, output in enumerate(outputs)}
    peer = data.draw(st.sampled_from(list(revealed)))
    flipped = {**revealed, peer: hashlib.sha256(revealed[peer]).digest()}
    seeds = [
        seed_of(r, revealed, beacon),
        seed_of(r, revealed, hashlib.sha256(beacon).digest()),
        seed_of(r, flipped, beacon),
        seed_of(hashlib.sha256(r).digest(), revealed, beacon),
        seed_of(r, {one: output for one, output in revealed.items() if one != peer}, beacon),
    ]
    assert len(set(seeds)) == len(seeds)


def altered(whole: Receipt, data: st.DataObject) -> Receipt:
    """The same with one word left out, said twice, in another place, or in a part where it does not belong."""
    part = data.draw(st.sampled_from([name for name in PARTS if getattr(whole, name)]))
    words = list(getattr(whole, part))
    number = data.draw(st.integers(0, len(words) - 1))
    how = data.draw(st.sampled_from(["less", "twice", "moved", "elsewhere"]))
    if how == "less":
        del words[number]
    elif how == "twice":
        words.insert(data.draw(st.integers(0, len(words))), words[number])
    elif how == "moved":
        words.append(words.pop(number))
    elif part != "openings":
        others = [name for name in PARTS if name not in (part, "openings")]
        name = data.draw(st.sampled_from(others))
        return replace(whole, **{name: (*getattr(whole, name), words[number])})
    return replace(whole, **{part: tuple(words)})


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_receipt_that_is_altered_in_any_part_is_refused(data: st.DataObject) -> None:
    other = encode(altered(WHOLE, data))
    if other != RECEIPT:
        with pytest.raises(PeerFault):
            receipt.check(ROUND.publisher, ROUND.terms, other)


def test_no_word_that_the_round_knows_beyond_need_may_stand_in_its_receipt() -> None:
    # A suspicion of somebody who was not passed over is true, signed, and of this round: two receipts of one round would differ.
    round_ = Round(members=4)
    data = proven(round_)
    silent, *others = round_.peers
    suspicions = tuple(round_.suspect(silent, others))
    whole = replace(decode(Receipt, data), suspicions=suspicions)
    with pytest.raises(PeerFault, match="more than it needs"):
        receipt.check(round_.publisher, round_.terms, encode(whole))
