"""The user-space switch of `tests/wires`, without a device: what it does to frames follows from its seed and the weather."""

from __future__ import annotations

import json
from itertools import pairwise
from random import Random

from tests.wires.plan import ROUGH, Plan, compose, draw, flapping, muted, partition
from tests.wires.switch import LATE_US, QUEUED_FRAMES_MAX, Switch, mac_of, port_of
from tests.wires.weather import FAIR, Weather

PORTS = 4
EVERYBODY = bytes((0xFF,)) * 6
LOSSY = Weather(loss_permille=100, duplicate_permille=50)
AFTER_US = 10**9


def frame(source: int, target: int | None, number: int = 0) -> bytes:
    """An Ethernet frame; to everybody without a target."""
    to = EVERYBODY if target is None else mac_of(target)
    return to + mac_of(source) + b"\x08\x00" + number.to_bytes(4, "big")


def number_of(data: bytes) -> int:
    return int.from_bytes(data[-4:], "big")


def carried(switch: Switch, frames: int, gap_us: int = 1_000) -> list[tuple[int, int]]:
    """Send so many frames from port 0 to port 1; when each came out, and its number."""
    out = []
    for number in range(frames):
        out += drained(switch, number * gap_us)
        switch.take(0, frame(0, 1, number), number * gap_us)
    return out + drained(switch, AFTER_US)


def drained(switch: Switch, now_us: int) -> list[tuple[int, int]]:
    """What comes out at port 1 up to now: when, and its number."""
    out = []
    while (at_us := switch.next_us()) is not None and at_us <= now_us:
        out += [(at_us, number_of(data)) for port, data in switch.due(at_us) if port == 1]
    return out


def test_a_frame_comes_out_where_its_address_says_and_nowhere_else() -> None:
    switch = Switch(1, PORTS)
    switch.take(0, frame(0, 2), 0)
    assert switch.due(0) == [(2, frame(0, 2))]
    switch.take(3, frame(3, None), 1)
    assert [port for port, _data in switch.due(1)] == [0, 1, 2]


def test_frames_of_strange_or_false_addresses_are_counted_and_go_nowhere() -> None:
    switch = Switch(1, PORTS)
    switch.take(0, frame(1, 2), 0)
    switch.take(0, frame(0, 2)[:13], 0)
    switch.take(0, b"\x02\x00\x00\x00\x00\x09" + frame(0, 2)[6:], 0)
    switch.take(0, frame(0, PORTS), 0)
    assert switch.due(AFTER_US) == []
    assert switch.counts == {"taken": 4, "malformed": 2, "unknown": 2}


def test_an_address_tells_its_port() -> None:
    assert [port_of(mac_of(port)) for port in range(PORTS)] == list(range(PORTS))
    assert port_of(EVERYBODY) is None


def test_in_fair_weather_all_frames_come_out_at_once_in_order() -> None:
    assert carried(Switch(1, PORTS), 100) == [(number * 1_000, number) for number in range(100)]


def test_the_same_seed_does_the_same_to_the_same_frames_and_another_one_does_not() -> None:
    runs = []
    for seed in (7, 7, 8):
        switch = Switch(seed, PORTS)
        switch.change(ROUGH)
        runs.append(carried(switch, 500))
    assert runs[0] == runs[1] != runs[2]


def test_what_a_wire_does_hangs_on_no_other_wire() -> None:
    alone, beside = Switch(7, PORTS), Switch(7, PORTS)
    for switch in (alone, beside):
        switch.change(LOSSY)
    for number in range(500):
        beside.take(2, frame(2, 1, number), 0)
        beside.take(1, frame(1, None, number), 0)
    beside.due(0)
    assert carried(alone, 500) == carried(beside, 500)


def test_as_many_frames_are_lost_and_doubled_as_the_weather_says() -> None:
    switch = Switch(3, PORTS)
    switch.change(LOSSY)
    out = [number for _at_us, number in carried(switch, 10_000)]
    assert 900 < switch.counts["lost"] == 10_000 - len(set(out)) < 1_100
    assert 380 < switch.counts["doubled"] == len(out) - len(set(out)) < 520


def test_each_wire_has_a_delay_of_its_own_and_jitter_keeps_the_order() -> None:
    switch = Switch(5, PORTS)
    switch.change(Weather(delay_ms=(30, 80), jitter_ms=20))
    out = carried(switch, 500)
    assert [number for _at_us, number in out] == list(range(500))
    delays_us = [at_us - number * 1_000 for at_us, number in out]
    assert min(delays_us) >= 30_000
    assert max(delays_us) <= 100_000
    assert 10_000 < max(delays_us) - min(delays_us) <= 20_000
    quiet = {}
    for target in (1, 2, 3):
        other = Switch(5, PORTS)
        other.change(Weather(delay_ms=(30, 80)))
        other.take(0, frame(0, target), 0)
        quiet[target] = other.next_us()
    assert len(set(quiet.values())) == 3


