"""The pool: which worker of an executor runs which task, and what becomes of tasks.

Used by the control process, over gRPC (`spark`) and for `local[N]` (`local`) alike. Every worker
has its next tasks queued ahead of it, as many as it works off in LOOKAHEAD_S, so that it never
waits for us while tasks are small. Tasks that have come to wait behind a long one while another
worker is idle are called back. Tasks bound to a slot (their cached input lies there) go elsewhere
only if that worker ends nothing for `spark.locality.wait`, or dies.

Each task that is submitted ends exactly once. When a worker dies, the task that it was running is
reported as WORKER_LOST with the reason; all others that it had run elsewhere.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple, Protocol

from minimesos.log import get_logger
from minimesos.proto.minimesos import spark_pb2
from minimesos.runtime.frame_socket import Reactor, Timer
from minimesos_executor import messages
from minimesos_executor.deaths import Exit
from minimesos_executor.messages import NO_TASK, Task
from minimesos_executor.workers import Worker, WorkerSource

LOOKAHEAD_S = 0.010
LOOKAHEAD_TASKS_MAX = 512
LOOKAHEAD_UNKNOWN = 16  # for a stage of which no task has ended yet
LOOKAHEAD_BYTES = 4 * 2**20  # of payloads in one frame
CHECK_S = 0.010  # between looks at a worker until it is known to be in a long task
DEATHS_MAX = 5  # in a row that no task is to blame for

_log = get_logger(__name__)


class Fetch(NamedTuple):
    """A worker's wish: copy ranges of files of another executor to `destination`."""

    address: str
    executor_id: str
    paths: Sequence[str]
    offsets: Sequence[int]
    lengths: Sequence[int]
    destination: str


class PoolOptions(NamedTuple):
    """What the application's settings say about a pool."""

    slots: int
    """Tasks that run at once."""
    locality_wait_s: float
    """How long a task waits for the worker that has its input."""
    kill_after_s: float
    """From interrupting a task to killing its worker."""
    reuse_workers: bool = True


class PoolListener(Protocol):
    """Whoever hosts a pool."""

    def ended(
        self, task_ids: Sequence[int], outcomes: Sequence[int], payloads: Sequence[bytes], slot: int
    ) -> None:
        """Tasks ended; no outcomes means that all are successes."""

    def turn(self) -> None:
        """No more ends of tasks come right now: a good time to send them on."""

    def fetch(self, wish: Fetch, answer: Callable[[str, int], None]) -> None:
        """Fulfil it; answer "" or what went wrong, and how many of the ranges are there."""

    def meet(self, task_id: int, kind: int, message: str) -> None:
        """A task of a barrier stage calls; `WorkerPool.met` is to follow."""

    def printed(self, fd: int, text: str) -> None:
        """A task has printed these lines."""

    def output(self, fd: int, data: bytes) -> None:
        """This came from a worker, nobody knows from which task."""

    def broken(self, reason: str) -> None:
        """Workers cannot be had any more."""


