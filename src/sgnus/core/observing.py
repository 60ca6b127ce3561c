"""What a publisher sees of the rooms at work on its job: lists, hosts, leases and records, as an observer.

Keeps the newest list of each instance (a member of it may read inputs and write outputs) and tells hosts what is held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from sgnus.core import effects as fx
from sgnus.core import roster as rosters
from sgnus.core.publication import Observed, Publication, Shelf, is_banned
from sgnus.core.roster import Roster
from sgnus.core.succession import History, check_claim, term_of
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import INSTANCES_PER_MICROJOB_MAX
from sgnus.messages.v1.types import (
    CloseReason,
    OnHostChanged,
    OnPeerListChanged,
    OnProcessed,
    OnSubBlockProcessingStarted,
    ProcessedRecord,
    RoomClosed,
    SignedKind,
    SubBlockAbandoned,
)


def see_list(own: Publication, sender: PeerId, said: OnPeerListChanged) -> None:
    """A room's list: its host gets our view, its members may read and write."""
    _observe(own, rosters.read(own.pen, said.list), sender)


def see_claim(
    own: Publication, sender: PeerId, said: OnHostChanged, connected: Collection[PeerId] = ()
) -> None:
    """Another host, certified by votes; it shows them again and again. `connected` are the peers that we have a stream with."""
    where = own.find(InstanceId(said.instance))
    known = where[1] if where is not None else None
    if known is not None and term_of(known.roster) == (said.epoch, said.host):
        return
    claimed = check_claim(own.pen, said, None if known is None else History(known.roster, known.claim))
    if known is not None and claimed.is_outvoted and _is_here(own, known.roster.host, connected):
        told = OnPeerListChanged(list=known.roster.envelope)
        own.out.append(fx.Send((claimed.first.host,), told))
        return
    _observe(own, claimed.first, sender, claimed.claim)


def see_started(own: Publication, sender: PeerId, said: OnSubBlockProcessingStarted) -> None:
    where = own.find(InstanceId(said.instance))
    if where is not None and where[1].roster.host == sender:
        microjob, member = where[0], PeerId(said.member)
        instance = InstanceId(said.instance)
        own.out.append(
            fx.ProcessingStarted(own.facts.job, microjob, instance, said.sub_block, member, said.elapsed_ms)
        )


def see_processed(own: Publication, _sender: PeerId, said: OnProcessed) -> None:
    record = own.pen.open(said.record, SignedKind.RECORD, ProcessedRecord)
    where = own.find(InstanceId(record.instance))
    if where is not None:
        member, instance = PeerId(said.record.author), InstanceId(record.instance)
        own.out.append(fx.Processed(own.facts.job, where[0], instance, record.sub_block, member, held=False))


def see_abandoned(own: Publication, sender: PeerId, said: SubBlockAbandoned) -> None:
    """A host asks us to run what members abandoned: once."""
    where = own.find(InstanceId(said.instance))
    if where is None or where[1].roster.host != sender:
        return  # It hosted a moment ago, or we restarted and its list comes next; a host asks again after our view.
    microjob, number = where[0], said.sub_block
    if number >= own.facts.sub_blocks_of(microjob):
        raise PeerFault("there is no such sub-block in this microjob")
    if (microjob, number) in own.running_here or number in own.shelf(microjob).held:
        return
    own.running_here.append((microjob, number))
    own.tell(f"runs sub-block {microjob}/{number} itself: {said.reason}")
    own.out.append(fx.RunHere(own.facts.job, microjob, number))


def _observe(own: Publication, roster: Roster, sender: PeerId, claim: OnHostChanged | None = None) -> None:
    """A list, or the first one of a claim that holds."""
    if roster.list.job != own.facts.job:
        raise PeerFault("a list for another job")
    if roster.instance in own.court.ended:
        # Its host was away when we ended it. Else its members would elect one after the other.
        closed = RoomClosed(instance=roster.instance, reason=CloseReason.FAILED)
        own.out.append(fx.Send(tuple(dict.fromkeys((sender, *roster.peers))), closed))
        return
    shelf = own.shelf(roster.list.microjob)
    known = shelf.instances.get(roster.instance)
    here = term_of(known.roster) if known is not None else (1, PeerId(roster.list.founder))
    if claim is None and term_of(roster) != here:
        # Only votes make another host, or another epoch; whoever has them says so as well.
        if known is not None and sender == roster.host:
            _meet_host_before(own, known, roster)
        return
    if known is None:
        if len(shelf.instances) >= INSTANCES_PER_MICROJOB_MAX:
            del shelf.instances[_least_missed(shelf)]
        known = shelf.instances[roster.instance] = Observed(roster, {}, claim)
        _note_change(own, roster, is_new=True)
    elif (roster.standing(), roster.sequence) > (known.roster.standing(), known.roster.sequence):
        own.takeovers += roster.host != known.roster.host
        own.removals += sum(peer not in roster.peers for peer in known.roster.peers)
        is_new = roster.epoch != known.roster.epoch
        known.roster, known.claim = roster, claim or known.claim
        _note_change(own, roster, is_new=is_new)
    known.seat(roster.peers)
    if sender == known.roster.host:
        own.out.append(fx.Send((sender,), own.view(roster.list.microjob)))


def _is_here(own: Publication, host: PeerId, connected: Collection[PeerId]) -> bool:
    """We hear this host, and it was not convicted."""
    return host in (own.pen.peer, *connected) and not is_banned(own, host)


def _meet_host_before(own: Publication, known: Observed, roster: Roster) -> None:
    """A host lives that was succeeded, as far as we know: by too few of its room, or it hears by whom, who may be gone by now."""
    if is_banned(own, roster.host):
        return
    if History(known.roster, known.claim).is_outvoted(own.pen, roster):
        own.out.append(fx.Send((known.roster.host,), OnPeerListChanged(list=roster.envelope)))
        known.roster, known.claim = roster, None
        _note_change(own, roster, is_new=True)
        known.seat(roster.peers)
        own.out.append(fx.Send((roster.host,), own.view(roster.list.microjob)))
    elif known.claim is not None and roster.standing() < known.roster.standing():
        own.out.append(fx.Send((roster.host,), known.claim))


def _least_missed(shelf: Shelf) -> InstanceId:
    """The oldest instance of the host that has most of them here: who floods forgets its own, not others' rooms."""
    hosts = Counter(observed.roster.host for observed in shelf.instances.values())
    most = max(hosts.values())
    crowd = [name for name, observed in shelf.instances.items() if hosts[observed.roster.host] == most]
    return next((name for name in crowd if name != shelf.preferred), crowd[0])


def _note_change(own: Publication, roster: Roster, *, is_new: bool) -> None:
    microjob = roster.list.microjob
    if is_new:
        own.out.append(fx.HostChanged(own.facts.job, microjob, roster.instance, roster.epoch, roster.host))
    own.out.append(
        fx.PeersChanged(own.facts.job, microjob, roster.instance, roster.peers, roster.list.removals)
    )
