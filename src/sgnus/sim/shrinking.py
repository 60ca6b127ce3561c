"""Makes a run that breaks a law smaller: fewer kinds of faults, peers, sub-blocks, blows; the same law stays broken."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Final

from sgnus.messages.v1.types import Verify
from sgnus.sim.run import Verdict, judge
from sgnus.sim.setting import PEERS_MIN, Setting

TRIES_MAX: Final = 400


def shrink(verdict: Verdict, judged: Callable[[Setting], Verdict] = judge) -> Verdict:
    """The smallest run that was found to break the law that `verdict` breaks; `verdict` itself if there is none."""
    best, tries = verdict, 0
    while tries < TRIES_MAX:
        for smaller in _smaller(best):
            tries += 1
            found = judged(smaller)
            if found.law == verdict.law:
                best = found
                break
            if tries >= TRIES_MAX:
                return best
        else:
            return best
    return best


def _smaller(verdict: Verdict) -> Iterator[Setting]:
    """The settings that are one step smaller, the greatest step first. Numbers of blows hold within their faults alone."""
    setting = verdict.setting
    if not setting.skip:
        for name in setting.faults:
            yield dataclasses.replace(setting, faults=tuple(x for x in setting.faults if x != name))
        for number in range(len(setting.vices)):
            yield dataclasses.replace(setting, vices=setting.vices[:number] + setting.vices[number + 1 :])
        if setting.liars:
            yield dataclasses.replace(setting, liars=setting.liars - 1)
        for peers in _less(setting.peers, _peers_needed(setting)):
            yield dataclasses.replace(setting, peers=peers)
        for sub_blocks in _less(setting.sub_blocks, 1):
            yield dataclasses.replace(setting, sub_blocks=sub_blocks)
    for number in range(verdict.blows):
        if number not in setting.skip:
            yield dataclasses.replace(setting, skip=(*setting.skip, number))


def _peers_needed(setting: Setting) -> int:
    """With fewer no run could end well."""
    hostile = max(len(setting.vices), setting.liars)
    members = setting.members_min + setting.other_beacon if setting.verify is not Verify.NONE else 1
    return max(PEERS_MIN, 1 + members + hostile)


def _less(number: int, least: int) -> Iterator[int]:
    """Half of it, three quarters of it, one less."""
    tried: list[int] = []
    for smaller in (number // 2, number * 3 // 4, number - 1):
        if least <= smaller < number and smaller not in tried:
            tried.append(smaller)
            yield smaller


def story_of(verdict: Verdict) -> str:
    """A run as a file of tests/sim/found: the command that repeats it, the law that it broke, and what happened."""
    return "\n".join([verdict.setting.command(), f"# {verdict.words}", *verdict.story, ""])
