"""What a node holds against the hosts of a job's rooms, by what they announce: rooms in which nothing is ever done.

Decides nothing about those who sit there; only whether a microjob counts as worked on, so that somebody else founds its room.
docs/protocol/room.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sgnus.core.patience import patience_ms
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import LEASE_DEADLINES_MAX, RESTARTS_MAX, ROOM_STALE_MS, ROOMS_PER_JOB_MAX


@dataclass(frozen=True, slots=True)
class Report:
    """What a host says of its room, and when: how much is delivered. `proved`: how much of it is its instance's own by the
    publisher's word, where we know that; a host may count as its own what others did.
    """

    instance: str
    delivered: int
    at_ms: int
    proved: int | None = None

    def tells_more_than(self, before: Report) -> bool:
        """What is proved counts where it is known of this instance both times."""
        if self.proved is None:
            return self.delivered > before.delivered
        if before.proved is None or self.instance != before.instance:
            return False
        return self.proved > before.proved

    def begins_anew_after(self, before: Report, silent_ms: int) -> bool:
        """Another instance that has less, or a word after a long silence."""
        is_less = self.instance != before.instance and self.delivered < before.delivered
        return is_less or self.at_ms - before.at_ms > silent_ms


@dataclass(slots=True)
class Progress:
    """The most that a host said of a microjob, since when that has not grown, and how often it began anew."""

    report: Report
    since_ms: int
    restarts: int = 0

    def hear(self, report: Report, silent_ms: int) -> None:
        """One report more. To begin anew does not count for ever: to speak seldom would do."""
        before = self.report
        is_restart = self.restarts < RESTARTS_MAX and report.begins_anew_after(before, silent_ms)
        if is_restart or report.tells_more_than(before):
            self.since_ms = report.at_ms
            self.restarts += is_restart
        delivered = report.delivered if is_restart else max(before.delivered, report.delivered)
        is_same = report.instance == before.instance
        proved = before.proved if report.proved is None and is_same else report.proved
        self.report = Report(report.instance, delivered, report.at_ms, proved)


@dataclass(slots=True)
class Doubts:
    """Of one job. `postponed`: hosts whose rooms put off our turn to found, and until when no other of theirs does; `yielded`:
    hosts for whose rooms ours ended, and until when no other of theirs ends one; `progress` by host and microjob.
    """

    postponed: dict[PeerId, int] = field(default_factory=dict)
    yielded: dict[PeerId, int] = field(default_factory=dict)
    progress: dict[tuple[PeerId, int], Progress] = field(default_factory=dict)

    def hear(
        self, host: PeerId, microjob: int, report: Report, *, is_excused: bool, silent_ms: int = ROOM_STALE_MS
    ) -> None:
        """What a host says of its room. Excused is who waits for a publisher that we do not see either; who was not heard for
        longer than `silent_ms` begins anew.
        """
        place = (host, microjob)
        known = self.progress.pop(place, None)
        if known is None or is_excused:
            known = Progress(report, report.at_ms)
        known.hear(report, silent_ms)
        self.progress[place] = known
        if len(self.progress) > ROOMS_PER_JOB_MAX:
            del self.progress[next(iter(self.progress))]

    def is_stalled(self, host: PeerId, microjob: int, deadline_ms: int, now_ms: int) -> bool:
        """Its room has delivered nothing for longer than its leases and what is waited for may last."""
        known = self.progress.get((host, microjob))
        longest_ms = LEASE_DEADLINES_MAX * deadline_ms + patience_ms(deadline_ms)
        return known is not None and now_ms - known.since_ms >= longest_ms
