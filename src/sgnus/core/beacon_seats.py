"""The rounds of others' jobs whose beacon this node is: it has no seat in their rooms, hears all words, and speaks once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sgnus.core import beacon
from sgnus.core import inputs as ins
from sgnus.core import roster as rosters
from sgnus.core import sealing as sealings
from sgnus.core.beacon import Beacon
from sgnus.core.docket import Docket, RoundId
from sgnus.core.terms import Terms
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import ROUNDS_AT_ONCE_MAX
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
    proposal = sealing.proposal
    instance = InstanceId(proposal.instance)
    if instance in node.rounds.beacons:
        return
    if len(node.rounds.beacons) >= ROUNDS_AT_ONCE_MAX:
        raise PeerFault("too many rounds at once")
    for member in rosters.read(node.pen, proposal.list).list.members:
        node.links.learn(PeerId(member.peer), member.address)
    docket, before = Docket(node.pen, terms, RoundId(instance)), node.rounds.spoken.get(instance)
    node.rounds.beacons[instance] = Beacon(docket, proposal.microjob, now_ms, before, wake_ms=now_ms)


def hear(node: NodeCore, instance: InstanceId, envelope: SignedEnvelope, now_ms: int) -> None:
    """A signed word of such a round. Faults: PeerFault."""
    _step(node, instance, lambda one: beacon.hear(one, envelope, now_ms))


def tick(node: NodeCore, now_ms: int) -> None:
    """Time passed."""
    for instance, one in list(node.rounds.beacons.items()):
        if one.is_late(now_ms):
            del node.rounds.beacons[instance]
        elif one.wake_ms <= now_ms:
            _step(node, instance, lambda one: beacon.tick(one, now_ms))


def job_changed(node: NodeCore, facts: ins.JobFacts) -> None:
    """Rounds whose microjob is taken, or whose job is over, need no beacon."""
    for instance, one in list(node.rounds.beacons.items()):
        is_over = not facts.open or one.microjob in facts.taken
        if one.docket.terms.job == facts.job and is_over:
            del node.rounds.beacons[instance]


def _step(node: NodeCore, instance: InstanceId, step: Callable[[Beacon], None]) -> None:
    one = node.rounds.beacons[instance]
    try:
        step(one)
    finally:
        node.out += one.out
        one.out = []
