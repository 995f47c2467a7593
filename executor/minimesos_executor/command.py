"""The command executor: runs one task that is just a command, and reports what becomes of it.

An agent starts it (`python -P -m minimesos_executor command`) for every task without an executor of
its own. Spark executors are such tasks, so its start-up time is part of theirs: nothing is imported
that is not needed before the command runs. It ends when the agent has acknowledged the task's last
status. What the command leaves running is killed by the agent, with the container.

Checks and health checks are not performed.

Source: Mesos 1.11, command executor.
"""

from __future__ import annotations

import base64
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from minimesos.log import get_logger, setup
from minimesos.runtime.frame_socket import Reactor, Timer
from minimesos.runtime.process_tree import descendants
from minimesos.units import NANOSECONDS, format_duration, parse_duration
from minimesos_executor import stderr
from minimesos_executor.agent_link import AgentLink, AgentLost
from minimesos_executor.environment import at_exec
from minimesos_executor.reactor import SelectorReactor

KILL_GRACE_S = 3.0
AGENT_MARGIN_S = 2.0  # of the shutdown grace: left for the last status to arrive
FAREWELL_S = 5.0  # how long the agent may take to acknowledge the last status
UUID_BYTES = 16
EXIT_FAILED = 1
_SHELL = "/bin/sh"
_NEEDED = ("MESOS_FRAMEWORK_ID", "MESOS_EXECUTOR_ID", "MESOS_AGENT_ENDPOINT")

Json = dict[str, Any]

log = get_logger(__name__)


class Child(Protocol):
    """A command that was started."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None:
        """Return its wait status once it has ended."""
        ...

    def signal(self, number: signal.Signals) -> None:
        """Signal it and all that came of it."""
        ...


class StoppableReactor(Reactor, Protocol):
    """A reactor that runs this executor, and so ends with it."""

    def stop(self) -> None: ...


Spawn = Callable[[Json, Mapping[str, str]], Child]
"""Starts a task's command with an environment. Raises OSError, ValueError."""


