"""Microjobs of which all is done and whose receipt is awaited: whoever founded one again would have all of it run again.

Decides nothing by another's word for long: a host is believed once for a microjob, and no longer than verification has patience.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sgnus.messages.ids import PeerId
from sgnus.messages.limits import ROOMS_PER_JOB_MAX
from sgnus.messages.v1.types import RoomAnnouncement


@dataclass(slots=True)
class Finished:
    """`own`: what we know to be held. `heard`: of which microjob a host said that its room ended complete, until when."""

    own: dict[int, None] = field(default_factory=dict)
    heard: dict[int, int] = field(default_factory=dict)
    believed: dict[tuple[int, PeerId], None] = field(default_factory=dict)

    def hear(self, host: PeerId, said: RoomAnnouncement, members_min: int, until_ms: int) -> None:
        """The host of a room that we knew ends it. Its members verify it beside what they do next, if all is done and they
        are enough, until then.
        """
        told = (said.microjob, host)
        is_verified = said.delivered >= said.sub_blocks and said.members >= members_min
        if not is_verified or told in self.believed:
            return
        if len(self.believed) >= ROOMS_PER_JOB_MAX:
            del self.believed[next(iter(self.believed))]
        self.believed[told] = None
        self.heard[said.microjob] = until_ms

    def open_again(self, microjob: int) -> None:
        """Its verification came to no receipt: it needs a room."""
        self.own.pop(microjob, None)
        self.heard.pop(microjob, None)

    def under_way(self, now_ms: int) -> list[int]:
        """What others verify now, by their word."""
        return [microjob for microjob, until_ms in self.heard.items() if now_ms < until_ms]
