"""A real cluster of real processes on this machine: `minimesos master` and `minimesos agent`s.

For demos, benchmarks and the few tests that must see processes, sockets and signals; everything
else belongs into `SimCluster`. Ports are the system's choice, the work dir is private and removed.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from minimesos.errors import MinimesosError

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0
LOG_LINES_MAX = 2000  # of each program, kept for failures

_SERVING = re.compile(r"Serving gRPC, HTTP and the console on http://(\S+)")
_REGISTERED = re.compile(r"Registered with master .*; given agent ID (\S+)")


class Program:
    """One `minimesos` process, its log, and the line that says it is up."""

    def __init__(self, command: str, flags: Sequence[str], up: re.Pattern[str]) -> None:
        self._up = up
        self._found = threading.Event()
        self._match: re.Match[str] | None = None
        self.log: deque[str] = deque(maxlen=LOG_LINES_MAX)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "minimesos", command, *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,  # Ctrl-C is for whoever runs the cluster, who then ends it in order
        )
        self._reader = threading.Thread(target=self._read, name=f"{command}-log", daemon=True)
        self._reader.start()

    def wait_up(self) -> str:
        """Return what its line names. Raises MinimesosError with the log if it does not come."""
        self._found.wait(START_TIMEOUT_S)
        if self._match is None:
            raise MinimesosError("did not come up:\n" + "".join(self.log))
        return self._match[1]

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """Signal it, wait for its end and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signum)
        try:
            code = self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._reader.join()
        return code

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self.log.append(line)
                if self._match is None and (match := self._up.search(line)):
                    self._match = match
                    self._found.set()
        self._found.set()


class ProcessCluster:
    """A master and `agents` agents; use it as a context manager."""

    def __init__(
        self,
        agents: int = 2,
        cpus: float = 1,
        mem_mb: int = 2048,
        agent_flags: Sequence[str] = (),
        master_flags: Sequence[str] = (),
    ) -> None:
        self._number_of_agents = agents
        self._master_flags = list(master_flags)
        self._agent_flags = [f"--resources=cpus:{cpus:g};mem:{mem_mb}", *agent_flags]
        self.agents: list[Program] = []

    def __enter__(self) -> Self:
        self.work_dir = Path(tempfile.mkdtemp(prefix="minimesos-cluster-"))
        try:
            self.master = self.start_master(0)
            self.address = self.master.wait_up()
            started = [self.start_agent() for _ in range(self._number_of_agents)]
            for agent in started:
                agent.wait_up()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The master URL for drivers."""
        return f"mesos://{self.address}"

    def start_master(self, port: int) -> Program:
        """Start a master on `port`; `__enter__` has done so once."""
        flags = ["--registry=in_memory", "--ip=127.0.0.1", f"--port={port}"]
        return Program("master", [*flags, *self._master_flags], _SERVING)

    def start_agent(self) -> Program:
        """Start one more agent; `wait_up` of what is returned gives its id."""
        directory = self.work_dir / f"agent-{len(self.agents)}"
        flags = [f"--master={self.address}", "--ip=127.0.0.1", "--port=0"]
        flags.append("--registration_backoff_factor=10ms")  # the master is already there
        agent = Program(
            "agent", [*flags, f"--work_dir={directory}", *self._agent_flags], _REGISTERED
        )
        self.agents.append(agent)
        return agent

    def stop(self) -> None:
        """End everything and remove the work dir."""
        for agent in self.agents:
            agent.process.terminate()
        for agent in self.agents:
            agent.stop()
        if hasattr(self, "master"):
            self.master.stop()
        shutil.rmtree(self.work_dir, ignore_errors=True)
