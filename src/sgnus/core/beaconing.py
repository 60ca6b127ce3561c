"""Rounds of others' jobs that name us as their beacon: which of them are followed, and that we speak once in each.

Anybody may publish a job that names us, and whoever knows what is held may begin rooms over it: rounds are never refused
for want of a place, but give way to each other, so that nobody keeps the rounds of others out. What we said in one that
gave way, or that was given up, is said again and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from sgnus.core import beacon
from sgnus.core import inputs as ins
from sgnus.core import roster as rosters
from sgnus.core import sealing as sealings
from sgnus.core.beacon import Beacon
from sgnus.core.docket import Docket, RoundId
from sgnus.core.terms import Terms
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import ROUNDS_AT_ONCE_MAX, ROUNDS_PER_MICROJOB_MAX, SPOKEN_KEPT_MAX
from sgnus.messages.v1.types import SignedEnvelope
from sgnus.wire.codec import decode

if TYPE_CHECKING:
    from sgnus.core.node import NodeCore


def spoken_before(facts: Mapping[str, bytes]) -> dict[InstanceId, SignedEnvelope]:
    """What we said as beacon before we were started again, by instance; keys are `<job>/<instance>`."""
    return {
        InstanceId(key.split("/")[1]): decode(SignedEnvelope, value) for key, value in facts.items() if value
    }


def follow(node: NodeCore, terms: Terms, envelope: SignedEnvelope, now_ms: int) -> None:
    """A room of a job that names us as its beacon has begun. Faults: PeerFault."""
    sealing = sealings.read(node.pen, terms, envelope)
    instance, microjob = InstanceId(sealing.proposal.instance), sealing.proposal.microjob
    for member in rosters.read(node.pen, sealing.proposal.list).list.members:
        node.links.learn(PeerId(member.peer), member.address)
    _make_room(node, terms, microjob)
    docket, before = Docket(node.pen, terms, RoundId(instance)), node.rounds.spoken.get(instance)
    node.rounds.beacons[instance] = Beacon(docket, microjob, now_ms, before, wake_ms=now_ms)


def hear(node: NodeCore, instance: InstanceId, envelope: SignedEnvelope, now_ms: int) -> None:
    """A signed word of a round that we follow. Faults: PeerFault."""
    _step(node, instance, lambda one: beacon.hear(one, envelope, now_ms))


def tick(node: NodeCore, now_ms: int) -> None:
    """Time passed."""
    for instance, one in list(node.rounds.beacons.items()):
        if one.is_late(now_ms):
            del node.rounds.beacons[instance]
        elif one.wake_ms <= now_ms:
            _step(node, instance, lambda one: beacon.tick(one, now_ms))


def job_changed(node: NodeCore, facts: ins.JobFacts) -> None:
    """Rounds whose microjob is taken, or whose job is over, need us no more."""
    for instance, one in list(node.rounds.beacons.items()):
        is_over = not facts.open or one.microjob in facts.taken
        if one.docket.terms.job == facts.job and is_over:
            del node.rounds.beacons[instance]


# ---- inner
def _step(node: NodeCore, instance: InstanceId, step: Callable[[Beacon], object]) -> None:
    """A step of a round, and its effects; what we say in it is remembered for longer than the round."""
    one = node.rounds.beacons[instance]
    try:
        step(one)
    finally:
        node.out += one.out
        one.out = []
    if one.docket.spoken is not None and one.docket.spoken.envelope is not None:
        node.rounds.spoken[instance] = one.docket.spoken.envelope
        while len(node.rounds.spoken) > SPOKEN_KEPT_MAX:
            del node.rounds.spoken[next(iter(node.rounds.spoken))]


def _make_room(node: NodeCore, terms: Terms, microjob: int) -> None:
    """Too many of a microjob: one of them gives way. Too many in all: one of the publisher that has the most."""
    beacons = node.rounds.beacons
    same = [
        name for name, one in beacons.items() if (one.docket.terms.job, one.microjob) == (terms.job, microjob)
    ]
    if len(same) >= ROUNDS_PER_MICROJOB_MAX:
        del beacons[_least(beacons, same)]
    elif len(beacons) >= ROUNDS_AT_ONCE_MAX:
        by: dict[PeerId, list[InstanceId]] = {}
        for name, one in beacons.items():
            by.setdefault(one.docket.terms.publisher, []).append(name)
        del beacons[_least(beacons, max(by.values(), key=len))]


def _least(beacons: Mapping[InstanceId, Beacon], names: Sequence[InstanceId]) -> InstanceId:
    """Of these rounds the one that misses us least: we spoke in it, or else its standing is low."""
    return min(names, key=lambda name: (beacons[name].docket.spoken is None, beacons[name].docket.standing()))
