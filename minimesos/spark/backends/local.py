"""The backend of `local[N]`: one executor on this machine, as a subprocess over a socketpair.

Tasks run in the same control process and workers as on a cluster, without gRPC and without a
handshake. An executor that dies is reported lost and replaced by a new one, under a new id.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from google.protobuf.message import DecodeError

from minimesos.log import get_logger
from minimesos.proto.minimesos import spark_pb2
from minimesos.runtime.frame_socket import Frame, FrameSocket
from minimesos.spark.backends.backend import BackendListener
from minimesos.spark.env import Location
from minimesos.spark.settings import executor_environment

HOST = "localhost"
STOP_TIMEOUT_S = 2.0
FRUITLESS_MAX = 3  # executors in a row that die before a task has ended

_log = get_logger(__name__)


class LocalBackend:
    """Runs one executor with `cores` workers, whose blocks lie below `local_dir`."""

    def __init__(self, cores: int, conf: Mapping[str, str], local_dir: str) -> None:
        self._cores = cores
        self._conf = dict(conf)
        self._local_dir = local_dir
        self._listener: BackendListener | None = None
        self._executor: _Executor | None = None
        self._started = 0
        self._fruitless = 0
        self._application_id = f"local-{int(time.time() * 1000)}"

    @property
    def application_id(self) -> str:
        return self._application_id

    @property
    def default_parallelism(self) -> int:
        return self._cores

    @property
    def blocks_address(self) -> str:
        return ""

    async def start(self, listener: BackendListener) -> None:
        self._listener = listener
        self._start_executor()

    def send(self, executor_id: str, frame: spark_pb2.DriverFrame) -> None:
        if self._executor is not None and self._executor.executor_id == executor_id:
            self._executor.send(frame)

    @property
    def launches_on_offers(self) -> bool:
        return False

    def revive(self) -> None:
        """Nothing was ever declined."""

    def request_total_executors(self, total: int, local_tasks: Mapping[str, int]) -> None:
        """There is one executor, always."""

    def kill_executors(self, executor_ids: Sequence[str]) -> None:
        """Never asked for: there is one executor, always."""

    def forget_shuffles(self, shuffle_ids: Sequence[int]) -> None:
        """There is no shuffle service: files go with their executor."""

    def shortage(self) -> list[str]:
        return []

    async def stop(self) -> None:
        executor, self._executor = self._executor, None
        self._listener = None
        if executor is not None:
            await executor.stop()

    def _start_executor(self) -> None:
        executor_id = str(self._started)
        self._started += 1
        root = os.path.join(self._local_dir, f"executor-{executor_id}")
        os.makedirs(root, mode=0o700, exist_ok=True)
        self._executor = _Executor(self, executor_id, self._cores, root, self._conf)
        registered = spark_pb2.Registered(
            conf=self._conf, application_id=self._application_id, results_root=self._local_dir
        )
        self._executor.send(spark_pb2.DriverFrame(registered=registered))

    def received(self, executor: _Executor, frame: spark_pb2.ExecutorFrame) -> None:
        """A frame came from the executor."""
        if self._listener is None or executor is not self._executor:
            return
        if frame.HasField("register"):
            executor.registered = True
            location = Location(executor.executor_id, HOST, "", executor.root)
            self._listener.executor_added(executor.executor_id, HOST, self._cores, location)
        elif frame.HasField("results"):
            self._fruitless = 0
            self._listener.results(executor.executor_id, frame.results)
        elif frame.printed:
            self._listener.printed(executor.executor_id, frame.printed)
        elif frame.barrier_calls:
            self._listener.barrier_calls(executor.executor_id, frame.barrier_calls)
        elif frame.HasField("goodbye"):
            executor.reason = frame.goodbye.reason

    def died(self, executor: _Executor, reason: str) -> None:
        """The executor is gone."""
        if self._listener is None or executor is not self._executor:
            return
        self._executor = None
        if executor.registered:
            self._listener.executor_lost(executor.executor_id, reason)
        else:
            _log.warning("Executor did not start", executor=executor.executor_id, reason=reason)
        self._fruitless += 1
        if self._fruitless >= FRUITLESS_MAX:
            self._listener.backend_failed(f"no executor lives long enough to end a task: {reason}")
        else:
            self._start_executor()


class _Executor:
    """One life of the subprocess."""

    def __init__(
        self,
        backend: LocalBackend,
        executor_id: str,
        cores: int,
        root: str,
        conf: Mapping[str, str],
    ) -> None:
        self.executor_id = executor_id
        self.root = root
        self.registered = False
        self.reason = ""
        self._backend = backend
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                _command(theirs.fileno(), executor_id, cores, root),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=_environment(conf),
                # Ctrl-C in the driver's terminal must not reach tasks but as the driver decides.
                start_new_session=True,
            )
        loop = asyncio.get_running_loop()
        self._link = FrameSocket(loop, ours, self._on_frame, self._on_close)
        self._exited = loop.create_future()
        # Not a thread that waits: at the end of the driver's process it would be waited for.
        pidfd = os.pidfd_open(self._process.pid)
        loop.add_reader(pidfd, self._on_exit, loop, pidfd)

    def send(self, frame: spark_pb2.DriverFrame) -> None:
        self._link.send(frame.SerializeToString())

    async def stop(self) -> None:
        """End it; by SIGKILL if it does not in time."""
        self.send(spark_pb2.DriverFrame(shutdown=True))
        self._link.close()
        try:
            await asyncio.wait_for(asyncio.shield(self._exited), STOP_TIMEOUT_S)
        except TimeoutError:
            self._process.kill()
            await self._exited

    def _on_frame(self, data: Frame) -> None:
        try:
            frame = spark_pb2.ExecutorFrame.FromString(data)  # type: ignore[arg-type] # it takes any buffer
        except DecodeError:
            self._process.kill()  # what speaks there is no executor of ours any more
            return
        self._backend.received(self, frame)

    def _on_close(self) -> None:
        self._process.kill()  # without a driver it ends by itself, unless it hangs

    def _on_exit(self, loop: asyncio.AbstractEventLoop, pidfd: int) -> None:
        loop.remove_reader(pidfd)
        os.close(pidfd)
        code = self._process.wait()
        self._link.read_rest()
        self._link.close()
        self._exited.set_result(None)
        how = f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
        reason = f"has given up: {self.reason}" if self.reason else how
        self._backend.died(self, f"executor {self.executor_id} (pid {self._process.pid}) {reason}")


def _command(fd: int, executor_id: str, cores: int, root: str) -> list[str]:
    return [
        *(sys.executable, "-P", "-m", "minimesos_executor", "local"),
        *("--fd", str(fd), "--executor-id", executor_id, "--host", HOST),
        *("--cores", str(cores), "--dir", root),
        *("--path", os.pathsep.join(path for path in sys.path if path)),
    ]


def _environment(conf: Mapping[str, str]) -> dict[str, str]:
    """The driver's own, with what the application sets, and one hash seed for all workers."""
    return {"PYTHONHASHSEED": "0", **os.environ, **executor_environment(conf)}
