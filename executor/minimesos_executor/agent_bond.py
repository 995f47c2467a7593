"""An executor of the fine-grained mode between its agent and its driver.

It subscribes to the agent first: that says how many cores there can be. Then it attaches to the
driver as any Spark executor does, and tasks that the agent launches meanwhile wait. It lives as
long as both connections.

Run by `fine`. Source: Spark's documentation "Running Spark on Mesos", fine-grained mode; Mesos's
"Executor HTTP API".
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from random import Random, SystemRandom
from typing import Any

from minimesos.drivers.executor_session import ExecutorEnvironment, ExecutorSession, update
from minimesos.drivers.session import Arrived, Failed, Leave, Submit, Subscribed, Unsubscribed
from minimesos.ids import RandomIds
from minimesos.log import get_logger
from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2
from minimesos.runtime.frame_socket import Reactor
from minimesos.runtime.frames import EXECUTOR
from minimesos.runtime.loop import ActorLoop
from minimesos.runtime.rpc import RpcClient
from minimesos.runtime.streams import Peers
from minimesos_executor.control import Control, Identity, Link
from minimesos_executor.driver_link import DriverLink
from minimesos_executor.mesos_tasks import MesosTaskControl
from minimesos_executor.workers import WorkerSource

EXIT_FAILED = 1
AGENT_ASKS = "its agent wants it to end, or is lost"

_Event = executor_pb2.Event

_log = get_logger(__name__)


class FineExecutor:
    """One executor, to be constructed and run on a loop's thread.

    `environment` is the process's own. Whoever runs this closes `after_workers` then. Raises
    InvalidValue if no agent has started it.
    """

    def __init__(
        self,
        driver: str,
        secret: bytes,
        zygote: WorkerSource,
        environment: Mapping[str, str],
        after_workers: AsyncExitStack,
        block_manager_port: int,
    ) -> None:
        self._told = ExecutorEnvironment.parse(environment)
        self._environment = environment
        self._after_workers = after_workers
        self._block_manager_port = block_manager_port
        self._driver = driver
        self._secret = secret
        self._zygote = zygote
        self._mesos_ids: dict[int, str] = {}  # of tasks that have not ended
        self._early: deque[executor_pb2.Event] = deque()
        self._control: MesosTaskControl | None = None
        self._link: DriverLink | None = None
        self._events: dict[int, Callable[[MesosTaskControl, executor_pb2.Event], None]] = {
            _Event.LAUNCH: self._launch,
            _Event.KILL: lambda control, event: control.kill(spark_id(event.kill.task_id.value)),
            _Event.SHUTDOWN: lambda control, event: self.give_up(AGENT_ASKS),
        }

    async def run(self) -> int:
        """Work until either side ends it; returns the exit code."""
        session = ExecutorSession(self._told, ids=RandomIds(SystemRandom()), random=Random())
        self._host = host = ActorLoop(session)
        peers = Peers(host)
        client = RpcClient(EXECUTOR, peers)
        self._subscription: asyncio.Future[Identity] = asyncio.get_running_loop().create_future()
        host.perform(Subscribed, self._subscribed)
        host.perform(Unsubscribed, lambda effect: None)  # an Arrived SHUTDOWN follows
        host.perform(Arrived, self._arrived)
        host.perform(Failed, lambda effect: None)  # the session ends, having logged why
        bond = asyncio.ensure_future(host.run())
        try:
            beginning: set[asyncio.Future[Any]] = {bond, self._subscription}
            await asyncio.wait(beginning, return_when=asyncio.FIRST_COMPLETED)
            if bond.done():
                self._zygote.close()
                return EXIT_FAILED
            self._link = DriverLink(
                self._driver,
                self._secret,
                self._told.framework_id,
                self._zygote,
                self._subscription.result(),
                self._environment,
                self._after_workers,
                self._make_control,
            )
            return await self._link.run()
        finally:
            host.post(Leave())
            await bond
            await client.stop()

    def give_up(self, reason: str) -> None:
        """End as failed, the driver being told why."""
        if self._link is not None:
            self._link.give_up(reason)
        else:
            _log.error("executor ends", reason=reason)
            self._host.post(Leave())

    def _make_control(
        self, reactor: Reactor, zygote: WorkerSource, identity: Identity, link: Link
    ) -> Control:
        self._control = MesosTaskControl(reactor, zygote, identity, link, self._report)
        while self._early:
            self._handle(self._control, self._early.popleft())
        return self._control

    # -- the agent --------------------------------------------------------------------------------

    def _subscribed(self, effect: Subscribed) -> None:
        assert isinstance(effect.event, _Event)
        agent = effect.event.subscribed.agent_info
        if self._subscription.done():
            return
        identity = Identity(
            self._told.executor_id,
            agent.hostname,
            most_cores(agent),
            block_manager_port=self._block_manager_port,
        )
        self._subscription.set_result(identity)

    def _arrived(self, effect: Arrived) -> None:
        assert isinstance(effect.event, _Event)
        if self._control is None:
            self._early.append(effect.event)
        else:
            self._handle(self._control, effect.event)

    def _handle(self, control: MesosTaskControl, event: executor_pb2.Event) -> None:
        handler = self._events.get(event.type)
        if handler is not None:
            handler(control, event)

    def _launch(self, control: MesosTaskControl, event: executor_pb2.Event) -> None:
        task = event.launch.task
        task_id = spark_id(task.task_id.value)
        self._mesos_ids[task_id] = task.task_id.value
        control.launch(task_id, task.data)

    def _report(self, task_id: int, state: mesos_pb2.TaskState, data: bytes, text: str) -> None:
        mesos_id = self._mesos_ids.get(task_id)
        if mesos_id is None:
            return
        if state != mesos_pb2.TASK_RUNNING:
            del self._mesos_ids[task_id]
        status = mesos_pb2.TaskStatus(task_id=mesos_pb2.TaskID(value=mesos_id), state=state)
        if data:
            status.data = data
        if text:
            status.message = text
        self._host.post(Submit(update(status)))


def spark_id(mesos_id: str) -> int:
    """Return Spark's id of a task, which Mesos's begins with."""
    return int(mesos_id.partition(".")[0])


def most_cores(agent: mesos_pb2.AgentInfo) -> int:
    """Return how many tasks there may be at once, one per core, and at least 1."""
    cpus = sum(each.scalar.value for each in agent.resources if each.name == "cpus")
    return max(1, int(cpus))
