"""Nobody can know the verifier before the seal: the draw rests on values that do not exist then, and whoever has everything that
was on the wire guesses no better than chance.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from math import sqrt
from typing import Final

import pytest

from sgnus.core import draw as draws
from sgnus.core import findings
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import SignedEnvelope
from sgnus.wire.codec import encode
from tests.round_support import SAMPLE, Round

ROOMS: Final = 1_000
MEMBERS: Final = 3
STANDARD_ERRORS: Final = 4
Wire = tuple[bytes, list[SignedEnvelope]]
Predictor = Callable[[Wire, Round], PeerId]


def sealed_room(number: int) -> tuple[Round, Wire]:
    """A room up to its seal, and what was on the wire until then: R, the list with its joins and VRF keys, records, HELDs,
    the proposal. Rooms differ in what was worked.
    """
    room = Round(members=MEMBERS, chunks=3, per_sub_block=1, policy=SAMPLE)
    room.seal(lambda chunk: hashlib.sha256(f"{number}/{chunk}".encode()).digest())
    (sealing,) = room.docket.sealed()
    return room, (sealing.r, [room.list.envelope, *room.held, sealing.envelope])


def by_the_draw_without_reveals(wire: Wire, room: Round) -> PeerId:
    return draws.order_of(draws.seed_of(wire[0], {}, b""), room.peers)[0]


def by_the_draw_over_vrf_keys(wire: Wire, room: Round) -> PeerId:
    keys = {peer: room.pens[peer].vrf_key for peer in room.peers}
    return draws.order_of(draws.seed_of(wire[0], keys, room.terms.beacon_key), room.peers)[0]


def by_a_hash_of_everything(wire: Wire, room: Round) -> PeerId:
    state = hashlib.sha256(wire[0])
    for envelope in wire[1]:
        state.update(encode(envelope))
    return draws.order_of(state.digest(), room.peers)[0]


def by_the_lowest_name(_wire: Wire, room: Round) -> PeerId:
    return min(room.peers)


PREDICTORS: Final[tuple[Predictor, ...]] = (
    by_the_draw_without_reveals,
    by_the_draw_over_vrf_keys,
    by_a_hash_of_everything,
    by_the_lowest_name,
)


@pytest.mark.timeout(300)
def test_over_a_thousand_rooms_all_that_is_on_the_wire_before_the_seal_names_the_verifier_no_better_than_chance() -> (
    None
):
    hits: Counter[str] = Counter()
    for number in range(ROOMS):
        room, wire = sealed_room(number)
        guesses = [(predict.__name__, predict(wire, room)) for predict in PREDICTORS]
        room.reveal()
        room.speak()
        dealt = findings.drawn(room.docket)
        assert dealt is not None
        hits.update(name for name, guess in guesses if guess == dealt.verifier)
    chance = 1 / MEMBERS
    error = sqrt(ROOMS * chance * (1 - chance))
    for predict in PREDICTORS:
        assert abs(hits[predict.__name__] - ROOMS * chance) <= STANDARD_ERRORS * error, hits


def test_each_reveal_and_the_beacon_change_the_draw_and_none_of_them_exists_before_the_seal() -> None:
    room, (r, wire) = sealed_room(0)
    before = b"".join(encode(envelope) for envelope in wire)
    room.reveal()
    room.speak()
    spoken = room.docket.spoken
    assert spoken is not None
    outputs = room.docket.lot.outputs(r)
    seeds = {draws.seed_of(r, {**outputs, peer: bytes(64)}, b"beacon") for peer in outputs}
    seeds |= {draws.seed_of(r, outputs, b"beacon"), draws.seed_of(r, outputs, b"another")}
    assert len(seeds) == len(outputs) + 2
    assert spoken.seed not in seeds
    assert not any(output in before for output in outputs.values())
    assert not any(envelope.signature in before for envelope, _output in room.docket.lot.reveals[r].values())
