"""The laws that `tests/wires` reads from real nodes' stories, on stories that break them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from sgnus.frontends.sdk.views import (
    ArraySpec,
    Event,
    JobStatus,
    PeerListChanged,
    Processed,
    ProcessingStarted,
)
from tests.whole import patience
from tests.wires import laws
from tests.wires.laws import NEWS_S, TOUCH_S, Broken
from tests.wires.witness import EVENT, Witness, reigns_in

BEGIN_S = 1_000.0


@pytest.fixture(autouse=True)
def free_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The laws' times are those of a machine with nothing else to do."""
    monkeypatch.setattr(patience.os, "getloadavg", lambda: (0.0, 0.0, 0.0))


ARRAY = ArraySpec((32, 16), "uint8")


COUNTS = ("chunks", "delivered", "taken", "output_bytes", "created_ms", "expires_ms", "takeovers", "removals")
WORDS = ("job", "name", "author", "processor", "state", "reason")


def status(sub_blocks: int) -> JobStatus:
    rest: dict[str, Any] = {**dict.fromkeys(COUNTS, 0), **dict.fromkeys(WORDS, "")}
    return JobStatus(
        sub_blocks=sub_blocks, microjobs=1, array=ARRAY, output=ARRAY, own=True, rooms=(), **rest
    )


def witness(*told: Event | tuple[float, Event], sub_blocks: int = 2, name: str = "n0") -> Witness:
    """One event a second, or at the time that is said."""
    timed = [one if isinstance(one, tuple) else (BEGIN_S + number, one) for number, one in enumerate(told)]
    return Witness(name, "a", tuple(timed), (), status(sub_blocks))


def held(sub_block: int, member: str = "b") -> Processed:
    return Processed("job", 0, "i", sub_block, member, True)


def leased(sub_block: int, elapsed_ms: int = 0) -> ProcessingStarted:
    return ProcessingStarted("job", 0, "i", sub_block, "b", elapsed_ms)


def listed(*members: str) -> PeerListChanged:
    return PeerListChanged("job", 0, "i", members, ())


def test_a_list_of_twelve_and_one_that_names_a_member_twice_break_the_law_of_seats() -> None:
    laws.seats([witness(listed(*"abcdefghijk"))])
    for members in ("abcdefghijkl", "aa"):
        with pytest.raises(Broken, match="law 'seats'"):
            laws.seats([witness(), witness(listed(*members))])


FOUNDED = "    1.000 s  room 0/4b081c66: founded with 1 members"
ELECTED = "    2.000 s  room 0/4b081c66: hosts in epoch 2"


def host_of(*story: str, until_s: float = 100.0) -> Witness:
    """Who tells so of itself; its clock began at 0."""
    return replace(witness(), reigns=reigns_in(story, 0.0, until_s))


def test_a_reign_begins_and_ends_as_its_host_tells() -> None:
    yielded = "    9.500 s  room 0/4b081c66: host is FYiSgZ in epoch 2"
    left = "   12.000 s  room 0/4b081c66: left: taken"
    other = "   11.000 s  room 1/aaaaaaaa: left: taken"
    assert host_of(FOUNDED, yielded, ELECTED).reigns == (("4b081c66", (1.0, 9.5)), ("4b081c66", (2.0, 100.0)))
    assert host_of(FOUNDED, ELECTED, other, left).reigns == (("4b081c66", (1.0, 12.0)),)


def test_two_that_host_one_instance_for_long_in_calm_break_the_law_of_epochs() -> None:
    two = [host_of(FOUNDED), host_of(ELECTED)]
    with pytest.raises(Broken, match=r"law 'epoch'.*host 4b081c66 for 98\.0 s"):
        laws.epoch(two, ())
    with pytest.raises(Broken, match=r"for 60\.0 s"):
        laws.epoch(two, [(0.5, 40.0)])
    laws.epoch(two, [(0.5, 75.0)])
    laws.epoch(two, [(80.0, 110.0)])
    laws.epoch([host_of(FOUNDED), host_of(ELECTED, until_s=20.0)], ())
    laws.epoch([host_of(FOUNDED), host_of(ELECTED.replace("4b", "5b"))], ())


