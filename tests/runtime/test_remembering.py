"""What a node that was started again knows of what it said before."""

from __future__ import annotations

from sgnus.adapters.store import FakeStore
from sgnus.core.node import NodeCore
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.v1.types import SignedEnvelope, SignedKind
from sgnus.runtime.evidence import Evidence
from sgnus.runtime.node import remember
from sgnus.sim.pens import CheapPen, address_of
from sgnus.wire.codec import encode
from tests.database_support import in_loop


@in_loop
async def test_votes_seals_and_words_of_a_beacon_count_as_said_after_a_restart() -> None:
    store, pen = FakeStore(), CheapPen(PeerId("me"))
    word = SignedEnvelope(kind=SignedKind.BEACON, author="me", payload=b"said", signature=bytes(64))
    await store.open()
    await store.put_facts("vote", {"job/room/2": b"candidate"})
    await store.put_facts("seal", {"job/sealed/1/0": b"r"})
    await store.put_facts("beacon", {"job/drawn": encode(word)})
    core = NodeCore.create(pen, address_of(pen), 1, 1)
    await remember(core, Evidence(store), store)
    assert core.own.votes.of(InstanceId("room")) == {2: "candidate"}
    assert core.rounds.is_over(InstanceId("sealed"))
    assert core.rounds.spoken == {"drawn": word}
