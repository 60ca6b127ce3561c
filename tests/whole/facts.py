"""What a job's events prove, as its publisher's node tells them."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sgnus.frontends.sdk.sync import Grid, Job
from sgnus.frontends.sdk.views import Event, HostChanged, PeerListChanged, Processed, ProcessingStarted
from tests.whole.modules import slow_invert

SIDE: Final = 16
JOBS_MAX: Final = 10
Pixels = NDArray[np.uint8]


def picture(sub_blocks: int) -> Pixels:
    """Seeded bytes, one tile for each sub-block."""
    return np.random.default_rng(sub_blocks).integers(0, 256, (sub_blocks * SIDE, SIDE), dtype=np.uint8)


def submit_slow(grid: Grid, sub_blocks: int, seconds: float, **more: Any) -> tuple[Job, Pixels]:
    """A job of so many sub-blocks of `seconds` CPU each, and its only right result. Unverified, unless `more` says how."""
    source = picture(sub_blocks)
    more.setdefault("verify", "none")
    job = grid.submit(
        source, module=slow_invert(seconds), tile=(SIDE, SIDE), halo=0, chunks_per_sub_block=1, **more
    )
    return job, 255 - source


def events(job: Job) -> list[Event]:
    return list(job.events(follow=False))


def held(told: list[Event]) -> list[tuple[int, int]]:
    """(microjob, sub-block) of what the publisher holds, in order."""
    return [(one.microjob, one.sub_block) for one in told if isinstance(one, Processed) and one.held]


def members(job: Job) -> tuple[str, ...]:
    """The newest member list that the publisher heard of."""
    lists = [one.members for one in events(job) if isinstance(one, PeerListChanged)]
    return lists[-1] if lists else ()


def host(job: Job) -> str:
    """Who hosts the room whose list the publisher heard last; empty before there is one.

    A microjob may be founded twice at first; the instance that gives way changes its list no more.
    """
    told = events(job)
    rooms = [one.instance for one in told if isinstance(one, PeerListChanged) and len(one.members) > 1]
    hosts = [one.host for one in told if isinstance(one, HostChanged) and one.instance in rooms[-1:]]
    return hosts[-1] if hosts else ""


def at_work(job: Job) -> dict[str, list[tuple[str, int]]]:
    """Member -> the sub-blocks, as (instance, number), that it was leased and the publisher does not hold."""
    told = events(job)
    done = {(one.instance, one.sub_block) for one in told if isinstance(one, Processed)}
    found: dict[str, list[tuple[str, int]]] = {}
    for one in told:
        if isinstance(one, ProcessingStarted) and (one.instance, one.sub_block) not in done:
            found.setdefault(one.member, []).append((one.instance, one.sub_block))
    return found


def removals(job: Job, peer: str) -> list[str]:
    """Why `peer` was removed from the job's rooms, each time."""
    found: dict[tuple[str, tuple[str, ...], str], None] = {}
    for one in events(job):
        if isinstance(one, PeerListChanged):
            for removal in one.removals:
                if removal.peer == peer:
                    found[one.instance, one.members, removal.reason] = None
    return [reason for _instance, _members, reason in found]


def lost(job: Job, victim: str) -> list[tuple[str, int]]:
    """The sub-blocks, as (instance, number), that `victim` was leased and the publisher does not hold from it. Of instances that
    stand: one that gave way, where a microjob was founded twice, leases nothing again.
    """
    told = events(job)
    stand = {one.microjob: one.instance for one in told if isinstance(one, PeerListChanged)}.values()
    delivered = {
        (one.instance, one.sub_block)
        for one in told
        if isinstance(one, Processed) and one.held and one.member == victim
    }
    leased = [
        (one.instance, one.sub_block)
        for one in told
        if isinstance(one, ProcessingStarted) and one.member == victim and one.instance in stand
    ]
    return [lease for lease in dict.fromkeys(leased) if lease not in delivered]


def went_to_others(job: Job, victim: str, leases: list[tuple[str, int]]) -> bool:
    """Each of them was leased to, or delivered by, somebody else."""
    others = {
        (one.instance, one.sub_block)
        for one in events(job)
        if isinstance(one, ProcessingStarted | Processed) and one.member != victim
    }
    return all(lease in others for lease in leases)


def assert_seated_again(grid: Grid, peer: str) -> None:
    """It has a seat in one of the next jobs, which all end right: how soon it is dialled again is a matter of luck."""
    for _ in range(JOBS_MAX):
        job, right = submit_slow(grid, 10, 0.5)
        assert np.array_equal(job.result(), right)
        assert_each_once(job, 10)
        if any(peer in one.members for one in events(job) if isinstance(one, PeerListChanged)):
            return
    raise AssertionError(f"in {JOBS_MAX} jobs {peer} had no seat")


def assert_each_once(job: Job, sub_blocks: int) -> None:
    """Every sub-block is held once, and none is leased again in the instance that delivered it."""
    told = events(job)
    # A publisher that also works hears of itself twice: count what differs.
    counted = Counter(dict.fromkeys(_holdings(told), 1))
    twice = [key for key, times in Counter(key[:2] for key in counted).items() if times > 1]
    assert not twice, f"held twice: {twice}"
    assert len(counted) == sub_blocks
    assert_nothing_delivered_is_computed_again(told)


def assert_nothing_delivered_is_computed_again(told: list[Event]) -> None:
    """No lease of what its instance had delivered before."""
    done: dict[tuple[str, int], None] = {}
    for one in told:
        if isinstance(one, Processed) and one.held:
            done[one.instance, one.sub_block] = None
        if isinstance(one, ProcessingStarted):
            assert (one.instance, one.sub_block) not in done, f"computed again: {one}"


def _holdings(told: list[Event]) -> list[tuple[int, int, str]]:
    return [
        (one.microjob, one.sub_block, one.member) for one in told if isinstance(one, Processed) and one.held
    ]
