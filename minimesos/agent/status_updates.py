"""Delivers every task status update to the master until it is acknowledged, in order.

One stream per task: only its oldest unacknowledged update is outstanding; it is sent again after
10 s, then 20 s, up to 10 min apart, and the next one follows its acknowledgement. While the master
is lost nothing is sent; when it is back every stream starts over.

Used by the agent core. Does not make statuses and does not know executors. Streams live in memory:
records of updates and acknowledgements would be persisted in `add` and `acknowledge`.

Source: Mesos documentation "Task State Reconciliation" and its status update manager.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from minimesos.actor import CancelTimer, Effect, Send, SetTimer
from minimesos.agent.registration import MASTER
from minimesos.log import get_logger
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.states import is_terminal

RETRY_MIN_S = 10.0
RETRY_MAX_S = 600.0
UUIDS_REMEMBERED = 1000
"""Updates of a task that are recognised when they come again; an executor resends only a few."""

TIMER = "status-update"

log = get_logger(__name__)


@dataclass(slots=True)
class _Stream:
    framework_id: str
    task_id: str
    pending: deque[mesos_pb2.TaskStatus] = field(default_factory=deque)  # the head is outstanding
    seen: deque[bytes] = field(default_factory=lambda: deque(maxlen=UUIDS_REMEMBERED))
    retry_s: float = RETRY_MIN_S

    @property
    def timer(self) -> str:
        # No id contains a slash.
        return f"{TIMER}/{self.framework_id}/{self.task_id}"


class StatusUpdates:
    """The streams of all tasks. Appends its effects to a list that is shared with the agent."""

    def __init__(self, effects: list[Effect]) -> None:
        self._effects = effects
        self._streams: dict[str, dict[str, _Stream]] = {}
        self._paused = True

    def add(self, framework_id: str, status: mesos_pb2.TaskStatus, now: float) -> None:
        """Take charge of an update; one that was added before is ignored."""
        task_id = status.task_id.value
        streams = self._streams.setdefault(framework_id, {})
        stream = streams.get(task_id)
        if stream is None:
            stream = streams[task_id] = _Stream(framework_id, task_id)
        if status.uuid in stream.seen:
            log.info("Ignored repeated status update", task=task_id, framework=framework_id)
            return
        stream.seen.append(status.uuid)
        stream.pending.append(status)
        if len(stream.pending) == 1:
            self._start(stream, now)

    def acknowledge(
        self, framework_id: str, task_id: str, uuid: bytes, now: float
    ) -> mesos_pb2.TaskStatus | None:
        """Let go of the outstanding update and return it; None if this is not its uuid."""
        stream = self._streams.get(framework_id, {}).get(task_id)
        if stream is None or not stream.pending or stream.pending[0].uuid != uuid:
            log.warning(
                "Ignored unexpected acknowledgement of a status update",
                task=task_id,
                framework=framework_id,
            )
            return None
        acknowledged = stream.pending.popleft()
        self._effects.append(CancelTimer(stream.timer))
        if is_terminal(acknowledged.state) and not stream.pending:
            self._remove(stream)
        elif stream.pending:
            self._start(stream, now)
        return acknowledged

    def has_pending(self, framework_id: str) -> bool:
        """Tell whether a task of this framework has an update that is not acknowledged."""
        return any(stream.pending for stream in self._streams.get(framework_id, {}).values())

    def outstanding(self, framework_id: str, task_id: str) -> mesos_pb2.TaskStatus | None:
        """Return the update of a task that waits for its acknowledgement."""
        stream = self._streams.get(framework_id, {}).get(task_id)
        return stream.pending[0] if stream is not None and stream.pending else None

    def close_framework(self, framework_id: str) -> None:
        """Forget a framework's streams and what is pending in them."""
        for stream in self._streams.pop(framework_id, {}).values():
            if stream.pending:
                self._effects.append(CancelTimer(stream.timer))

    def pause(self) -> None:
        """Stop sending: the master is lost."""
        self._paused = True
        for stream in self._all():
            if stream.pending:
                self._effects.append(CancelTimer(stream.timer))

    def resume(self, now: float) -> None:
        """Send every outstanding update again: the master is back."""
        self._paused = False
        for stream in self._all():
            if stream.pending:
                self._start(stream, now)

    def retry(self, timer: str, now: float) -> None:
        """Send again the update whose timer fired."""
        _, framework_id, task_id = timer.split("/")
        stream = self._streams.get(framework_id, {}).get(task_id)
        if stream is None or not stream.pending or self._paused:
            return
        stream.retry_s = min(2 * stream.retry_s, RETRY_MAX_S)
        log.warning(
            "Resending status update",
            task=task_id,
            framework=framework_id,
            state=mesos_pb2.TaskState.Name(stream.pending[0].state),
            next_retry_s=stream.retry_s,
        )
        self._send(stream, now)

    def _all(self) -> list[_Stream]:
        return [stream for streams in self._streams.values() for stream in streams.values()]

    def _start(self, stream: _Stream, now: float) -> None:
        stream.retry_s = RETRY_MIN_S
        if not self._paused:
            self._send(stream, now)

    def _send(self, stream: _Stream, now: float) -> None:
        update = cluster_pb2.StatusUpdate(
            status=stream.pending[0], latest_state=stream.pending[-1].state
        )
        update.framework_id.value = stream.framework_id
        self._effects.append(Send(MASTER, update))
        self._effects.append(SetTimer(stream.timer, now + stream.retry_s))

    def _remove(self, stream: _Stream) -> None:
        streams = self._streams[stream.framework_id]
        del streams[stream.task_id]
        if not streams:
            del self._streams[stream.framework_id]
