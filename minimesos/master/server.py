"""The master's program around its core: one port with gRPC, operator endpoints and pages.

Used by `minimesos master`, by clusters in one process and by tests. It decides nothing: stimuli go
to `Master`, snapshots come from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random, SystemRandom
from typing import TYPE_CHECKING

import minimesos
from minimesos.actor import Effect
from minimesos.flags import flags_at_startup, to_json
from minimesos.ids import RandomIds
from minimesos.log import get_logger
from minimesos.master import snapshot
from minimesos.master.flags import MasterFlags
from minimesos.master.master import Master, master_info
from minimesos.master.operator import Operator, OperatorRefusal
from minimesos.proto.mesos.v1 import master_pb2
from minimesos.runtime.frames import AGENT, SCHEDULER
from minimesos.runtime.rpc import OperatorError
from minimesos.runtime.server import (
    Server,
    advertised_hostname,
    advertised_ip,
    warn_if_exposed,
)
from minimesos.runtime.streams import Peers

if TYPE_CHECKING:
    from aiohttp import web

    from minimesos.http.routing import Handler

Pages = Callable[[], "Mapping[str, Handler]"]
"""Returns the routes of a console; called with the first HTTP request, so it may import late."""

_log = get_logger(__name__)


class MasterServer:
    """A master that listens. `start`, then `run`; `address` is known in between."""

    def __init__(self, flags: MasterFlags, pages: Pages | None = None) -> None:
        self._flags = flags
        self._pages = pages
        self._server = Server(self._build_http)
        self.core: Master
        self._peers: Peers

    @property
    def address(self) -> str:
        """ip:port that clients on this host can use."""
        return self._server.address

    async def start(self) -> None:
        """Listen. Raises CannotListen."""
        flags, server = self._flags, self._server
        await server.bind(flags.ip, flags.port)
        warn_if_exposed(server.ip)
        _log.info(f"Version: {minimesos.__version__}")
        _log.info(f"Using '{flags.allocator}' allocator")
        _log.info(flags_at_startup(flags))
        ip = advertised_ip(server.ip, flags.advertise_ip)
        info = master_info(
            RandomIds(SystemRandom()).uuid(),
            ip,
            flags.advertise_port or server.port,
            advertised_hostname(ip, flags.hostname),
        )
        self.core = Master(flags, info, Random())
        self._peers = server.host(self.core, [SCHEDULER, AGENT])
        server.rpc.serve_locate()
        server.rpc.serve_operator(self._operate)
        await server.serve()

    async def run(self) -> int:
        """Work until `stop` or a failure; returns the exit code."""
        _log.info(f"Serving gRPC, HTTP and the console on http://{self.address}")
        try:
            return await self._peers.host.run()
        finally:
            await self._server.stop(self._peers)

    def stop(self, reason: str) -> None:
        """Make `run` return. Callable from any thread."""
        self._peers.host.stop(0, reason)

    def _state(self) -> dict[str, object]:
        return snapshot.state(self.core, self._peers.host.clock.now())

    async def _build_http(self) -> web.AppRunner:
        from minimesos.http import endpoints, metrics
        from minimesos.http.routing import Router

        def numbers() -> dict[str, object]:
            return metrics.master_metrics(self._state(), self._peers.host.clock.now())

        routes = endpoints.common_routes("master", to_json(self._flags), self._state, numbers)
        routes |= endpoints.master_routes(
            self._state, lambda: snapshot.roles(self.core), lambda: snapshot.agents(self.core)
        )
        if self._pages is not None:
            routes |= self._pages()
        return await Router("master", routes).runner()

    async def _operate(self, call: master_pb2.Call) -> master_pb2.Response:
        """Let the core answer between two stimuli."""
        answered: asyncio.Future[master_pb2.Response] = asyncio.get_running_loop().create_future()

        def answer(now: float) -> Sequence[Effect]:
            try:
                response, effects = Operator(self.core).operate(call, now)
            except OperatorRefusal as refusal:
                answered.set_exception(OperatorError(refusal.status, str(refusal)))
                return ()
            answered.set_result(response or master_pb2.Response())
            return effects

        self._peers.host.post(answer)
        return await answered
