"""Every (phase, input) of a room stands in exactly one of the two tables, and every input of a node has a route."""

from __future__ import annotations

import itertools
import typing

from sgnus.core import inputs as ins
from sgnus.core.node_table import ROUTES
from sgnus.core.room import Phase
from sgnus.core.room_table import IGNORED, ROOM


def kinds() -> list[type]:
    """All that a room may be given, in any phase."""
    return list(dict.fromkeys(kind for _phase, kind in (*ROOM, *IGNORED)))


def test_each_phase_and_input_stands_in_exactly_one_table() -> None:
    for pair in itertools.product(Phase, kinds()):
        assert (pair in ROOM) != (pair in IGNORED), pair


def test_what_is_ignored_says_why() -> None:
    assert all(len(reason.split()) >= 4 for reason in IGNORED.values())


def test_every_input_of_a_node_has_a_route() -> None:
    assert set(ROUTES) == set(typing.get_args(ins.Input))
