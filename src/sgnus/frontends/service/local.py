"""The local service of a node: opens its doors, says where they are, and shuts them."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc
import uvicorn

from sgnus.frontends.service.bounds import (
    CONNECTIONS_MAX,
    CONNECTIONS_WAITING_MAX,
    HTTP_HEADER_BYTES_MAX,
    STOP_MS_MAX,
)
from sgnus.frontends.service.gate import Gate
from sgnus.frontends.service.places import (
    ServiceFile,
    free_socket_path,
    free_socket_place,
    make_home,
    own_token,
    remove_service,
    write_service,
)
from sgnus.frontends.service.probes import Probes
from sgnus.frontends.service.routes import PUBLIC_PATHS, application
from sgnus.frontends.service.rpc import loopback_server, socket_server
from sgnus.frontends.service.waiting import yielding_protocol
from sgnus.messages.errors import UserFault, WorldFault
from sgnus.runtime.local_api import LocalApi

LOOPBACK = "127.0.0.1"


class LocalService:
    """Serves `api` from `start` to `stop`. Ports of 0 are chosen by the system and told in `service.json`."""

    def __init__(
        self,
        api: LocalApi,
        home: Path,
        *,
        http_port: int = 0,
        grpc_port: int = 0,
        notices: Sequence[str] = (),
        probes: Probes | None = None,
    ) -> None:
        self._api = api
        self._app = application(api, probes)
        self._home = home
        self._ports = (http_port, grpc_port)
        self._notices = tuple(notices)
        self._rpc_servers: list[grpc.aio.Server] = []
        self._web: _WebServer | None = None
        self._web_task: asyncio.Task[None] | None = None
        self._socket_path: Path | None = None
        self._published: ServiceFile | None = None

    async def start(self) -> ServiceFile:
        """Listen, then publish where. UserFault: another node uses this home, or a port is taken."""
        try:
            return await self._open()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Shut all doors; calls under way get a moment to end. May be called again."""
        if self._published is not None:
            remove_service(self._home, self._published)
            self._published = None
        await asyncio.gather(self._close_web(), *(one.stop(STOP_MS_MAX / 1000) for one in self._rpc_servers))
        if self._socket_path is not None:
            free_socket_place(self._socket_path, self._home)
        self._rpc_servers, self._web, self._web_task, self._socket_path = [], None, None, None

    async def _open(self) -> ServiceFile:
        make_home(self._home)
        path = free_socket_path(self._home)
        token = own_token(self._home)
        http_port, grpc_port = self._ports
        # gRPC's own word for a taken port is a log line; this says it in a sentence.
        _listen(grpc_port).close()
        listener = _listen(http_port)
        try:
            self._rpc_servers.append(socket_server(self._api, path))
            self._socket_path = path
            over_loopback, grpc_port = loopback_server(self._api, token, grpc_port)
            self._rpc_servers.append(over_loopback)
        except BaseException:
            listener.close()
            raise
        for server in self._rpc_servers:
            await server.start()
        http_port = int(listener.getsockname()[1])
        await self._open_web(listener, http_port, token)
        service = ServiceFile(http_port, grpc_port, str(path), os.getpid(), self._notices)
        write_service(self._home, service)
        self._published = service
        return service

    async def _close_web(self) -> None:
        if self._web is not None and self._web_task is not None:
            self._web.should_exit = True
            await self._web_task

    async def _open_web(self, listener: socket.socket, port: int, token: str) -> None:
        gate = Gate(self._app, port=port, token=token, public=PUBLIC_PATHS)
        self._web = _WebServer(_web_config(gate))
        self._web_task = asyncio.create_task(self._web.serve(sockets=[listener]))
        started = asyncio.create_task(self._web.listening.wait())
        await asyncio.wait({started, self._web_task}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if self._web_task.done():
            raise WorldFault(f"the HTTP service did not start on port {port}")


class _WebServer(uvicorn.Server):
    """uvicorn without its signal handlers: the node decides what a signal means."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _web_config(gate: Gate) -> uvicorn.Config:
    return uvicorn.Config(
        gate,
        http=yielding_protocol(CONNECTIONS_WAITING_MAX),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS_MAX,
        h11_max_incomplete_event_size=HTTP_HEADER_BYTES_MAX,
        timeout_graceful_shutdown=STOP_MS_MAX // 1000,
    )


def _listen(port: int) -> socket.socket:
    # The protocol is named because asyncio turns Nagle.s delay off only for a socket that says TCP: 40 ms a call.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError as error:
        listener.close()
        raise UserFault(
            f"port {port} on {LOOPBACK} is taken ({error.strerror}): choose another, or 0 for any"
        ) from None
    return listener
