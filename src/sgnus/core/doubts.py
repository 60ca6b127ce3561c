"""What a node holds against the hosts of a job's rooms, by what they announce: rooms in which nothing is ever done.

Decides nothing about those who sit there; only whether a microjob counts as worked on, so that somebody else founds its room.
docs/protocol/room.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sgnus.core.patience import patience_ms
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import LEASE_DEADLINES_MAX, RESTARTS_MAX, ROOM_STALE_MS, ROOMS_PER_JOB_MAX
from sgnus.messages.v1.types import RoomAnnouncement


@dataclass(slots=True)
class Progress:
    """The most that a host said to be delivered of a microjob, since when, and when it last said so. `restarts`: how often it
    began anew, with less in another instance, or after a long silence. `proved`: how much of it is its instance's own, as we last
    knew by the publisher's word.
    """

    instance: str
    delivered: int
    since_ms: int
    heard_ms: int
    restarts: int = 0
    proved: int | None = None


@dataclass(slots=True)
class Doubts:
    """Of one job. `postponed`: hosts whose rooms put off our turn to found, and until when no other of theirs does; `yielded`:
    hosts for whose rooms ours ended, and until when no other of theirs ends one; `progress` by host and microjob.
    """

    postponed: dict[PeerId, int] = field(default_factory=dict)
    yielded: dict[PeerId, int] = field(default_factory=dict)
    progress: dict[tuple[PeerId, int], Progress] = field(default_factory=dict)

    def hear(
        self,
        host: PeerId,
        said: RoomAnnouncement,
        most: int,
        now_ms: int,
        *,
        is_excused: bool,
        silent_ms: int = ROOM_STALE_MS,
        proved: int | None = None,
    ) -> None:
        """What a host says of its room; its microjob has `most` sub-blocks. Excused is who waits for a publisher that we do not
        see either. Who was not heard for longer than `silent_ms` begins anew, but not for ever: to speak seldom would do. Who
        knows what its instance delivered by itself (`proved`) goes by that: a host may count as its own what others did.
        """
        delivered = min(most, said.delivered)
        place = (host, said.microjob)
        known = self.progress.pop(place, None)
        if known is None or is_excused:
            known = Progress(said.instance, delivered, now_ms, now_ms, proved=proved)
        is_new = said.instance != known.instance
        is_less = is_new and delivered < known.delivered
        is_restart = (is_less or now_ms - known.heard_ms > silent_ms) and known.restarts < RESTARTS_MAX
        if is_new or proved is None or known.proved is None:
            is_more = proved is None and delivered > known.delivered
        else:
            is_more = proved > known.proved
        if is_more or is_restart:
            known.since_ms = now_ms
            known.restarts += is_restart
        known.delivered = delivered if is_restart else max(known.delivered, delivered)
        known.proved = proved if proved is not None else None if is_new else known.proved
        known.instance, known.heard_ms = said.instance, now_ms
        self.progress[place] = known
        if len(self.progress) > ROOMS_PER_JOB_MAX:
            del self.progress[next(iter(self.progress))]

    def is_stalled(self, host: PeerId, microjob: int, deadline_ms: int, now_ms: int) -> bool:
        """Its room has delivered nothing for longer than its leases and what is waited for may last."""
        known = self.progress.get((host, microjob))
        longest_ms = LEASE_DEADLINES_MAX * deadline_ms + patience_ms(deadline_ms)
        return known is not None and now_ms - known.since_ms >= longest_ms
