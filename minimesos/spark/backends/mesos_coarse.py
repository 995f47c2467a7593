"""The coarse-grained Mesos backend: a Mesos framework whose tasks are Spark executors.

It subscribes at the master, answers offers with executors (`offers` decides which), and receives
those executors when they connect back to the driver (`server`). Cores are held for an executor's
lifetime. Runs on the driver's loop thread; decides nothing about Spark tasks.

Source: Spark's documentation "Running Spark on Mesos", coarse-grained mode.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import shlex
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack

from minimesos.drivers.scheduler_session import SchedulerSession, acknowledgement
from minimesos.drivers.session import Arrived, Failed, Leave, Submit, Subscribed, Unsubscribed
from minimesos.errors import MinimesosError
from minimesos.log import get_logger
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import spark_pb2
from minimesos.runtime.frames import SCHEDULER
from minimesos.runtime.loop import ActorLoop
from minimesos.runtime.rpc import RpcClient
from minimesos.runtime.streams import Peers
from minimesos.spark import settings
from minimesos.spark.application import spark_user
from minimesos.spark.backends.backend import BackendListener
from minimesos.spark.backends.local_cluster import Cluster
from minimesos.spark.backends.offers import (
    MAX_AGENT_FAILURES,
    Answer,
    CoarseSettings,
    Launch,
    Ledger,
    answer_offers,
)
from minimesos.spark.backends.server import ExecutorServer
from minimesos.spark.conf import SparkConf
from minimesos.spark.settings.application import APP_NAME, DRIVER_HOST, REGISTRATION_TIMEOUT
from minimesos.spark.settings.mesos import (
    MESOS_COARSE_SHUTDOWN_TIMEOUT,
    MESOS_EXECUTOR_HOME,
    MESOS_FAILOVER_TIMEOUT,
    MESOS_FRAMEWORK_ID,
    MESOS_PRINCIPAL,
    MESOS_ROLE,
)
from minimesos.states import TERMINAL

SECRET_VARIABLE = "MINIMESOS_SPARK_SECRET"
_SECRET_BYTES = 32
_FAILED_STATES = TERMINAL - {mesos_pb2.TASK_FINISHED, mesos_pb2.TASK_KILLED}
_MEMORY_LIMIT = mesos_pb2.TaskStatus.REASON_CONTAINER_LIMITATION_MEMORY
_CALL = scheduler_pb2.Call
_EVENT = scheduler_pb2.Event

_log = get_logger(__name__)


class CoarseMesosBackend:
    """Executors of one application on `cluster`."""

    def __init__(self, conf: SparkConf, cluster: Cluster, blocks_root: str) -> None:
        self._conf = conf
        self._cluster = cluster
        self._blocks_root = blocks_root
        self._settings = CoarseSettings.from_conf(conf)
        self._framework = framework_info(conf)
        self._ledger = Ledger()
        self._last_failure = ""
        self._secret = secrets.token_bytes(_SECRET_BYTES)
        self._framework_id = ""
        self._stopping = False
        self._all_gone = asyncio.Event()
        self._driver_url = ""
        self._held = AsyncExitStack()  # what `stop` gives back, last taken first
        self._held.push_async_callback(cluster.stop)
        self._events: dict[int, Callable[[scheduler_pb2.Event], None]] = {
            _EVENT.OFFERS: self._offers,
            _EVENT.UPDATE: self._update,
            _EVENT.FAILURE: self._failure,
        }

    # -- the Backend ------------------------------------------------------------------------------

    @property
    def application_id(self) -> str:
        return self._framework_id

    @property
    def default_parallelism(self) -> int:
        return max(self._ledger.total_cores_acquired, 2)

    @property
    def blocks_address(self) -> str:
        return self._driver_url

    async def start(self, listener: BackendListener) -> None:
        try:
            await self._start(listener)
        except BaseException:
            await self.stop()
            raise

    async def _start(self, listener: BackendListener) -> None:
        self._listener = listener
        self._server = ExecutorServer(self._secret, self._conf, listener, self._blocks_root)
        self._driver_url = await self._server.start()
        self._held.push_async_callback(self._server.stop)
        self._registered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._session = SchedulerSession(
            await self._cluster.address(),
            self._framework,
            random=random.Random(),
            give_up_s=REGISTRATION_TIMEOUT.read(self._conf),
        )
        self._host = ActorLoop(self._session)
        self._peers = Peers(self._host)
        self._client = RpcClient(SCHEDULER, self._peers)
        self._host.perform(Subscribed, self._subscribed)
        self._host.perform(Unsubscribed, self._unsubscribed)
        self._host.perform(Arrived, self._arrived)
        self._host.perform(Failed, self._failed)
        self._running = asyncio.ensure_future(self._host.run())
        self._held.push_async_callback(self._leave)
        await self._registered

    def send(self, executor_id: str, frame: spark_pb2.DriverFrame) -> None:
        self._server.send(executor_id, frame)

    def revive(self) -> None:
        if self._ledger.total_cores_acquired < self._settings.max_cores and not self._stopping:
            self._call(_CALL(type=_CALL.REVIVE))

    async def stop(self) -> None:
        """Let executors end by themselves, for a bounded time; then Mesos ends what is left."""
        if self._stopping:
            return
        self._stopping = True
        if self._framework_id:
            await self._end_executors()
        await self._held.aclose()

    async def _end_executors(self) -> None:
        self._server.shut_down_executors()
        timeout_s = MESOS_COARSE_SHUTDOWN_TIMEOUT.read(self._conf)
        if self._ledger.cores_by_task_id and self._session.is_subscribed:
            try:
                await asyncio.wait_for(self._all_gone.wait(), timeout_s)
            except TimeoutError:
                left = sorted(self._ledger.cores_by_task_id)
                _log.warning("executors did not end in time", executors=left)

    async def _leave(self) -> None:
        self._host.post(Leave())
        await self._running
        self._peers.close_all()
        await self._client.stop()

    # -- what the session tells -------------------------------------------------------------------

    def _subscribed(self, effect: Subscribed) -> None:
        assert isinstance(effect.event, _EVENT)
        self._framework_id = effect.event.subscribed.framework_id.value
        self._server.application_id = self._framework_id
        if not self._registered.done():
            self._registered.set_result(None)

    def _unsubscribed(self, effect: Unsubscribed) -> None:
        if self._stopping:
            self._all_gone.set()  # nobody is left who could tell

    def _failed(self, effect: Failed) -> None:
        if not self._registered.done():
            self._registered.set_exception(MinimesosError(effect.message))
        elif not self._stopping:
            self._listener.backend_failed(effect.message)

    def _arrived(self, effect: Arrived) -> None:
        assert isinstance(effect.event, _EVENT)
        handle = self._events.get(effect.event.type)
        if handle is not None:
            handle(effect.event)

    def _offers(self, event: scheduler_pb2.Event) -> None:
        offers = event.offers.offers
        if self._stopping:
            self._decline([offer.id for offer in offers])
            return
        answers = answer_offers(offers, self._settings, self._ledger)
        if self._ledger.is_stuck():
            self._listener.backend_failed(
                "no executor can be had: on each agent that was offered "
                f"{MAX_AGENT_FAILURES} of them have failed; the last one: {self._last_failure}"
            )
        for answer in answers:
            if answer.launches:
                self._launch(answer)
            else:
                _log.debug("declined", offer=answer.offer.id.value, reason=answer.reason)
                self._decline([answer.offer.id], answer.refuse_seconds)

    def _update(self, event: scheduler_pb2.Event) -> None:
        status = event.update.status
        answer = acknowledgement(status)
        if answer is not None:
            self._call(answer)
        task_id = status.task_id.value
        state = mesos_pb2.TaskState.Name(status.state)
        _log.info("Mesos task is now", task=task_id, state=state)
        if status.state not in TERMINAL:
            return
        agent_id = self._ledger.agent_by_task_id.get(task_id)
        has_attached = self._server.has_attached(task_id)
        failed = status.state in _FAILED_STATES
        # Tasks that need too much memory do so anywhere, and are charged with the loss themselves.
        is_blamed = failed and not (has_attached and status.reason == _MEMORY_LIMIT)
        if agent_id is None or not self._ledger.finish(task_id, is_blamed):
            return
        if not self._ledger.cores_by_task_id:
            self._all_gone.set()
        if self._stopping:
            return
        reason = f"Executor finished with state {state.removeprefix('TASK_')}"
        if status.message:
            reason += f": {status.message}"
        self._server.forget(task_id, reason)
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

    def _failure(self, event: scheduler_pb2.Event) -> None:
        # The loss of executors arrives as updates of their tasks.
        _log.warning("lost", agent=event.failure.agent_id.value or None)

    # -- what goes to the master ------------------------------------------------------------------

    def _launch(self, answer: Answer) -> None:
        call = _CALL(type=_CALL.ACCEPT)
        call.accept.offer_ids.append(answer.offer.id)
        operation = call.accept.operations.add(type=mesos_pb2.Offer.Operation.LAUNCH)
        for launch in answer.launches:
            self._server.expect(launch.task_id)
            operation.launch.task_infos.append(self._task_info(answer.offer, launch))
        self._all_gone.clear()
        self._call(call)

    def _task_info(self, offer: mesos_pb2.Offer, launch: Launch) -> mesos_pb2.TaskInfo:
        task = mesos_pb2.TaskInfo(agent_id=offer.agent_id)
        task.name = f"{self._framework.name} {launch.task_id}"
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
        environment |= settings.executor_environment(self._conf.as_mapping())
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
        self._host.post(Submit(call))


def framework_info(conf: SparkConf) -> mesos_pb2.FrameworkInfo:
    """Describe the application to the master."""
    info = mesos_pb2.FrameworkInfo(
        user=spark_user(),
        name=APP_NAME.read(conf) or "minimesos",
        hostname=os.environ.get("SPARK_PUBLIC_DNS") or DRIVER_HOST.read(conf),
        role=MESOS_ROLE.read(conf),
        failover_timeout=MESOS_FAILOVER_TIMEOUT.read(conf),
    )
    framework_id = MESOS_FRAMEWORK_ID.read(conf)
    if framework_id is not None:
        info.id.value = framework_id
    principal = MESOS_PRINCIPAL.read(conf)
    if principal is not None:
        info.principal = principal
    return info


def executor_python(conf: SparkConf) -> str:
    """Return the interpreter that executors run in: of spark.mesos.executor.home, or the driver's.

    Whether agents have it shows there.
    """
    home = MESOS_EXECUTOR_HOME.read(conf)
    return sys.executable if home is None else os.path.join(home, "bin", "python")
