"""A publisher's view counts for the room that it is of, and from the publisher alone."""

from __future__ import annotations

import dataclasses

import pytest

from sgnus.core.inputs import PeerSaid, RoomHeard
from sgnus.core.room import Phase
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import PublisherView
from tests.core.seats import PUBLISHER, room
from tests.core.test_app_seats import JOB
from tests.core.test_doubts import listener, said
from tests.core.test_no_time_lost import A, C

LOWEST = "0" * 64


@pytest.mark.parametrize("sender", [PUBLISHER, C])
@pytest.mark.parametrize("microjob", [0, 1])
def test_a_room_ends_for_no_other_microjob_and_for_no_view_of_a_strangers(
    sender: PeerId, microjob: int
) -> None:
    node = listener()
    rival = dataclasses.replace(said(1), instance=LOWEST, microjob=microjob)
    node.handle(RoomHeard(A, rival), 0)
    node.room = ours = room("b", "b", "c")
    view = PublisherView(job=JOB, microjob=microjob, preferred=LOWEST, held=(), taken=False)
    node.handle(PeerSaid(sender, view), 10)
    assert (ours.phase is Phase.CLOSED) is (sender == PUBLISHER and microjob == 0)


@pytest.mark.parametrize(
    ("preferred", "is_living", "ends"), [("f", False, True), ("f", True, False), ("", False, True)]
)
def test_where_the_preferred_room_is_gone_the_lower_of_the_others_goes_on(
    preferred: str, is_living: bool, ends: bool
) -> None:
    node = listener()
    if is_living:
        node.handle(RoomHeard(C, dataclasses.replace(said(1), instance=preferred * 64)), 0)
    node.room = ours = room("b", "b", "c")
    ours.hosting.preferred = preferred * 64
    for instance in ("g" * 64, LOWEST):
        assert ours.phase is Phase.HOST
        node.handle(RoomHeard(A, dataclasses.replace(said(2), instance=instance)), 10)
    assert (ours.phase is Phase.CLOSED) is ends
