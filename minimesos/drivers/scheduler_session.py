"""A framework's bond with the master: subscribe, stay subscribed, pass calls and events on.

Owned by a callback driver, a Spark backend or a simulated framework, through the words in
`session`. It subscribes again when the stream breaks or falls silent, with the same framework id;
remembers which roles are suppressed; and answers launches that cannot reach a master with a status,
so that no task is forgotten. It does not acknowledge statuses by itself and keeps no tasks.

Source: Mesos documentation "Scheduler HTTP API"; back-off and disconnected calls as in the
scheduler driver of Mesos 1.11.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from random import Random
from typing import Any

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
from minimesos.log import get_logger
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.states import state_for

MASTER = "master"

BACKOFF_FACTOR_S = 2.0
BACKOFF_MAX_S = 60.0
CONNECT_TIMEOUT_S = 20.0
"""For a connection to open, and then for the answer to SUBSCRIBE."""
HEARTBEATS_MISSED_MAX = 5
EXIT_FAILED = 1

_ATTEMPT = "attempt"
_SILENCE = "silence"
_GIVE_UP = "give-up"

_Call = scheduler_pb2.Call
_Event = scheduler_pb2.Event

log = get_logger(__name__)


class SchedulerSession:
    """One framework's session.

    `master` is host:port. `framework` may carry an id: then this is a failover of that framework.
    `suppressed` are roles that want no offers at first. After `give_up_s` seconds in a row without
    a subscription the session fails; None means never.
    """

    def __init__(
        self,
        master: str,
        framework: mesos_pb2.FrameworkInfo,
        *,
        random: Random,
        suppressed: Collection[str] = (),
        give_up_s: float | None = None,
    ) -> None:
        self._master = master
        self._framework = framework
        self._suppressed = set(suppressed)
        self._give_up_s = give_up_s
        bound_max_s = BACKOFF_MAX_S
        if framework.failover_timeout > 0:
            bound_max_s = min(bound_max_s, framework.failover_timeout / 10)
        self._backoff = Backoff(BACKOFF_FACTOR_S, bound_max_s, random)
        self._effects: list[Effect] = []
        self._open = False  # the stream is there
        self._subscribed = False
        self._over = False
        self._master_id = ""  # of the last subscription
        self._silence_s = 0.0
        self._why_not = "no attempt yet"
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
            _SILENCE: self._silent,
            _GIVE_UP: self._give_up,
        }

    @property
    def framework_id(self) -> str:
        """The framework's id, empty before the first subscription of a new framework."""
        return self._framework.id.value

    @property
    def is_subscribed(self) -> bool:
        """Whether calls reach the master now, as far as the session knows."""
        return self._subscribed

    def start(self, now: float) -> list[Effect]:
        """Connect to the master at once."""
        self._watch_giving_up(now)
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
        """Connect; also if a connection did not open, or SUBSCRIBE was not answered, in time."""
        self._open = False
        self._effects.append(Connect(MASTER, self._master))
        self._effects.append(SetTimer(_ATTEMPT, now + CONNECT_TIMEOUT_S))

    def _connected(self, stimulus: Connected, now: float) -> None:
        self._open = True
        call = _Call(type=_Call.SUBSCRIBE)
        call.subscribe.framework_info.CopyFrom(self._framework)
        call.subscribe.suppressed_roles.extend(sorted(self._suppressed))
        if self.framework_id:
            call.framework_id.CopyFrom(self._framework.id)
        self._effects.append(Send(MASTER, call))
        self._effects.append(SetTimer(_ATTEMPT, now + CONNECT_TIMEOUT_S))

    def _disconnected(self, stimulus: Disconnected, now: float) -> None:
        if not self._open:
            log.warning("Cannot reach the master", master=self._master, why=stimulus.reason)
        self._lose(stimulus.reason or "the master closed the connection", now)

    def _silent(self, now: float) -> None:
        self._effects.append(Close(MASTER))
        self._lose(f"not a word from the master for {self._silence_s:g} s", now)

    def _lose(self, why: str, now: float) -> None:
        self._open = False
        self._why_not = why
        if self._subscribed:
            log.warning("Lost the master, will subscribe again", master=self._master, why=why)
            self._subscribed = False
            self._effects.append(CancelTimer(_SILENCE))
            self._effects.append(Unsubscribed(why))
            self._watch_giving_up(now)
        self._effects.append(SetTimer(_ATTEMPT, now + self._backoff.next_s()))

    def _watch_giving_up(self, now: float) -> None:
        if self._give_up_s is not None:
            self._effects.append(SetTimer(_GIVE_UP, now + self._give_up_s))

    def _give_up(self, now: float) -> None:
        self._fail(f"no answer from the master at {self._master} for {self._give_up_s:g} s: "
                   f"{self._why_not}")  # fmt: skip

    def _fail(self, message: str) -> None:
        log.error("The session has failed", why=message)
        self._effects.append(Failed(message))
        self._end(EXIT_FAILED, message)

    def _end(self, exit_code: int, why: str) -> None:
        self._over = True
        self._subscribed = False
        self._effects += [CancelTimer(name) for name in self._timers]
        self._effects += [Close(MASTER), Stop(exit_code, why)]

    def _effect_failed(self, stimulus: EffectFailed, now: float) -> None:
        log.error("An effect failed", effect=type(stimulus.effect).__name__, why=stimulus.reason)

    def _timer_fired(self, stimulus: TimerFired, now: float) -> None:
        self._timers[stimulus.name](now)

    # -- events -----------------------------------------------------------------------------------

    def _received(self, stimulus: Received, now: float) -> None:
        event = stimulus.message
        assert isinstance(event, scheduler_pb2.Event)
        if event.type == _Event.SUBSCRIBED:
            self._subscribe(event, now)
        elif event.type == _Event.ERROR:
            self._fail(event.error.message)
            return
        elif not self._subscribed:
            return
        elif event.type != _Event.HEARTBEAT:
            self._effects.append(Arrived(event))
        self._effects.append(SetTimer(_SILENCE, now + self._silence_s))

    def _subscribe(self, event: scheduler_pb2.Event, now: float) -> None:
        if self._subscribed:
            return
        subscribed = event.subscribed
        again = self._master_id == subscribed.master_info.id != ""
        log.info(
            "Framework reregistered with" if again else "Framework registered with",
            framework=subscribed.framework_id.value,
            master=self._master,
        )
        if self.framework_id != subscribed.framework_id.value:
            framework = mesos_pb2.FrameworkInfo()
            framework.CopyFrom(self._framework)
            framework.id.CopyFrom(subscribed.framework_id)
            self._framework = framework
        self._master_id = subscribed.master_info.id
        self._silence_s = HEARTBEATS_MISSED_MAX * subscribed.heartbeat_interval_seconds
        self._subscribed = True
        self._backoff.reset()
        self._effects += [CancelTimer(_ATTEMPT), CancelTimer(_GIVE_UP), Subscribed(event, again)]

    # -- calls ------------------------------------------------------------------------------------

    def _submit(self, stimulus: Submit, now: float) -> None:
        call = stimulus.call
        assert isinstance(call, scheduler_pb2.Call)
        self._remember_roles(call)
        if self._subscribed:
            call.framework_id.CopyFrom(self._framework.id)
            self._effects.append(Send(MASTER, call))
        elif call.type == _Call.ACCEPT:
            self._effects += [Arrived(event) for event in self._stillborn(call, now)]
        else:
            log.warning("Dropped a call while not subscribed", type=_Call.Type.Name(call.type))

    def _remember_roles(self, call: scheduler_pb2.Call) -> None:
        """Note what is suppressed: every new subscription has to say it again."""
        every = self._framework.roles or [self._framework.role]
        if call.type == _Call.SUPPRESS:
            self._suppressed.update(call.suppress.roles or every)
        elif call.type == _Call.REVIVE:
            self._suppressed.difference_update(call.revive.roles or every)

    def _stillborn(self, call: scheduler_pb2.Call, now: float) -> Iterator[scheduler_pb2.Event]:
        """Yield a status for each task of an ACCEPT that cannot be sent."""
        capabilities = [capability.type for capability in self._framework.capabilities]
        for operation in call.accept.operations:
            for task in (*operation.launch.task_infos, *operation.launch_group.task_group.tasks):
                event = _Event(type=_Event.UPDATE)
                status = event.update.status
                status.task_id.CopyFrom(task.task_id)
                status.agent_id.CopyFrom(task.agent_id)
                status.state = state_for(mesos_pb2.TASK_DROPPED, capabilities)
                status.source = mesos_pb2.TaskStatus.SOURCE_MASTER
                status.reason = mesos_pb2.TaskStatus.REASON_MASTER_DISCONNECTED
                status.message = "Master disconnected"
                status.timestamp = now
                yield event

    def _leave(self, stimulus: Leave, now: float) -> None:
        log.info("Stopping framework", framework=self.framework_id, failover=stimulus.failover)
        if self._subscribed and not stimulus.failover:
            teardown = _Call(type=_Call.TEARDOWN, framework_id=self._framework.id)
            self._effects.append(Send(MASTER, teardown))
        self._end(0, "the framework has left")


def acknowledgement(status: mesos_pb2.TaskStatus) -> scheduler_pb2.Call | None:
    """Return the call that acknowledges a status; None if it wants none."""
    if not status.uuid or not status.agent_id.value:
        return None
    call = _Call(type=_Call.ACKNOWLEDGE)
    call.acknowledge.agent_id.CopyFrom(status.agent_id)
    call.acknowledge.task_id.CopyFrom(status.task_id)
    call.acknowledge.uuid = status.uuid
    return call
