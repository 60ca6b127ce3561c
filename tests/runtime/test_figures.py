"""What a real node counts: names by Prometheus' conventions, labels from fixed lists, numbers that follow what happens."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.v1.types import (
    ArraySpec,
    Edge,
    JobRequest,
    Policy,
    StreamResultsRequest,
    SubmitJobRequest,
    Verify,
)
from sgnus.runtime.api import NodeApi
from sgnus.runtime.figures import Figures
from sgnus.runtime.node import Node, NodeOptions, NodeParts
from sgnus.runtime.tally import Tally

DEADLINE_S = 20
OPERATING = Path(__file__).parents[2] / "docs/operating.md"
NAME = re.compile(r"(sgnus|process)_[a-z][a-z_]*")
BOUNDED = re.compile(r"[a-z0-9_.]{1,40}")
LABELS = {"outcome", "input", "event", "reason", "link", "state", "file", "what", "version"}


async def request() -> AsyncIterator[SubmitJobRequest]:
    """A job of one sub-block, without proof: one node does it all."""
    yield SubmitJobRequest(
        job=JobRequest(
            name="x",
            processor="invert",
            parameters=(),
            array=ArraySpec(shape=(4, 4), dtype="uint8"),
            tile=(),
            halo=(),
            edge=Edge.REFLECT,
            chunks_per_sub_block=0,
            deadline_ms=0,
            policy=Policy(verify=Verify.NONE, samples_permille=0, verifiers=0, min_members=1),
            lifetime_ms=0,
        )
    )
    yield SubmitJobRequest(data=bytes(16))


def read(parts: NodeParts) -> dict[str, Metric]:
    return {one.name: one for one in text_string_to_metric_families(Figures(parts).text().decode())}


def value(families: dict[str, Metric], name: str, of: str = "") -> float:
    return next(one.value for one in families[name].samples if not of or of in one.labels.values())


def test_a_node_counts_a_job_that_it_publishes_and_works_on(tmp_path: Path) -> None:
    async def scene() -> None:
        node = Node(NodeOptions(home=tmp_path / "home"))
        parts = await node.start()
        try:
            before = read(parts)
            assert value(before, "sgnus_own_jobs", "completed") == 0
            api = NodeApi(parts)
            job = (await api.submit_job(request())).job
            results = api.stream_results(StreamResultsRequest(job=job, after=0, provisional=False))
            async for _piece in results:
                pass
            async with asyncio.timeout(DEADLINE_S):
                # The last word about it may come after the last result.
                while not value(read(parts), "sgnus_sub_blocks", "delivered"):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            after = read(parts)
        finally:
            await node.stop()
        for outcome in ("computed", "delivered"):
            assert value(after, "sgnus_sub_blocks", outcome) == 1
        assert value(after, "sgnus_outputs_held") == 1
        assert value(after, "sgnus_own_jobs", "completed") == 1
        assert value(after, "sgnus_store_bytes", "database") > 0
        assert value(after, "sgnus_workers") == 1
        assert value(after, "sgnus_inputs", "sub_block_computed") == 1
        assert value(after, "sgnus_database_intake", "accepted") >= 1
        assert_names_and_labels(after, job, parts.core.pen.peer)

    asyncio.run(scene())


def assert_names_and_labels(families: dict[str, Metric], *never: str) -> None:
    for family in families.values():
        assert NAME.fullmatch(family.name) and family.documentation, family.name
        assert family.type in ("counter", "gauge")
        assert not family.name.endswith(("_ms", "_kb", "_mb", "_total", "_count")), family.name
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample
            assert set(sample.labels) <= LABELS and len(sample.labels) <= 1
            for label in sample.labels.values():
                assert BOUNDED.fullmatch(label), sample
                assert not any(one.lower() in label for one in never)


def test_attempts_to_deliver_and_what_became_of_them_are_told_apart() -> None:
    tally = Tally()
    instance = InstanceId("i")
    tally.took(ins.DeliveryEnded(instance, 0, None))
    tally.took(ins.SubBlockComputed(instance, 0, 1, b"", 1))
    tally.took(ins.Tick())
    assert tally.sub_blocks == {"computed": 1, "failed": 0, "delivered": 0, "undelivered": 1}
    assert tally.inputs == {"DeliveryEnded": 1, "SubBlockComputed": 1, "Tick": 1}


def test_what_is_taken_back_is_not_counted_as_held() -> None:
    tally = Tally()
    tally.gave(fx.Persist("held", "job/0/0", b"signed"))
    tally.gave(fx.Persist("held", "job/0/0", b""))
    tally.gave(fx.Persist("vote", "i/2", b"peer"))
    tally.gave(fx.Voided(BlockId("job"), 0, 0))
    tally.gave(fx.Blame(PeerId("p"), "why"))
    assert {name: n for name, n in tally.events.items() if n} == {
        "outputs_held": 1,
        "outputs_voided": 1,
        "blames": 1,
    }


def test_every_family_of_a_node_is_on_the_page_for_operators(tmp_path: Path) -> None:
    async def scene() -> None:
        node = Node(NodeOptions(home=tmp_path / "home", workers=0))
        parts = await node.start()
        try:
            names = [family for family in read(parts) if family.startswith("sgnus_")]
        finally:
            await node.stop()
        page = OPERATING.read_text(encoding="utf-8")
        assert len(names) > 30
        assert [name for name in names if name not in page] == []

    asyncio.run(scene())
