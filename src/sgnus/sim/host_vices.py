"""Vices of hosts, and the names of all vices."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core.seating import change_list
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import (
    OnPeerListChanged,
    OnSubBlockProcessingStarted,
    SignedEnvelope,
    SignedKind,
)
from sgnus.sim.holding_vices import (
    ClosingHost,
    DeafHost,
    EvictingHost,
    HoardingHost,
    HoppingHost,
    LockedHost,
    PulsingHost,
    RemovingHost,
    ViewForger,
    found_first,
)
from sgnus.sim.member_vices import (
    WORDS,
    Accuser,
    Copycat,
    Flooder,
    Forger,
    Mute,
    Prattler,
    Replayer,
    Squatter,
    Usurper,
    Withholder,
    seat_of,
)
from sgnus.sim.peer import Peer
from sgnus.sim.pens import CheapPen
from sgnus.sim.poisons import Poisoner
from sgnus.sim.vice import Deed, Vice, View, Villain

SYBILS: Final = 10


class SilentHost(Vice):
    """As a host it keeps its streams open and says nothing."""

    def does(self, view: View, effect: fx.Effect) -> Iterable[Deed]:
        return [] if view.hosted is not None and isinstance(effect, fx.Send) else [effect]


class StarvingHost(Vice):
    """As a host it tells nobody of a lease but itself."""

    def does(self, view: View, effect: fx.Effect) -> Iterable[Deed]:
        message = effect.message if isinstance(effect, fx.Send) else None
        is_lease = isinstance(message, OnSubBlockProcessingStarted) and message.member != view.me
        return [] if is_lease and view.hosted is not None else [effect]


class TwoListedHost(Vice):
    """It founds before anybody else, signs two lists with one sequence, and shows each to some, or both to all."""

    def adds(self, view: View, given: ins.Input) -> Iterable[Deed]:
        found_first(view)
        return ()

    def does(self, view: View, effect: fx.Effect) -> Iterable[Deed]:
        room = view.hosted
        message = effect.message if isinstance(effect, fx.Send) else None
        if room is None or not isinstance(message, OnPeerListChanged) or not isinstance(effect, fx.Send):
            return [effect]
        members = room.roster.list.members
        kept = tuple(one for one in members if one.peer == view.me or view.dice.randrange(2))
        other = view.core.pen.sign(SignedKind.LIST, replace(room.roster.list, members=kept))
        another = OnPeerListChanged(list=other)
        if view.rolls(500):
            return [fx.Send(effect.peers, message), fx.Send(effect.peers, another)]
        some, rest = effect.peers[0::2], effect.peers[1::2]
        return [fx.Send(some, message), fx.Send(rest, another)]


class SybilHost(Vice):
    """As a host it fills its room with keys of its own, that are no machines."""

    def adds(self, view: View, given: ins.Input) -> Iterable[Deed]:
        room = view.hosted
        if room is None or len(room.roster.peers) >= SYBILS or not view.rolls(300):
            return ()
        names = [PeerId(f"{view.me}s{number}") for number in range(SYBILS)]
        missing = [name for name in names if room.roster.member(name) is None]
        invited = tuple(seat_of(CheapPen(name), view, room) for name in missing)[
            : 11 - len(room.roster.peers)
        ]
        change_list(room, room.roster.list.members + invited, (), view.now_ms)
        for name in names:
            room.pulse.note_heard(name, view.now_ms)
        deeds, room.out = list(room.out), []
        return deeds


def corrupt(
    peer: Peer, vices: tuple[str, ...], names: tuple[PeerId, ...], overheard: Collection[SignedEnvelope]
) -> None:
    """A process starts: of all peers by name, the last ones have these vices, the very last one the first of them."""
    friends = names[len(names) - len(vices) :]
    if peer.core is None or peer.villain is not None or peer.name not in friends:
        return
    vice = VICES[vices[len(names) - 1 - names.index(peer.name)]]()
    dice = random.Random(peer.identity.peer_id)
    peer.villain = Villain(vice, View(peer.core, dice, overheard, names, friends))


VICES: Final[Mapping[str, Callable[[], Vice]]] = {
    "accuser": Accuser,
    "closing-host": ClosingHost,
    "copycat": Copycat,
    "deaf-host": DeafHost,
    "evicting-host": EvictingHost,
    "flooder": Flooder,
    "forger": Forger,
    "hoarding-host": HoardingHost,
    "hopping-host": HoppingHost,
    "locked-host": LockedHost,
    "pulsing-host": PulsingHost,
    "poisoner": Poisoner,
    "prattler": Prattler,
    "removing-host": RemovingHost,
    "replayer": Replayer,
    "silent-host": SilentHost,
    "squatter": Squatter,
    "starving-host": StarvingHost,
    "sybil-host": SybilHost,
    "two-listed-host": TwoListedHost,
    "usurper": Usurper,
    "view-forger": ViewForger,
    "withholder": Withholder,
    **{f"no-{kind.name.lower()}": partial(Mute, kind) for kind in WORDS},
}