def test_a_sub_block_that_is_held_twice_or_never_breaks_the_law_of_the_result() -> None:
    laws.result(witness(held(0), held(1), held(1)))
    for told in ((held(0), held(1), held(1, "c")), (held(0),)):
        with pytest.raises(Broken, match="law 'result'"):
            laws.result(witness(*told))


def test_a_lease_of_what_is_long_held_breaks_the_law_of_news() -> None:
    late = (BEGIN_S + NEWS_S + 1, leased(0))
    laws.news(witness(held(0), late[1], (late[0], leased(1))), ())
    with pytest.raises(Broken, match="law 'news'"):
        laws.news(witness(held(0), late), ())


def test_a_lease_that_was_given_before_and_is_told_late_breaks_no_law() -> None:
    told_s = BEGIN_S + NEWS_S + 1
    laws.news(witness(held(0), (told_s, leased(0, elapsed_ms=2_000))), ())
    with pytest.raises(Broken, match="law 'news'"):
        laws.news(witness(held(0), (told_s, leased(0, elapsed_ms=500))), ())


def test_news_are_not_judged_while_wires_have_faults_and_soon_after() -> None:
    late_s = BEGIN_S + 100
    story = witness(held(0), (late_s, leased(0)))
    laws.news(story, [(BEGIN_S + 50, late_s - NEWS_S - TOUCH_S + 1)])
    laws.news(story, [(BEGIN_S + 50, late_s + 50)])
    for troubled in ((BEGIN_S + 50, late_s - NEWS_S - TOUCH_S - 1), (late_s + 1, late_s + 50)):
        with pytest.raises(Broken, match="law 'news'"):
            laws.news(story, [troubled])


def line(**changes: str) -> str:
    said = {"time": "now", "level": "info", "logger": "sgnus.room", "message": "room 0: 1 members", **changes}
    return json.dumps(said) + "\n"


def test_a_peer_that_is_blamed_breaks_the_law_of_honesty() -> None:
    laws.honesty("n0", line())
    with pytest.raises(Broken, match="a second Hello"):
        laws.honesty("n0", line() + line(logger="sgnus.hearing", message="b: a second Hello in one stream"))


@pytest.mark.parametrize(
    "log",
    [
        line(level="error"),
        line(exception="Traceback (most recent call last): ..."),
        line(message="OurFault: Hello in ACTIVE is in no table"),
        line(level="debug", message="Task exception was never retrieved"),
        "Segmentation fault\n",
    ],
)
def test_a_log_that_tells_of_a_fault_of_ours_breaks_the_law_of_faults(log: str) -> None:
    laws.faults("n0", line() + line(level="warning"))
    with pytest.raises(Broken, match="law 'faults'"):
        laws.faults("n0", line() + log)


def test_each_event_has_a_line_in_the_story_and_nothing_else_looks_like_one() -> None:
    lines = (
        "  210.746 s  room 0: host is M865CG in epoch 1",
        "  210.747 s  room 0: 1 members",
        "  220.304 s  room 0: 10 members, removed H4zRJ5 (left)",
        "  210.838 s  room 0: M865CG works on sub-block 0",
        "  218.766 s  room 0: sub-block 0 is processed by M865CG",
        "  220.232 s  room 0: sub-block 0 is held from M865CG",
    )
    assert all(EVENT.match(line) for line in lines)
    others = (
        "  235.317 s  publisher: room 0/bc63df9e: M865CG proposes to verify it",
        "  242.158 s  publisher: room 0/bc63df9e: the beacon has spoken over 9 reveals",
    )
    assert not any(EVENT.match(line) for line in others)
