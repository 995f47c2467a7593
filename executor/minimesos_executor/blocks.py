"""Where an executor's blocks lie, and who serves them.

Without a shuffle service they are in a directory of the executor's own, which ends with it, and
the executor serves them itself. With one (`spark.shuffle.service.enabled`) the service of this
host gives the executor a directory and serves what is there; map outputs stay in it when the
executor goes, until the application or its shuffle does.

Used by links to the driver, once they have the application's settings.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

import grpc.aio

from minimesos.errors import MinimesosError
from minimesos.spark.backends.blocks import BlockService
from minimesos.spark.backends.doorkeeper import OPTIONS, Doorkeeper
from minimesos.spark.backends.shuffle_client import register_executor
from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.application import LOCAL_DIR
from minimesos.spark.settings.shuffle import (
    SHUFFLE_SERVICE_ENABLED,
    SHUFFLE_SERVICE_PORT,
    SHUFFLE_SERVICE_PORT_VARIABLE,
)
from minimesos.spark.shuffle.files import is_output_name


class Place(NamedTuple):
    """Where blocks are."""

    root: str
    """Their directory on this host."""
    address: str
    """Host:port of the Blocks service that has them."""


@dataclass(frozen=True, slots=True)
class Seeker:
    """An executor that needs a place for its blocks."""

    application_id: str
    executor_id: str
    secret: bytes
    ip: str
    """Address of this host as others reach it."""
    port: int
    """Where it is to serve blocks itself; 0: at any port."""
    environment: Mapping[str, str]

    @property
    def local_dirs(self) -> list[str]:
        """Scratch directories that whoever started the executor wants used."""
        return [each for each in self.environment.get("SPARK_LOCAL_DIRS", "").split(",") if each]

    @asynccontextmanager
    async def place(self, conf: Texts, shuffle_credential: bytes) -> AsyncIterator[Place]:
        """Hold a place for as long as the executor lives. Raises MinimesosError."""
        if SHUFFLE_SERVICE_ENABLED.read(conf):
            place = await self._at_service(conf, shuffle_credential)
            try:
                yield place
            finally:
                _leave_outputs(place.root)
            return
        with tempfile.TemporaryDirectory(
            prefix=f"blocks-{self.executor_id}-",
            # As for Spark on Mesos: its own variable, the sandbox, or the system's default.
            dir=next(iter(self.local_dirs), self.environment.get("MESOS_SANDBOX")),
            ignore_cleanup_errors=True,
        ) as root:
            server = grpc.aio.server(interceptors=(Doorkeeper(self.secret),), options=OPTIONS)
            BlockService(self.secret, root).add_to(server)
            try:
                port = server.add_insecure_port(f"{self.ip}:{self.port}")
            except RuntimeError as error:
                raise MinimesosError(
                    f"port {self.port} for blocks is not free at {self.ip}"
                ) from error
            await server.start()
            try:
                yield Place(root, f"{self.ip}:{port}")
            finally:
                await server.stop(None)

    async def _at_service(self, conf: Texts, credential: bytes) -> Place:
        told = self.environment.get(SHUFFLE_SERVICE_PORT_VARIABLE)
        port = told or SHUFFLE_SERVICE_PORT.read(conf)
        address = f"{self.ip}:{port}"
        root = await register_executor(
            address,
            conf,
            self.application_id,
            self.secret,
            self.executor_id,
            credential,
            self.local_dirs or LOCAL_DIR.read(conf),
        )
        return Place(root, address)


def _leave_outputs(root: str) -> None:
    """Delete what is of use to this executor only."""
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                elif not is_output_name(entry.name):
                    os.unlink(entry.path)
    except FileNotFoundError:
        pass  # the application is over
