"""What goes into a core and what comes out of it, in words: the lines of `sgnus sim --trace`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Final

from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.messages.fields import Message
from sgnus.messages.v1.types import GossipMessage, SignedEnvelope

INSTANCE_SHOWN: Final = 8
_CAPITALS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")

MESSAGES: Final[Mapping[str, str]] = {
    "Heartbeat": "it lives",
    "HeldNotice": "what the publisher holds",
    "JoinAnswer": "the answer to who asked for a seat",
    "LeaseRequest": "it can take work",
    "LeaseReturned": "it gives work back",
    "MemberLeft": "it leaves the room",
    "OnHostChanged": "it hosts the room now, and who voted for it",
    "OnPeerListChanged": "the list of members",
    "OnProcessed": "a sub-block is done",
    "OnSubBlockProcessingStarted": "who works on a sub-block",
    "PublisherView": "how the publisher sees the microjob",
    "ReceiptGiven": "a receipt",
    "Records": "records that it knows",
    "RecordsWanted": "which records it lacks",
    "RoomClosed": "the room is closed",
    "SubBlockAbandoned": "members have abandoned a sub-block",
    "VoteGiven": "a vote",
    "VoteRequest": "it stands as host, and asks for votes",
}
_INPUTS: Final[Mapping[type, Callable[[Any], str]]] = {
    ins.JobChanged: lambda of: (
        f"reads that the job is {'open' if of.facts.open else 'over'}{_taken(of.facts)}"
    ),
    ins.JobForgotten: lambda of: "reads that the job is gone",
    ins.RoomHeard: lambda of: f"hears {of.host} announce its room",
    ins.SeatAsked: lambda of: f"hears {of.peer} ask for a seat",
    ins.PeerConnected: lambda of: f"has a stream with {of.peer}",
    ins.PeerLost: lambda of: f"has no stream with {of.peer} any more",
    ins.PeerSaid: lambda of: f"hears from {of.peer}: {words_of(of.message)}",
    ins.Tick: lambda of: "looks at the clock",
    ins.SubBlockComputed: lambda of: f"has computed {of.chunks} chunks in {of.elapsed_ms} ms",
    ins.SubBlockFailed: lambda of: f"could not compute: {of.detail or of.reason.name.lower()}",
    ins.DeliveryEnded: lambda of: "delivered" if of.held is not None else "could not deliver",
    ins.OutputsStored: lambda of: f"stores what {of.member} delivers",
    ins.HeldLoaded: lambda of: f"finds {len(of.held)} results on its disk",
    ins.PublisherRan: lambda of: of.error or "ran a sub-block itself",
    ins.Reexecuted: lambda of: f"ran {len(of.chunks)} chunks again",
    ins.Rechecked: lambda of: f"ran {len(of.chunks)} chunks again on its own account",
    ins.PeersRefused: lambda of: f"refuses {_names(of.peers)}",
    ins.NeighboursChanged: lambda of: f"knows {_names(of.peers)}",
    ins.Stopping: lambda of: "is told to stop",
}
_EFFECTS: Final[Mapping[type, Callable[[Any], str]]] = {
    fx.Persist: lambda of: f"writes down: {of.namespace} {of.key.partition('/')[2]}",
    fx.Send: lambda of: f"tells {_names(of.peers)}: {words_of(of.message)}",
    fx.Gossip: lambda of: f"tells all: {words_of(of.message)}",
    fx.Subscribe: lambda of: f"listens {_topic(of.topic)}",
    fx.Unsubscribe: lambda of: f"listens no more {_topic(of.topic)}",
    fx.Open: lambda of: f"wants a stream with {of.peer}",
    fx.Close: lambda of: f"hangs up on {of.peer}",
    fx.Process: lambda of: "begins to compute",
    fx.StopProcessing: lambda of: "stops computing",
    fx.Deliver: lambda of: f"delivers to {of.publisher}",
    fx.DropOutputs: lambda of: "drops what it computed",
    fx.AnswerHeld: lambda of: of.refused or "acknowledges",
    fx.RunHere: lambda of: "runs a sub-block itself",
    fx.Reexecute: lambda of: f"runs {len(of.chunks)} chunks again",
    fx.Recheck: lambda of: f"runs {len(of.chunks)} chunks again on its own account",
    fx.Accuse: lambda of: f"accuses {of.accused} of chunk {of.chunk}",
    fx.Voided: lambda of: "takes a result back",
    fx.Verified: lambda of: "has a receipt",
    fx.PublishEntry: lambda of: f"writes {of.kind.name} into the database",
    fx.Blame: lambda of: f"blames {of.peer}: {of.reason}",
    fx.HostChanged: lambda of: f"tells its apps that {of.host} hosts",
    fx.PeersChanged: lambda of: f"tells its apps who is there: {_names(of.members)}",
    fx.ProcessingStarted: lambda of: f"tells its apps that {of.member} is at work",
    fx.Processed: lambda of: f"tells its apps that {of.member} is done",
    fx.RoomLeft: lambda of: f"tells its apps that it left: {of.why}",
}


def sentence_of(given: ins.Input | fx.Effect) -> str:
    """One input or effect in words, with the place that it is about."""
    words = {**_INPUTS, **_EFFECTS}.get(type(given))
    said = words(given) if words is not None else _plain(type(given))
    inner = getattr(given, "announcement", None) or getattr(given, "message", None)
    return said + _place(given) + (_place(inner) if isinstance(inner, Message) else "")


def words_of(message: Message) -> str:
    """What a message says, in general."""
    body = message.body if isinstance(message, GossipMessage) else message
    if isinstance(body, SignedEnvelope):
        return f"its {body.kind.name.lower().replace('_', ' ')}"
    name = type(body).__name__
    return MESSAGES.get(name, _plain(type(body)))


def _place(thing: object) -> str:
    """Microjob, sub-block, room and epoch, as far as it names them; why, if it says so."""
    microjob, sub_block = getattr(thing, "microjob", None), getattr(thing, "sub_block", None)
    instance, epoch = getattr(thing, "instance", ""), getattr(thing, "epoch", None)
    found = [f"microjob {microjob}"] if microjob is not None else []
    found += [f"sub-block {sub_block}"] if sub_block is not None else []
    found += [f"room {instance[:INSTANCE_SHOWN]}"] if instance else []
    found += [f"epoch {epoch}"] if epoch is not None else []
    reason = getattr(thing, "reason", None)
    found += [reason.name.lower().replace("_", " ")] if isinstance(reason, Enum) else []
    return f" ({', '.join(found)})" if found else ""


def _taken(facts: ins.JobFacts) -> str:
    return f", and {len(facts.taken)} microjobs taken" if facts.taken else ""


def _topic(topic: str) -> str:
    microjob = topic.split("_")[2:]
    return f"where seats of microjob {microjob[0]} are asked for" if microjob else "to the job's lobby"


def _names(peers: Iterable[str]) -> str:
    return " ".join(peers) or "nobody"


def _plain(kind: type) -> str:
    """`SubBlockComputed` -> `sub block computed`."""
    return _CAPITALS.sub(" ", kind.__name__).lower()
