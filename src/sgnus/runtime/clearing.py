"""All of settlement in one node: receipts on their way out, receipts that a publisher missed, and a SGNUS node's role."""

from __future__ import annotations

from sgnus.core.pen import Pen
from sgnus.messages.ids import NetworkId
from sgnus.runtime.audits import Auditor
from sgnus.runtime.drivers import Drivers
from sgnus.runtime.jobs import Job, JobBook
from sgnus.runtime.network_file import NetworkFile
from sgnus.runtime.proofs import Proofs
from sgnus.runtime.receipt_outbox import ReceiptOutbox
from sgnus.runtime.reclaiming import Reclaiming
from sgnus.runtime.settlement_engine import SettlingParts
from sgnus.runtime.settling import Settling
from sgnus.runtime.sgnus_nodes import SgnusNodes


class Clearing:
    """`settling` is None where this is no SGNUS node."""

    def __init__(self, nodes: SgnusNodes, drivers: Drivers, reclaiming: Reclaiming) -> None:
        self.outbox = ReceiptOutbox(nodes, drivers.store, drivers.database)
        self.settling: Settling | None = None
        self._nodes = nodes
        self._reclaiming = reclaiming

    def settle(self, settling: Settling) -> None:
        """This node is a SGNUS node."""
        self.settling = self._nodes.own = settling

    async def start(self) -> None:
        """Go on with what the last run left."""
        if self.settling is not None:
            await self.settling.start()
        await self.outbox.start()

    async def stop(self) -> None:
        await self.outbox.stop()
        if self.settling is not None:
            await self.settling.stop()

    def counters(self) -> dict[str, int]:
        """How many receipts wait here, by name."""
        counts = {"receipts that wait for the SGNUS node": self.outbox.waiting}
        if self.settling is not None:
            counts["microjobs that wait to be settled"] = self.settling.open_cases
        return counts

    def look(self, job: Job) -> None:
        """The fold of a job changed."""
        self._reclaiming.look(job)
        if self.settling is not None:
            self.settling.look(job)


def settling_of(
    pen: Pen, network: NetworkFile, drivers: Drivers, book: tuple[JobBook, Proofs], grace_ms: int
) -> Settling:
    """The role of a SGNUS node, on the parts of its node."""
    jobs, proofs = book
    parts = SettlingParts(
        pen=pen,
        store=drivers.store,
        database=drivers.database,
        jobs=jobs,
        auditor=Auditor(jobs, drivers.peers.calls, drivers.pool, pen.peer),
        accuse=proofs.accuse,
    )
    return Settling(parts, NetworkId(network.id), grace_ms)
