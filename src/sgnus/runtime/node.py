"""One node, put together: adapters, database, core and its engine. The only place that knows all of them."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from sgnus.adapters import heap
from sgnus.adapters.gossip import Libp2pGossip
from sgnus.adapters.overruns import Overruns
from sgnus.adapters.peers.budget import StreamBudget
from sgnus.adapters.peers.node import GrpcPeers, Self
from sgnus.adapters.processors.pool import ProcessorPool
from sgnus.adapters.store import SqliteStore
from sgnus.core.ballot import voted_before
from sgnus.core.beaconing import spoken_before
from sgnus.core.node import NodeCore
from sgnus.core.round_list import sealed_before
from sgnus.crypto.identity import Identity
from sgnus.messages.errors import UserFault
from sgnus.messages.ids import NetworkId, PeerId
from sgnus.messages.limits import PROTOCOL_VERSION, RECHECK_PERMILLE_DEFAULT, SETTLE_GRACE_MS, WORKERS_MAX
from sgnus.messages.v1.types import AddressRecord, Endpoint, SignedEnvelope, SignedKind
from sgnus.ports import Store
from sgnus.runtime.acquaintance import Acquaintance
from sgnus.runtime.addresses import AddressBook
from sgnus.runtime.apps import Apps
from sgnus.runtime.background import Background
from sgnus.runtime.clearing import Clearing, settling_of
from sgnus.runtime.database import Database
from sgnus.runtime.departing import depart
from sgnus.runtime.drivers import Drivers
from sgnus.runtime.engine import Engine
from sgnus.runtime.events import EventHub
from sgnus.runtime.evidence import Evidence
from sgnus.runtime.hearing import Feeds, Hearing
from sgnus.runtime.home import NodeHome
from sgnus.runtime.inputs import Inputs
from sgnus.runtime.inquiries import Inquiries, accusing_jobs
from sgnus.runtime.job_watch import JobWatch, is_busy, works_for
from sgnus.runtime.jobs import JobBook, unix_ms
from sgnus.runtime.network_file import (
    NetworkFile,
    is_private,
    private_network,
    read_network,
    write_network,
)
from sgnus.runtime.pens import EnvelopePen
from sgnus.runtime.performing import Moved, Performing
from sgnus.runtime.proofs import Proofs
from sgnus.runtime.publisher_run import PublisherRuns
from sgnus.runtime.reach import hosts_told, multiaddrs_told
from sgnus.runtime.rechecks import Rechecks
from sgnus.runtime.reclaiming import Reclaiming
from sgnus.runtime.records import Records
from sgnus.runtime.restoring import remove_unfinished, restore_jobs
from sgnus.runtime.serving import Auditing, NodeService, Publishing, Receiving
from sgnus.runtime.sgnus_nodes import SgnusNodes, check_listed
from sgnus.runtime.trials import Sources, Trials
from sgnus.runtime.work import Deliveries, Hands, Secrets, Worker

LOG: Final = logging.getLogger("sgnus.node")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOptions:
    """How a node is started. Port 0: the one of the last run, else any free one."""

    home: Path
    workers: int = 1
    listen: str = "127.0.0.1"
    port: int = 0
    peer_port: int = 0
    network: Path | None = None
    discover: bool = False
    bootstrap: tuple[str, ...] = ()
    announce: tuple[str, ...] = ()
    settle: bool = False
    settle_grace_ms: int = SETTLE_GRACE_MS
    recheck_permille: int = RECHECK_PERMILLE_DEFAULT
    """Of the chunks that this node receives as a publisher, how many of a thousand it runs again itself."""


@dataclass(frozen=True, slots=True)
class NodeParts:
    """The parts that frontends ask (through `runtime.api`)."""

    options: NodeOptions
    network: NetworkFile
    drivers: Drivers
    engine: Engine
    jobs: JobBook
    hub: EventHub
    addresses: AddressBook
    apps: Apps
    hearing: Hearing
    background: Background
    notices: Sequence[str]
    """What the operator must read: what was amiss at the start, and what became of it."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set as soon as the node was told to end: it takes nothing new then."""

    @property
    def core(self) -> NodeCore:
        return self.engine.core


