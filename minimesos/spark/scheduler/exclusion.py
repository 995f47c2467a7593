"""Which executors and hosts get no tasks, because tasks have failed there.

Failures count for the task itself, for its task set, and, once that has succeeded, for the whole
application, which forgets them after a while. Another thing than the exclusion of Mesos agents
(`backends.exclusion`), which is about executors that do not start or die, and about where new ones
are launched: both may leave out the same host, each for its own reasons.

Asked by the dispatcher, under `spark.excludeOnFailure.enabled`; the task scheduler says what fails.

Source: Spark's "Configuration" page, `spark.excludeOnFailure.*`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable

from minimesos.log import get_logger
from minimesos.spark.scheduler.executor import Executor
from minimesos.spark.scheduler.mishaps import ExclusionSettings
from minimesos.spark.scheduler.preferences import PENDING
from minimesos.spark.scheduler.task_set import TaskSet

_log = get_logger(__name__)


class _Failures:
    """Of one task set."""

    def __init__(self) -> None:
        self.times: Counter[tuple[int, str]] = Counter()
        """By slot and executor."""
        self.slots: defaultdict[str, dict[int, float]] = defaultdict(dict)
        """By executor, the slots that have failed there, and when they did last."""
        self.hosts: dict[str, str] = {}
        """Of those executors."""
        self.reason = ""
        """Of the latest one."""

    def on_host(self, slot: int, host: str) -> int:
        """Return how often a slot has failed on a host."""
        executors = (executor for executor, where in self.hosts.items() if where == host)
        return sum(self.times[slot, executor] for executor in executors)


class Exclusion:
    """The failures of an application, and whom they exclude."""

    def __init__(self, settings: ExclusionSettings) -> None:
        self.settings = settings
        self._sets: dict[int, _Failures] = {}
        """By key of the task set, where something has failed."""
        self._hosts: dict[str, str] = {}
        """Of executors that follow."""
        self._failed_at_s: dict[str, list[float]] = {}
        """By executor, when tasks of stages that succeeded have failed there."""
        self._executors_until_s: dict[str, float] = {}
        self._hosts_until_s: dict[str, float] = {}

    # -------------------------------------------------------------------------------- what fails

    def failed(
        self, task_set: TaskSet, slot: int, executor: Executor, reason: str, now: float
    ) -> None:
        """A task has failed, and that counts."""
        failures = self._sets.setdefault(task_set.key, _Failures())
        failures.times[slot, executor.id] += 1
        failures.slots[executor.id][slot] = now
        failures.hosts[executor.id] = executor.host
        failures.reason = reason

    def forget(self, task_set: TaskSet) -> None:
        """A task set is over."""
        self._sets.pop(task_set.key, None)

    def succeeded(self, task_set: TaskSet, now: float) -> list[str]:
        """All of a task set is done; return whom the application leaves out from now on."""
        failures = self._sets.pop(task_set.key, None)
        if failures is None:
            return []
        excluded = []
        for executor_id, slots in failures.slots.items():
            self._hosts[executor_id] = failures.hosts[executor_id]
            times = self._failed_at_s.setdefault(executor_id, [])
            times += slots.values()
            times[:] = [at_s for at_s in times if at_s + self.settings.timeout_s > now]
            if len(times) >= self.settings.application_per_executor:
                excluded += self._exclude(executor_id, now)
        return excluded

    def unreadable(self, executor_id: str, host: str, now: float) -> list[str]:
        """Map outputs of an executor cannot be read; return whom the application leaves out."""
        if not self.settings.by_fetch_failure:
            return []
        self._hosts[executor_id] = host
        return self._exclude(executor_id, now)

    def _exclude(self, executor_id: str, now: float) -> list[str]:
        if self._executors_until_s.get(executor_id, 0.0) > now:
            return []
        host = self._hosts[executor_id]
        until_s = self._executors_until_s[executor_id] = now + self.settings.timeout_s
        _log.warning("executor excluded", executor=executor_id, host=host)
        excluded = [
            other
            for other, other_until_s in self._executors_until_s.items()
            if other_until_s > now and self._hosts[other] == host
        ]
        if len(excluded) >= self.settings.application_per_host:
            self._hosts_until_s[host] = until_s
            _log.warning("host excluded", host=host)
        return [executor_id]

    # ---------------------------------------------------------------------------- whom it excludes

    def expires_at_s(self, now: float) -> float | None:
        """Return when the application takes somebody back."""
        times = (*self._executors_until_s.values(), *self._hosts_until_s.values())
        return min((at_s for at_s in times if at_s > now), default=None)

    def forbids(self, task_set: TaskSet, executor: Executor, now: float) -> bool:
        """Say whether an executor gets no tasks of a set."""
        if (
            self._executors_until_s.get(executor.id, 0.0) > now
            or self._hosts_until_s.get(executor.host, 0.0) > now
        ):
            return True
        failures = self._sets.get(task_set.key)
        if failures is None:
            return False
        return self._is_left_out(failures, executor.id) or (
            sum(
                self._is_left_out(failures, other)
                for other, host in failures.hosts.items()
                if host == executor.host
            )
            >= self.settings.stage_per_host
        )

    def _is_left_out(self, failures: _Failures, executor_id: str) -> bool:
        return len(failures.slots.get(executor_id, ())) >= self.settings.stage_per_executor

    def forbidden_slots(self, task_set: TaskSet, executor_id: str, host: str) -> Collection[int]:
        """Return the slots that are not to be tried on an executor again."""
        failures = self._sets.get(task_set.key)
        if failures is None:
            return ()
        settings = self.settings
        return {
            slot
            for slot, _ in failures.times
            if failures.times[slot, executor_id] >= settings.task_per_executor
            or failures.on_host(slot, host) >= settings.task_per_host
        }

    def nowhere(
        self, task_set: TaskSet, executors: Iterable[Executor], now: float
    ) -> tuple[int, str] | None:
        """Return a slot that waits and may run on none of these, and what failed last, if any."""
        allowed = [each for each in executors if not self.forbids(task_set, each, now)]
        failures = self._sets.get(task_set.key)
        reason = "" if failures is None else failures.reason
        if not allowed:
            slots = task_set.pending_slots()[:1]
        else:
            failed = {slot for slot, _ in failures.times} if failures is not None else set()
            slots = sorted(slot for slot in failed if task_set.state[slot] == PENDING)
        for slot in slots:
            if all(slot in self.forbidden_slots(task_set, each.id, each.host) for each in allowed):
                return slot, reason
        return None
