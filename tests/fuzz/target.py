"""One decoder or validator of ours as a fuzzer sees it: bytes go in, and nothing but a declared fault may come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sgnus.messages.errors import PeerFault, UserFault

CORPUS: Final = Path(__file__).with_name("corpus")
REFUSALS: Final = (PeerFault, UserFault)


@dataclass(frozen=True, slots=True)
class Target:
    """`take` reads bytes of a stranger as the node does; whatever it raises beside REFUSALS is a find. `seeds` makes the
    small corpus from which mutations start; `bytes_max` bounds what a fuzzer tries.
    """

    name: str
    take: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    bytes_max: int = 4_096

    @property
    def corpus(self) -> Path:
        """Where its committed corpus lies: seeds, and what was found once."""
        return CORPUS / self.name

    def feed(self, data: bytes) -> bool:
        """Whether the bytes were taken; False when they were refused with a declared fault."""
        try:
            self.take(data)
        except REFUSALS:
            return False
        return True

    def corpus_units(self) -> list[bytes]:
        """Every unit of the committed corpus, in the order of its names."""
        return [file.read_bytes() for file in sorted(self.corpus.iterdir())]
