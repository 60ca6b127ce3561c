"""Laws of settlement, whatever comes in whatever order: one SETTLED, no lie that nobody took, nobody honest accused."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sgnus.core import effects as fx
from sgnus.core import settlement_events as ev
from sgnus.core.settlement import Settlement
from sgnus.messages.limits import AUDIT_AGAIN_MS_MAX, SETTLE_GRACE_MS
from tests.core.settled import (
    AGAIN,
    HONEST,
    LIE,
    Node,
    Submitted,
    convicted,
    false_in,
    guilty_of,
    right_of,
    submitted,
)

OTHER_LIE = submitted(false_in(3, 7))
ALL = {one[0].digest: one for one in (HONEST, AGAIN, LIE, OTHER_LIE)}
RIGHT = (HONEST[0].digest, AGAIN[0].digest)
GUILTY = frozenset([*guilty_of(LIE), *guilty_of(OTHER_LIE)])
RECEIPTS = st.sampled_from(list(ALL.values()))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), RECEIPTS),
        st.tuples(st.just("take"), RECEIPTS),
        st.tuples(st.sampled_from(["audit", "fail", "wait", "restart"]), st.just(HONEST)),
    ),
    max_size=25,
)


class World:
    """A node with its disk and its database, which survive it."""

    def __init__(self) -> None:
        self.node = Node("node 3")
        self.taken: bytes | None = None
        self.offered: list[bytes] = []
        self.audits = 0

    def do(self, what: str, receipt: Submitted) -> None:
        claim = receipt[0]
        if what == "submit":
            self.offered.append(claim.digest)
            self.node.submit(receipt)
        elif what == "take":
            # The publisher says TAKEN once; a second one would be its own contradiction.
            self.taken = self.taken or claim.digest
            self.node.take(ALL[self.taken])
        elif what == "wait":
            self.node.now_ms += SETTLE_GRACE_MS
            self.node.handle(ev.Tick())
        elif what == "restart":
            self.restart()
        else:
            self.end_audits(is_run=what == "audit")

    def end_audits(self, *, is_run: bool) -> None:
        for audit in self.node.all_of(ev.Audit)[self.audits :]:
            self.audits += 1
            found = right_of(audit) if is_run else {}
            self.node.handle(ev.AuditEnded(audit.job, audit.microjob, found))

    def restart(self) -> None:
        """What was kept and not forgotten is there again; what was under way is not."""
        kept: dict[str, None] = {}
        for effect in self.node.out:
            if isinstance(effect, fx.Persist) and effect.namespace == ev.RECEIPTS:
                kept[effect.key] = None
            if isinstance(effect, ev.Forget) and effect.namespace == ev.RECEIPTS:
                for key in effect.keys:
                    kept.pop(key, None)
        digests = [bytes.fromhex(key.rpartition("/")[2]) for key in kept]
        settled = self.node.settled()
        self.audits = len(self.node.all_of(ev.Audit))
        self.node.machine = Settlement(self.node.pen, SETTLE_GRACE_MS)
        claims = tuple(ALL[digest][0] for digest in digests)
        receipt = settled[0].receipt if settled else None
        self.node.handle(ev.CaseRestored(HONEST[0].job, 0, claims, receipt, self.taken))


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_one_is_settled_and_only_the_guilty_are_accused(steps: list[tuple[str, Submitted]]) -> None:
    world = World()
    for what, receipt in steps:
        world.do(what, receipt)
    for _ in range(8):
        world.end_audits(is_run=True)
        world.node.now_ms += SETTLE_GRACE_MS + AUDIT_AGAIN_MS_MAX
        world.node.handle(ev.Tick())
    settled = [body.receipt for body in world.node.settled()]
    assert len(settled) <= 1
    assert {one.accused for one in world.node.all_of(fx.Accuse)} <= GUILTY
    assert set(convicted(world.node)) <= GUILTY, "what is published convicts whom it names"
    if world.taken is None or world.taken in RIGHT:
        assert all(receipt in RIGHT for receipt in settled)
        if any(digest in RIGHT for digest in world.offered):
            assert settled, "an honest receipt was brought, and nothing is settled"