class CommandExecutor:
    """One task's life. Run by a reactor, told by signals, the agent and timers."""

    def __init__(
        self, environment: Mapping[str, str], reactor: StoppableReactor, spawn: Spawn
    ) -> None:
        self._environment = environment
        self._reactor = reactor
        self._spawn = spawn
        self._link = AgentLink(environment, reactor, self._event, self._agent_lost)
        self._events: dict[str, Callable[[Json], None]] = {
            "SUBSCRIBED": self._subscribed,
            "LAUNCH": self._launch,
            "KILL": self._kill_requested,
            "ACKNOWLEDGED": self._acknowledged,
            "SHUTDOWN": lambda event: self.shut_down(),
            "ERROR": self._error,
            "MESSAGE": lambda event: None,
            "HEARTBEAT": lambda event: None,
        }
        self._connected = True
        self._tells_killing = False
        self._task: Json | None = None
        self._child: Child | None = None  # the command, while it runs
        self._said_from: int | None = None  # where what it says on stderr begins
        self._killed = False
        self._timed_out = False
        self._kill_at: float | None = None
        self._kill_timer: Timer | None = None
        self._last_uuid = ""  # of the task's terminal status
        self.exit_code = 0

    def start(self) -> None:
        """Subscribe. Raises AgentLost."""
        self._link.subscribe()

    def close(self) -> None:
        """Hang up, whatever the agent has not heard yet."""
        self._link.close()

    # -- the agent --------------------------------------------------------------------------------

    def _event(self, event: Json) -> None:
        handler = self._events.get(event["type"])
        if handler is None:
            log.warning("Ignored an event of an unknown type", type=event["type"])
        else:
            handler(event)

    def _subscribed(self, event: Json) -> None:
        subscribed = event["subscribed"]
        log.info(f"Subscribed executor on {subscribed['agent_info']['hostname']}")
        capabilities = subscribed["framework_info"].get("capabilities", [])
        self._tells_killing = {"type": "TASK_KILLING_STATE"} in capabilities

    def _acknowledged(self, event: Json) -> None:
        if event["acknowledged"]["uuid"] == self._last_uuid:
            self._leave(0)

    def _error(self, event: Json) -> None:
        log.error("The agent reports an error", message=event["error"]["message"])
        self._leave(EXIT_FAILED)

    def _agent_lost(self, reason: str) -> None:
        log.error("Lost the agent", why=reason)
        self.exit_code = EXIT_FAILED
        if self._child is None:
            self._leave(EXIT_FAILED)
        else:
            self._connected = False
            self.shut_down()

    def _update(self, task: Json, state: str, message: str = "", reason: str = "") -> str:
        """Send a status; returns its uuid."""
        uuid = base64.b64encode(os.urandom(UUID_BYTES)).decode()
        status = {
            "task_id": task["task_id"],
            "executor_id": {"value": self._environment["MESOS_EXECUTOR_ID"]},
            "state": state,
            "source": "SOURCE_EXECUTOR",
            "timestamp": time.time(),
            "uuid": uuid,
            **({"message": message} if message else {}),
            **({"reason": reason} if reason else {}),
        }
        self._link.send({"type": "UPDATE", "update": {"status": status}})
        return uuid

    # -- the task ---------------------------------------------------------------------------------

    def _launch(self, event: Json) -> None:
        task = event["launch"]["task"]
        if self._task is not None:
            message = 'Attempted to run multiple tasks using a "command" executor'
            self._update(task, "TASK_FAILED", message)
            return
        self._task = task
        task_id = task["task_id"]["value"]
        log.info(f"Starting task {task_id}")
        self._update(task, "TASK_STARTING")
        self._said_from = stderr.position()
        try:
            self._child = self._spawn(task["command"], task_environment(self._environment, task))
        except (OSError, ValueError) as error:
            self._end("TASK_FAILED", f"Failed to launch the command: {error}")
            return
        log.info(f"Forked command at {self._child.pid}")
        self._update(task, "TASK_RUNNING")
        limit_s = _seconds(task.get("max_completion_time"))
        if limit_s is not None:
            self._reactor.call_later(limit_s, self._took_too_long)

    def child_ended(self) -> None:
        """Take note of the command's end, if it has ended."""
        status = None if self._child is None else self._child.poll()
        if self._child is None or status is None:
            return
        message = describe(status)
        log.info(f"{message} (pid: {self._child.pid})")
        self._child = None
        if self._timed_out:
            self._end("TASK_FAILED", message, "REASON_MAX_COMPLETION_TIME_REACHED")
        elif self._killed:
            self._end("TASK_KILLED", message)
        elif status == 0:
            self._end("TASK_FINISHED", message)
        else:
            said = stderr.said_since(self._said_from)
            self._end("TASK_FAILED", f"{message}: {said}" if said else message)

    def _end(self, state: str, message: str, reason: str = "") -> None:
        """Report the task's last state, and leave once the agent has it."""
        assert self._task is not None
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        self._last_uuid = self._update(self._task, state, message, reason)
        if not self._connected:
            self._leave(EXIT_FAILED)
        self._reactor.call_later(FAREWELL_S, lambda: self._leave(EXIT_FAILED))

    def _leave(self, exit_code: int) -> None:
        self.exit_code = self.exit_code or exit_code
        self.close()
        self._reactor.stop()

    # -- its end ----------------------------------------------------------------------------------

    def _kill_requested(self, event: Json) -> None:
        kill = event["kill"]
        if self._task is None or kill["task_id"] != self._task["task_id"]:
            log.warning("Ignored the kill of an unknown task", task=kill["task_id"]["value"])
            return
        self._kill(self._grace_s(kill))

    def _grace_s(self, kill: Json) -> float:
        """Return the grace of a kill, by its own policy or else the task's."""
        assert self._task is not None
        for policy in (kill.get("kill_policy"), self._task.get("kill_policy")):
            grace_s = _seconds((policy or {}).get("grace_period"))
            if grace_s is not None:
                return grace_s
        return KILL_GRACE_S

    def _took_too_long(self) -> None:
        if self._child is not None and not self._killed:
            log.info("The task took longer than its max_completion_time")
            self._timed_out = True
            self._kill(0.0)

    def shut_down(self) -> None:
        """Kill the task, if there is one, in time before the agent kills everything."""
        log.info("Shutting down")
        if self._child is None:
            if not self._last_uuid:
                self._leave(self.exit_code)
            return
        given = self._environment.get("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "5secs")
        self._kill(max(parse_duration(given) - AGENT_MARGIN_S, 0.0))

    def _kill(self, grace_s: float) -> None:
        """SIGTERM the first time, SIGKILL after the grace; later calls can only shorten it."""
        if self._child is None or self._task is None:
            return
        now = self._reactor.time()
        if self._kill_at is None:
            log.info(f"Killing the task with a grace period of {format_duration(grace_s)}")
            self._killed = True
            if self._tells_killing and not self._timed_out:
                self._update(self._task, "TASK_KILLING")
            self._child.signal(signal.SIGTERM if grace_s > 0 else signal.SIGKILL)
        elif now + grace_s >= self._kill_at:
            return
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        self._kill_at = now + grace_s
        self._kill_timer = self._reactor.call_later(grace_s, self._grace_is_over)

    def _grace_is_over(self) -> None:
        if self._child is not None:
            log.info("The grace period is over: sending SIGKILL")
            self._child.signal(signal.SIGKILL)


class ChildProcess:
    """A command that runs as a child of this process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return status if pid else None

    def signal(self, number: signal.Signals) -> None:
        signal_tree(self.pid, number)


def spawn(command: Json, environment: Mapping[str, str]) -> ChildProcess:
    """Start the command in a session of its own. Raises OSError, ValueError."""
    value = command.get("value", "")
    if not value:
        raise ValueError("the command has no value")
    if command.get("shell", True):
        return _spawn(_SHELL, ["sh", "-c", value], environment)
    arguments = command.get("arguments") or [value]
    if "/" in value:
        return _spawn(value, arguments, environment)
    for directory in os.get_exec_path(environment):
        with suppress(FileNotFoundError, NotADirectoryError):
            return _spawn(os.path.join(directory, value), arguments, environment)
    raise FileNotFoundError(f"'{value}' is not in PATH")


def _spawn(path: str, arguments: Sequence[str], environment: Mapping[str, str]) -> ChildProcess:
    # posix_spawn does not copy this process, and reports why exec failed.
    pid = os.posix_spawn(
        path,
        list(arguments),
        environment,
        setsid=True,
        setsigmask=(),
        setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
    )
    return ChildProcess(pid)


def task_environment(environment: Mapping[str, str], task: Json) -> dict[str, str]:
    """Return the environment of the task: the executor's, its role's name, then the command's."""
    given = dict(environment)
    for resource in task.get("resources", []):
        role = resource.get("allocation_info", {}).get("role")
        if role:
            given["MESOS_ALLOCATION_ROLE"] = role
            break
    for variable in task["command"].get("environment", {}).get("variables", []):
        if variable.get("type") == "SECRET":
            data = variable.get("secret", {}).get("value", {}).get("data", "")
            given[variable["name"]] = base64.b64decode(data).decode(errors="replace")
        else:
            given[variable["name"]] = variable.get("value", "")
    return given


def signal_tree(pid: int, number: signal.Signals) -> None:
    """Signal the command, everything below it and everything in its process group."""
    below = descendants(pid)
    with suppress(ProcessLookupError):
        os.killpg(pid, number)
    for each in below:
        with suppress(ProcessLookupError):
            if os.getpgid(each) != pid:
                os.kill(each, number)


def describe(status: int) -> str:
    """Say what a wait status means, in Mesos's words."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"Command terminated with signal {signal.strsignal(number) or number}"
    return f"Command exited with status {os.WEXITSTATUS(status)}"


def _seconds(duration: Json | None) -> float | None:
    """Read a DurationInfo."""
    return None if duration is None else int(duration["nanoseconds"]) / NANOSECONDS


def _on_signals(
    reactor: SelectorReactor, handlers: Mapping[signal.Signals, Callable[[], None]]
) -> None:
    """Call a handler in the reactor's turn when its signal arrives."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    os.set_blocking(reading, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in handlers:
        signal.signal(number, lambda *_: None)

    def arrived() -> None:
        for number in set(os.read(reading, 4096)):
            handlers[signal.Signals(number)]()

    reactor.add_reader(reading, arrived)


def main(arguments: Sequence[str]) -> int:
    """Run the executor that the environment describes; returns the exit code."""
    setup()
    given = at_exec()
    missing = [name for name in _NEEDED if not given.get(name)]
    if missing or arguments:
        what = f"not in the environment: {', '.join(missing)}" if missing else "takes no arguments"
        print(f"an agent starts this; {what}", file=sys.stderr)
        return 2
    reactor = SelectorReactor()
    executor = CommandExecutor(given, reactor, spawn)
    _on_signals(reactor, {signal.SIGCHLD: executor.child_ended, signal.SIGTERM: executor.shut_down})
    try:
        executor.start()
    except AgentLost as error:
        log.error("Cannot subscribe", why=error)
        return EXIT_FAILED
    reactor.run()
    return executor.exit_code
