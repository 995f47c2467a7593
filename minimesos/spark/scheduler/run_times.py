"""Since when tasks run, as far as the driver can know.

Executors have tasks queued and start them in the order in which they came, one per slot. So those
run that were sent first, and one starts when one before it has ended. What passed through an
executor between two reports has a share of the time between them.

Kept only where tasks are run twice (`speculation`): it costs a little per task.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from minimesos.spark.scheduler.executor import Executor


class _Queue:
    __slots__ = ("reported_at_s", "running", "waiting")

    def __init__(self, now: float) -> None:
        self.running: dict[int, float] = {}
        """When each task started."""
        self.waiting: dict[int, None] = {}
        self.reported_at_s = now

    def fill(self, slots: int, now: float) -> None:
        for task_id in list(islice(self.waiting, max(0, slots - len(self.running)))):
            del self.waiting[task_id]
            self.running[task_id] = now


class RunTimes:
    """Start times of all tasks that run."""

    def __init__(self) -> None:
        self._queues: dict[int, _Queue] = {}
        """By number of the executor."""

    def sent(self, executor: Executor, task_ids: Sequence[int], now: float) -> None:
        """Tasks are on their way to an executor."""
        queue = self._queues.get(executor.number)
        if queue is None:
            queue = self._queues[executor.number] = _Queue(now)
        if not queue.running:
            queue.reported_at_s = now
        queue.waiting.update(dict.fromkeys(task_ids))
        queue.fill(_slots(executor), now)

    def ended(self, executor: Executor, task_ids: Sequence[int], now: float) -> list[float]:
        """Tasks have ended; return how long each ran, in seconds."""
        queue = self._queues.get(executor.number)
        if queue is None:
            return [0.0] * len(task_ids)
        slots = min(_slots(executor), len(queue.running) + len(queue.waiting))
        share_s = (now - queue.reported_at_s) * slots / len(task_ids)
        taken = []
        for task_id in task_ids:
            started_at_s = queue.running.pop(task_id, None)
            if started_at_s is None:
                queue.waiting.pop(task_id, None)
            taken.append(share_s if started_at_s is None else now - started_at_s)
        queue.reported_at_s = now
        queue.fill(_slots(executor), now)
        return taken

    def running(self) -> Iterator[tuple[int, float]]:
        """Yield each task that runs, and since when."""
        for queue in self._queues.values():
            yield from queue.running.items()

    def forget(self, executor: Executor) -> None:
        """An executor is gone."""
        self._queues.pop(executor.number, None)


def _slots(executor: Executor) -> int:
    """Return how many tasks an executor runs at once; what is launched on offers runs at once."""
    return executor.slots if executor.cores else executor.outstanding
