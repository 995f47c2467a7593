"""The Mesos backend: an application as a framework of a cluster, in either of Spark's two modes.

The shell around a `MesosCore`, which decides (`coarse`, `fine`). It subscribes at the master,
passes events on, performs what the core wants, and receives executors when they connect back to
the driver (`server`). All of it runs on the driver's loop, whose thread bears the backend's name
meanwhile, as it is what Spark calls the scheduler driver's thread. Decides nothing itself.

Source: Spark's documentation "Running Spark on Mesos".
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from minimesos.actor import CancelTimer, Effect, SetTimer
from minimesos.drivers.scheduler_session import SchedulerSession, acknowledgement
from minimesos.drivers.session import Arrived, Failed, Leave, Submit, Subscribed, Unsubscribed
from minimesos.log import get_logger
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import spark_pb2
from minimesos.runtime.clock import Clock
from minimesos.runtime.frames import SCHEDULER
from minimesos.runtime.loop import ActorLoop
from minimesos.runtime.rpc import RpcClient
from minimesos.runtime.streams import Peers
from minimesos.spark.backends.backend import BackendListener
from minimesos.spark.backends.framework import with_advice
from minimesos.spark.backends.local_cluster import Cluster
from minimesos.spark.backends.mesos_core import (
    AskForTasks,
    CallMaster,
    ExecutorGone,
    ExecutorLeaves,
    ExpectExecutor,
    GiveUp,
    MesosCore,
    SendToExecutor,
    TaskResults,
)
from minimesos.spark.backends.server import ExecutorServer
from minimesos.spark.backends.shuffle_client import ShuffleLeases
from minimesos.spark.conf import SparkConf
from minimesos.spark.env import Location
from minimesos.spark.errors import SparkException
from minimesos.spark.scheduler.executor import WorkerOffer
from minimesos.spark.settings.application import REGISTRATION_TIMEOUT
from minimesos.spark.settings.mesos import MESOS_COARSE_SHUTDOWN_TIMEOUT
from minimesos.spark.settings.shuffle import SHUFFLE_SERVICE_ENABLED

_EVENT = scheduler_pb2.Event

_log = get_logger(__name__)


class MesosBackend:
    """Executors of one application on `cluster`, as `core` decides.

    `secret` is the application's own; executors are started with it and must prove it.
    """

    def __init__(
        self,
        conf: SparkConf,
        cluster: Cluster,
        blocks_root: str,
        framework: mesos_pb2.FrameworkInfo,
        core: MesosCore,
        secret: bytes,
    ) -> None:
        self._conf = conf
        self._cluster = cluster
        self._secret = secret
        self._framework = framework
        self._core = core
        self._clock = Clock()
        self._server = ExecutorServer(secret, conf, self, blocks_root)
        self._framework_id = ""
        self._driver_url = ""
        self._leases: ShuffleLeases | None = None  # at shuffle services, if they are used
        self._stopping = False
        self._all_gone = asyncio.Event()
        self._statuses: list[mesos_pb2.TaskStatus] = []  # that the core is about to be told of
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._held = AsyncExitStack()  # what `stop` gives back, last taken first
        self._held.push_async_callback(cluster.stop)
        self._held.callback(self._cancel_timers)
        self.launches_on_offers = core.launches_on_offers
        # What is most frequent goes the shortest way.
        self.send = self._launch if core.launches_on_offers else self._server.send
        self.results: Callable[[str, spark_pb2.TaskResults], None]
        self._events: dict[int, Callable[[scheduler_pb2.Event], None]] = {
            _EVENT.OFFERS: lambda event: self._tell(core.offers, event.offers.offers),
            _EVENT.RESCIND: lambda event: self._tell(core.rescinded, event.rescind.offer_id.value),
            _EVENT.UPDATE: self._update,
            _EVENT.FAILURE: lambda event: self._tell(core.executor_failed, event.failure),
        }
        self._performers: dict[type[Effect], Callable[[Any], None]] = {
            CallMaster: lambda effect: self._host.post(Submit(effect.call)),
            ExpectExecutor: lambda effect: self._server.expect(effect.executor_id),
            ExecutorGone: self._executor_gone,
            ExecutorLeaves: lambda effect: self._server.retire(effect.executor_id, effect.reason),
            SendToExecutor: lambda effect: self._server.send(effect.executor_id, effect.frame),
            AskForTasks: self._ask_for_tasks,
            TaskResults: lambda effect: self._listener.results(effect.executor_id, effect.results),
            SetTimer: self._set_timer,
            CancelTimer: lambda effect: self._cancel_timer(effect.name),
            GiveUp: lambda effect: self._listener.backend_failed(effect.message),
        }

    # -- the Backend ------------------------------------------------------------------------------

    @property
    def application_id(self) -> str:
        return self._framework_id

    @property
    def default_parallelism(self) -> int:
        return self._core.default_parallelism

    @property
    def blocks_address(self) -> str:
        return self._server.blocks_address

    async def start(self, listener: BackendListener) -> None:
        try:
            await self._start(listener)
        except BaseException:
            await self.stop()
            raise

    async def _start(self, listener: BackendListener) -> None:
        self._listener = listener
        self.results = self._results if self.launches_on_offers else listener.results
        self._take_thread()
        self._driver_url = await self._server.start()
        self._held.push_async_callback(self._server.stop)
        self._registered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        address = await self._cluster.address()
        self._cluster.watch(self._cluster_gone)
        self._session = SchedulerSession(
            address,
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

    def revive(self) -> None:
        if not self._stopping:
            self._tell(self._core.revive)

    def request_total_executors(self, total: int, local_tasks: Mapping[str, int]) -> None:
        self._tell(self._core.request_total_executors, total, local_tasks)

    def kill_executors(self, executor_ids: Sequence[str]) -> None:
        self._tell(self._core.kill_executors, executor_ids)

    def forget_shuffles(self, shuffle_ids: Sequence[int]) -> None:
        if self._leases is not None:
            self._leases.forget_shuffles(shuffle_ids)

    def shortage(self) -> list[str]:
        return self._core.shortage(self._clock.now())

    async def stop(self) -> None:
        """Let executors end by themselves, for a bounded time; then Mesos ends what is left."""
        if self._stopping:
            _log.warning("the backend is being stopped already")
            return
        self._stopping = True
        if self._framework_id:
            self._tell(self._core.stop)
            await self._end_executors()
        await self._held.aclose()

    async def _end_executors(self) -> None:
        self._server.shut_down_executors()
        timeout_s = MESOS_COARSE_SHUTDOWN_TIMEOUT.read(self._conf)
        if not self._core.is_idle and self._session.is_subscribed:
            try:
                await asyncio.wait_for(self._all_gone.wait(), timeout_s)
            except TimeoutError:
                _log.warning("executors did not end in time", seconds=timeout_s)

    async def _leave(self) -> None:
        self._host.post(Leave())
        await self._running
        self._peers.close_all()
        await self._client.stop()

    def _take_thread(self) -> None:
        """Name the loop's thread after the backend, for those who look at stacks."""
        thread = threading.current_thread()
        self._held.callback(setattr, thread, "name", thread.name)
        thread.name = f"{self._core.name}-mesos-driver"

    # -- the core ---------------------------------------------------------------------------------

    def _tell(self, told: Callable[..., None], *arguments: Any) -> None:
        """Tell the core something with the time, then do what it wants."""
        told(*arguments, self._clock.now())
        while effects := self._core.take_effects():
            for effect in effects:
                self._performers[type(effect)](effect)
        if self._core.is_idle:
            self._all_gone.set()
        else:
            self._all_gone.clear()

    def _launch(self, executor_id: str, frame: spark_pb2.DriverFrame) -> None:
        self._tell(self._core.launch, executor_id, frame)

    def _executor_gone(self, effect: ExecutorGone) -> None:
        gone = effect.executor_id, effect.reason, effect.caused_by_tasks
        self._server.forget(*gone)
        if self.launches_on_offers:
            self._listener.executor_lost(*gone)  # it may have tasks, and may not have connected

    def _results(self, executor_id: str, results: spark_pb2.TaskResults) -> None:
        self._tell(self._core.results, executor_id, results)

    def _ask_for_tasks(self, effect: AskForTasks) -> None:
        self._listener.resource_offers(effect.offers)
        self._tell(self._core.launched)

    def _set_timer(self, effect: SetTimer) -> None:
        self._cancel_timer(effect.name)
        at = self._clock.monotonic_at(effect.at_s)
        loop = asyncio.get_running_loop()
        self._timers[effect.name] = loop.call_at(at, self._timer_fired, effect.name)

    def _cancel_timer(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _cancel_timers(self) -> None:
        for name in list(self._timers):
            self._cancel_timer(name)

    def _timer_fired(self, name: str) -> None:
        del self._timers[name]
        self._tell(self._core.timer_fired, name)

    # -- what the session tells -------------------------------------------------------------------

    def _subscribed(self, effect: Subscribed) -> None:
        assert isinstance(effect.event, _EVENT)
        self._framework_id = effect.event.subscribed.framework_id.value
        self._server.application_id = self._framework_id
        self._tell(self._core.subscribed, self._framework_id, self._driver_url)
        if not self._registered.done():
            if SHUFFLE_SERVICE_ENABLED.read(self._conf):
                self._leases = ShuffleLeases(self._conf, self._framework_id, self._secret)
                self._held.push_async_callback(self._leases.close)
            self._registered.set_result(None)

    def _unsubscribed(self, effect: Unsubscribed) -> None:
        self._tell(self._core.disconnected)
        if self._stopping:
            self._all_gone.set()  # nobody is left who could tell

    def _cluster_gone(self, reason: str) -> None:
        if not self._stopping:
            self._failed(Failed(reason))

    def _failed(self, effect: Failed) -> None:
        error = with_advice(effect.message, self._conf)
        if not self._registered.done():
            info = self._framework
            who = f"'{info.name}' in role '{info.role}'"
            if info.principal:
                who += f" with principal '{info.principal}'"
            message = f"the application {who} is not taken on: {error}"
            self._registered.set_exception(SparkException(message))
        elif not self._stopping:
            message = f"Exiting due to error from cluster scheduler: {error}"
            self._listener.backend_failed(message)

    def _arrived(self, effect: Arrived) -> None:
        assert isinstance(effect.event, _EVENT)
        if effect.event.type != _EVENT.UPDATE:
            self._tell_statuses()  # before what came after them
        handle = self._events.get(effect.event.type)
        if handle is not None:
            handle(effect.event)

    def _update(self, event: scheduler_pb2.Event) -> None:
        answer = acknowledgement(event.update.status)
        if answer is not None:
            self._host.post(Submit(answer))
        if not self._statuses:
            # What comes together is told together: the task scheduler then looks once what is next.
            asyncio.get_running_loop().call_soon(self._tell_statuses)
        self._statuses.append(event.update.status)

    def _tell_statuses(self) -> None:
        statuses, self._statuses = self._statuses, []
        if statuses:
            self._tell(self._update_core, statuses)

    def _update_core(self, statuses: Sequence[mesos_pb2.TaskStatus], now: float) -> None:
        for status in statuses:
            self._core.update(status, now)

    # -- what the executors' server tells ---------------------------------------------------------

    def executor_added(self, executor_id: str, host: str, cores: int, location: Location) -> None:
        if self._leases is not None:
            self._leases.register(location.blocks_address)
        self._listener.executor_added(executor_id, host, cores, location)
        self._tell(self._core.attached, executor_id)

    def executor_lost(self, executor_id: str, reason: str, caused_by_tasks: bool = True) -> None:
        self._listener.executor_lost(executor_id, reason, caused_by_tasks)
        self._tell(self._core.detached, executor_id)

    def printed(self, executor_id: str, printed: Sequence[spark_pb2.Printed]) -> None:
        self._listener.printed(executor_id, printed)

    def barrier_calls(self, executor_id: str, calls: Sequence[spark_pb2.BarrierCall]) -> None:
        self._listener.barrier_calls(executor_id, calls)

    def blocks_copied(self, executor_id: str, blocks: Sequence[spark_pb2.CachedBlock]) -> None:
        self._listener.blocks_copied(executor_id, blocks)

    def backend_failed(self, message: str) -> None:
        self._listener.backend_failed(message)

    def resource_offers(self, offers: Sequence[WorkerOffer]) -> None:
        raise NotImplementedError("the server of executors offers nothing")