def test_later_frames_overtake_one_that_is_late() -> None:
    switch = Switch(5, PORTS)
    switch.change(Weather(late_permille=50))
    out = carried(switch, 1_000)
    late = [number for at_us, number in out if at_us == number * 1_000 + LATE_US]
    assert 30 < len(late) < 70
    assert len(late) + sum(at_us == number * 1_000 for at_us, number in out) == 1_000
    assert any(number > after for (_, number), (_, after) in pairwise(out))


def test_a_partition_carries_nothing_across_and_everything_within() -> None:
    switch = Switch(1, PORTS)
    switch.change(FAIR.parted((0, 3), PORTS))
    for source in range(PORTS):
        switch.take(source, frame(source, None), 0)
    heard = sorted((port_of(data[6:12]), port) for port, data in switch.due(0))
    assert heard == [(0, 3), (1, 2), (2, 1), (3, 0)]
    assert switch.counts["cut"] == 8
    switch.change(FAIR)
    switch.take(0, frame(0, None), 1)
    assert len(switch.due(1)) == 3


def test_a_cut_takes_what_is_on_its_way() -> None:
    switch = Switch(1, PORTS)
    switch.change(Weather(delay_ms=(50, 50)))
    switch.take(0, frame(0, None), 0)
    switch.change(Weather(delay_ms=(50, 50)).without(2))
    assert [port for port, _data in switch.due(50_000)] == [1, 3]


def test_one_way_cuts_leave_the_other_way_alone() -> None:
    for weather, heard in ((FAIR.muted(0, PORTS), [0]), (FAIR.deafened(0, PORTS), [1])):
        switch = Switch(1, PORTS)
        switch.change(weather)
        switch.take(0, frame(0, 1), 0)
        switch.take(1, frame(1, 0), 0)
        assert [port for port, _data in switch.due(0)] == heard


def test_a_wire_holds_a_bounded_number_of_frames() -> None:
    switch = Switch(1, PORTS)
    switch.change(Weather(delay_ms=(50, 50)))
    for number in range(QUEUED_FRAMES_MAX + 10):
        switch.take(0, frame(0, 1, number), 0)
    assert switch.counts["overflowed"] == 10
    assert len(switch.due(AFTER_US)) == QUEUED_FRAMES_MAX
    switch.take(0, frame(0, 1), AFTER_US)
    assert switch.next_us() is not None


def test_a_plan_is_its_seed_and_ends_fair() -> None:
    drawn = [draw(seed, 12) for seed in range(200)]
    assert drawn == [draw(seed, 12) for seed in range(200)]
    assert len({plan.timetable for plan in drawn}) == 200
    for plan in drawn:
        moments = [at_ms for at_ms, _weather in plan.timetable]
        assert moments == sorted(set(moments))
        assert moments[0] == 0
        assert plan.timetable[-1] == (plan.heals_ms, FAIR)
        assert 0 < plan.heals_ms < 90_000
    words = " ".join(plan.name for plan in drawn)
    assert all(word in words for word in ("rough", "parted", "unplugged", "nobody hears", "hears nobody"))


def test_faults_that_overlap_add_up() -> None:
    parted = partition(Random(1), PORTS, 2, 100, 300)
    plan = compose(1, 500, [parted, muted(0, PORTS, 200, 100)], ROUGH)
    (_, near, *_), (_, both), (_, after) = plan.timetable[1], plan.timetable[2], plan.timetable[3]
    assert [at_ms for at_ms, _weather in plan.timetable] == [0, 100, 200, 300, 400, 500]
    assert near == after == parted.befalls(ROUGH)
    assert set(near.cut) < set(both.cut)
    assert {(0, other) for other in range(1, PORTS)} <= set(both.cut)
    assert both.loss_permille == ROUGH.loss_permille


def test_a_flapping_cable_is_in_and_out_by_turns() -> None:
    faults = flapping(Random(4), 2, 0, 5)
    plan = compose(4, faults[-1].end_ms, faults)
    assert [weather.unplugged for _at_ms, weather in plan.timetable] == [(2,), ()] * 5


def test_a_plan_is_told_to_the_switch_as_it_is() -> None:
    plan: Plan = draw(3, 12)
    for _at_ms, weather in plan.timetable:
        assert Weather.from_json(json.loads(json.dumps(weather.to_json()))) == weather
