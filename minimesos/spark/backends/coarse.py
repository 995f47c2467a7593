"""The coarse-grained mode: a Mesos task is a Spark executor, which holds its cores while it lives.

A pure core: `offers` decides which executors are launched on what; this keeps the ledger right as
executors start, fail and end, and says what to tell master and driver. Executors get their tasks
from the driver itself, so nothing here knows of those.

Source: Spark's documentation "Running Spark on Mesos", coarse-grained mode.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from minimesos.actor import Effect
from minimesos.log import get_logger
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.application import spark_user
from minimesos.spark.backends.mesos_coarse import SECRET_VARIABLE, executor_python
from minimesos.spark.backends.mesos_core import CallMaster, ExecutorGone, ExpectExecutor, GiveUp
from minimesos.spark.backends.offers import (
    MAX_AGENT_FAILURES,
    Answer,
    CoarseSettings,
    Launch,
    Ledger,
    answer_offers,
)
from minimesos.spark.conf import SparkConf
from minimesos.spark.settings import executor_environment
from minimesos.states import TERMINAL

_FAILED_STATES = TERMINAL - {mesos_pb2.TASK_FINISHED, mesos_pb2.TASK_KILLED}
_MEMORY_LIMIT = mesos_pb2.TaskStatus.REASON_CONTAINER_LIMITATION_MEMORY
_CALL = scheduler_pb2.Call

_log = get_logger(__name__)


class CoarseGrainedCore:
    """The executors of one application, each a Mesos task with a decimal number as its id."""

    name = "MesosCoarseGrainedSchedulerBackend"
    launches_on_offers = False

    def __init__(self, conf: SparkConf, app_name: str, secret: bytes) -> None:
        self._conf = conf
        self._app_name = app_name
        self._secret = secret
        self._settings = CoarseSettings.from_conf(conf)
        self._ledger = Ledger()
        self._attached: set[str] = set()
        self._last_failure = ""
        self._framework_id = ""
        self._driver_url = ""
        self._stopping = False
        self._effects: list[Effect] = []

    @property
    def default_parallelism(self) -> int:
        return max(self._ledger.total_cores_acquired, 2)

    @property
    def is_idle(self) -> bool:
        return not self._ledger.cores_by_task_id

    def take_effects(self) -> list[Effect]:
        effects = self._effects.copy()
        self._effects.clear()
        return effects

    # -- what the master tells --------------------------------------------------------------------

    def subscribed(self, framework_id: str, driver_url: str, now: float) -> None:
        self._framework_id = framework_id
        self._driver_url = driver_url

    def disconnected(self, now: float) -> None:
        """Executors go on."""

    def offers(self, offers: Sequence[mesos_pb2.Offer], now: float) -> None:
        if self._stopping:
            self._decline([offer.id for offer in offers])
            return
        answers = answer_offers(offers, self._settings, self._ledger)
        if self._ledger.is_stuck():
            self._effects.append(
                GiveUp(
                    "no executor can be had: on each agent that was offered "
                    f"{MAX_AGENT_FAILURES} of them have failed; the last one: {self._last_failure}"
                )
            )
        for answer in answers:
            if answer.launches:
                self._accept(answer)
            else:
                _log.debug("declined", offer=answer.offer.id.value, reason=answer.reason)
                self._decline([answer.offer.id], answer.refuse_seconds)

    def rescinded(self, offer_id: str, now: float) -> None:
        """Offers are answered when they come."""

    def update(self, status: mesos_pb2.TaskStatus, now: float) -> None:
        task_id = status.task_id.value
        state = mesos_pb2.TaskState.Name(status.state)
        _log.info("Mesos task is now", task=task_id, state=state)
        if status.state not in TERMINAL:
            return
        agent_id = self._ledger.agent_by_task_id.get(task_id)
        has_attached = task_id in self._attached
        failed = status.state in _FAILED_STATES
        # Tasks that need too much memory do so anywhere, and are charged with the loss themselves.
        is_blamed = failed and not (has_attached and status.reason == _MEMORY_LIMIT)
        if agent_id is None or not self._ledger.finish(task_id, is_blamed):
            return
        self._attached.discard(task_id)
        if self._stopping:
            return
        reason = f"Executor finished with state {state.removeprefix('TASK_')}"
        if status.message:
            reason += f": {status.message}"
        self._effects.append(ExecutorGone(task_id, reason))
        agent = self._ledger.agents[agent_id]
        if failed and not has_attached:
            _log.warning(
                "Executor did not start", executor=task_id, agent=agent.hostname, reason=reason
            )
        if is_blamed:
            self._last_failure = reason
            if agent.is_excluded:
                _log.warning("Agent excluded", agent=agent.hostname, failures=agent.failures)
        self._call(_CALL(type=_CALL.REVIVE))  # earlier declines may have used long filters

    def executor_failed(self, failure: scheduler_pb2.Event.Failure, now: float) -> None:
        # The loss of executors arrives as updates of their tasks.
        _log.warning("lost", agent=failure.agent_id.value or None)

    # -- what the driver tells --------------------------------------------------------------------

    def attached(self, executor_id: str, now: float) -> None:
        self._attached.add(executor_id)

    def detached(self, executor_id: str, now: float) -> None:
        """Its end will be told as an update."""

    def timer_fired(self, name: str, now: float) -> None:
        raise NotImplementedError("no timers are set")

    def launch(self, executor_id: str, frame: spark_pb2.DriverFrame, now: float) -> None:
        raise NotImplementedError("executors are sent their tasks by the driver")

    def launched(self, now: float) -> None:
        raise NotImplementedError("executors are sent their tasks by the driver")

    def revive(self, now: float) -> None:
        if self._ledger.total_cores_acquired < self._settings.max_cores and not self._stopping:
            self._call(_CALL(type=_CALL.REVIVE))

    def request_total_executors(
        self, total: int, local_tasks: Mapping[str, int], now: float
    ) -> None:
        pass

    def kill_executors(self, executor_ids: Sequence[str], now: float) -> None:
        pass

    def shortage(self, now: float) -> list[str]:
        return []

    def stop(self, now: float) -> None:
        self._stopping = True

    # -- what goes to the master ------------------------------------------------------------------

    def _accept(self, answer: Answer) -> None:
        call = _CALL(type=_CALL.ACCEPT)
        call.accept.offer_ids.append(answer.offer.id)
        operation = call.accept.operations.add(type=mesos_pb2.Offer.Operation.LAUNCH)
        for launch in answer.launches:
            self._effects.append(ExpectExecutor(launch.task_id))
            operation.launch.task_infos.append(self._task_info(answer.offer, launch))
        self._call(call)

    def _task_info(self, offer: mesos_pb2.Offer, launch: Launch) -> mesos_pb2.TaskInfo:
        task = mesos_pb2.TaskInfo(agent_id=offer.agent_id)
        task.name = f"{self._app_name} {launch.task_id}"
        task.task_id.value = launch.task_id
        task.resources.extend(launch.resources)
        arguments = [
            *("--driver-url", self._driver_url),
            *("--executor-id", launch.task_id),
            *("--cores", str(launch.cores + self._settings.extra_cores)),
            *("--app-id", self._framework_id),
            *("--hostname", offer.hostname),
        ]
        command = [executor_python(self._conf), "-P", "-m", "minimesos_executor", "spark"]
        task.command.value = "exec " + shlex.join(command + arguments)
        for key, value in self._executor_environment().items():
            task.command.environment.variables.add(name=key, value=value)
        return task

    def _executor_environment(self) -> dict[str, str]:
        environment = {
            "SPARK_USER": spark_user(),
            "SPARK_EXECUTOR_MEMORY": f"{self._settings.executor_memory_mb}m",
        }
        environment |= executor_environment(self._conf.as_mapping())
        environment[SECRET_VARIABLE] = self._secret.hex()
        return environment

    def _decline(
        self, offer_ids: list[mesos_pb2.OfferID], refuse_seconds: float | None = None
    ) -> None:
        call = _CALL(type=_CALL.DECLINE)
        call.decline.offer_ids.extend(offer_ids)
        if refuse_seconds is not None:
            call.decline.filters.refuse_seconds = refuse_seconds
        self._call(call)

    def _call(self, call: scheduler_pb2.Call) -> None:
        self._effects.append(CallMaster(call))
