"""What the master's and the agent's programs have in common: an actor behind one public port.

A `Server` owns the port, the gRPC server behind it, the HTTP server (started when first needed),
and the actor's loop. The shells subclass nothing: they bind, build their actor with the address
they got, `host` it and `run`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from minimesos.actor import Actor
from minimesos.log import get_logger
from minimesos.runtime.frames import StreamKind
from minimesos.runtime.loop import ActorLoop
from minimesos.runtime.one_port import CannotListen, OnePort, ProtocolFactory
from minimesos.runtime.rpc import RpcServer
from minimesos.runtime.stores import Store
from minimesos.runtime.streams import CLOSE_GRACE_S, Peers

if TYPE_CHECKING:
    from aiohttp import web

_log = get_logger(__name__)

_SOMEWHERE_ELSE = "192.0.2.1"  # kept free for documentation, RFC 5737

HttpRunner = Callable[[], Awaitable["web.AppRunner"]]
"""Builds the HTTP server; imports aiohttp, which is why it is called late."""


class Server:
    """One actor, its gRPC streams and its HTTP endpoints on `ip:port`."""

    def __init__(self, http: HttpRunner) -> None:
        self._build_http = http
        self._http_runner: web.AppRunner | None = None
        self.one_port = OnePort(self._start_http)
        self.rpc = RpcServer(self.one_port.grpc_socket)
        self.ip = ""
        self.port = 0

    async def bind(self, ip: str, port: int) -> None:
        """Take the public port; afterwards `ip`, `port` and `address` are known.

        Raises CannotListen.
        """
        self.ip, self.port = await self.one_port.bind(ip, port)
        if ipaddress.ip_address(self.ip).version != 4:
            await self.one_port.stop()
            raise CannotListen(f"{self.ip} is not IPv4, which Mesos's messages require; see --ip")

    @property
    def address(self) -> str:
        """ip:port that clients on this host can use."""
        everywhere = ipaddress.ip_address(self.ip).is_unspecified
        return f"{'127.0.0.1' if everywhere else self.ip}:{self.port}"

    def host(self, actor: Actor, kinds: list[StreamKind], store: Store | None = None) -> Peers:
        """Give `actor` a loop, whose streams of these kinds come in through this server."""
        peers = Peers(ActorLoop(actor, store=store))
        for kind in kinds:
            self.rpc.serve_streams(kind, peers)
        return peers

    async def serve(self) -> None:
        """Open gRPC, then the public port. Raises CannotListen."""
        await self.rpc.start()
        await self.one_port.serve()

    async def stop(self, peers: Peers) -> None:
        """Send what is still to be sent, close everything, give the port back."""
        peers.close_all()
        await self.rpc.stop(CLOSE_GRACE_S)
        await self.one_port.stop()
        if self._http_runner is not None:
            await self._http_runner.cleanup()

    async def _start_http(self) -> ProtocolFactory:
        self._http_runner = await self._build_http()
        assert self._http_runner.server is not None
        return self._http_runner.server


def advertised_ip(ip: str, advertise_ip: str | None) -> str:
    """Return the address to tell others: if it listens on all, the one that others come in by."""
    if advertise_ip is not None:
        return advertise_ip
    if not ipaddress.ip_address(ip).is_unspecified:
        return ip
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((_SOMEWHERE_ELSE, 9))  # sends nothing, only asks for the route
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def advertised_hostname(ip: str, hostname: str | None) -> str:
    """Return the name to tell others. Not looked up in DNS, which may take its time."""
    if hostname:
        return hostname
    return "localhost" if ipaddress.ip_address(ip).is_loopback else ip


def warn_if_exposed(ip: str) -> None:
    """Say loudly that whoever reaches this address is trusted."""
    if not ipaddress.ip_address(ip).is_loopback:
        _log.warning("*" * 72)
        _log.warning(f"LISTENING ON {ip} WITHOUT AUTHENTICATION")
        _log.warning("Whoever can reach this address may run programs as the user who started it.")
        _log.warning("Use --ip=127.0.0.1, or let a firewall admit only hosts that you trust.")
        _log.warning("*" * 72)


def on_signals(stop: Callable[[signal.Signals], None]) -> None:
    """Call `stop` on the running loop for SIGTERM and SIGINT."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
