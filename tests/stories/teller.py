"""Tells a story again: runs the lines of a transcript that begin with `>`, and gives the transcript that comes of it.

python -m tests.stories.teller    writes all transcripts anew; read what changed before you commit it
"""

from __future__ import annotations

from pathlib import Path

from sgnus.core.room import Phase, Room
from sgnus.messages.ids import PeerId
from sgnus.sim.grid import Grid
from sgnus.sim.mishaps import heal, part
from sgnus.sim.peer import Peer
from sgnus.sim.setting import Setting
from sgnus.sim.stopping import stop

HERE = Path(__file__).parent
PATIENCE_MS = 60_000
BLOWS = {"kill": Grid.crash, "stop": stop, "start": Grid.start, "freeze": Grid.freeze, "thaw": Grid.thaw}


class Teller:
    """One story."""

    def __init__(self) -> None:
        self.grid = Grid(Setting(0))
        self.lines: list[str] = []
        self._told = 0

    def tell(self, transcript: str) -> str:
        """The transcript as it is today."""
        for line in transcript.splitlines():
            if line.startswith("#"):
                self.lines.append(line)
            elif line.startswith(">"):
                self.lines.append(line)
                self._do(*line[1:].split())
                self._listen()
        return "\n".join(self.lines) + "\n"

    def _listen(self) -> None:
        new = self.grid.steps.story.lines[self._told :]
        self._told += len(new)
        self.lines += [line for line in new if _is_told(line)]

    def _do(self, verb: str, *words: str) -> None:
        if verb in BLOWS:
            for peer in self._named(*words):
                BLOWS[verb](self.grid, peer)
        else:
            getattr(self, f"do_{verb}")(*words)

    # ---- the verbs
    def do_grid(self, *options: str) -> None:
        """A world: name=value of Setting's numbers; compute is the time of one sub-block in ms."""
        given = {name: int(value) for name, value in (option.split("=") for option in options)}
        compute_ms = given.pop("compute", 500)
        self.grid = Grid(
            Setting(**given, faults=(), faults_ms=0, trace=True, compute_ms=(compute_ms, compute_ms))
        )  # type: ignore[arg-type]
        self.grid.begin()

    def do_run(self, milliseconds: str) -> None:
        self.grid.run(self.grid.agenda.now_ms + int(milliseconds))

    def do_until(self, what: str, *words: str) -> None:
        """`over`, `hosts N`, `members N` (of the first host's room), `leases N`, `held N`."""
        number = int(words[0]) if words else 0
        until = {
            "over": self.grid.is_over,
            "hosts": lambda: len(self._hosts()) == number,
            "members": lambda: any(len(_room(x).roster.peers) == number for x in self._hosts()),
            "leases": lambda: any(len(_room(x).board.leases) == number for x in self._hosts()),
            "held": lambda: self._held() >= number,
        }[what]
        assert self.grid.run(self.grid.agenda.now_ms + PATIENCE_MS, until), f"it never came to {what} {words}"

    def do_part(self, *names: str) -> None:
        part(self.grid, tuple(peer.name for peer in self._named(*names)))

    def do_heal(self) -> None:
        heal(self.grid)

    def do_slow(self, name: str, times: str) -> None:
        self._named(name)[0].slowness = int(times)

    def do_poison(self, microjob: str, sub_block: str) -> None:
        self.grid.steps.plane.poisoned[int(microjob), int(sub_block)] = 1_000

    def do_rooms(self) -> None:
        """Say who sits where."""
        for host in self._hosts():
            room = _room(host)
            leases = " ".join(f"{x.sub_block}:{x.member}{'?' if x.late else ''}" for x in room.board.leases)
            self._listen()
            self.lines.append(
                f"           room {room.seat.microjob}/{room.seat.instance[:8]} epoch {room.roster.epoch}:"
                f" {host.name} hosts {' '.join(x for x in room.roster.peers if x != host.name) or 'nobody'};"
                f" held {room.book.delivered()}; leases {leases or 'none'}"
            )

    # ---- who is meant
    def _hosts(self) -> list[Peer]:
        return [
            peer
            for peer in self.grid.peers.values()
            if peer.is_up and peer.core and peer.core.room and peer.core.room.phase is Phase.HOST
        ]

    def _named(self, *names: str) -> list[Peer]:
        if names == ("all",):
            return list(self.grid.peers.values())
        return [self._hosts()[0] if name == "host" else self.grid.peers[PeerId(name)] for name in names]

    def _held(self) -> int:
        return sum(space == "held" for space, _key in self.grid.publisher.disk.facts)


def _room(peer: Peer) -> Room:
    assert peer.core is not None and peer.core.room is not None
    return peer.core.room


def _is_told(line: str) -> bool:
    """Words, and of the messages those that reject."""
    if " -> " in line:
        return "the answer to who asked for a seat" in line and "accepted" not in line
    return " <- " not in line


def transcripts() -> list[Path]:
    return sorted(HERE.glob("*.txt"))


if __name__ == "__main__":
    for path in transcripts():
        path.write_text(Teller().tell(path.read_text(encoding="utf-8")), encoding="utf-8")
