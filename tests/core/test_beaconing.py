"""A node that other publishers' jobs name as their beacon: nobody keeps the rounds of others out, and it speaks once in each."""

from __future__ import annotations

from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core import roster as rosters
from sgnus.core.node import NodeCore
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import REVEAL_MS, ROUND_MS_MAX, ROUNDS_AT_ONCE_MAX, ROUNDS_PER_MICROJOB_MAX
from sgnus.messages.v1.types import SignedEnvelope, SignedKind
from sgnus.runtime.pens import EnvelopePen
from tests.core.test_beacon import MEMBERS, OTHER, named
from tests.round_support import NETWORK, Round, member_of


def beacon_of(*jobs: Round) -> NodeCore:
    """The node that these jobs name."""
    pen = EnvelopePen(OTHER, NETWORK)
    node = NodeCore.create(pen, member_of(pen, jobs[0].terms.job, jobs[0].instance).address, 1, 1)
    for of in jobs:
        facts = ins.JobFacts(
            job=of.terms.job,
            publisher=of.publisher.peer,
            address=None,
            processor="builtin:invert@1",
            sub_blocks=len(of.held),
            microjobs=1,
            deadline_ms=60_000,
            terms=of.terms,
        )
        node.handle(ins.JobChanged(facts), 0)
    return node


def hear(node: NodeCore, envelope: SignedEnvelope, now_ms: int = 10) -> list[SignedEnvelope]:
    """What the node says to a word that comes."""
    effects = node.handle(ins.PeerSaid(PeerId(envelope.author), envelope), now_ms)
    return beacons_in(effects)


def beacons_in(effects: list[fx.Effect]) -> list[SignedEnvelope]:
    sent = [effect.message for effect in effects if isinstance(effect, fx.Send)]
    return [one for one in sent if isinstance(one, SignedEnvelope) and one.kind is SignedKind.BEACON]


def begun(of: Round, nonce: int) -> SignedEnvelope:
    """A proposal for another room over what is held."""
    founder = of.pens[of.peers[0]]
    instance = rosters.instance_id(of.terms.job, 0, founder.peer, nonce)
    seats = tuple(member_of(pen, of.terms.job, instance) for pen in of.pens.values())
    of.list = rosters.found(founder, of.terms.job, 0, nonce, seats)
    return founder.sign(SignedKind.PROPOSAL, of.proposal(tuple(of.held)))


def test_whoever_begins_many_rooms_of_a_microjob_keeps_no_other_round_of_it_out() -> None:
    of = named()
    node = beacon_of(of)
    for nonce in range(100, 100 + 3 * ROUNDS_PER_MICROJOB_MAX):
        hear(node, begun(of, nonce))
    assert len(node.rounds.beacons) == ROUNDS_PER_MICROJOB_MAX
    last = begun(of, 7)
    hear(node, last)
    assert of.instance in node.rounds.beacons


def test_a_beacon_with_as_many_rounds_as_it_follows_at_once_follows_a_new_one_all_the_same() -> None:
    of = named()
    node = beacon_of(of)
    hear(node, begun(of, 100))
    (other,) = node.rounds.beacons.values()
    other.microjob = 1
    node.rounds.beacons.update({InstanceId(str(number)): other for number in range(ROUNDS_AT_ONCE_MAX - 1)})
    hear(node, begun(of, 7))
    assert of.instance in node.rounds.beacons
    assert len(node.rounds.beacons) == ROUNDS_AT_ONCE_MAX


def test_a_round_that_was_given_up_and_comes_again_hears_the_same_beacon() -> None:
    of = named()
    of.seal()
    of.reveal()
    attempt = next(iter(of.docket.attempts.values()))
    revealed = [envelope for envelope, _output in of.docket.lot.reveals[attempt.sealing.r].values()]
    words = [attempt.sealing.envelope, *attempt.seals.values()]
    node = beacon_of(of)
    for word in (*words, *revealed[1:]):
        assert hear(node, word) == []
    (first,) = beacons_in(node.handle(ins.Tick(), 10 + REVEAL_MS))
    node.handle(ins.Tick(), 10 + ROUND_MS_MAX)
    assert not node.rounds.beacons
    again = [said for word in (*words, *revealed) for said in hear(node, word, 20 + ROUND_MS_MAX)]
    assert len(revealed) == MEMBERS
    assert again and set(again) == {first}
