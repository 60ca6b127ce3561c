"""What verification asks of this node beyond words: run chunks again, publish proofs of fraud, mark what is verified."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from sgnus.core import effects as fx
from sgnus.core.inputs import Input, Reexecuted
from sgnus.core.terms import Terms
from sgnus.messages.errors import OurFault, PeerFault, UserFault, WorldFault
from sgnus.messages.fields import Message
from sgnus.messages.ids import BlockId
from sgnus.messages.v1.types import EntryKind, FraudBody, FraudProof
from sgnus.ports import Store
from sgnus.runtime.events import EventHub
from sgnus.runtime.evidence import Evidence
from sgnus.runtime.inputs import InputMissing
from sgnus.runtime.jobs import Job, JobBook, VerifiedMark
from sgnus.runtime.work import Hands, Worker
from sgnus.wire.codec import encode

LOG: Final = logging.getLogger("sgnus.proofs")
Submit = Callable[[EntryKind, BlockId, Message], Awaitable[object]]


class Proofs:
    """`submit` writes an entry of ours to the job database."""

    def __init__(
        self, jobs: JobBook, worker: Worker, hands: Hands, hub: EventHub, put: Callable[[Input], bool]
    ) -> None:
        self._jobs = jobs
        self._worker = worker
        self._hands = hands
        self._hub = hub
        self._put = put

    def connect(self, store: Store, submit: Submit) -> None:
        """Where marks are kept, and how entries are written."""
        self._store = store
        self._submit = submit
        self.evidence = Evidence(store)

    def reexecute(self, asked: fx.Reexecute) -> None:
        """Start; ends in Reexecuted."""
        self._hands.spawn(self._reexecute(asked))

    def accuse(self, asked: fx.Accuse) -> None:
        """Publish the proof."""
        self._hands.spawn(self._accuse(asked))

    def void(self, told: fx.Voided) -> None:
        """Outputs that were false are not given to apps any more."""
        job = self._jobs.get(told.job)
        if job is not None:
            place = (told.microjob, told.sub_block)
            job.places = [one for one in job.places if (one.microjob, one.sub_block) != place]
            self._hub.touch(told.job)

    def verified(self, told: fx.Verified) -> None:
        """The microjob's outputs may be given to apps; the receipt itself lies on disk by now."""
        job = self._jobs.get(told.job)
        if job is None or job.receipt_of(told.microjob) is not None:
            return
        order = job.verified[-1].order + 1 if job.verified else 0
        mark = VerifiedMark(told.microjob, order, told.receipt)
        job.verified.append(mark)
        self._hands.spawn(self._keep(told.job, mark))
        self._hub.touch(told.job)

    async def _keep(self, job: BlockId, mark: VerifiedMark) -> None:
        await self._store.put_facts("verified", {f"{job}/{mark.microjob}": mark.pack()})

    async def _reexecute(self, asked: fx.Reexecute) -> None:
        digests: bytes | None = None
        job = self._jobs.get(asked.job)
        if job is not None:
            try:
                digests = await self._worker.digests(job, asked.instance, asked.chunks)
            except (InputMissing, PeerFault, OurFault, WorldFault) as fault:
                about = {"job": asked.job, "microjob": asked.microjob, "room": asked.instance}
                LOG.warning("chunks %s cannot be run again: %s", list(asked.chunks[:8]), fault, extra=about)
            except Exception:
                # The round must not wait for what nobody does any more.
                LOG.exception("chunks %s cannot be run again", list(asked.chunks[:8]))
        self._put(Reexecuted(asked.instance, asked.chunks, digests))

    async def _accuse(self, asked: fx.Accuse) -> None:
        """The proof for the database holds no input and no module, which would not fit: who checks it has or gets them.
        The one that is kept here is complete.
        """
        job = self._jobs.get(asked.job)
        if job is None or job.terms is None:
            return
        whole = await self._proof(asked, job, job.terms)
        await self.evidence.keep(f"{asked.job}/{asked.chunk}/{asked.accused}", whole)
        branch = whole.branch if len(whole.branch) <= BRANCH_BYTES_MAX else b""
        data = encode(replace(whole, input=None, module=None, branch=branch))
        try:
            await self._submit(EntryKind.FRAUD, asked.job, FraudBody(accused=asked.accused, proof=data))
        except (UserFault, OurFault) as fault:
            about = {"job": asked.job, "peer": asked.accused}
            LOG.warning("the proof against %s is not published: %s", asked.accused, fault, extra=about)

    async def _proof(self, asked: fx.Accuse, job: Job, terms: Terms) -> FraudProof:
        """With all that its check needs; where we do not publish the job, without the input."""
        branch, path, data = b"", tuple[bytes, ...](), None
        if job.files is not None:
            branch, path = job.files.manifest.branch(job.plan, asked.microjob)
            data = bytes(job.files.input.chunks(job.plan, range(asked.chunk, asked.chunk + 1))[0])
        elif asked.microjob in job.branches:
            known = job.branches[asked.microjob]
            branch, path = known.digests, known.path
        ships = job.body.processor.id.startswith("builtin:")
        return FraudProof(
            network=terms.network,
            job=terms.entry,
            chunk=asked.chunk,
            record=asked.record,
            opening=asked.opening,
            verdict=asked.verdict,
            branch=branch,
            path=path,
            input=data,
            module=None if ships else await self._jobs.module(job),
            founder=asked.founder,
            nonce=asked.nonce,
        )


BRANCH_BYTES_MAX: Final = 32 * 1024
"""A longer branch does not fit into an entry beside the rest; who checks reads it from the publisher."""
