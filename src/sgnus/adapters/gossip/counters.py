"""What the gossip border counts, by name. A count never grows a name that a peer chose."""

from __future__ import annotations

import logging
from typing import Final

_LOG: Final = logging.getLogger("sgnus.gossip")

NAMES: Final = (
    "received",
    "published",
    "duplicates",
    "own_echoes",
    "dropped_oversize",
    "dropped_malformed",
    "dropped_bad_signature",
    "dropped_over_budget",
    "dropped_unsubscribed",
    "dropped_inbound_full",
    "dropped_publish_full",
    "dropped_outbound_full",
    "dropped_relayed",
    "dropped_over_authored",
    "handler_errors",
    "task_errors",
    "connections_replaced",
    "connections_refused",
    "connections_silent",
    "connections_shut_out",
    "streams_refused",
    "dials",
    "dials_failed",
    "dials_of_self",
)


class Counters:
    """Written by the gossip thread, read by any."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(NAMES, 0)

    def add(self, name: str, amount: int = 1) -> None:
        self._counts[name] += amount

    def fault(self, name: str) -> None:
        """Count the exception that is being handled; its traceback is for whoever debugs the border."""
        self.add(name)
        _LOG.debug("%s at the libp2p border", name, exc_info=True)

    def snapshot(self) -> dict[str, int]:
        return dict(self._counts)