class Node:
    """Starts and stops the parts in order."""

    def __init__(self, options: NodeOptions) -> None:
        if not 0 <= options.workers <= WORKERS_MAX:
            raise UserFault(f"{options.workers} workers: a node has 0 to {WORKERS_MAX}.")
        if not 0 <= options.recheck_permille <= 1000:
            raise UserFault("The share that is run again is 0 % to 100 % of the chunks.")
        self.options = options
        self.home = NodeHome(options.home)
        self._parts: NodeParts | None = None

    async def start(self) -> NodeParts:
        """Start everything. UserFault and WorldFault say why it cannot be; nothing is left running then."""
        self.home.take()
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def depart(self, hurry: asyncio.Event | None = None) -> None:
        """Before `stop`: leave in order, and end what others wait for, within a bound. `hurry`: leave, and no more."""
        if self._parts is not None:
            await depart(self._parts, hurry or asyncio.Event())

    async def stop(self) -> None:
        """Stop what runs, close what is open. Without `depart` before it, to others this is a crash."""
        parts, self._parts = self._parts, None
        if parts is not None:
            drivers = parts.drivers
            parts.stopping.set()
            await parts.background.stop()
            await parts.engine.stop()
            await drivers.gossip.stop()
            await drivers.peers.stop()
            if drivers.pool is not None:
                await drivers.pool.stop()
            await drivers.database.stop()
            parts.jobs.close()
        self.home.release()

    async def _start(self) -> NodeParts:
        heap.prepare()
        network = network_of(self.options, self.home)
        identity = self.home.identity()
        if self.options.settle:
            pen = EnvelopePen(identity, NetworkId(network.id))
            check_listed(network, pen.peer, pen.vrf_key)
        parts = self._parts = await assemble(self.options, self.home, identity, network)
        accusing = await accusing_jobs(parts.drivers.store, parts.drivers.database)
        await parts.background.inquiries.start(accusing)
        await parts.background.watch.prepare()
        await self._listen(parts, parts.background.service)
        if parts.drivers.pool is not None:
            await parts.drivers.pool.start()
        await parts.background.watch.start()
        parts.engine.start()
        await parts.background.clearing.start()
        await parts.background.records.start()
        await parts.background.meet(parts, tuple(network.bootstrap) + self.options.bootstrap)
        return parts

    async def _listen(self, parts: NodeParts, service: NodeService) -> None:
        """Open both doors to peers, on the ports of the last run where they are free to choose."""
        options, drivers = self.options, parts.drivers
        _gossip_port, peer_port = self.home.ports(options.listen)
        endpoint = await drivers.peers.start(
            service,
            parts.hearing.peer_event,
            host=options.listen,
            port=options.peer_port or peer_port,
            settlement=parts.background.clearing.settling,
        )
        gossip_port = _port_of(await drivers.gossip.start(parts.hearing.gossip_event))
        hosts = hosts_told(options.listen, options.announce)
        endpoints = tuple(Endpoint(host=host, port=endpoint.port) for host in hosts)
        multiaddrs = multiaddrs_told(hosts, gossip_port, parts.core.pen.peer)
        address = parts.addresses.announce(endpoints, multiaddrs)
        drivers.peers.announce(address)
        parts.core.address = address
        self.home.keep_ports(gossip_port, endpoint.port)


def network_of(options: NodeOptions, home: NodeHome) -> NetworkFile:
    """The network file that was named or lies in the home; without one, a private network of this home's own.

    UserFault when there is none to read, or a private one is to be looked for beyond this machine.
    """
    path = options.network or home.network_path
    is_there = path.exists() or options.network is not None
    network = read_network(path) if is_there else private_network()
    if options.discover and is_private(network):
        raise UserFault(
            "--discover looks beyond this machine, and the network of this home is a private one of its own: first"
            " create one (sgnus network create NAME) or join one (sgnus network join INVITATION), or leave out --discover."
        )
    if not is_there:
        write_network(path, network)
    return network


async def assemble(
    options: NodeOptions, home: NodeHome, identity: Identity, network: NetworkFile
) -> NodeParts:
    """Make the parts and join them; nothing listens yet, but the database is open."""
    network_id = NetworkId(network.id)
    pen = EnvelopePen(identity, network_id)
    hub = EventHub()
    hearing = Hearing(pen)
    drivers = _drivers(options, home, identity, network, hearing)
    acquaintance = Acquaintance(pen.peer, drivers)
    addresses = AddressBook(identity, network_id, unix_ms, acquaintance.learned)
    nodes = SgnusNodes(network, pen.peer, drivers.peers, addresses)
    auditing = Auditing(frozenset(nodes.listed))
    inputs = Inputs(drivers.peers.calls, auditing.lent)
    jobs = JobBook(home.jobs_path, pen.peer, network_id, inputs.blob)
    core = NodeCore.create(pen, _unaddressed(pen), options.workers, secrets.randbits(40))
    performing = Performing(drivers, hub, hearing)
    engine = Engine(core, performing.persist, performing.perform)
    receiving = Receiving(engine.put)
    worker = Worker(jobs, inputs, drivers.pool)
    hands = Hands(worker, jobs, pen.peer, Secrets(identity.seed), engine.put)
    rechecks = Rechecks(jobs, worker, hands, engine.put, permille=options.recheck_permille)
    publishing = Publishing(jobs, core, pen, receiving, draw=rechecks.draw, auditing=auditing)
    apps = Apps(engine, jobs, inputs, hands)
    sources = Sources(drivers.database, jobs, inputs, addresses.try_learn)
    inquiries = _inquiries(engine, Trials(sources, worker, pen), drivers, network)
    watch = JobWatch(drivers, jobs, engine, hub, inquiries)
    drivers.database.comparisons.is_busy = hearing.entries.is_busy = partial(is_busy, core)
    hearing.entries.works_for = partial(works_for, core)
    proofs = Proofs(jobs, worker, hands, hub, engine.put)
    proofs.connect(drivers.store, drivers.database.submit)
    clearing = Clearing(nodes, drivers, Reclaiming(nodes, hands, engine.put))
    if options.settle:
        clearing.settle(settling_of(pen, network, drivers, (jobs, proofs), options.settle_grace_ms))
    records = Records(drivers.database, drivers.store, engine.put)
    watch.followers += [clearing.look, records.look]
    performing.connect(
        Moved(
            receiving=receiving,
            hands=hands,
            deliveries=Deliveries(hands, drivers.peers.calls, publishing.store_here, engine.put),
            apps=apps,
            proofs=proofs,
            clearing=clearing,
            rechecks=rechecks,
            runs=PublisherRuns(jobs, worker, hands, receiving, engine.put),
            engine=engine,
            jobs=jobs,
        )
    )
    hearing.connect(Feeds(engine, addresses, acquaintance, drivers, watch, hands, inquiries))
    notices = await _open(home, drivers.database, network_id, pen.peer)
    await remember(core, proofs.evidence, drivers.store)
    service = NodeService(publishing, drivers.database, addresses, proofs.evidence)
    background = Background(
        hands, watch, service, acquaintance, inquiries=inquiries, clearing=clearing, records=records
    )
    return NodeParts(
        options, network, drivers, engine, jobs, hub, addresses, apps, hearing, background, notices
    )


