"""The first look at entries from peers: form and signature, in threads, and not twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import NetworkId, PeerId
from sgnus.wire.dagcbor import digest_of
from sgnus.wire.entry import OpenedEntry, check_signature, open_entry

THREADS: Final = 2
INLINE_MAX: Final = 2
RECENT_MAX: Final = 8_192


class Vetting:
    """Ed25519 is the slowest part of an admission, and frees the GIL: so it is done beside the loop, batch by batch."""

    def __init__(self, network: NetworkId) -> None:
        self._network = network
        self._threads: ThreadPoolExecutor | None = None
        self._recent: dict[bytes, None] = {}

    def unseen(self, raws: Iterable[bytes]) -> list[bytes]:
        """Each once, of those that did not prove themselves lately: gossip and reconciliation often bring the same entry."""
        found = {digest_of(raw): raw for raw in raws}
        return [raw for digest, raw in found.items() if digest not in self._recent]

    def remember(self, digests: Iterable[bytes]) -> None:
        """Note entries that are in the database now."""
        self._recent.update(dict.fromkeys(digests))
        while len(self._recent) > RECENT_MAX:
            del self._recent[next(iter(self._recent))]

    async def vet(
        self, raws: Sequence[bytes], author: PeerId | None = None
    ) -> tuple[list[OpenedEntry], list[str]]:
        """The entries that are right and signed, by `author` if one is given, and what was wrong with the others."""
        if len(raws) <= INLINE_MAX:
            return _vet(raws, self._network, author)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sgnus-verify")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _vet, raws, self._network, author)

    def stop(self) -> None:
        """End the threads."""
        if self._threads is not None:
            self._threads.shutdown(wait=True)


def _vet(
    raws: Sequence[bytes], network: NetworkId, author: PeerId | None
) -> tuple[list[OpenedEntry], list[str]]:
    good: list[OpenedEntry] = []
    faults: list[str] = []
    for raw in raws:
        try:
            opened = open_entry(raw, network)
        except PeerFault as fault:
            faults.append(str(fault))
            continue
        if author is not None and opened.author != author:
            faults.append("an entry that another signed: gossip carries one's own")
        elif check_signature(opened):
            good.append(opened)
        else:
            faults.append("a signature that is not its author's")
    return good, faults
