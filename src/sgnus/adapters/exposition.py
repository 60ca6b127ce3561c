"""Figures as Prometheus reads them: the text format 0.0.4, written by prometheus_client.

Its registry of the process is not used: libraries enter theirs there. What stands here is what we name, and the process itself.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client.core import Metric


class Kind(enum.Enum):
    """What a figure does: a counter rises from 0 at the start of the node, a gauge goes up and down."""

    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Figure:
    """One family: `samples` maps the value of `label` to a number; without a label there is one sample, of "".

    Names follow prometheus.io/docs/practices/naming: `sgnus_`, a noun, the base unit; `_total` is added to counters. A
    label's values come from a fixed list of ours: never a job, a peer, a path or anything that a peer chose.
    """

    name: str
    kind: Kind
    help: str
    samples: Mapping[str, float]
    label: str = ""


def exposition(figures: Sequence[Figure]) -> bytes:
    """All figures, and CPU, memory and open files of this process."""
    # Here: it costs 80 ms, and nobody but a node that is asked needs it.
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.exposition import generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Ours(figures))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Ours:
    """What the library calls a collector."""

    def __init__(self, figures: Sequence[Figure]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        return [_family(figure) for figure in self._figures]


def _family(figure: Figure) -> Metric:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    made = CounterMetricFamily if figure.kind is Kind.COUNTER else GaugeMetricFamily
    family = made(figure.name, figure.help, labels=[figure.label] if figure.label else [])
    for value, number in sorted(figure.samples.items()):
        family.add_metric([value] if figure.label else [], number)
    return family
