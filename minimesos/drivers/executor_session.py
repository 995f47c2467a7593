"""An executor's bond with its agent: subscribe, report until acknowledged, end with the agent.

Owned by an executor program or the callback driver, through the words in `session`. Every status
gets its uuid, time and agent here; statuses that the agent has not acknowledged, and tasks of which
it has acknowledged no status, are sent again with each subscription, in order. When the agent is
gone and would not come back for us, the owner gets a SHUTDOWN as if the agent had sent it.

It kills nothing: when the grace period after a SHUTDOWN is over it stops, and the program ends.

Source: Mesos documentation "Executor HTTP API"; the rest as in the executor driver of Mesos 1.11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

from minimesos.actor import (
    CancelTimer,
    Close,
    Connect,
    Connected,
    Disconnected,
    Effect,
    EffectFailed,
    Received,
    Send,
    SetTimer,
    Stimulus,
    Stop,
    TimerFired,
)
from minimesos.backoff import Backoff
from minimesos.drivers.session import Arrived, Failed, Leave, Submit, Subscribed, Unsubscribed
from minimesos.errors import InvalidValue
from minimesos.ids import Ids
from minimesos.log import get_logger
from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2
from minimesos.units import parse_duration

AGENT = "agent"

SUBSCRIPTION_BACKOFF_MAX_S = 2.0
CONNECT_TIMEOUT_S = 10.0
"""For a connection to open, and then for the answer to SUBSCRIBE."""
FIRST_SUBSCRIPTION_TIMEOUT_S = 60.0
"""The agent that started us listens already; if it does not it is gone."""
SHUTDOWN_GRACE_S = 5.0
RECOVERY_TIMEOUT_S = 15 * 60.0
EXIT_FAILED = 1

_ATTEMPT = "attempt"
_RECOVERY = "recovery"
_GRACE = "shutdown-grace"

_Call = executor_pb2.Call
_Event = executor_pb2.Event

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ExecutorEnvironment:
    """What an agent tells an executor by its environment."""

    framework_id: str
    executor_id: str
    agent_id: str
    agent_address: str
    sandbox: str
    shutdown_grace_s: float
    checkpoint: bool
    recovery_timeout_s: float
    backoff_max_s: float

    @classmethod
    def parse(cls, environment: Mapping[str, str]) -> ExecutorEnvironment:
        """Read `MESOS_*`; raises InvalidValue that names every missing variable."""
        needed = ("MESOS_FRAMEWORK_ID", "MESOS_EXECUTOR_ID", "MESOS_SLAVE_ID",
                  "MESOS_AGENT_ENDPOINT", "MESOS_DIRECTORY")  # fmt: skip
        missing = [name for name in needed if not environment.get(name)]
        if missing:
            raise InvalidValue(
                f"not started by an agent: {', '.join(missing)} not in the environment"
            )

        def seconds(name: str, default_s: float) -> float:
            given = environment.get(name)
            return parse_duration(given) if given else default_s

        framework_id, executor_id, agent_id, address, sandbox = (environment[n] for n in needed)
        return cls(
            framework_id=framework_id,
            executor_id=executor_id,
            agent_id=agent_id,
            agent_address=address,
            sandbox=sandbox,
            shutdown_grace_s=seconds("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", SHUTDOWN_GRACE_S),
            checkpoint=environment.get("MESOS_CHECKPOINT") == "1",
            recovery_timeout_s=seconds("MESOS_RECOVERY_TIMEOUT", RECOVERY_TIMEOUT_S),
            backoff_max_s=seconds("MESOS_SUBSCRIPTION_BACKOFF_MAX", SUBSCRIPTION_BACKOFF_MAX_S),
        )


class ExecutorSession:
    """One executor's session with the agent that started it."""

    def __init__(self, environment: ExecutorEnvironment, *, ids: Ids, random: Random) -> None:
        self._environment = environment
        self._ids = ids
        self._backoff = Backoff(environment.backoff_max_s, environment.backoff_max_s, random)
        self._effects: list[Effect] = []
        self._subscribed = False
        self._was_subscribed = False
        self._shutting_down = False
        self._over = False
        self._tasks: dict[str, mesos_pb2.TaskInfo] = {}
        self._updates: dict[bytes, mesos_pb2.TaskStatus] = {}
        self._stimuli: dict[type[Stimulus], Callable[[Any, float], None]] = {
            Connected: self._connected,
            Disconnected: self._disconnected,
            Received: self._received,
            TimerFired: self._timer_fired,
            EffectFailed: self._effect_failed,
            Submit: self._submit,
            Leave: self._leave,
        }
        self._timers: dict[str, Callable[[float], None]] = {
            _ATTEMPT: self._attempt,
            _RECOVERY: self._agent_is_gone,
            _GRACE: self._grace_is_over,
        }
        self._events: dict[int, Callable[[executor_pb2.Event, float], None]] = {
            _Event.SUBSCRIBED: self._on_subscribed,
            _Event.LAUNCH: self._on_launch,
            _Event.LAUNCH_GROUP: self._on_launch_group,
            _Event.ACKNOWLEDGED: self._on_acknowledged,
            _Event.KILL: self._pass_on,
            _Event.MESSAGE: self._pass_on,
            _Event.SHUTDOWN: self._shut_down,
            _Event.ERROR: lambda event, now: self._fail(event.error.message),
            _Event.HEARTBEAT: lambda event, now: None,
        }

    @property
    def has_unacknowledged_updates(self) -> bool:
        """Whether the agent still has to confirm a status: an executor should not exit before."""
        return bool(self._updates)

    def start(self, now: float) -> list[Effect]:
        """Connect to the agent at once."""
        self._effects.append(SetTimer(_RECOVERY, now + FIRST_SUBSCRIPTION_TIMEOUT_S))
        self._attempt(now)
        return self._take_effects()

    def handle(self, stimulus: Stimulus, now: float) -> list[Effect]:
        """React to one stimulus; after the end of the session nothing has an effect."""
        if not self._over:
            self._stimuli[type(stimulus)](stimulus, now)
        return self._take_effects()

    def _take_effects(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects

    # -- the bond ---------------------------------------------------------------------------------

    def _attempt(self, now: float) -> None:
        self._effects.append(Connect(AGENT, self._environment.agent_address))
        self._effects.append(SetTimer(_ATTEMPT, now + CONNECT_TIMEOUT_S))

    def _connected(self, stimulus: Connected, now: float) -> None:
        call = self._call(_Call.SUBSCRIBE)
        call.subscribe.unacknowledged_tasks.extend(self._tasks.values())
        call.subscribe.unacknowledged_updates.extend(
            _Call.Update(status=status) for status in self._updates.values()
        )
        call.subscribe.SetInParent()  # must be there even if both lists are empty
        self._effects.append(Send(AGENT, call))
        self._effects.append(SetTimer(_ATTEMPT, now + CONNECT_TIMEOUT_S))

    def _disconnected(self, stimulus: Disconnected, now: float) -> None:
        log.warning("Lost the agent", why=stimulus.reason)
        if self._subscribed:
            self._subscribed = False
            self._effects.append(Unsubscribed(stimulus.reason))
            if not self._environment.checkpoint:
                self._agent_is_gone(now)
                return
            deadline = now + self._environment.recovery_timeout_s
            self._effects.append(SetTimer(_RECOVERY, deadline))
        self._effects.append(SetTimer(_ATTEMPT, now + self._backoff.next_s()))

    def _agent_is_gone(self, now: float) -> None:
        self._effects += [CancelTimer(_ATTEMPT), CancelTimer(_RECOVERY)]
        if not self._was_subscribed:
            self._fail(f"no answer from the agent at {self._environment.agent_address}")
            return
        self._shut_down(_Event(type=_Event.SHUTDOWN), now)

    def _grace_is_over(self, now: float) -> None:
        self._end(EXIT_FAILED, "the grace period for shutting down is over")

    def _fail(self, message: str) -> None:
        log.error("The session has failed", why=message)
        self._effects.append(Failed(message))
        self._end(EXIT_FAILED, message)

    def _end(self, exit_code: int, why: str) -> None:
        self._over = True
        self._subscribed = False
        self._effects += [CancelTimer(name) for name in self._timers]
        self._effects += [Close(AGENT), Stop(exit_code, why)]

    def _effect_failed(self, stimulus: EffectFailed, now: float) -> None:
        log.error("An effect failed", effect=type(stimulus.effect).__name__, why=stimulus.reason)

    def _timer_fired(self, stimulus: TimerFired, now: float) -> None:
        self._timers[stimulus.name](now)

    # -- events -----------------------------------------------------------------------------------

    def _received(self, stimulus: Received, now: float) -> None:
        event = stimulus.message
        assert isinstance(event, executor_pb2.Event)
        handler = self._events.get(event.type)
        if handler is None:
            log.warning("Ignored an event of an unknown type", type=event.type)
        else:
            handler(event, now)

    def _on_subscribed(self, event: executor_pb2.Event, now: float) -> None:
        log.info("Subscribed executor on", host=event.subscribed.agent_info.hostname)
        again, self._was_subscribed = self._was_subscribed, True
        self._subscribed = True
        self._effects += [CancelTimer(_ATTEMPT), CancelTimer(_RECOVERY), Subscribed(event, again)]

    def _on_launch(self, event: executor_pb2.Event, now: float) -> None:
        self._take_on([event.launch.task], event)

    def _on_launch_group(self, event: executor_pb2.Event, now: float) -> None:
        self._take_on(event.launch_group.task_group.tasks, event)

    def _take_on(self, tasks: Iterable[mesos_pb2.TaskInfo], event: executor_pb2.Event) -> None:
        if self._shutting_down:
            log.warning("Ignored a launch while shutting down")
            return
        self._tasks.update((task.task_id.value, task) for task in tasks)
        self._effects.append(Arrived(event))

    def _on_acknowledged(self, event: executor_pb2.Event, now: float) -> None:
        self._updates.pop(event.acknowledged.uuid, None)
        self._tasks.pop(event.acknowledged.task_id.value, None)
        self._pass_on(event, now)

    def _pass_on(self, event: executor_pb2.Event, now: float) -> None:
        self._effects.append(Arrived(event))

    def _shut_down(self, event: executor_pb2.Event, now: float) -> None:
        if self._shutting_down:
            return
        log.info("Shutting down", grace_s=self._environment.shutdown_grace_s)
        self._effects.append(Arrived(event))
        self._effects.append(SetTimer(_GRACE, now + self._environment.shutdown_grace_s))
        self._shutting_down = True

    # -- calls ------------------------------------------------------------------------------------

    def _submit(self, stimulus: Submit, now: float) -> None:
        given = stimulus.call
        assert isinstance(given, executor_pb2.Call)
        call = self._call(given.type)
        if given.type == _Call.UPDATE:
            call.update.CopyFrom(given.update)
            status = call.update.status
            status.uuid = UUID(self._ids.uuid()).bytes
            status.timestamp = now
            status.source = mesos_pb2.TaskStatus.SOURCE_EXECUTOR
            status.executor_id.value = self._environment.executor_id
            status.agent_id.value = self._environment.agent_id
            self._updates[status.uuid] = status
        else:
            call.message.CopyFrom(given.message)
        if self._subscribed:
            self._effects.append(Send(AGENT, call))

    def _leave(self, stimulus: Leave, now: float) -> None:
        self._end(0, "the executor has left")

    def _call(self, type: executor_pb2.Call.Type) -> executor_pb2.Call:
        call = _Call(type=type)
        call.framework_id.value = self._environment.framework_id
        call.executor_id.value = self._environment.executor_id
        return call


def update(status: mesos_pb2.TaskStatus) -> executor_pb2.Call:
    """Return the call that reports a status; the session completes it."""
    return _Call(type=_Call.UPDATE, update=_Call.Update(status=status))


def message(data: bytes) -> executor_pb2.Call:
    """Return the call that sends data to the framework, if it is there to hear it."""
    return _Call(type=_Call.MESSAGE, message=_Call.Message(data=data))
