"""The fine-grained mode: an executor per agent, each Spark task a Mesos task that it runs.

A pure core. Cores are had by offers only, and go back as soon as a task has ended; an executor
keeps its memory, and a core or so of its own, until the application ends. The task scheduler fills
what is offered; this launches what it chose, and sees to it that each task ends exactly once for
it, whichever way the news comes: with a status of the task, by the executor's connection to the
driver (a large result), or with the end of executor, agent or connection.

The executor's id, for Spark and for Mesos, is the agent's.

Source: Spark's documentation "Running Spark on Mesos", fine-grained mode; Mesos's
"Reconciliation". Spark takes any failed task for the loss of its executor; an executor that says
itself that a task has failed is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from minimesos.actor import Effect, SetTimer
from minimesos.log import get_logger
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.backends import calls
from minimesos.spark.backends.constraints import unmet
from minimesos.spark.backends.endings import ENDED, judge
from minimesos.spark.backends.exclusion import Exclusion
from minimesos.spark.backends.fine_ledger import Executor, Task, describe_exit, ended, results_of
from minimesos.spark.backends.fine_offers import FineSettings, Lacking, Opening
from minimesos.spark.backends.fine_task import FineTasks
from minimesos.spark.backends.ledger import Agent
from minimesos.spark.backends.mesos_core import (
    AskForTasks,
    CallMaster,
    ExecutorGone,
    ExpectExecutor,
    GiveUp,
    SendToExecutor,
    TaskResults,
)
from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.mesos import (
    MESOS_FRAMEWORK_ID,
)
from minimesos.spark.settings.scheduling import DEFAULT_PARALLELISM

LAUNCH_FILTER_S = 1.0
"""How long the rest of an offer stays away of which a part was used."""
PARALLELISM = 8
"""Partitions of a collection, as long as nobody knows what will be offered."""
RECONCILE = "reconcile"
RECONCILE_INTERVAL_S = 300.0
DATA_BYTES_MAX = 2**18
"""A longer description of a task goes to the executor itself, and not through master and agent."""

_STATUS = mesos_pb2.TaskStatus

_NEVER_RAN = {
    _STATUS.REASON_INVALID_OFFERS,
    _STATUS.REASON_MASTER_DISCONNECTED,
    _STATUS.REASON_RECONCILIATION,
    _STATUS.REASON_TASK_INVALID,
    _STATUS.REASON_TASK_KILLED_DURING_LAUNCH,
    _STATUS.REASON_TASK_UNAUTHORIZED,
}
"""Of ends of tasks that have not come to their executor, so that this need not be gone."""

_log = get_logger(__name__)


class FineGrainedCore:
    """The executors and tasks of one application. Mesos's ids of tasks are Spark's."""

    name = "MesosFineGrainedSchedulerBackend"
    launches_on_offers = True

    def __init__(self, conf: Texts, tasks: FineTasks) -> None:
        self._describe = tasks
        self._settings = FineSettings.from_conf(conf)
        self._default_parallelism = DEFAULT_PARALLELISM.read(conf) or PARALLELISM
        self._exclusion = Exclusion.of(conf)
        self._has_ancestors = MESOS_FRAMEWORK_ID.read(conf) is not None
        self._suffix = ""
        self._executors: dict[str, Executor] = {}  # by agent id
        self._tasks: dict[int, Task] = {}
        self._agents: dict[str, Agent] = {}
        self._lacking = Lacking()
        self._openings: dict[str, Opening] = {}  # that the task scheduler is filling
        self._has_asked = False
        self._has_worked = False
        self._driver_url = ""
        self._framework_id = ""
        self._stopping = False
        self._effects: list[Effect] = []
        self._results: dict[str, spark_pb2.TaskResults] = {}  # among the effects

    @property
    def default_parallelism(self) -> int:
        return self._default_parallelism

    @property
    def is_idle(self) -> bool:
        return not self._executors

    @property
    def task_ids(self) -> set[str]:
        """Mesos's ids of the tasks that have not ended, as far as is known."""
        return {self._mesos_id(tid) for tid, task in self._tasks.items() if not task.has_status}

    def take_effects(self) -> list[Effect]:
        effects = self._effects.copy()
        self._effects.clear()
        self._results.clear()
        return effects

    # -- the subscription -------------------------------------------------------------------------

    def subscribed(self, framework_id: str, driver_url: str, now: float) -> None:
        is_first = not self._framework_id
        self._framework_id = framework_id
        self._driver_url = driver_url
        if is_first and self._has_ancestors:
            # What an earlier driver's tasks have come to may still be told, and is none of ours.
            self._suffix = f".{int(now * 1000)}"
        if self._stopping:
            return
        if not is_first and self._tasks:
            self._reconcile()
        self._look_for_strangers(now, is_asking=self._has_ancestors or not is_first)

    def disconnected(self, now: float) -> None:
        """Tasks go on; what was offered is void."""
        self._openings.clear()
        self._has_asked = False

    def _reconcile(self) -> None:
        """Ask what has become of all tasks; say again which are to be killed."""
        tasks = self._tasks.items()
        self._call(calls.reconcile((self._mesos_id(tid), task.agent_id) for tid, task in tasks))
        for tid, task in self._tasks.items():
            if task.is_killed:
                self._kill(tid, task)

    def _look_for_strangers(self, now: float, is_asking: bool = True) -> None:
        """Ask for all tasks there are, now and then.

        The call that ends an executor which hangs may be lost, or come while its agent is away.
        """
        if is_asking:
            self._call(calls.reconcile())
        self._effects.append(SetTimer(RECONCILE, now + RECONCILE_INTERVAL_S))

    def _found_stranger(self, status: mesos_pb2.TaskStatus) -> None:
        """A task runs that is over for us: on an executor that was given up, or an old driver's."""
        agent_id = status.agent_id.value
        if agent_id in self._executors:
            self._call(calls.kill(status.task_id.value, agent_id))
        else:
            self._call(calls.shut_down(agent_id, agent_id))

    # -- offers -----------------------------------------------------------------------------------

    def offers(self, offers: Sequence[mesos_pb2.Offer], now: float) -> None:
        self._has_asked = False
        if self._stopping:
            self._decline(offers)
            return
        declined, unsuitable = [], []
        for offer in offers:
            problem = unmet(self._settings.constraints, offer.attributes)
            if problem:
                unsuitable.append(offer)
            else:
                problem = self._open(offer, now)
                if problem:
                    declined.append(offer)
            self._lacking.note(offer, problem)
        self._decline(unsuitable, self._settings.unmet_constraints_reject_s)
        self._decline(declined)
        if self._openings:
            self._effects.append(
                AskForTasks(
                    [
                        opening.worker_offer(self._settings, agent_id in self._executors)
                        for agent_id, opening in self._openings.items()
                    ]
                )
            )
        self._look_whether_stuck(now)

    def _open(self, offer: mesos_pb2.Offer, now: float) -> str:
        """Let an offer be used; say why it cannot be, if so."""
        agent_id = offer.agent_id.value
        has_executor = agent_id in self._executors
        if not has_executor:
            if any(each.value == agent_id for each in offer.executor_ids):
                self._call(calls.shut_down(agent_id, agent_id))
                return "its former executor has not ended yet"
            agent = self._agents.get(agent_id)
            if agent is not None and agent.is_excluded(now):
                left_s = agent.excluded_until_s - now
                return f"excluded for {left_s:.0f} s yet: {agent.last_failure}"
        opening = Opening(offer)
        problem = opening.lacks(self._settings, has_executor)
        if agent_id in self._openings:
            problem = "another offer of the agent is used"
        if not problem:
            self._openings[agent_id] = opening
        return problem

    def rescinded(self, offer_id: str, now: float) -> None:
        """Offers are answered when they come."""

    def launch(self, executor_id: str, frame: spark_pb2.DriverFrame, now: float) -> None:
        opening = self._openings.get(executor_id)
        if frame.tasks and opening is not None:
            for batch in frame.tasks:
                self._launch_task(opening, batch)
        frame.ClearField("tasks")
        for tid in frame.cancel.task_ids:
            task = self._tasks.get(tid)
            if task is not None:
                task.is_killed = True
                self._kill(tid, task)
        frame.ClearField("cancel")
        if frame.ListFields() and executor_id in self._executors:
            self._effects.append(SendToExecutor(executor_id, frame))

    def launched(self, now: float) -> None:
        unused = []
        for opening in self._openings.values():
            if opening.tasks:
                self._call(calls.launch(opening.offer, opening.tasks, LAUNCH_FILTER_S))
            else:
                unused.append(opening.offer)
        self._openings.clear()
        self._decline(unused)

    def _launch_task(self, opening: Opening, batch: spark_pb2.TaskBatch) -> None:
        agent_id = opening.offer.agent_id.value
        executor = self._executors.get(agent_id)
        if executor is None:
            executor = self._launch_executor(opening)
        (tid,) = batch.task_ids
        info = self._describe.task_info(
            self._mesos_id(tid), executor.info, opening.take_task(self._settings), batch
        )
        batch.ClearField("names")
        data = batch.SerializeToString()
        if len(data) > DATA_BYTES_MAX:
            self._effects.append(SendToExecutor(agent_id, spark_pb2.DriverFrame(tasks=[batch])))
        else:
            info.data = data
        opening.tasks.append(info)
        self._tasks[tid] = Task(agent_id)
        executor.task_ids.add(tid)

    def _launch_executor(self, opening: Opening) -> Executor:
        agent_id = opening.offer.agent_id.value
        resources = opening.take_executor(self._settings)
        info = self._describe.executor_info(agent_id, self._driver_url, resources)
        executor = self._executors[agent_id] = Executor(info)
        self._agents.setdefault(agent_id, Agent(opening.offer.hostname))
        self._effects.append(ExpectExecutor(agent_id))
        _log.info("Launching executor", executor=agent_id, host=opening.offer.hostname)
        return executor

    # -- tasks ------------------------------------------------------------------------------------

    def update(self, status: mesos_pb2.TaskStatus, now: float) -> None:
        task_id = status.task_id.value.removesuffix(self._suffix)
        tid = int(task_id) if task_id.isascii() and task_id.isdigit() else -1
        task = self._tasks.get(tid)
        if task is None or self._mesos_id(tid) != status.task_id.value:
            # It has ended for us, or is an earlier driver's.
            is_asked = status.reason == _STATUS.REASON_RECONCILIATION
            if is_asked and status.state not in ENDED and not self._stopping:
                self._found_stranger(status)
            return
        if status.state not in ENDED or task.has_status:
            return
        self._has_asked = False  # something is free that was not
        executor = self._executors[task.agent_id]
        if status.source == _STATUS.SOURCE_EXECUTOR:
            self._reported(tid, task, executor, status)
        elif status.reason in _NEVER_RAN:
            self._not_run(tid, task, executor, status, now)
        else:
            self._executor_ended(task.agent_id, executor, status, now)

    def results(self, executor_id: str, results: spark_pb2.TaskResults, now: float) -> None:
        executor = self._executors.get(executor_id)
        if executor is None:
            return
        for tid in results.task_ids:
            task = self._tasks.get(tid)
            if task is not None:
                task.has_result = True
                if task.has_status:
                    self._strike_out(tid, executor)
        self._end(executor_id, results)

    def _reported(
        self, tid: int, task: Task, executor: Executor, status: mesos_pb2.TaskStatus
    ) -> None:
        """The executor says that a task has ended: with its result, or that goes the other way."""
        if not status.data and not task.has_result:
            task.has_status = True
            return
        self._strike_out(tid, executor)
        if task.has_result:
            return
        results = results_of(tid, status)
        if executor.has_attached:
            self._end(task.agent_id, results)
        else:
            executor.early.append(results)

    def _not_run(
        self,
        tid: int,
        task: Task,
        executor: Executor,
        status: mesos_pb2.TaskStatus,
        now: float,
    ) -> None:
        """A task has not come to its executor: it may be tried again, wherever that is."""
        self._strike_out(tid, executor)
        if task.has_result:
            return  # the master has forgotten that it ran
        self._end(task.agent_id, ended(tid, spark_pb2.CANCELLED, status.message))
        state = mesos_pb2.TaskState.Name(status.state)
        _log.info("Task was not launched", task=tid, state=state, reason=status.message)
        if status.state == mesos_pb2.TASK_ERROR:
            self._blame(task.agent_id, f"a task was refused: {status.message}", now)
        if not executor.has_attached and not executor.task_ids:
            # Nobody knows whether it was launched: the next task will have it launched, or again.
            self._forget(task.agent_id, "it was not launched", charges_tasks=False)

    def _end(self, executor_id: str, results: spark_pb2.TaskResults) -> None:
        """Let the task scheduler know, of all ends on an executor at once."""
        known = self._results.get(executor_id)
        if known is None:
            known = self._results[executor_id] = spark_pb2.TaskResults()
            self._effects.append(TaskResults(executor_id, known))
        if results.outcomes or known.outcomes:
            for each in (known, results):
                missing = len(each.task_ids) - len(each.outcomes)
                each.outcomes.extend([spark_pb2.SUCCESS] * missing)
        known.MergeFrom(results)

    def _strike_out(self, tid: int, executor: Executor) -> None:
        del self._tasks[tid]
        executor.task_ids.discard(tid)

    # -- executors --------------------------------------------------------------------------------

    def attached(self, executor_id: str, now: float) -> None:
        executor = self._executors.get(executor_id)
        if executor is None:
            return
        executor.has_attached = self._has_worked = True
        for results in executor.early:
            self._end(executor_id, results)
        executor.early.clear()

    def detached(self, executor_id: str, now: float) -> None:
        if executor_id not in self._executors or self._stopping:
            return
        self._forget(executor_id, "its connection to the driver was lost", charges_tasks=True)
        self._blame(executor_id, "the executor's connection to the driver was lost", now)
        # Most likely it has ended, but it may hang.
        self._call(calls.shut_down(executor_id, executor_id))

    def executor_failed(self, failure: scheduler_pb2.Event.Failure, now: float) -> None:
        agent_id = failure.agent_id.value
        if agent_id not in self._executors:
            return
        if not failure.HasField("executor_id"):
            self._forget(agent_id, "its agent is lost", charges_tasks=True)
            return
        executor = self._executors[agent_id]
        reason = f"the executor has ended: {describe_exit(failure.status)}"
        is_expected = self._stopping or not (executor.has_attached or executor.task_ids)
        self._forget(agent_id, reason, charges_tasks=executor.has_attached)
        if not is_expected:
            self._blame(agent_id, reason, now)

    def _executor_ended(
        self, agent_id: str, executor: Executor, status: mesos_pb2.TaskStatus, now: float
    ) -> None:
        """A task has ended with its executor."""
        verdict = judge(status, executor.has_attached)
        self._forget(agent_id, verdict.reason, verdict.charges_tasks and executor.has_attached)
        if not executor.has_attached and not self._stopping:
            host = self._agents[agent_id].hostname
            _log.warning(
                "Executor did not start", executor=agent_id, agent=host, reason=verdict.reason
            )
        if verdict.blames_agent:
            self._blame(agent_id, verdict.reason, now)

    def _forget(self, agent_id: str, reason: str, charges_tasks: bool) -> None:
        """An executor is gone with all its tasks; the next offer of its agent is for a new one."""
        executor = self._executors.pop(agent_id)
        for tid in executor.task_ids:
            del self._tasks[tid]
        self._has_asked = False
        if not self._stopping:
            self._effects.append(ExecutorGone(agent_id, reason, charges_tasks))

    def _blame(self, agent_id: str, reason: str, now: float) -> None:
        if self._stopping:
            return
        if self._exclusion.blame(self._agents[agent_id], reason, now):
            self._look_whether_stuck(now)

    def _look_whether_stuck(self, now: float) -> None:
        """Give up if executors fail wherever they are launched, and none ever worked."""
        agents = self._agents.values()
        if self._executors or self._has_worked or not agents:
            return
        if all(agent.is_excluded(now) for agent in agents):
            last = max(agents, key=lambda agent: agent.excluded_until_s)
            self._effects.append(GiveUp(self._exclusion.hopeless(last.last_failure)))

    # -- what the driver tells --------------------------------------------------------------------

    def timer_fired(self, name: str, now: float) -> None:
        if not self._stopping:
            self._look_for_strangers(now)

    def revive(self, now: float) -> None:
        """Ask once until offers come, or something is freed for which there may be some."""
        if not self._has_asked and not self._stopping:
            self._has_asked = True
            self._call(calls.revive())

    def request_total_executors(
        self, total: int, local_tasks: Mapping[str, int], now: float
    ) -> None:
        """There is one on each agent that has run a task: settings that say more are refused."""

    def kill_executors(self, executor_ids: Sequence[str], now: float) -> None:
        """Executors stay until the application ends."""

    def shortage(self, now: float) -> list[str]:
        waiting = [
            f"executor {agent_id} was launched on agent {self._agents[agent_id].hostname} and has "
            "not connected yet"
            for agent_id, executor in self._executors.items()
            if not executor.has_attached
        ]
        return waiting + self._lacking.lines()

    def stop(self, now: float) -> None:
        self._stopping = True

    # -- what goes to the master ------------------------------------------------------------------

    def _mesos_id(self, tid: int) -> str:
        return f"{tid}{self._suffix}"

    def _decline(
        self, offers: Sequence[mesos_pb2.Offer], refuse_seconds: float | None = None
    ) -> None:
        if offers:
            self._call(calls.decline(offers, refuse_seconds))

    def _kill(self, tid: int, task: Task) -> None:
        self._call(calls.kill(self._mesos_id(tid), task.agent_id))

    def _call(self, call: calls.Call) -> None:
        self._effects.append(CallMaster(call))
