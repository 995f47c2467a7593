"""Where the tasks of a barrier stage meet: `barrier()` and `allGather()`, seen from the driver.

A task that calls waits until all tasks of its stage attempt have called; then all go on, each with
the messages of all. Tasks that can never meet are told so, instead of waiting: they called
different things, one of them has ended, or the time is over.

Pure: calls come in with `now`, frames go out by the executors. Belongs to the task scheduler, which
sees to it that the tasks run at the same time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.barrier import Call
from minimesos.spark.scheduler.executor import Executor
from minimesos.spark.scheduler.task_set import TaskSet
from minimesos.spark.scheduler.task_sets import TaskSets

BARRIER_TIMER = "barrier"
"""Some tasks may have waited for others for too long."""


_NAMES = {Call.BARRIER: "barrier()", Call.ALL_GATHER: "allGather()"}


class Answer(NamedTuple):
    """What these slots are told: messages by partition, or why there will be none."""

    slots: Sequence[int]
    messages: Sequence[str] = ()
    error: str = ""


class Rendezvous:
    """The meetings of the tasks of one stage attempt. `order` lists its slots by partition."""

    def __init__(self, order: Sequence[int], timeout_s: float) -> None:
        self._order = order
        self._timeout_s = timeout_s
        self._kind = Call.BARRIER
        self._messages: dict[int, str] = {}
        """Of the slots that wait."""
        self._has_ended: int | None = None
        self._broken = ""
        self.deadline_s = math.inf

    def called(self, slot: int, kind: Call, message: str, now: float) -> Answer | None:
        """A task calls; returns whom to answer, if it was the last one or if they cannot meet."""
        if self._broken:
            return Answer((slot,), error=self._broken)
        if self._has_ended is not None:
            self._messages[slot] = message
            return self._ended_answer(self._has_ended)
        if self._messages and (kind != self._kind or slot in self._messages):
            error = (
                f"task {slot} called {_NAMES[kind]} while other tasks of its barrier stage wait in "
                f"{_NAMES[self._kind]}: all tasks have to make the same calls in the same order"
            )
            self._messages[slot] = message
            return self._fail(error)
        if not self._messages:
            self._kind = kind
            self.deadline_s = now + self._timeout_s
        self._messages[slot] = message
        if len(self._messages) < len(self._order):
            return None
        messages = [self._messages[each] for each in self._order]
        self._messages.clear()
        self.deadline_s = math.inf
        return Answer(self._order, messages if kind == Call.ALL_GATHER else ())

    def ended(self, slot: int) -> Answer | None:
        """A task is done: nobody can meet it any more."""
        self._has_ended = slot
        return self._ended_answer(slot) if self._messages else None

    def expired(self, now: float) -> Answer | None:
        """See whether some have waited for too long."""
        if now < self.deadline_s:
            return None
        here = len(self._messages)
        return self._fail(
            f"only {here} of {len(self._order)} tasks of a barrier stage came to "
            f"{_NAMES[self._kind]} within {self._timeout_s:g} s (spark.barrier.sync.timeout)"
        )

    def _ended_answer(self, slot: int) -> Answer:
        return self._fail(
            f"task {slot} has ended while other tasks of its barrier stage wait for it: all tasks "
            "have to call barrier() and allGather() equally often"
        )

    def _fail(self, error: str) -> Answer:
        self._broken = error
        self.deadline_s = math.inf
        slots = list(self._messages)
        self._messages.clear()
        return Answer(slots, error=error)


class Barriers:
    """The rendezvous of all barrier task sets that run."""

    def __init__(
        self,
        task_sets: TaskSets,
        executors: Mapping[str, Executor],
        timeout_s: float,
        set_timer: Callable[[str, float], None],
    ) -> None:
        self._task_sets = task_sets
        self._executors = executors
        self._timeout_s = timeout_s
        self._set_timer = set_timer
        self._meetings: dict[int, tuple[TaskSet, Rendezvous]] = {}
        """By the task set's key."""

    def called(self, executor_id: str, calls: Sequence[spark_pb2.BarrierCall], now: float) -> None:
        """Tasks of an executor call."""
        executor = self._executors.get(executor_id)
        if executor is None:
            return
        for call in calls:
            task_set, slot = self._task_sets.find(call.task_id)
            if task_set is None or not task_set.is_barrier or task_set.is_zombie:
                continue  # it is about to be interrupted
            kind = Call(call.kind)
            if kind is Call.TASK_INFOS:
                _send(executor, [call.task_id], self._addresses(task_set), "")
                continue
            meeting = self._meeting(task_set)
            answer = meeting.called(slot, kind, call.message, now)
            if answer is not None:
                self._tell(task_set, answer)
            elif meeting.deadline_s < math.inf:
                self._set_timer(BARRIER_TIMER, meeting.deadline_s)

    def ended(self, task_set: TaskSet, slots: Sequence[int]) -> None:
        """Tasks of a barrier stage are done."""
        for slot in slots:
            answer = self._meeting(task_set).ended(slot)
            if answer is not None:
                self._tell(task_set, answer)

    def forget(self, task_set: TaskSet) -> None:
        """A task set is over."""
        self._meetings.pop(task_set.key, None)

    def look(self, now: float) -> None:
        """The timer is due."""
        deadline_s = math.inf
        for task_set, meeting in list(self._meetings.values()):
            answer = meeting.expired(now)
            if answer is not None:
                self._tell(task_set, answer)
            deadline_s = min(deadline_s, meeting.deadline_s)
        if deadline_s < math.inf:
            self._set_timer(BARRIER_TIMER, deadline_s)

    def _meeting(self, task_set: TaskSet) -> Rendezvous:
        known = self._meetings.get(task_set.key)
        if known is None:
            known = task_set, Rendezvous(_by_partition(task_set), self._timeout_s)
            self._meetings[task_set.key] = known
        return known[1]

    def _addresses(self, task_set: TaskSet) -> list[str]:
        """Return where each task runs, as host:port; port 0 where an executor has none."""
        found = {each.number: each.location for each in self._executors.values()}
        places = [found.get(task_set.executors[slot]) for slot in _by_partition(task_set)]
        return [
            (place.blocks_address or f"{place.host}:0") if place is not None else ""
            for place in places
        ]

    def _tell(self, task_set: TaskSet, answer: Answer) -> None:
        for executor in self._executors.values():
            task_ids = [
                task_set.task_id(slot)
                for slot in answer.slots
                if task_set.executors[slot] == executor.number
            ]
            if task_ids:
                _send(executor, task_ids, answer.messages, answer.error)


def _send(executor: Executor, task_ids: list[int], messages: Sequence[str], error: str) -> None:
    answer = spark_pb2.BarrierAnswer(task_ids=task_ids, messages=messages, error=error)
    executor.send(spark_pb2.DriverFrame(barrier_answers=[answer]))


def _by_partition(task_set: TaskSet) -> list[int]:
    return sorted(range(len(task_set)), key=task_set.partitions.__getitem__)
