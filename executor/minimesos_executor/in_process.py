"""Our executors as coroutines, for clusters in one process.

A containerizer for tests finds `run` by its name, where an agent would start `__main__`. The
executors are the same; only what a process has of its own (environment, signals, children, workers)
comes from its surroundings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Protocol

from minimesos.errors import MinimesosError
from minimesos.log import get_logger
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.runtime.frame_socket import Timer
from minimesos.spark.partitioner import hash_in_one_process
from minimesos.spark.taskcontext import TaskContext
from minimesos_executor import fine, spark
from minimesos_executor.agent_bond import FineExecutor
from minimesos_executor.agent_link import AgentLost
from minimesos_executor.command import EXIT_FAILED, Child, CommandExecutor, Json
from minimesos_executor.control import Identity
from minimesos_executor.driver_link import DriverLink
from minimesos_executor.threads import ThreadWorkers

EXIT_USAGE = 2

_log = get_logger(__name__)


class Process(Child, Protocol):
    """A command that was started, in a process or here."""

    @property
    def exited(self) -> asyncio.Future[int]:
        """Done with its wait status."""
        ...


class Surroundings(Protocol):
    """What a program here has in place of a process's own."""

    @property
    def environment(self) -> Mapping[str, str]: ...

    @property
    def spawn(self) -> Callable[[mesos_pb2.CommandInfo, Mapping[str, str]], Process]:
        """Starts a command in the same container. Raises OSError and MinimesosError."""
        ...

    def on_terminate(self, callback: Callable[[], None]) -> None:
        """Call back in place of SIGTERM."""
        ...


async def run(arguments: Sequence[str], surroundings: Surroundings) -> int:
    """Run the executor named by the first argument; returns the exit code."""
    match arguments[:1]:
        case ["command"]:
            return await _run_command(surroundings)
        case ["spark"]:
            return await _run_spark(arguments[1:], surroundings)
        case ["fine"]:
            return await _run_fine(arguments[1:], surroundings)
    _log.error("no such executor in one process", arguments=arguments)
    return EXIT_USAGE


async def _run_command(surroundings: Surroundings) -> int:
    reactor = _LoopReactor()

    def spawn(command: Json, environment: Mapping[str, str]) -> Process:
        info = mesos_pb2.CommandInfo(
            value=command.get("value"),
            shell=command.get("shell", True),
            arguments=command.get("arguments", ()),
        )
        try:
            child = surroundings.spawn(info, environment)
        except MinimesosError as error:
            raise ValueError(str(error)) from error
        child.exited.add_done_callback(lambda _: executor.child_ended())
        return child

    executor = CommandExecutor(surroundings.environment, reactor, spawn)
    surroundings.on_terminate(executor.shut_down)
    try:
        executor.start()
        await reactor.stopped
    except AgentLost as error:
        _log.error("Cannot subscribe", why=error)
        return EXIT_FAILED
    finally:
        executor.close()
        reactor.close()
    return executor.exit_code


def _secret(surroundings: Surroundings) -> bytes | None:
    """Return the application's secret, having prepared this process for tasks in threads."""
    secret = spark.secret_of(surroundings.environment.get(spark.SECRET_VARIABLE))
    if secret is None:
        _log.error("no secret in hex", variable=spark.SECRET_VARIABLE)
    TaskContext.run_in_threads()
    hash_in_one_process()
    return secret


async def _run_fine(arguments: Sequence[str], surroundings: Surroundings) -> int:
    try:
        options = fine.parse(arguments)
    except SystemExit:
        return EXIT_USAGE
    secret = _secret(surroundings)
    if secret is None:
        return EXIT_USAGE
    environment = surroundings.environment
    workers = ThreadWorkers(f"executor-{environment.get('MESOS_EXECUTOR_ID')}")
    async with AsyncExitStack() as after_workers:
        executor = FineExecutor(
            options.driver_url,
            secret,
            workers,
            environment,
            after_workers,
            options.block_manager_port,
        )
        surroundings.on_terminate(partial(executor.give_up, spark.TERMINATED))
        try:
            return await executor.run()
        finally:
            await workers.ended()


async def _run_spark(arguments: Sequence[str], surroundings: Surroundings) -> int:
    try:
        options = spark.parse(arguments)
    except SystemExit:
        return EXIT_USAGE
    secret = _secret(surroundings)
    if secret is None:
        return EXIT_USAGE
    workers = ThreadWorkers(f"executor-{options.executor_id}")
    identity = Identity(
        options.executor_id,
        options.hostname,
        options.cores,
        block_manager_port=options.block_manager_port,
    )
    environment = surroundings.environment
    async with AsyncExitStack() as after_workers:
        link = DriverLink(
            options.driver_url,
            secret,
            options.app_id,
            workers,
            identity,
            environment,
            after_workers,
        )
        surroundings.on_terminate(partial(link.give_up, spark.TERMINATED))
        try:
            return await link.run()
        finally:
            await workers.ended()


class _LoopReactor:
    """The running loop as the reactor of one program, whose timers end with it."""

    def __init__(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._timers: list[asyncio.TimerHandle] = []
        self.stopped: asyncio.Future[None] = loop.create_future()
        self.add_reader = loop.add_reader
        self.remove_reader = loop.remove_reader
        self.add_writer = loop.add_writer
        self.remove_writer = loop.remove_writer
        self.time = loop.time

    def call_later(self, delay: float, callback: Callable[[], Any], /) -> Timer:
        timer = self._loop.call_later(delay, callback)
        self._timers.append(timer)
        return timer

    def stop(self) -> None:
        if not self.stopped.done():
            self.stopped.set_result(None)

    def close(self) -> None:
        """Forget the timers."""
        for timer in self._timers:
            timer.cancel()
