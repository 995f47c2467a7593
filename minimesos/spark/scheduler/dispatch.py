"""Which executor gets how many tasks, and when.

Every executor is kept a little ahead: it has tasks queued besides those that run, as many as take
it about 50 ms by what has been observed, and none if tasks are long. So no core waits for a round
trip, and what is queued in one place when another runs dry is soon done, or is recalled. Task sets
are served by priority; `fair_dispatch` has the other way.

Belongs to the task scheduler, which says when there may be something to hand out. Does not know
what tasks are, or how they end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from minimesos.actor import Effect, SetTimer
from minimesos.log import get_logger
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.env import Location
from minimesos.spark.scheduler.exclusion import Exclusion
from minimesos.spark.scheduler.executor import FRAME_TASKS_MAX, Executor
from minimesos.spark.scheduler.limits import Limits
from minimesos.spark.scheduler.speculation import Speculation
from minimesos.spark.scheduler.starvation import Starvation
from minimesos.spark.scheduler.task_set import TaskSet
from minimesos.spark.scheduler.task_sets import TaskSets

AHEAD_S = 0.05
"""How much work an executor has queued besides what runs."""
AHEAD_MAX = 1024
"""Tasks queued per core, at most."""
AHEAD_UNKNOWN = 3
"""Tasks queued per core while no task of the set has ended yet."""
RECALL_AFTER_S = 0.1
"""How long a core may be idle while tasks are queued elsewhere."""

STARVATION_TIMER = "starvation"
READY_TIMER = "registered resources"
RECALL_TIMER = "recall"
LOCALITY_TIMER = "locality"

_log = get_logger(__name__)


class Dispatcher:
    """Owns the executors, and fills them with tasks of the live task sets.

    `give_up` is called for a task set of which a task cannot be put into a frame. `started_at_s` is
    when the application began to ask for executors.
    """

    def __init__(
        self,
        task_sets: TaskSets,
        effects: list[Effect],
        give_up: Callable[[TaskSet, Exception, float], None],
        limits: Limits,
        started_at_s: float = 0.0,
    ) -> None:
        self.executors: dict[str, Executor] = {}
        self.total_slots = 0
        self._total_cores = 0
        self._limits = limits
        self._started_at_s = started_at_s
        self._is_ready = False
        self._task_sets = task_sets
        self._effects = effects
        self._give_up = give_up
        self._numbers = 0
        self._timers: dict[str, float] = {}
        self._starvation = Starvation(limits.starvation_s, effects)
        self._rotation = 0
        self.speculation: Speculation | None = None
        self.exclusion: Exclusion | None = None

    def add(self, location: Location, cores: int) -> Executor:
        """An executor takes tasks from now on."""
        self._numbers += 1
        executor = Executor(
            self._numbers, location.host, cores, location, self._effects, self._limits
        )
        self.executors[executor.id] = executor
        self.total_slots += executor.slots
        self._total_cores += cores
        return executor

    def remove(self, executor_id: str) -> Executor | None:
        """An executor is gone; None if it is not known."""
        executor = self.executors.pop(executor_id, None)
        if executor is not None:
            self.total_slots -= executor.slots
            self._total_cores -= executor.cores
        return executor

    def observe(self, executor: Executor, task_ids: list[int], now: float) -> None:
        """Learn how long tasks take from how fast an executor gets through them."""
        busy_slots = min(executor.slots, executor.outstanding)
        elapsed_s = now - executor.progress_at_s
        executor.progress_at_s = now
        executor.outstanding -= len(task_ids)
        executor.recalled.difference_update(task_ids)
        task_set, _ = self._task_sets.find(task_ids[0])
        if task_set is not None:
            task_set.learn(elapsed_s * busy_slots / len(task_ids))

    def feed_all(self, now: float) -> None:
        """Give work to all executors, the least loaded first."""
        executors = list(self.executors.values())
        if len(executors) > 1:
            self._rotation = (self._rotation + 1) % len(executors)
            executors = executors[self._rotation :] + executors[: self._rotation]
            executors.sort(key=lambda executor: executor.outstanding / executor.slots)
        if self._is_ready or self._becomes_ready(now):
            self._hand_out(executors, now)
            for executor in executors:
                executor.flush()
        self._note_starvation(now)

    def feed(self, executor: Executor, now: float) -> None:
        """Give work to an executor that has become less busy."""
        self._hand_out([executor], now)
        executor.flush()

    def _hand_out(self, executors: Sequence[Executor], now: float) -> None:
        """Put tasks into the frames of these executors, those of the first task set first."""
        for task_set in self._task_sets.live():
            pending = task_set.pending
            if pending and not task_set.is_zombie:
                if task_set.is_barrier:
                    if not self._launch_together(task_set, now):
                        break  # what others would take of the slots, it would wait for
                    continue
                for executor in executors:
                    share = -(-pending * executor.slots // self.total_slots)
                    room = self._room(task_set, executor)
                    self._launch(task_set, executor, min(room, share), now)
                if not task_set.pending:
                    continue
                if task_set.is_choosy(now):
                    self.set_timer(LOCALITY_TIMER, task_set.choosy_until_s)
                elif self.exclusion is None:
                    break  # what comes first must not be overtaken

    def _launch_together(self, task_set: TaskSet, now: float) -> bool:
        """Launch all tasks of a barrier stage if they can start at once.

        False as long as they are to wait for slots to become free, and these kept for them.
        """
        usable = [
            executor
            for executor in self.executors.values()
            if self.exclusion is None or not self.exclusion.forbids(task_set, executor, now)
        ]
        rooms = [max(0, executor.slots - executor.outstanding) for executor in usable]
        if sum(rooms) < task_set.pending:
            return sum(executor.slots for executor in usable) < task_set.pending
        for executor, room in zip(usable, rooms, strict=True):
            if self._launch(task_set, executor, room, now):
                executor.flush()
        return True

    def _becomes_ready(self, now: float) -> bool:
        """See whether enough executors have come for the first task."""
        waited_s = now - self._started_at_s
        self._is_ready = self._limits.is_ready(self._total_cores, waited_s)
        if not self._is_ready:
            self.set_timer(READY_TIMER, self._started_at_s + self._limits.ready_wait_s)
        return self._is_ready

    def _room(self, task_set: TaskSet, executor: Executor) -> int:
        """Return how many tasks of a set an executor may be sent now, or less than 1."""
        return executor.slots * (1 + self._tasks_ahead(task_set)) - executor.outstanding

    def _tasks_ahead(self, task_set: TaskSet) -> int:
        """Return how many tasks of a set to queue for a slot besides the one that it runs."""
        mean_s = task_set.mean_s
        if mean_s is None:
            return AHEAD_UNKNOWN
        if mean_s > AHEAD_S:
            return 0
        return max(1, min(AHEAD_MAX, int(AHEAD_S / mean_s))) if mean_s > 0 else AHEAD_MAX

    def _launch(self, task_set: TaskSet, executor: Executor, limit: int, now: float) -> int:
        """Put up to `limit` tasks into an executor's next frames; returns how many."""
        launched = 0
        if self.exclusion is not None:
            if self.exclusion.forbids(task_set, executor, now):
                return 0
            task_set.forbidden = self.exclusion.forbidden_slots(
                task_set, executor.id, executor.host
            )
        while limit > 0:
            slots = task_set.take(
                min(limit, FRAME_TASKS_MAX), executor.number, executor.id, executor.host, now
            )
            if not slots:
                break
            if executor.outstanding == 0:
                executor.progress_at_s = now
            task_ids = self._task_sets.begin(task_set, slots)
            try:
                executor.add_tasks(task_set, slots, task_ids)
            except Exception as error:  # noqa: BLE001 - pickling runs methods of users' classes
                self._unlaunched(task_set, slots, error, now)
                break
            if self.speculation is not None:
                self.speculation.sent(executor, task_ids, now)
            limit -= len(slots)
            launched += len(slots)
        return launched

    def _unlaunched(
        self, task_set: TaskSet, slots: Sequence[int], error: Exception, now: float
    ) -> None:
        """A task's input cannot be pickled: give the task set up."""
        for slot in slots:
            self._task_sets.end(task_set.task_id(slot))
            task_set.requeue(slot)
        self._give_up(task_set, error, now)

    # ---------------------------------------------------------------------------------- copies

    def run_copies(self, slow: Sequence[tuple[TaskSet, int]], now: float) -> None:
        """Run second attempts at these slots, on other hosts that have room."""
        rooms = {
            executor: room
            for executor in self.executors.values()
            if (room := executor.slots - executor.outstanding) > 0
        }
        for task_set, slot in slow:
            self._copy(task_set, slot, rooms, now)

    def _copy(
        self, task_set: TaskSet, slot: int, rooms: dict[Executor, int], now: float
    ) -> Executor | None:
        """Launch a copy where it may run, and take that from `rooms`; return where it runs."""
        number = task_set.executors[slot]
        hosts = [each.host for each in self.executors.values() if each.number == number]
        for executor, room in rooms.items():
            if room < 1 or executor.host in hosts or self._forbids(task_set, slot, executor, now):
                continue
            if executor.outstanding == 0:
                executor.progress_at_s = now
            task_id = self._task_sets.begin_copy(task_set, slot, executor.number)
            try:
                executor.add_tasks(task_set, (slot,), (task_id,))
            except Exception as error:  # noqa: BLE001 - pickling runs methods of users' classes
                self._task_sets.end_copy(task_set, task_id)
                self._give_up(task_set, error, now)
                return None
            self._copied(task_set, executor, task_id, now)
            rooms[executor] -= 1
            executor.flush()
            _log.info(f"Running a copy of slow task {slot} in stage {task_set}", host=executor.host)
            return executor
        return None

    def _copied(self, task_set: TaskSet, executor: Executor, task_id: int, now: float) -> None:
        """A copy is on its way."""
        if self.speculation is not None:
            self.speculation.sent(executor, (task_id,), now)

    def _forbids(self, task_set: TaskSet, slot: int, executor: Executor, now: float) -> bool:
        exclusion = self.exclusion
        return exclusion is not None and (
            exclusion.forbids(task_set, executor, now)
            or slot in exclusion.forbidden_slots(task_set, executor.id, executor.host)
        )

    # ---------------------------------------------------------------------------------- timers

    def timer_fired(self, name: str, now: float) -> None:
        """A timer of ours is due."""
        self._timers.pop(name, None)
        if name == RECALL_TIMER:
            self.recall(now)
        else:
            self.feed_all(now)

    def forget_timer(self, name: str) -> None:
        """A timer has fired that somebody else had set."""
        self._timers.pop(name, None)

    def set_timer(self, name: str, at_s: float) -> None:
        """Have a timer fire, unless it does so earlier anyway."""
        if name not in self._timers or at_s < self._timers[name]:
            self._timers[name] = at_s
            self._effects.append(SetTimer(name, at_s))

    def _note_starvation(self, now: float) -> None:
        """Have the user warned while tasks wait and none runs."""
        is_starving = any(task_set.pending for task_set in self._task_sets.active()) and not any(
            executor.outstanding for executor in self.executors.values()
        )
        again_at_s = self._starvation.note(is_starving, now)
        if again_at_s is not None:
            self.set_timer(STARVATION_TIMER, again_at_s)

    def watch_balance(self, now: float) -> None:
        """Look after a while whether a core is still idle while tasks are queued elsewhere."""
        if RECALL_TIMER not in self._timers and any(
            executor.outstanding > executor.slots for executor in self.executors.values()
        ):
            self.set_timer(RECALL_TIMER, now + RECALL_AFTER_S)

    def recall_from(self, executor: Executor, task_set: TaskSet) -> None:
        """Ask for all queued tasks of a set back, from an executor that is to run no more of it."""
        task_ids = set(map(task_set.task_id, task_set.running_on(executor.number)))
        task_ids -= executor.recalled
        if task_ids:
            executor.recalled |= task_ids
            cancel = spark_pb2.CancelTasks(task_ids=sorted(task_ids))
            executor.send(spark_pb2.DriverFrame(cancel=cancel))

    def recall(self, now: float) -> None:
        """Ask for queued tasks back, the latest first; they end as CANCELLED and go elsewhere."""
        idle = sum(
            max(0, each.slots - each.outstanding) - len(each.recalled)
            for each in self.executors.values()
        )
        for executor in self.executors.values():
            spare = executor.outstanding - executor.slots - len(executor.recalled)
            count = min(idle, spare)
            if count <= 0:
                continue
            candidates = sorted(
                task_id
                for task_set in self._task_sets.active()
                if not (task_set.is_choosy(now) or task_set.is_barrier)
                for task_id in map(task_set.task_id, task_set.running_on(executor.number))
                if task_id not in executor.recalled
            )
            task_ids = candidates[-count:]
            executor.recalled.update(task_ids)
            idle -= len(task_ids)
            executor.send(spark_pb2.DriverFrame(cancel=spark_pb2.CancelTasks(task_ids=task_ids)))
        if idle > 0:
            self.watch_balance(now)
