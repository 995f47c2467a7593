"""An agent core on a bench: stimuli go in by name, and what it answered is looked up by kind."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

import pytest
from google.protobuf.message import Message

from minimesos.actor import (
    Connected,
    Disconnected,
    Effect,
    Received,
    Send,
    SetTimer,
    Stimulus,
    TimerFired,
)
from minimesos.agent.agent import Agent
from minimesos.agent.containers import ContainerExited, LaunchContainer
from minimesos.agent.flags import AgentFlags
from minimesos.ids import RandomIds
from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.resources import Resources

AGENT_ID = "M-S0"
M = TypeVar("M", bound=Message)
E = TypeVar("E", bound=Effect)
Call = executor_pb2.Call
PARTITION_AWARE = mesos_pb2.FrameworkInfo.Capability.PARTITION_AWARE


class Bench:
    """`effects` are those of the last stimulus, `now` is its time."""

    def __init__(self, **flags: Any) -> None:
        random = Random(7)
        self.agent = Agent(
            AgentFlags(master="10.0.0.1:5050", **flags),
            mesos_pb2.AgentInfo(
                hostname="node1", resources=Resources.of(cpus=4, mem=1024).to_proto()
            ),
            "10.0.0.2:5051",
            ids=RandomIds(random),
            random=random,
            command_executor=["python", "-m", "command_executor"],
        )
        self.now = 1000.0
        self.effects: list[Effect] = self.agent.start(self.now)
        self._uuids = 0

    # -- stimuli ----------------------------------------------------------------------------------

    def give(self, stimulus: Stimulus, after_s: float = 0.0) -> list[Effect]:
        self.now += after_s
        self.effects = self.agent.handle(stimulus, self.now)
        return self.effects

    def fire(self, timer: str) -> SetTimer:
        """Let the timer fire that the last stimulus set, at its time."""
        found = self.timer(timer)
        self.now = found.at_s
        self.effects = self.agent.handle(TimerFired(found.name), self.now)
        return found

    def from_master(self, message: Message, after_s: float = 0.0) -> list[Effect]:
        return self.give(Received("master", message), after_s)

    def connect(self) -> None:
        self.fire("registration")
        self.give(Connected("master"))

    def register(self) -> None:
        self.connect()
        self.from_master(registered(cluster_pb2.AgentRegistered()))

    def lose_master(self) -> None:
        self.give(Disconnected("master", "connection reset"))

    def return_to_master(self, **fields: Any) -> list[Effect]:
        self.connect()
        return self.from_master(registered(cluster_pb2.AgentReregistered(**fields)))

    def run_task(
        self,
        task_id: str = "t1",
        *,
        executor: str | None = "e1",
        new: bool | None = None,
        **more: Any,
    ) -> list[Effect]:
        """Launch a task; by default on executor e1, launched if it does not run yet."""
        self.from_master(self.run_message(task_id, executor=executor, new=new, **more))
        return self.effects

    def run_message(
        self,
        task_id: str,
        *,
        executor: str | None = "e1",
        new: bool | None = None,
        framework: str = "F",
        capabilities: tuple[mesos_pb2.FrameworkInfo.Capability.Type, ...] = (),
        command: str = "sleep 1",
        cpus: float = 1,
    ) -> cluster_pb2.RunTask:
        info = mesos_pb2.FrameworkInfo(user="ada", name="analytics")
        info.id.value = framework
        for capability in capabilities:
            info.capabilities.add(type=capability)
        task = mesos_pb2.TaskInfo(
            name=task_id, resources=Resources.of(cpus=cpus, mem=64, allocated="dev").to_proto()
        )
        task.task_id.value = task_id
        task.agent_id.value = AGENT_ID
        if executor is None:
            task.command.value = command
        else:
            task.executor.executor_id.value = executor
            task.executor.command.value = "./run"
            task.executor.resources.extend(
                Resources.of(cpus=0.5, mem=32, allocated="dev").to_proto()
            )
        if new is None:
            known = self.agent.state.frameworks.get(framework)
            new = known is None or executor not in known.executors
        return cluster_pb2.RunTask(framework_info=info, task=task, launch_executor=new)

    def subscribe(self, executor: str = "e1", peer: str = "executor/1", **more: Any) -> None:
        call = self._call(Call.SUBSCRIBE, executor)
        call.subscribe.CopyFrom(Call.Subscribe(**more))
        self.give(Received(peer, call))

    def status(
        self,
        state: mesos_pb2.TaskState,
        task_id: str = "t1",
        uuid: bytes | None = None,
        **more: Any,
    ) -> mesos_pb2.TaskStatus:
        self._uuids += 1
        status = mesos_pb2.TaskStatus(
            state=state, uuid=uuid or self._uuids.to_bytes(16, "big"), **more
        )
        status.task_id.value = task_id
        return status

    def update(
        self,
        state: mesos_pb2.TaskState,
        task_id: str = "t1",
        *,
        executor: str = "e1",
        peer: str = "executor/1",
        **more: Any,
    ) -> mesos_pb2.TaskStatus:
        """Let an executor report a state; returns the status that it sent."""
        call = self._call(Call.UPDATE, executor)
        call.update.status.CopyFrom(self.status(state, task_id, **more))
        self.give(Received(peer, call))
        return call.update.status

    def running_task(self, task_id: str = "t1", **more: Any) -> None:
        """Bring a task to its executor."""
        self.run_task(task_id, **more)
        self.subscribe(more.get("executor", "e1") or task_id)

    def acknowledge(self, status: mesos_pb2.TaskStatus, framework: str = "F") -> list[Effect]:
        message = cluster_pb2.StatusUpdateAcknowledgement(uuid=status.uuid)
        message.framework_id.value = framework
        message.task_id.CopyFrom(status.task_id)
        return self.from_master(message)

    def exit_container(self, status: int | None = 0, **more: Any) -> list[Effect]:
        """End the only container."""
        (container_id,) = self.agent.state.containers
        return self.give(ContainerExited(container_id, status, **more))

    def kill(self, task_id: str = "t1", framework: str = "F") -> list[Effect]:
        message = cluster_pb2.KillTask()
        message.framework_id.value = framework
        message.task_id.value = task_id
        return self.from_master(message)

    def shutdown_framework(self, framework: str = "F") -> list[Effect]:
        message = cluster_pb2.ShutdownFramework()
        message.framework_id.value = framework
        return self.from_master(message)

    def _call(self, type: executor_pb2.Call.Type, executor: str) -> executor_pb2.Call:
        call = Call(type=type)
        call.framework_id.value = "F"
        call.executor_id.value = executor
        return call

    # -- what it answered -------------------------------------------------------------------------

    def all(self, kind: type[E]) -> list[E]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def only(self, kind: type[E]) -> E:
        found = self.all(kind)
        assert len(found) == 1, f"{len(found)} of {kind.__name__} in {self.effects}"
        return found[0]

    def timer(self, kind: str) -> SetTimer:
        (found,) = (t for t in self.all(SetTimer) if t.name.partition("/")[0] == kind)
        return found

    def sent(self, kind: type[M], peer: str = "master") -> list[M]:
        return [
            effect.message
            for effect in self.effects
            if isinstance(effect, Send) and effect.peer == peer and isinstance(effect.message, kind)
        ]

    def events(self, peer: str = "executor/1") -> list[str]:
        """Types of the events that were sent to an executor, in order."""
        return [
            executor_pb2.Event.Type.Name(event.type)
            for event in self.sent(executor_pb2.Event, peer)
        ]

    def reported(self) -> mesos_pb2.TaskStatus:
        """The only status that was sent to the master."""
        (update,) = self.sent(cluster_pb2.StatusUpdate)
        return update.status

    def container(self) -> LaunchContainer:
        return self.only(LaunchContainer)


def registered(message: M) -> M:
    """Fill in a master's answer to a registration."""
    message.agent_id.value = AGENT_ID  # type: ignore[attr-defined]
    message.total_ping_timeout_s = 75.0  # type: ignore[attr-defined]
    return message


@pytest.fixture
def make_bench() -> Callable[..., Bench]:
    """Make a bench whose agent has the given flags and has only been started."""
    return Bench


@pytest.fixture
def bench() -> Bench:
    """Return a registered agent."""
    bench = Bench()
    bench.register()
    return bench
