"""Lies of a member of a round: words that it withholds, says twice, makes up, or brings from elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from sgnus.core import draw as draws
from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core import roster as rosters
from sgnus.core.docket import WORDS
from sgnus.core.node import NodeCore
from sgnus.core.verification import Verification
from sgnus.crypto.identity import Identity
from sgnus.messages.ids import BlockId, InstanceId, NetworkId
from sgnus.messages.v1.types import (
    BeaconOutput,
    EntryKind,
    FraudBody,
    Held,
    JoinRequest,
    Member,
    OnPeerListChanged,
    ProcessedRecord,
    Proposal,
    Receipt,
    ReceiptGiven,
    Reveal,
    Seal,
    SignedEnvelope,
    SignedKind,
    Verdict,
)
from sgnus.runtime.pens import EnvelopePen
from sgnus.wire.codec import encode
from tests.whole.lies.lie import Lie, own

OTHER_NETWORK = NetworkId("f" * 32)
REPLAYED_MAX = 48
INVENTED = 8


def round_of(core: NodeCore, instance: str) -> Verification | None:
    """The round that we take part in."""
    return core.rounds.running.get(InstanceId(instance))


class Withholds(Lie):
    """It never says words of this kind."""

    def __init__(self, kind: SignedKind) -> None:
        self._kind = kind

    def sends(self, core: NodeCore, sent: fx.Send) -> Iterable[fx.Effect]:
        return [] if own(core, sent.message, self._kind) else [sent]


class WithholdsVerdicts(Withholds):
    """Nor does it bring a receipt, in which its verdict would be."""

    def __init__(self) -> None:
        super().__init__(SignedKind.VERDICT)

    def sends(self, core: NodeCore, sent: fx.Send) -> Iterable[fx.Effect]:
        return [] if isinstance(sent.message, ReceiptGiven) else super().sends(core, sent)


class SealsTwice(Lie):
    """Half of the others are told that it seals something else in the same attempt."""

    def sends(self, core: NodeCore, sent: fx.Send) -> Iterable[fx.Effect]:
        word = own(core, sent.message, SignedKind.SEAL)
        if word is None:
            return [sent]
        seal = core.pen.open(word, SignedKind.SEAL, Seal)
        other = core.pen.sign(SignedKind.SEAL, replace(seal, r=hashlib.sha256(seal.r).digest()))
        return [replace(sent, peers=sent.peers[0::2]), fx.Send(sent.peers[1::2], other)]


class SpeaksAsBeacon(Lie):
    """It speaks as beacon itself, with its own proof, as soon as it reveals."""

    def sends(self, core: NodeCore, sent: fx.Send) -> Iterable[fx.Effect]:
        word = own(core, sent.message, SignedKind.REVEAL)
        reveal = core.pen.open(word, SignedKind.REVEAL, Reveal) if word else None
        round_ = round_of(core, reveal.instance) if reveal else None
        if reveal is None or round_ is None or reveal.r not in round_.docket.lot.reveals:
            return [sent]
        said = round_.docket.lot.reveals[reveal.r]
        outputs = {peer: said[peer][1] for peer in sorted(said)}
        beacon = BeaconOutput(
            instance=reveal.instance,
            round=1,
            reveals=tuple(said[peer][0] for peer in sorted(said)),
            proof=core.pen.prove(draws.beacon_alpha(reveal.r, outputs)),
        )
        return [sent, fx.Send(sent.peers, core.pen.sign(SignedKind.BEACON, beacon))]


class Slanders(Lie):
    """It publishes an entry that accuses each member of fraud, with bytes that prove nothing."""

    def __init__(self) -> None:
        self._slandered: dict[str, None] = {}

    def sends(self, core: NodeCore, sent: fx.Send) -> Iterable[fx.Effect]:
        word = own(core, sent.message, SignedKind.SEAL)
        seal = core.pen.open(word, SignedKind.SEAL, Seal) if word else None
        round_ = round_of(core, seal.instance) if seal else None
        if round_ is None or round_.docket.terms.job in self._slandered:
            return [sent]
        job = round_.docket.terms.job
        self._slandered[job] = None
        entries = [
            fx.PublishEntry(EntryKind.FRAUD, job, FraudBody(accused=peer, proof=b"it cheats"))
            for peer in sent.peers
            if peer != round_.docket.terms.publisher
        ]
        return [sent, *entries]


class InventsMembers(Lie):
    """It lists and proposes members that never asked for a seat, by joins that it signed for them."""

    def sends(self, core: NodeCore, sent: fx.Send) -> Iterable[fx.Effect]:
        word = own(core, sent.message, SignedKind.SEAL)
        seal = core.pen.open(word, SignedKind.SEAL, Seal) if word else None
        round_ = round_of(core, seal.instance) if seal else None
        if round_ is None or round_.basis is None:
            return [sent]
        job, real = round_.docket.terms.job, rosters.read(core.pen, round_.basis.list)
        mine = real.member(core.pen.peer)
        if mine is None:
            return [sent]
        instance = rosters.instance_id(job, round_.microjob, core.pen.peer, 1)
        seats = (mine, *(_invented(core, job, instance, mine, number) for number in range(INVENTED)))
        listed = rosters.found(core.pen, job, round_.microjob, 1, seats)
        proposal = Proposal(
            job=job,
            microjob=round_.microjob,
            instance=instance,
            round=1,
            attempt=0,
            list=listed.envelope,
            held=round_.basis.held,
            leaves=(),
            suspicions=(),
        )
        return [
            sent,
            fx.Send(sent.peers, core.pen.sign(SignedKind.PROPOSAL, proposal)),
            fx.Send(sent.peers, OnPeerListChanged(list=listed.envelope)),
        ]


class MakesUpReceipts(Lie):
    """It brings a receipt for work that nobody did: every word in it is its own."""

    def sends(self, core: NodeCore, sent: fx.Send) -> Iterable[fx.Effect]:
        word = own(core, sent.message, SignedKind.REVEAL) or own(core, sent.message, SignedKind.OPENING)
        instance = _instance_of(core, word) if word else ""
        round_ = round_of(core, instance)
        if round_ is None or round_.docket.spoken is None:
            return [sent]
        given = ReceiptGiven(instance=instance, receipt=_made_up(core, round_))
        return [fx.Send((round_.docket.terms.publisher,), given), sent]


class Replays(Lie):
    """With each word it says again what it heard in other rooms, and its own words as of another round and network."""

    def __init__(self) -> None:
        self._heard: dict[SignedEnvelope, str] = {}

    def hears(self, core: NodeCore, given: ins.Input) -> Iterable[fx.Effect]:
        said = given.message if isinstance(given, ins.PeerSaid) else None
        if isinstance(said, SignedEnvelope) and said.kind in WORDS:
            self._heard[said] = _instance_of(core, said)
        return ()

    def sends(self, core: NodeCore, sent: fx.Send) -> Iterable[fx.Effect]:
        word = next(
            (sent.message for kind in (SignedKind.SEAL, SignedKind.REVEAL) if own(core, sent.message, kind)),
            None,
        )
        if word is None:
            return [sent]
        here = _instance_of(core, word)
        old = [one for one, instance in self._heard.items() if instance != here][-REPLAYED_MAX:]
        elsewhere = EnvelopePen(core.pen._identity, OTHER_NETWORK)
        said = core.pen.open(word, word.kind, _TYPES[word.kind])
        twins = [elsewhere.sign(word.kind, said), core.pen.sign(word.kind, replace(said, round=2))]
        twins += [
            core.pen.sign(word.kind, replace(said, instance=name))
            for name in dict.fromkeys(self._heard.values())
        ]
        return [*(fx.Send(sent.peers, one) for one in (*old, *twins[:REPLAYED_MAX])), sent]


_TYPES = {
    SignedKind.PROPOSAL: Proposal,
    SignedKind.SEAL: Seal,
    SignedKind.REVEAL: Reveal,
    SignedKind.VERDICT: Verdict,
    SignedKind.BEACON: BeaconOutput,
}


def _instance_of(core: NodeCore, word: SignedEnvelope) -> str:
    from sgnus.core.rounds import _TYPES as types

    return str(core.pen.open(word, word.kind, types[word.kind]).instance)


def _invented(core: NodeCore, job: BlockId, instance: InstanceId, like: Member, number: int) -> Member:
    """A key of our own making, and a join that it did not sign."""
    peer = Identity.from_seed(hashlib.sha256(f"invented {number}".encode()).digest()).peer_id
    join = JoinRequest(
        job=job,
        microjob=0,
        instance=instance,
        epoch=1,
        workers=1,
        address=like.address,
        nonce=number,
        vrf_key=core.pen.vrf_key,
    )
    return Member(peer=peer, workers=1, address=like.address, join=core.pen.sign(SignedKind.JOIN, join))


def _made_up(core: NodeCore, round_: Verification) -> bytes:
    """Records and HELDs of all sub-blocks by ourselves, sealed by ourselves alone."""
    docket, pen = round_.docket, core.pen
    real = docket.spoken.sealing.proposal if docket.spoken else None
    assert real is not None
    assert docket.spoken is not None
    held = []
    for number in range(len(real.held)):
        true = pen.open(real.held[number], SignedKind.HELD, Held)
        assert true.record is not None
        record = pen.open(true.record, SignedKind.RECORD, ProcessedRecord)
        root = hashlib.sha256(f"nothing {number}".encode()).digest()
        mine = pen.sign(SignedKind.RECORD, replace(record, root=root, vrf_key=pen.vrf_key))
        held.append(pen.sign(SignedKind.HELD, replace(true, member=pen.peer, root=root, record=mine)))
    proposal = pen.sign(SignedKind.PROPOSAL, replace(real, held=tuple(held)))
    seal = Seal(instance=real.instance, round=1, attempt=real.attempt, r=bytes(32))
    return encode(
        Receipt(
            network=docket.terms.network,
            job=docket.terms.entry,
            microjob=round_.microjob,
            proposal=proposal,
            seals=(pen.sign(SignedKind.SEAL, seal),),
            beacon=docket.spoken.envelope,
            suspicions=(),
            verdicts=(),
            openings=(),
        )
    )
