"""Whatever happens, in whatever order, an agent neither fails nor loses count of anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from minimesos.actor import (
    CancelTimer,
    Close,
    Connected,
    Disconnected,
    EffectFailed,
    Received,
    Send,
    SetTimer,
    TimerFired,
)
from minimesos.agent.containers import ContainerExited, LaunchContainer, UpdateContainer
from minimesos.agent.state import ExecutorState
from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.resources import Resources
from minimesos.states import is_terminal

STATES = (mesos_pb2.TASK_RUNNING, mesos_pb2.TASK_FINISHED, mesos_pb2.TASK_FAILED)
STEPS = 300


class World:
    """Does random things to an agent, and watches what it answers."""

    def __init__(self, bench: Any, seed: int) -> None:
        self.bench = bench
        self.agent = bench.agent
        self.random = Random(seed)
        self.timers: dict[str, float] = {}
        self.containers: set[str] = set()
        self.outstanding: dict[tuple[str, str], bytes] = {}
        self.states: dict[bytes, mesos_pb2.TaskState] = {}  # by uuid
        self.unfinished: set[tuple[str, str]] = set()
        self.peers = 0
        self.tasks = 0

    def step(self) -> None:
        actions: list[Callable[[], None]] = [
            self.run, self.run, self.subscribe, self.subscribe, self.update, self.update,
            self.update, self.acknowledge, self.acknowledge, self.kill, self.exit, self.timer,
            self.drop_executor, self.master_gone, self.shutdown, self.fail_update,
        ]  # fmt: skip
        self.random.choice(actions)()
        self.check()

    # -- what happens -----------------------------------------------------------------------------

    def give(self, stimulus: Any) -> None:
        self.bench.give(stimulus, after_s=0.1)
        for effect in self.bench.effects:
            if isinstance(effect, SetTimer):
                self.timers[effect.name] = effect.at_s
            elif isinstance(effect, CancelTimer):
                self.timers.pop(effect.name, None)
            elif isinstance(effect, LaunchContainer):
                self.containers.add(effect.container_id)
            elif isinstance(effect, Send) and isinstance(effect.message, cluster_pb2.StatusUpdate):
                self.saw(effect.message)

    def saw(self, update: cluster_pb2.StatusUpdate) -> None:
        assert self.agent.is_registered, "an update was sent without a master"
        key = (update.framework_id.value, update.status.task_id.value)
        self.outstanding[key] = update.status.uuid
        known = self.states.setdefault(update.status.uuid, update.status.state)
        assert known == update.status.state, "a uuid stands for two statuses"
        if is_terminal(known):
            self.unfinished.discard(key)

    def run(self) -> None:
        if not self.agent.is_registered:
            self.master_back()
        self.tasks += 1
        executor = self.random.choice([None, "e1", "e2"])
        new = self.random.choice([None, None, True, False])
        message = self.bench.run_message(
            f"t{self.tasks}", executor=executor, new=new, framework=self.random.choice("FG")
        )
        framework = self.agent.state.frameworks.get(message.framework_info.id.value)
        if framework is None or not framework.terminating:
            self.unfinished.add((message.framework_info.id.value, message.task.task_id.value))
        self.give(Received("master", message))

    def live(self) -> Any:
        found = [e for e in self.agent.state.executors() if e.is_alive]
        return self.random.choice(found) if found else None

    def call(self, executor: Any, type: executor_pb2.Call.Type) -> executor_pb2.Call:
        call = executor_pb2.Call(type=type)
        call.framework_id.value = executor.framework_id
        call.executor_id.value = executor.executor_id
        return call

    def subscribe(self) -> None:
        if (executor := self.live()) is not None:
            self.peers += 1
            call = self.call(executor, executor_pb2.Call.SUBSCRIBE)
            call.subscribe.SetInParent()
            self.give(Received(f"executor/{self.peers}", call))

    def update(self) -> None:
        executor = self.live()
        tasks = [] if executor is None else [*executor.launched, *executor.terminated]
        if executor is None or executor.peer is None or not tasks:
            return
        call = self.call(executor, executor_pb2.Call.UPDATE)
        status = self.bench.status(self.random.choice(STATES), self.random.choice(tasks))
        call.update.status.CopyFrom(status)
        self.give(Received(executor.peer, call))

    def acknowledge(self) -> None:
        if not self.outstanding or not self.agent.is_registered:
            return
        key = self.random.choice(sorted(self.outstanding))
        message = cluster_pb2.StatusUpdateAcknowledgement(uuid=self.outstanding.pop(key))
        message.framework_id.value, message.task_id.value = key
        self.give(Received("master", message))

    def kill(self) -> None:
        if self.agent.is_registered and self.tasks:
            message = cluster_pb2.KillTask()
            message.framework_id.value = self.random.choice("FG")
            message.task_id.value = f"t{self.random.randint(1, self.tasks)}"
            self.give(Received("master", message))

    def exit(self) -> None:
        if self.containers:
            container_id = self.random.choice(sorted(self.containers))
            self.containers.discard(container_id)
            self.give(ContainerExited(container_id, self.random.choice([0, 256, 9])))

    def timer(self) -> None:
        if self.timers:
            name = self.random.choice(sorted(self.timers))
            self.bench.now = max(self.bench.now, self.timers.pop(name))
            self.give(TimerFired(name))

    def drop_executor(self) -> None:
        if (executor := self.live()) is not None and executor.peer is not None:
            self.give(Disconnected(executor.peer))

    def fail_update(self) -> None:
        if self.containers and self.random.random() < 0.2:
            container_id = self.random.choice(sorted(self.containers))
            effect = UpdateContainer(container_id, Resources.EMPTY)
            self.give(EffectFailed(effect, "no"))

    def master_gone(self) -> None:
        self.give(Disconnected("master"))
        if self.random.random() < 0.8:
            self.master_back()

    def master_back(self) -> None:
        while not self.agent.is_registered:
            self.give(TimerFired("registration"))
            self.give(Connected("master"))
            answer = cluster_pb2.AgentReregistered(total_ping_timeout_s=75)
            answer.agent_id.value = "M-S0"
            self.give(Received("master", answer))

    def shutdown(self) -> None:
        if self.agent.is_registered and self.random.random() < 0.1:
            message = cluster_pb2.ShutdownFramework()
            message.framework_id.value = self.random.choice("FG")
            self.unfinished = {
                key for key in self.unfinished if key[0] != message.framework_id.value
            }
            self.give(Received("master", message))

    # -- what must hold ---------------------------------------------------------------------------

    def check(self) -> None:
        state = self.agent.state
        for framework in state.frameworks.values():
            for executor in framework.executors.values():
                self.check_executor(framework, executor)
        live = {e.container_id for e in state.executors() if e.is_alive}
        assert set(state.containers) == live == self.containers
        bound = {e.peer: e for e in state.executors() if e.peer is not None}
        assert state.peers == bound
        assert not any(isinstance(e, Close) and e.peer in bound for e in self.bench.effects)
        waiting = {n.split("/", 1)[1] for n in self.timers if n.startswith("executor-registration")}
        assert waiting <= live

    def check_executor(self, framework: Any, executor: Any) -> None:
        places = Counter([*executor.queued, *executor.launched, *executor.terminated])
        assert not places or max(places.values()) == 1, "a task in two places"
        for task in (*executor.queued.values(), *executor.launched.values()):
            assert not is_terminal(task.state)
            # Nobody may wait for a task of an executor that is gone.
            assert executor.is_alive or framework.terminating
        assert all(is_terminal(task.state) for task in executor.terminated.values())
        if executor.state is ExecutorState.RUNNING and executor.peer is not None:
            assert not executor.queued, "tasks wait for an executor that is there"

    def settle(self) -> None:
        """Let every container end and acknowledge everything."""
        self.master_back()
        while self.containers:
            self.exit()
        while self.outstanding:
            self.acknowledge()


@pytest.mark.seeds(25)
def test_agent_keeps_count_and_comes_to_rest(bench: Any, seed: int) -> None:
    world = World(bench, seed)
    for _ in range(STEPS):
        world.step()

    world.settle()

    state = bench.agent.state
    assert world.tasks > 10
    assert not world.unfinished, "tasks whose end was never reported"
    assert not state.frameworks
    assert not state.peers
    assert state.allocated() == Resources.EMPTY
    assert set(world.timers) <= {"ping-timeout"}
