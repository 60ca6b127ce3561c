"""What stands against the demo's liar, and for everybody else: the publisher's own story, and the receipts, checked here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from sgnus.frontends.sdk.views import Processed
from sgnus.messages.errors import PeerFault
from sgnus.runtime import receipts

CONVICTED: Final = re.compile(
    r"publisher: (\w+) ((?:returned|accused somebody of) a false chunk \d+, by its own signature)"
)


@dataclass(slots=True)
class Evidence:
    """`liar` is the peer id of the node that lies, empty if none does."""

    liar: str = ""
    lies: dict[tuple[int, int], None] = field(default_factory=dict)
    convicted: dict[str, str] = field(default_factory=dict)
    receipts: int = 0
    is_complete: bool = False

    def see(self, event: object) -> None:
        """Take one event of the job into account: each false sub-block that the publisher was given."""
        if isinstance(event, Processed) and event.held and event.member == self.liar:
            self.lies[event.microjob, event.sub_block] = None

    def read(self, story: Iterable[str]) -> list[str]:
        """Who is convicted by these lines of the publisher's story and was not before, each with the reason.

        A story names peers by the end of their ids.
        """
        fresh = []
        for line in story:
            found = CONVICTED.search(line)
            if found is not None and found[1] not in self.convicted:
                self.convicted[found[1]] = found[2]
                fresh.append(found[1])
        return fresh

    def check(self, job: str, microjobs: int, data: Iterable[bytes]) -> None:
        """Verify receipts as anybody can, without a node or a network; `is_complete` if they cover the job."""
        covered: dict[int, None] = {}
        for one in data:
            try:
                report = receipts.verify(one)
            except PeerFault:
                continue
            if report.job == job:
                covered[report.microjob] = None
        self.receipts = len(covered)
        self.is_complete = list(covered) != [] and sorted(covered) == list(range(microjobs))

    @property
    def is_liar_caught(self) -> bool:
        return any(self.liar.endswith(peer) for peer in self.convicted)

    @property
    def wronged(self) -> list[str]:
        """Who was convicted and did not lie: nobody, if all is right."""
        return [peer for peer in self.convicted if not self.liar.endswith(peer)]
