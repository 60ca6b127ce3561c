"""The simulator's laws, read from what real nodes tell of a job once it has ended: events, stories, databases and logs.

Each law raises `Broken` with its noun. What a law of `sgnus.sim.laws` reads from inside a core is left to the simulator.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Final

from sgnus.frontends.sdk.views import PeerListChanged, Processed, ProcessingStarted
from sgnus.messages.limits import ROOM_MEMBERS_MAX
from sgnus.messages.v1.types import EntryKind
from tests.whole.grid import RunningNode, wait_for
from tests.whole.patience import stretched
from tests.wires.grid import WiredNetwork, sgnus
from tests.wires.witness import Span, Witness, testify

LAWS: Final = {
    "seats": "No list of members ever holds more than 11, or one of them twice.",
    "epoch": "Of two hosts of one instance, one yields soon once they can hear each other.",
    "result": "Every sub-block is held exactly once.",
    "proof": "Each microjob has a receipt, and it checks out offline.",
    "honesty": "No node refuses what an honest one says.",
    "justice": "Nobody is accused.",
    "news": "Nobody is leased what the publisher holds for long, if all were in touch.",
    "convergence": "All copies of the job database become the same set, and show the same job.",
    "quiet": "When the job is over, nobody keeps a seat in a room of it.",
    "faults": "No log tells of a fault of ours.",
}
RIVALS_S: Final = 30.0
NEWS_S: Final = 10.0
"""How old news may be. In virtual time it is 3 s; here twelve nodes share what cores there are."""
TOUCH_S: Final = 20.0
"""How long after a fault the parts of a network may still be finding each other."""
CONVERGENCE_S: Final = 90.0
"""Two nodes compare their databases when they meet, and each with somebody every 30 to 60 s."""
QUIET_S: Final = 60.0
EXPIRY_SKEW_MS: Final = 9 * 60_000
"""Entries are removed 10 minutes after they expired, at each node when it next looks."""
BLAMES: Final = "sgnus.hearing"
OUR_FAULTS: Final = ("Traceback", "OurFault", "never retrieved", "was never awaited")


class Broken(AssertionError):
    """A law does not hold."""

    def __init__(self, law: str, words: str) -> None:
        super().__init__(f"law '{law}' is broken: {LAWS[law]} {words}")


def judge(
    network: WiredNetwork,
    job: str,
    publisher: RunningNode,
    *,
    is_verified: bool,
    troubled: Sequence[Span] = (),
) -> None:
    """All laws, of a job that has ended. `troubled` are the spans of Unix time in which wires had faults."""
    _wait("quiet", lambda: _is_quiet(network, job), QUIET_S)
    _wait("convergence", lambda: _differences(network, job), CONVERGENCE_S)
    witnesses = [testify(node, job) for node in network.nodes]
    seats(witnesses)
    epoch(witnesses, troubled)
    own = next(one for one in witnesses if one.peer == publisher.peer)
    result(own)
    news(own, troubled)
    if is_verified:
        _proof(network.folder / f"receipts-{job[-8:]}", publisher, job, own.status.microjobs)
    _justice(network)
    logs = {node.home.name: network.new_log(node) for node in network.nodes}
    for name, log in logs.items():
        honesty(name, log)
        faults(name, log)


def seats(witnesses: Sequence[Witness]) -> None:
    for one in witnesses:
        for event in one.of(PeerListChanged):
            if len(event.members) > ROOM_MEMBERS_MAX or len(set(event.members)) < len(event.members):
                raise Broken("seats", f"{one.name} tells of {event}")


def epoch(witnesses: Sequence[Witness], troubled: Sequence[Span]) -> None:
    """Parts of a network that cannot hear each other may each elect a host, even for the same epoch."""
    reigns = [(one.name, *reign) for one in witnesses for reign in one.reigns]
    for (name, instance, span), (other, same, second) in combinations(reigns, 2):
        begin_s, end_s = max(span[0], second[0]), min(span[1], second[1])
        if instance != same or end_s <= begin_s:
            continue
        # What counts is the time after the last fault before the end, or after a fault that was under way then.
        calm_s = max([begin_s, *(healed_s for since_s, healed_s in troubled if since_s <= end_s)])
        if end_s - calm_s > stretched(RIVALS_S):
            raise Broken("epoch", f"{name} and {other} host {instance} for {end_s - calm_s:.1f} s")


def result(publisher: Witness) -> None:
    """A publisher hears of what it holds from rooms, too: what differs is counted."""
    told = {(x.microjob, x.sub_block, x.member) for x in publisher.of(Processed) if x.held}
    held = Counter((microjob, sub_block) for microjob, sub_block, _member in sorted(told))
    twice = [place for place, times in held.items() if times > 1]
    if twice or len(held) != publisher.status.sub_blocks:
        raise Broken("result", f"{len(held)} of {publisher.status.sub_blocks} are held, twice: {twice}")


def news(publisher: Witness, troubled: Sequence[Span]) -> None:
    held_s, news_s = dict[tuple[int, int], float](), stretched(NEWS_S)
    for at_s, event in publisher.timed:
        if isinstance(event, Processed) and event.held:
            held_s.setdefault((event.microjob, event.sub_block), at_s)
        if isinstance(event, ProcessingStarted):
            leased_s = at_s - event.elapsed_ms / 1000
            since_s = held_s.get((event.microjob, event.sub_block), leased_s)
            is_judged = not any(
                begin_s <= leased_s and leased_s - news_s <= end_s + TOUCH_S for begin_s, end_s in troubled
            )
            if is_judged and leased_s - since_s > news_s:
                raise Broken("news", f"{event} was held for {leased_s - since_s:.1f} s")


def _proof(folder: Path, publisher: RunningNode, job: str, microjobs: int) -> None:
    home = ("--home", str(publisher.home), "--json")
    files = json.loads(sgnus("job", "receipts", job, "-o", str(folder), *home))["files"]
    if len(files) != microjobs:
        raise Broken("proof", f"{len(files)} of {microjobs} microjobs have one")
    answers = json.loads(sgnus("receipt", "verify", *files, "--json"))
    if wrong := [answer for answer in answers if not answer["valid"] or answer["job"] != job]:
        raise Broken("proof", f"{wrong}")


def _justice(network: WiredNetwork) -> None:
    for node in network.nodes:
        with _opened(node) as database:
            query = "SELECT author FROM entries WHERE kind = ?"
            accusers = database.execute(query, (int(EntryKind.FRAUD),)).fetchall()
        if accusers:
            raise Broken("justice", f"{node.home.name} holds accusations by {accusers}")


def _differences(network: WiredNetwork, job: str) -> str:
    """What differs between the databases, or the views that nodes have of the job; empty if nothing does."""
    now_ms = time.time_ns() // 1_000_000
    sets: dict[frozenset[bytes], list[str]] = {}
    views: dict[str, list[str]] = {}
    for node in network.nodes:
        with _opened(node) as database:
            ids = [bytes(row[0]) for row in database.execute("SELECT id FROM entries")]
        living = frozenset(one for one in ids if int.from_bytes(one[:8], "big") + EXPIRY_SKEW_MS > now_ms)
        sets.setdefault(living, []).append(node.home.name)
        with node.connect() as grid:
            status = grid.job(job).status()
        view = (status.state, status.taken, status.delivered, status.rooms, status.expires_ms)
        views.setdefault(repr(view), []).append(node.home.name)
    if len(sets) == len(views) == 1:
        return ""
    return f"there are sets of {[(len(ids), names) for ids, names in sets.items()]} and views {views}"


def _is_quiet(network: WiredNetwork, job: str) -> str:
    """Who still sits in a room of the job."""
    for node in network.nodes:
        with node.connect() as grid:
            if joined := [room.instance[:8] for room in grid.rooms(job) if room.joined]:
                return f"{node.home.name} sits in {joined}"
    return ""


def honesty(name: str, log: str) -> None:
    """What a node has against a peer it logs, with the reason, by the logger that blames."""
    for line in log.splitlines():
        if f'"logger": "{BLAMES}"' in line:
            raise Broken("honesty", f"{name}: {line[:2000]}")


def faults(name: str, log: str) -> None:
    """A line that is not JSON is one that no logger wrote: something died."""
    for line in log.splitlines():
        said = json.loads(line) if line.startswith("{") else {"level": "critical"}
        is_bad = said["level"] in ("error", "critical") or "exception" in said
        if is_bad or any(word in line for word in OUR_FAULTS):
            raise Broken("faults", f"{name}: {line[:2000]}")


def _wait(law: str, what_is_wrong: Callable[[], str], deadline_s: float) -> None:
    """Until nothing is wrong."""
    last = [""]

    def is_right() -> bool:
        last[0] = what_is_wrong()
        return not last[0]

    try:
        wait_for(is_right, law, deadline_s, poll_s=0.5)
    except AssertionError as error:
        raise Broken(law, f"{error}: {last[0]}") from error


def _opened(node: RunningNode) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{node.home / 'sgnus.db'}?mode=ro", uri=True)
