"""The way to the driver of `local[N]`: frames of spark.proto over a socketpair.

There is no handshake, because nobody else can hold the other end. When the driver is gone the
socket closes, and the executor ends; if the driver was killed, it removes what the driver would
have removed. Imports neither grpc nor asyncio.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable

from minimesos.proto.minimesos import spark_pb2
from minimesos.runtime.frame_socket import Frame, FrameSocket
from minimesos.runtime.scratch import remove_if_abandoned
from minimesos_executor.control import Control, Identity
from minimesos_executor.pool import Fetch
from minimesos_executor.reactor import SelectorReactor
from minimesos_executor.zygote import Zygote

OUTBOX_BYTES_MAX = 2**26  # unsent results at which the workers have to wait
DEATH_TIMEOUT_S = 1.0  # for a driver that has closed the socket unasked to be dead altogether


class LocalLink:
    """The socketpair, and the loop of the process."""

    has_log = False

    def __init__(
        self, driver: socket.socket, zygote: Zygote, identity: Identity, local_dir: str
    ) -> None:
        self._reactor = SelectorReactor()
        self._exit_code = 0
        self._local_dir = local_dir
        self._is_dismissed = False
        self._process = os.pidfd_open(os.getppid())
        self._driver = FrameSocket(self._reactor, driver, self._on_frame, self._reactor.stop)
        self._control = Control(self._reactor, zygote, identity, self)

    def run(self) -> int:
        """Run until the end; returns the exit code."""
        me = self._control.identity
        register = spark_pb2.Register(
            executor_id=me.executor_id, host=me.host, cores=me.cores, pid=os.getpid()
        )
        self.send(spark_pb2.ExecutorFrame(register=register))
        self._reactor.run()
        self._control.close()
        if not self._is_dismissed and select.select([self._process], [], [], DEATH_TIMEOUT_S)[0]:
            remove_if_abandoned(os.path.dirname(self._local_dir))
        return self._exit_code

    def send(self, frame: spark_pb2.ExecutorFrame) -> None:
        self._driver.send(frame.SerializeToString())
        if self._driver.outbox_bytes > OUTBOX_BYTES_MAX:
            self._control.pool.pause()
            self._driver.when_sent(self._control.pool.resume)

    def fetch(self, wish: Fetch, answer: Callable[[str, int], None]) -> None:
        answer("there are no other executors in local mode", 0)

    def give_up(self, reason: str) -> None:
        self.send(spark_pb2.ExecutorFrame(goodbye=spark_pb2.Goodbye(reason=reason)))
        self._exit_code = 1
        self.shut_down()

    def shut_down(self) -> None:
        self._is_dismissed = True
        self._reactor.stop()

    def _on_frame(self, data: Frame) -> None:
        frame = spark_pb2.DriverFrame.FromString(data)  # type: ignore[arg-type] # it takes any buffer
        if frame.HasField("registered"):
            self._control.configure(frame.registered, self._local_dir)
        self._control.handle(frame)