class WorkerPool:
    """One worker per slot, and the tasks that wait for them."""

    def __init__(
        self, reactor: Reactor, zygote: WorkerSource, slots: int, listener: PoolListener
    ) -> None:
        self._reactor = reactor
        self._zygote = zygote
        self._listener = listener
        self._settings: Mapping[str, Any] | None = None
        self._options = PoolOptions(slots, locality_wait_s=3.0, kill_after_s=2.0)
        self._queue: deque[Task] = deque()
        self._binaries: dict[int, bytes] = {}
        self._pace: dict[int, float] = {}  # seconds per task, by stage
        self._deaths = 0
        self._timer: Timer | None = None
        self._kills: set[Timer] = set()
        zygote.attach(
            reactor,
            self._on_forked,
            self._on_exited,
            lambda: listener.broken("the zygote, from which workers are forked, died"),
        )
        self._workers = [self._new_worker(slot) for slot in range(slots)]
        self._dismissed: dict[int, Worker] = {}  # by slot: not needed, and about to end
        self._handlers: dict[int, Callable[..., None]] = {
            messages.READY: self._on_ready,
            messages.RESULTS: self._on_results,
            messages.RETURNED: self._on_returned,
            messages.FETCH: self._on_fetch,
            messages.PRINTED: self._on_printed,
            messages.MEET: self._on_meet,
        }

    @property
    def running(self) -> int:
        """How many workers have something to do."""
        return sum(1 for worker in self._workers if worker.sent)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that there are."""
        return [worker.pid for worker in self._workers if worker.pid]

    def configure(self, settings: Mapping[str, Any], options: PoolOptions) -> None:
        """Give the workers their settings (`runner.Settings`); they start tasks then."""
        self._settings = settings
        self._options = options
        while len(self._workers) > options.slots:
            worker = self._workers.pop()
            worker.link.close()
            self._dismissed[worker.slot] = worker
        for worker in self._workers:
            worker.send(messages.SETUP, settings)

    def add_stage(self, key: int, binary: bytes) -> None:
        """Take a stage's closure; each worker gets it ahead of its first task of that stage."""
        self._binaries[key] = binary

    def submit(self, batch: spark_pb2.TaskBatch) -> None:
        """Queue tasks. `dispatch` is to follow."""
        columns = batch.task_ids, batch.partitions, batch.attempts
        tasks = zip(repeat(batch.stage_key), *columns, batch.payloads or repeat(b""), strict=False)
        if not batch.workers:
            self._queue.extend(tasks)
            return
        for task, slot in zip(tasks, batch.workers, strict=True):
            bound = 0 <= slot < len(self._workers)
            (self._workers[slot].own if bound else self._queue).append(task)

    def cancel(self, task_ids: Collection[int], interrupt: bool) -> None:
        """Drop tasks that have not started; with `interrupt` end running ones too."""
        cancelled = set(task_ids)
        dropped: list[int] = []
        for queue in (self._queue, *(worker.own for worker in self._workers)):
            dropped += [task[1] for task in queue if task[1] in cancelled]
            kept = [task for task in queue if task[1] not in cancelled]
            queue.clear()
            queue.extend(kept)
        if dropped:
            self._listener.ended(
                dropped, [spark_pb2.CANCELLED] * len(dropped), [b""] * len(dropped), -1
            )
            self._listener.turn()
        for worker in self._workers:
            sent = cancelled.intersection(worker.sent)
            if sent:
                worker.send(messages.CANCEL, list(sent), interrupt)
                worker.poke()
                if interrupt:
                    self._kill_later(worker, sent)

    def met(self, task_ids: Sequence[int], answer: Sequence[str], error: str) -> None:
        """Tell tasks of a barrier stage what came of their calls."""
        for task_id in task_ids:
            for worker in self._workers:
                if task_id in worker.sent:
                    worker.send(messages.MET, task_id, list(answer), error)

    def clean_up(
        self, stage_keys: Sequence[int], rdd_ids: Sequence[int], broadcast_ids: Sequence[int]
    ) -> None:
        """Have the workers drop what belongs to these."""
        for key in stage_keys:
            self._binaries.pop(key, None)
            self._pace.pop(key, None)
        for worker in self._workers:
            worker.stages.difference_update(stage_keys)
            worker.send(messages.CLEANUP, *map(list, (stage_keys, rdd_ids, broadcast_ids)))

    def grow(self, slots: int) -> None:
        """Have at least so many workers."""
        while len(self._workers) < slots:
            self._workers.append(self._new_worker(len(self._workers)))

    def pause(self) -> None:
        """Stop reading from the workers, which will stop once they cannot send."""
        for worker in self._workers:
            worker.link.pause()

    def resume(self) -> None:
        """Read from the workers again, those that have come since `pause` too."""
        for worker in self._workers:
            worker.link.resume()

    def close(self) -> None:
        """Kill everything."""
        for timer in (self._timer, *self._kills):
            if timer is not None:
                timer.cancel()
        for worker in self._workers:
            worker.link.close()
        self._zygote.close()
        for worker in (*self._workers, *self._dismissed.values()):
            worker.finish()

    # --------------------------------------------------------------------------------- dispatch

    def dispatch(self) -> None:
        """Send tasks to the workers that have room for them."""
        for worker in self._workers:
            if worker.own and not worker.spent:
                depth = self._depth(worker.own[0][0])
                if len(worker.sent) <= depth // 2:
                    bound = self._send_tasks(worker, worker.own, depth - len(worker.sent))
                    worker.bound.update(task[1] for task in bound)
        if self._queue:
            depth = self._depth(self._queue[0][0])
            unspent = [worker for worker in self._workers if not worker.spent]
            takers = [worker for worker in unspent if not worker.sent] or [
                worker for worker in unspent if len(worker.sent) <= depth // 2
            ]
            for left, worker in zip(range(len(takers), 0, -1), takers, strict=True):
                share = -(-len(self._queue) // left)
                self._send_tasks(worker, self._queue, min(share, depth - len(worker.sent)))
        self._watch()

    def _depth(self, stage_key: int) -> int:
        """How many tasks of a stage a worker may have: the one that it runs and those ahead."""
        if not self._options.reuse_workers:
            return 1
        pace = self._pace.get(stage_key)
        if pace is None:
            return LOOKAHEAD_UNKNOWN
        return 1 + min(int(LOOKAHEAD_S / (pace + 1e-6)), LOOKAHEAD_TASKS_MAX)

    def _send_tasks(self, worker: Worker, queue: deque[Task], count: int) -> list[Task]:
        tasks: list[Task] = []
        size = 0
        while queue and len(tasks) < count and size < LOOKAHEAD_BYTES:
            task = queue.popleft()
            size += len(task[4])
            tasks.append(task)
        if not tasks:
            return tasks
        for key in {task[0] for task in tasks} - worker.stages:
            if key in self._binaries:
                worker.send(messages.STAGE, key, self._binaries[key])
                worker.stages.add(key)
        worker.send(messages.TASKS, tasks)
        if not worker.sent:
            self._heard(worker)
        worker.sent.update((task[1], task) for task in tasks)
        return tasks

    # -------------------------------------------------------------------------- from the workers

    def _on_message(self, worker: Worker, message: tuple[Any, ...]) -> None:
        kind, *arguments = message
        self._handlers[kind](worker, *arguments)

    def _on_turn(self) -> None:
        self._rebalance(self._reactor.time())
        self.dispatch()
        self._listener.turn()

    def _on_ready(self, worker: Worker) -> None:
        worker.ready = True
        self._heard(worker)

    def _on_results(
        self,
        worker: Worker,
        task_ids: list[int],
        outcomes: Sequence[int],
        payloads: list[bytes],
        seconds: float,
    ) -> None:
        first = worker.sent.get(task_ids[0])
        for task_id in task_ids:
            del worker.sent[task_id]
        if worker.bound:
            worker.bound.difference_update(task_ids)
        if first is not None:
            pace = seconds / len(task_ids)
            self._pace[first[0]] = (self._pace.get(first[0], pace) + pace) / 2
        self._deaths = 0
        self._heard(worker)
        worker.spent = not self._options.reuse_workers
        self._listener.ended(task_ids, outcomes, payloads, worker.slot)

    def _on_returned(self, worker: Worker, task_ids: list[int]) -> None:
        worker.recalled = False
        for task_id in reversed(task_ids):
            task = worker.sent.pop(task_id)
            (worker.own if task_id in worker.bound else self._queue).appendleft(task)
            worker.bound.discard(task_id)

    def _on_fetch(self, worker: Worker, number: int, *wish: Any) -> None:
        self._listener.fetch(Fetch(*wish), partial(worker.send, messages.FETCHED, number))

    def _on_meet(self, worker: Worker, task_id: int, kind: int, message: str) -> None:
        self._listener.meet(task_id, kind, message)

    def _on_printed(self, worker: Worker, fd: int, text: str) -> None:
        if fd == 2:
            worker.stderr.note(text)
        self._listener.printed(fd, text)

    def _heard(self, worker: Worker) -> None:
        worker.heard_at = self._reactor.time()
        worker.settled = False
        worker.last_seen = NO_TASK

    # -------------------------------------------------------------------------------- watching

    def _watch(self) -> None:
        """Look at the workers soon, if one of them may need it."""
        if self._timer is not None:
            return
        idle = any(not worker.sent for worker in self._workers)
        if any(worker.sent and not worker.settled for worker in self._workers):
            self._timer = self._reactor.call_later(CHECK_S, self._check)
        elif idle and any(worker.own for worker in self._workers):
            self._timer = self._reactor.call_later(self._options.locality_wait_s, self._check)

    def _check(self) -> None:
        self._timer = None
        now = self._reactor.time()
        for worker in self._workers:
            if worker.sent and worker.ready and not worker.settled:
                self._look_at(worker, now)
        self._rebalance(now)
        self.dispatch()

    def _look_at(self, worker: Worker, now: float) -> None:
        """See that it does not hold results back behind a long task.

        A result waits for the end of the next task. If that has been seen running in two looks in
        a row, it runs for longer than results may wait, and the worker reports when it ends.
        """
        running = worker.running
        if running == NO_TASK or now - worker.heard_at < CHECK_S / 2:
            return
        if running != next(iter(worker.sent)):
            worker.poke()
        elif running == worker.last_seen:
            worker.settled = True
        worker.last_seen = running

    def _rebalance(self, now: float) -> None:
        """Call tasks back that wait behind a long one while another worker has nothing to do."""
        if self._queue or all(worker.sent for worker in self._workers):
            return
        for worker in self._workers:
            silent_s = now - worker.heard_at
            waiting = len(worker.sent) - len(worker.bound) - 1
            if waiting > 0 and silent_s > CHECK_S and worker.ready and not worker.recalled:
                worker.recalled = True
                worker.send(messages.RECALL)
                worker.poke()
            if worker.own and worker.sent and silent_s > self._options.locality_wait_s:
                self._queue.extend(worker.own)
                worker.own.clear()

    # -------------------------------------------------------------------------- life and death

    def _new_worker(self, slot: int) -> Worker:
        worker = Worker(
            self._reactor,
            self._zygote,
            slot,
            self._on_message,
            self._on_turn,
            self._listener.output,
        )
        if self._settings is not None:
            worker.send(messages.SETUP, self._settings)
        return worker

    def _on_forked(self, slot: int, pid: int) -> None:
        (self._dismissed.get(slot) or self._workers[slot]).pid = pid

    def _on_exited(self, pid: int, exit: Exit) -> None:
        for worker in self._dismissed.values():
            if worker.pid == pid:
                worker.finish()
                del self._dismissed[worker.slot]
                return
        worker = next(worker for worker in self._workers if worker.pid == pid)
        reason = worker.bury(exit)
        if worker.spent:
            self._replace(worker)
            return
        running = worker.running
        killed = running in worker.sent and running == worker.doomed
        if killed:
            _log.info("worker killed with its task", slot=worker.slot, pid=pid)
        else:
            first_line = reason.partition("\n")[0]  # the others have been passed on already
            _log.warning("worker died", slot=worker.slot, pid=pid, reason=first_line)
        if worker.sent.pop(running, None) is not None:
            outcome = spark_pb2.CANCELLED if killed else spark_pb2.WORKER_LOST
            self._listener.ended([running], [outcome], [reason.encode()], worker.slot)
            self._listener.turn()
            self._deaths = 0
        else:
            self._deaths += 1
        if self._deaths > DEATHS_MAX:
            self._listener.broken(f"workers die before they run anything: {reason}")
            return
        self._replace(worker)

    def _replace(self, worker: Worker) -> None:
        """Have another worker in a slot; what this one had to do goes to any."""
        self._queue.extendleft(reversed([*worker.sent.values(), *worker.own]))
        self._workers[worker.slot] = self._new_worker(worker.slot)
        self.dispatch()

    def _kill_later(self, worker: Worker, task_ids: Iterable[int]) -> None:
        """Kill a worker unless it lets itself be interrupted in time."""

        def kill() -> None:
            self._kills.discard(timer)
            if worker.running in task_ids and worker.running in worker.sent:
                worker.doomed = worker.running
                worker.signal(signal.SIGKILL)

        timer = self._reactor.call_later(self._options.kill_after_s, kill)
        self._kills.add(timer)