async def _open(home: NodeHome, database: Database, network: NetworkId, me: PeerId) -> list[str]:
    """The database, with the jobs that it lost and their folders still have; says what the operator must read."""
    notices = list(await database.start())
    is_whole = not notices  # Else what was published and not yet named is not known any more.
    notices += await restore_jobs(home.jobs_path, database, network, me, unix_ms())
    if is_whole:
        await remove_unfinished(home.jobs_path, database, unix_ms())
    for notice in notices:
        LOG.warning("%s", notice)
    return notices


async def remember(core: NodeCore, evidence: Evidence, store: Store) -> None:
    """What we said in elections and rounds before we were started again, and what we can show of frauds."""
    core.own.votes = voted_before(await store.facts("vote"))
    core.rounds.sealed = sealed_before(await store.facts("seal"))
    core.rounds.spoken = spoken_before(await store.facts("beacon"))
    await evidence.load()


def _inquiries(engine: Engine, trials: Trials, drivers: Drivers, network: NetworkFile) -> Inquiries:
    core = engine.core
    return Inquiries(
        core.pen.peer,
        drivers.store,
        engine.put,
        hold=trials.hold,
        is_here=lambda peer: core.hosts("", peer),
        sgnus_nodes=[PeerId(node.peer) for node in network.sgnus_nodes],
    )


def _drivers(
    options: NodeOptions, home: NodeHome, identity: Identity, network: NetworkFile, hearing: Hearing
) -> Drivers:
    gossip_port, _peer_port = home.ports(options.listen)
    store = SqliteStore(home.database_path)
    database = Database(
        store,
        identity,
        NetworkId(network.id),
        settlement_peers=[PeerId(node.peer) for node in network.sgnus_nodes],
        clock_ms=unix_ms,
        publish=hearing.publish_entries,
        on_change=hearing.job_changed,
    )
    overruns = Overruns()
    gossip = Libp2pGossip(
        identity.seed,
        (options.listen, options.port or gossip_port),
        psk=bytes.fromhex(network.psk) if network.psk else None,
        overruns=overruns,
    )
    streamed = StreamBudget(overruns)
    own = Self(
        identity=identity,
        network=NetworkId(network.id),
        boot=unix_ms(),
        overruns=overruns,
        streamed=streamed,
    )
    peers = GrpcPeers(own)
    pool = ProcessorPool(options.workers) if options.workers else None
    counters = {"gossip": gossip.counters, "peers": lambda: peers.counters}
    charge = partial(streamed.owe, size=0)
    return Drivers(gossip, peers, store, database, pool, counters, charge)


def _unaddressed(pen: EnvelopePen) -> SignedEnvelope:
    """Stands for our address until we listen; the core says nothing before."""
    record = AddressRecord(
        peer=pen.peer, endpoints=(), multiaddrs=(), sequence=0, expires_ms=0, protocol=PROTOCOL_VERSION
    )
    return pen.sign(SignedKind.ADDRESS, record)


def _port_of(multiaddrs: Sequence[str]) -> int:
    """The TCP port of our first multiaddr (`/ip4/../tcp/<port>/p2p/..`)."""
    parts = multiaddrs[0].split("/") if multiaddrs else []
    return int(parts[parts.index("tcp") + 1]) if "tcp" in parts else 0
