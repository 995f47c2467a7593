"""The coarse-grained mode: a Mesos task is a Spark executor, which holds its cores while it lives.

A pure core: `offers` decides which executors are launched on what; this keeps the ledger right as
executors start, fail and end, and says what to tell master and driver. Executors get their tasks
from the driver itself, so nothing here knows of those.

Calls may be lost with the stream to the master, and a driver may come back under the id of a
framework whose driver has died. So this reconciles: at such subscriptions, and from time to time. A
task that nobody here knows is an old driver's, and is killed.

Source: Spark's documentation "Running Spark on Mesos", coarse-grained mode; Mesos's
"Reconciliation".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from minimesos.actor import Effect, SetTimer
from minimesos.log import get_logger
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.backends import calls
from minimesos.spark.backends.coarse_task import CoarseTasks
from minimesos.spark.backends.endings import ENDED, is_duplicate, judge
from minimesos.spark.backends.exclusion import Exclusion
from minimesos.spark.backends.ledger import Executor, Ledger
from minimesos.spark.backends.mesos_core import (
    CallMaster,
    ExecutorGone,
    ExecutorLeaves,
    ExpectExecutor,
    GiveUp,
)
from minimesos.spark.backends.offers import Answer, CoarseSettings, answer_offers
from minimesos.spark.backends.shortage import Shortage
from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.allocation import DYNAMIC_ALLOCATION_ENABLED
from minimesos.spark.settings.mesos import (
    MESOS_FAILOVER_TIMEOUT,
    MESOS_FRAMEWORK_ID,
    MESOS_ROLE,
)

RECONCILE = "reconcile"

RECONCILE_INTERVAL_S = 300.0
DOUBT_S = 60.0
"""How long a master may not know of an executor: its agent may be about to register again."""
IDS_PER_S = 1000
"""Executors that an application launches in a second, at most, counted from its start."""

_log = get_logger(__name__)


class CoarseGrainedCore:
    """The executors of one application, each a Mesos task with a decimal number as its id."""

    name = "MesosCoarseGrainedSchedulerBackend"
    launches_on_offers = False

    def __init__(self, conf: Texts, tasks: CoarseTasks) -> None:
        self._tasks = tasks
        self._settings = CoarseSettings.from_conf(conf)
        self._exclusion = Exclusion.of(conf)
        self._ledger = Ledger(0 if DYNAMIC_ALLOCATION_ENABLED.read(conf) else None)
        self._shortage = Shortage(self._settings, MESOS_ROLE.read(conf))
        self._last_failure = ""
        self._framework_id = ""
        self._driver_url = ""
        self._may_come_back = MESOS_FRAMEWORK_ID.read(conf) is not None
        self._may_be_followed = MESOS_FAILOVER_TIMEOUT.read(conf) > 0
        self._is_stuck = False
        self._stopping = False
        self._effects: list[Effect] = []

    @property
    def default_parallelism(self) -> int:
        return max(self._ledger.total_cores_acquired, 2)

    @property
    def is_idle(self) -> bool:
        return not self._ledger.executors

    @property
    def executor_ids(self) -> Collection[str]:
        """Executors that were launched and are not known to have ended."""
        return self._ledger.executors.keys()

    @property
    def total_cores_acquired(self) -> int:
        """Cores that they hold, without extra ones."""
        return self._ledger.total_cores_acquired

    def take_effects(self) -> list[Effect]:
        effects = self._effects.copy()
        self._effects.clear()
        return effects

    # -- the subscription -------------------------------------------------------------------------

    def subscribed(self, framework_id: str, driver_url: str, now: float) -> None:
        is_first = not self._framework_id
        self._framework_id = framework_id
        self._driver_url = driver_url
        if self._stopping:
            return
        if is_first and not self._may_come_back:
            self._effects.append(SetTimer(RECONCILE, now + RECONCILE_INTERVAL_S))
            return
        if is_first and self._may_be_followed:
            # An agent that the master has yet to hear of may run an old driver's executors, so
            # that asking does not help: what is counted from the time is never counted twice.
            self._ledger.next_executor_id = int(now * IDS_PER_S)
        self._reconcile(now)
        self.revive(now)  # an earlier call may have been lost

    def disconnected(self, now: float) -> None:
        """Executors go on. Offers are void, but they are answered when they come."""

    def _reconcile(self, now: float) -> None:
        """Ask what became of our executors, and which tasks there are that are none of ours."""
        executors = self._ledger.executors
        if executors:
            named = ((id, each.agent_id) for id, each in executors.items())
            self._call(calls.reconcile(named))
        self._call(calls.reconcile())
        self._effects.append(SetTimer(RECONCILE, now + RECONCILE_INTERVAL_S))

    def timer_fired(self, name: str, now: float) -> None:
        if not self._stopping:
            self._reconcile(now)

    # -- offers -----------------------------------------------------------------------------------

    def offers(self, offers: Sequence[mesos_pb2.Offer], now: float) -> None:
        if self._stopping:
            self._call(calls.decline(offers))
            return
        answers = answer_offers(offers, self._settings, self._ledger, now)
        self._shortage.note(answers)
        self._look_whether_stuck(now)
        declined: dict[float | None, list[mesos_pb2.Offer]] = {}
        for answer in answers:
            if answer.launches:
                self._accept(answer)
            else:
                _log.debug("declined", offer=answer.offer.id.value, reason=answer.reason)
                declined.setdefault(answer.refuse_seconds, []).append(answer.offer)
        for refuse_seconds, refused in declined.items():
            self._call(calls.decline(refused, refuse_seconds))

    def rescinded(self, offer_id: str, now: float) -> None:
        """Offers are answered when they come."""

    def _look_whether_stuck(self, now: float) -> None:
        """Give up if executors fail wherever they are launched; wait if they once did not."""
        was_stuck, self._is_stuck = self._is_stuck, self._ledger.is_stuck(now)
        if was_stuck or not self._is_stuck:
            return
        if self._ledger.has_worked:
            first_s = min(agent.excluded_until_s for agent in self._ledger.agents.values())
            _log.warning(
                "All agents are excluded, waiting until one is tried again",
                seconds=round(first_s - now),
                reason=self._last_failure,
            )
            return
        self._effects.append(GiveUp(self._exclusion.hopeless(self._last_failure)))

    def _accept(self, answer: Answer) -> None:
        offer = answer.offer
        tasks = []
        for launch in answer.launches:
            _log.info(
                "Launching executor",
                executor=launch.executor_id,
                host=offer.hostname,
                cores=launch.cores,
            )
            self._effects.append(ExpectExecutor(launch.executor_id))
            tasks.append(self._tasks.task_info(offer, launch, self._driver_url, self._framework_id))
        self._call(calls.launch(offer, tasks))

    # -- executors --------------------------------------------------------------------------------

    def update(self, status: mesos_pb2.TaskStatus, now: float) -> None:
        task_id = status.task_id.value
        self._ledger.heard_of(task_id)
        executor = self._ledger.executors.get(task_id)
        if executor is None or executor.state != status.state:
            state = mesos_pb2.TaskState.Name(status.state)
            _log.info("Mesos task is now", task=task_id, state=state)
        if executor is None:
            if status.state not in ENDED and not self._stopping:
                _log.info("Killing a task that is none of ours", task=task_id)
                self._call(calls.kill(task_id, status.agent_id.value))
        elif status.state in ENDED:
            self._ended(task_id, executor, status, now)
        else:
            self._lives(task_id, executor, status)

    def _lives(self, task_id: str, executor: Executor, status: mesos_pb2.TaskStatus) -> None:
        executor.state = status.state
        executor.is_doubted = False
        if status.reason == mesos_pb2.TaskStatus.REASON_RECONCILIATION and executor.is_leaving:
            self._call(calls.kill(task_id, executor.agent_id))  # it has not heard of the last one

    def _ended(
        self, task_id: str, executor: Executor, status: mesos_pb2.TaskStatus, now: float
    ) -> None:
        if status.reason == mesos_pb2.TaskStatus.REASON_RECONCILIATION and not self._stopping:
            if executor.has_attached and not executor.is_leaving:
                return  # we know better: it is connected
            if not executor.is_doubted:
                executor.is_doubted = True
                self._effects.append(SetTimer(RECONCILE, now + DOUBT_S))
                return
        self._ledger.end(task_id)
        if self._stopping:
            return
        verdict = judge(status, executor.has_attached, executor.was_killed)
        if not executor.was_killed:
            self._effects.append(ExecutorGone(task_id, verdict.reason, verdict.charges_tasks))
        if is_duplicate(status):
            self._call(calls.kill(task_id))  # the other one
        elif verdict.blames_agent:
            self._blame(task_id, executor, verdict.reason, now)
        self._call(calls.revive())  # earlier declines may have used long filters

    def _blame(self, executor_id: str, executor: Executor, reason: str, now: float) -> None:
        """Count an end against its agent."""
        self._last_failure = reason
        agent = self._ledger.agents[executor.agent_id]
        if not executor.has_attached:
            _log.warning(
                "Executor did not start", executor=executor_id, agent=agent.hostname, reason=reason
            )
        self._exclusion.blame(agent, reason, now)

    def executor_failed(self, failure: scheduler_pb2.Event.Failure, now: float) -> None:
        # The loss of executors arrives as updates of their tasks.
        if not failure.HasField("executor_id"):
            _log.warning("Lost an agent", agent=failure.agent_id.value)

    def attached(self, executor_id: str, now: float) -> None:
        executor = self._ledger.executors.get(executor_id)
        if executor is not None:
            executor.has_attached = True
            self._ledger.has_worked = True

    def detached(self, executor_id: str, now: float) -> None:
        executor = self._ledger.executors.get(executor_id)
        if executor is not None and not (executor.is_leaving or self._stopping):
            # Most likely it has ended. If it only hangs, its cores are to come back all the same.
            executor.is_leaving = True
            self._call(calls.kill(executor_id, executor.agent_id))

    # -- what the driver tells --------------------------------------------------------------------

    def results(self, executor_id: str, results: spark_pb2.TaskResults, now: float) -> None:
        raise NotImplementedError("the driver itself hears of the ends of tasks")

    def launch(self, executor_id: str, frame: spark_pb2.DriverFrame, now: float) -> None:
        raise NotImplementedError("executors are sent their tasks by the driver")

    def launched(self, now: float) -> None:
        raise NotImplementedError("executors are sent their tasks by the driver")

    def revive(self, now: float) -> None:
        ledger = self._ledger
        wants_more = not ledger.is_full and ledger.total_cores_acquired < self._settings.max_cores
        if wants_more and not self._stopping:
            self._call(calls.revive())

    def request_total_executors(
        self, total: int, local_tasks: Mapping[str, int], now: float
    ) -> None:
        _log.info("Capping the total amount of executors", total=total)
        self._ledger.executor_limit = total
        self._ledger.local_tasks = dict(local_tasks)
        self._ledger.locality_wait_start_s = now
        self.revive(now)  # offers were declined while there were enough

    def kill_executors(self, executor_ids: Sequence[str], now: float) -> None:
        for executor_id in executor_ids:
            executor = self._ledger.executors.get(executor_id)
            if executor is not None and not executor.was_killed:
                executor.was_killed = executor.is_leaving = True
                self._effects.append(ExecutorLeaves(executor_id, "killed by the driver"))
                self._call(calls.kill(executor_id, executor.agent_id))

    def shortage(self, now: float) -> list[str]:
        return self._shortage.lines(self._ledger, now)

    def stop(self, now: float) -> None:
        self._stopping = True

    def _call(self, call: scheduler_pb2.Call) -> None:
        self._effects.append(CallMaster(call))
