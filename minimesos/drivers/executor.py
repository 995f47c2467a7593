"""The executor driver: Mesos's callback API for executors, over an executor session.

    class MyExecutor(Executor):
        def launchTask(self, driver, task):
            ...
            driver.sendStatusUpdate(status)

    ExecutorDriver(MyExecutor()).run()

Authors of executors use it, in a program that an agent starts. Names are Mesos's, as users of
`MesosExecutorDriver` know them.

Source: Mesos documentation "Executor API" (0.28 to 1.11), `mesos/executor.hpp`.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from typing import Any

from minimesos.actor import Actor, Effect
from minimesos.drivers.driver import STOPPED, Driver
from minimesos.drivers.executor_session import (
    ExecutorEnvironment,
    ExecutorSession,
    message,
    update,
)
from minimesos.drivers.session import Arrived, Leave, Submit, Subscribed, Unsubscribed
from minimesos.ids import RandomIds
from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2
from minimesos.runtime.frames import EXECUTOR

_Event = executor_pb2.Event


class Executor:
    """What an executor does about its news; override what matters. `driver` is always the caller.

    Callbacks are called one at a time, in order, in one thread. One that raises aborts the driver.
    """

    def registered(
        self,
        driver: ExecutorDriver,
        executor_info: mesos_pb2.ExecutorInfo,
        framework_info: mesos_pb2.FrameworkInfo,
        agent_info: mesos_pb2.AgentInfo,
    ) -> None:
        """The agent knows this executor."""

    def reregistered(self, driver: ExecutorDriver, agent_info: mesos_pb2.AgentInfo) -> None:
        """The agent has come back."""

    def disconnected(self, driver: ExecutorDriver) -> None:
        """The agent is lost."""

    def launchTask(self, driver: ExecutorDriver, task: mesos_pb2.TaskInfo) -> None:
        """Start a task; do not run it here, or nothing else is heard meanwhile."""

    def killTask(self, driver: ExecutorDriver, task_id: mesos_pb2.TaskID) -> None:
        """Kill a task and report that it was."""

    def frameworkMessage(self, driver: ExecutorDriver, data: bytes) -> None:
        """The framework has sent data."""

    def shutdown(self, driver: ExecutorDriver) -> None:
        """Kill everything, report it and return; afterwards the driver stops."""

    def error(self, driver: ExecutorDriver, message: str) -> None:
        """The driver has aborted itself because of this."""


class ExecutorDriver(Driver):
    """An executor's driver. Calls return the driver's status and do nothing unless it runs.

    `environment` is the process's own unless given: it says which agent started us, and as what.
    """

    def __init__(self, executor: Executor, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(EXECUTOR, "executor-callbacks")
        self._executor = executor
        self._environment = os.environ if environment is None else environment
        self._handlers: Mapping[int, Callable[[executor_pb2.Event], None]] = {
            _Event.LAUNCH: self._launch,
            _Event.LAUNCH_GROUP: self._launch_group,
            _Event.KILL: self._kill,
            _Event.MESSAGE: self._message,
            _Event.SHUTDOWN: self._shutdown,
        }

    def stop(self) -> mesos_pb2.Status:
        """End; statuses that were sent before leave first."""
        return self._leave(STOPPED, Leave())

    def sendStatusUpdate(self, status: mesos_pb2.TaskStatus) -> mesos_pb2.Status:
        """Report a task's state; sent again until the agent has it."""
        return self._submit(Submit(update(status)))

    def sendFrameworkMessage(self, data: bytes) -> mesos_pb2.Status:
        """Send data to the framework, best effort."""
        return self._submit(Submit(message(data)))

    # -- inside -----------------------------------------------------------------------------------

    def _session(self) -> Actor:
        environment = ExecutorEnvironment.parse(self._environment)
        return ExecutorSession(
            environment, ids=RandomIds(random.SystemRandom()), random=random.Random()
        )

    def _failed(self, message: str) -> None:
        self._executor.error(self, message)

    def _tell(self, news: Effect) -> None:
        if isinstance(news, Subscribed):
            event: Any = news.event
            subscribed = event.subscribed
            if news.again:
                self._executor.reregistered(self, subscribed.agent_info)
            else:
                self._executor.registered(
                    self, subscribed.executor_info, subscribed.framework_info, subscribed.agent_info
                )
        elif isinstance(news, Unsubscribed):
            self._executor.disconnected(self)
        elif isinstance(news, Arrived):
            assert isinstance(news.event, executor_pb2.Event)
            handler = self._handlers.get(news.event.type)
            if handler is not None:  # acknowledgements are the session's affair
                handler(news.event)

    def _launch(self, event: executor_pb2.Event) -> None:
        self._executor.launchTask(self, event.launch.task)

    def _launch_group(self, event: executor_pb2.Event) -> None:
        for task in event.launch_group.task_group.tasks:
            self._executor.launchTask(self, task)

    def _kill(self, event: executor_pb2.Event) -> None:
        self._executor.killTask(self, event.kill.task_id)

    def _message(self, event: executor_pb2.Event) -> None:
        self._executor.frameworkMessage(self, event.message.data)

    def _shutdown(self, event: executor_pb2.Event) -> None:
        self._executor.shutdown(self)
        self.stop()
