"""Who calls, and whether it may, and not too often: asked at every call, because a removed peer keeps its open connection."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from sgnus.adapters.peers.budget import CallBudget
from sgnus.adapters.peers.certificates import author_of_leaf
from sgnus.adapters.peers.directory import SHUT_OUT, Directory
from sgnus.adapters.peers.sockets import hang_up
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import (
    PEER_CALLS_PER_PEER_MAX,
    REFUSALS_HELD_MAX,
    REFUSALS_HELD_MS,
    REFUSALS_HELD_SHUT_OUT_MS,
)

TLS_VERSION: Final = b"TLSv1.3"


class OverBudget(WorldFault):
    """The caller asks for more than its budget; later it may be answered."""


class Gate:
    """Reads the caller from its certificate's issuer, and lets it in if it is admitted and has the right and a budget left."""

    def __init__(self, directory: Directory, budget: CallBudget, count: Callable[[str], None]) -> None:
        self._directory = directory
        self._budget = budget
        self._count = count
        self._calls: dict[PeerId, Counter[str]] = {}
        self._held: Counter[PeerId] = Counter()

    @asynccontextmanager
    async def admitted(
        self, context: Any, method: str, may_call: Callable[[PeerId, str], bool]
    ) -> AsyncIterator[PeerId]:
        """The caller, for the time of its call. PeerFault when it is refused, WorldFault when it calls too much."""
        peer = caller_of(context.auth_context())
        if self._directory.is_shut_out(peer):
            # It may go on calling over the connection that it has, and each refusal costs us a call.
            self._count("calls of peers shut out")
            await self._hold(peer, REFUSALS_HELD_SHUT_OUT_MS)
            hang_up(context.peer())
            raise PeerFault(SHUT_OUT)  # For our log alone: the connection is closed.
        if not self._directory.is_admitted(peer):
            self._count("calls of removed peers")
            raise PeerFault("this node does not know you (any more)")
        if not self._budget.allows(peer, method):
            self._count("calls over budget")
            await self._hold(peer, REFUSALS_HELD_MS)
            raise OverBudget("you call too often; ask again later")
        if not may_call(peer, method):
            self._count("calls without a right")
            self._budget.refused(peer)
            raise PeerFault(f"you may not call {method} now")
        places = self._calls.setdefault(peer, Counter())
        if places.total() >= PEER_CALLS_PER_PEER_MAX:
            self._count("calls too many")
            self._budget.refused(peer)
            raise WorldFault(f"more than {PEER_CALLS_PER_PEER_MAX} calls at once")
        place = context.peer()
        places[place] += 1
        try:
            yield peer
        except PeerFault:
            self._budget.refused(peer)
            raise
        finally:
            places[place] -= 1
            if not places.total():
                self._calls.pop(peer, None)

    def cut_off(self, peer: PeerId) -> None:
        """End the calls of `peer` that are under way, with their connections."""
        for place in +self._calls.get(peer, Counter()):
            hang_up(place)

    async def _hold(self, peer: PeerId, ms: int) -> None:
        """Let who calls too often wait for its refusal: it calls again once it has it. No more of them than we have room for,
        nor of one peer.
        """
        if self._held.total() >= REFUSALS_HELD_MAX or self._held[peer] >= PEER_CALLS_PER_PEER_MAX:
            return
        self._held[peer] += 1
        try:
            await asyncio.sleep(ms / 1000)
        finally:
            self._held -= Counter((peer,))


def caller_of(auth: Any) -> PeerId:
    """The peer at the other end of a TLS connection; PeerFault when it is not proven."""
    if next(iter(auth.get("ssl_tls_version", ())), b"") != TLS_VERSION:
        raise PeerFault("TLS 1.3 is asked for")
    certificates = list(auth.get("x509_pem_cert", ()))
    if len(certificates) != 1:
        raise PeerFault("a client certificate is asked for")
    return author_of_leaf(bytes(certificates[0]))
