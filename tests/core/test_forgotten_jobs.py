"""A job that the database forgot leaves nothing in the core of its publisher."""

from __future__ import annotations

import dataclasses

from sgnus.core import effects as fx
from sgnus.core.inputs import JobChanged, JobForgotten, Tick
from sgnus.core.node import NodeCore
from sgnus.messages.topics import lobby_topic
from sgnus.sim.pens import address_of
from tests.core.seats import pen
from tests.core.test_app_seats import FACTS, JOB


def publisher() -> NodeCore:
    node = NodeCore.create(pen("me"), address_of(pen("me")), 0, 0)
    node.handle(JobChanged(dataclasses.replace(FACTS, publisher=node.pen.peer)), 0)
    return node


def test_what_was_published_is_kept_until_its_job_is_forgotten() -> None:
    node = publisher()
    node.handle(JobChanged(dataclasses.replace(node.jobs[JOB].facts, open=False)), 1)
    assert JOB in node.publications, "others may ask for it"
    node.handle(JobForgotten(JOB), 2)
    assert not node.publications
    node.handle(JobForgotten(JOB), 3)
    node.handle(Tick(), 10_000)


def test_a_job_that_is_forgotten_while_it_is_open_ends() -> None:
    node = publisher()
    effects = node.handle(JobForgotten(JOB), 1)
    assert fx.Unsubscribe(lobby_topic(JOB)) in effects
    assert not node.jobs and not node.publications
