"""A driver of the fine-grained mode: its core, and who the core tells what."""

from __future__ import annotations

from typing import Any

from minimesos.actor import Effect
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.backends.fine import FineGrainedCore
from minimesos.spark.backends.fine_task import FineTasks
from minimesos.spark.backends.mesos_core import (
    AskForTasks,
    CallMaster,
    ExecutorGone,
    TaskResults,
)
from minimesos.spark.scheduler.executor import WorkerOffer
from minimesos.testing import builders

Call = scheduler_pb2.Call
Status = mesos_pb2.TaskStatus


class Told:
    """A core, a task scheduler that launches what the test says, and what the core wanted done."""

    def __init__(self, **conf: object) -> None:
        texts = {"spark." + name.replace("_", "."): str(value) for name, value in conf.items()}
        texts.setdefault("spark.executor.memory", "100m")
        self.now = 1000.0
        self.core = FineGrainedCore(texts, FineTasks(texts, "app", b"\xab", command))
        self.tids = 0
        self.offers_made = 0
        self.asked: list[WorkerOffer] = []
        self.done: list[Effect] = []

    def effects(self) -> list[Effect]:
        """Return what was wanted done since the last look, but for the calls of `offer`."""
        effects = self.done + self.core.take_effects()
        self.done = []
        return effects

    def calls(self) -> list[scheduler_pb2.Call]:
        return [each.call for each in self.effects() if isinstance(each, CallMaster)]

    def kinds(self) -> list[str]:
        return [Call.Type.Name(call.type) for call in self.calls()]

    def subscribe(self) -> None:
        self.core.subscribed("F", "driver:7077", self.now)

    def offer(
        self,
        resources: str = "cpus:4;mem:4096",
        tasks: int = 0,
        agent: str = "a1",
        size: int = 0,
        executors: tuple[str, ...] = (),
    ) -> None:
        """Make an offer; the task scheduler launches so many tasks on it if it may."""
        self.offers_made += 1
        offer = builders.offer(
            f"o{self.offers_made}", resources, agent_id=agent, hostname=f"host-{agent}"
        )
        offer.executor_ids.extend(mesos_pb2.ExecutorID(value=id) for id in executors)
        self.take([offer], {agent: tasks}, size)

    def take(self, offers: list[mesos_pb2.Offer], tasks: dict[str, int], size: int = 0) -> None:
        self.core.offers(offers, self.now)
        self.asked = []
        for effect in self.core.take_effects():
            self.done.append(effect)
            if isinstance(effect, AskForTasks):
                self.asked = list(effect.offers)
                for each in effect.offers:
                    self.launch(each.executor_id, tasks.get(each.executor_id, 0), size)
                self.core.launched(self.now)

    def launch(self, executor_id: str, tasks: int, size: int = 0) -> None:
        frame = spark_pb2.DriverFrame()
        if tasks:
            frame.stages.add(stage_key=7, binary=b"closure")
        for _ in range(tasks):
            frame.tasks.add(
                stage_key=7,
                task_ids=[self.tids],
                partitions=[self.tids],
                attempts=[0],
                payloads=[bytes(size)],
                names=[f"task {self.tids}.0 in stage 0.0 (TID {self.tids})"],
            )
            self.tids += 1
        self.core.launch(executor_id, frame, self.now)

    def run(self, tasks: int = 1, agent: str = "a1") -> None:
        """Have tasks launched on an agent, on an executor that is connected."""
        self.offer(tasks=tasks, agent=agent)
        self.core.attached(agent, self.now)
        self.effects()

    def update(self, tid: object, state: str, **fields: Any) -> None:
        value = mesos_pb2.TaskState.Value(f"TASK_{state}")
        fields.setdefault("source", Status.SOURCE_AGENT)
        self.core.update(builders.task_status(str(tid), value, agent_id="a1", **fields), self.now)

    def report(self, tid: int, state: str = "FINISHED", data: bool = True) -> None:
        """Have the executor itself say how a task ended."""
        outcome = spark_pb2.SUCCESS if state == "FINISHED" else spark_pb2.FAILED
        results = result(tid, outcome).SerializeToString() if data else b""
        self.update(tid, state, source=Status.SOURCE_EXECUTOR, data=results)


def result(tid: int, outcome: spark_pb2.Outcome = spark_pb2.SUCCESS) -> spark_pb2.TaskResults:
    results = spark_pb2.TaskResults(task_ids=[tid], payloads=[b"%d" % tid], workers=[0])
    if outcome != spark_pb2.SUCCESS:
        results.outcomes.append(outcome)
    return results


def command(arguments: Any) -> mesos_pb2.CommandInfo:
    return mesos_pb2.CommandInfo(value=" ".join(arguments))


def subscribed(**conf: object) -> Told:
    told = Told(**conf)
    told.subscribe()
    told.effects()
    return told


def accepted(calls: list[scheduler_pb2.Call]) -> list[mesos_pb2.TaskInfo]:
    return [
        task
        for call in calls
        for operation in call.accept.operations
        for task in operation.launch.task_infos
    ]


def ended(effects: list[Effect]) -> list[tuple[str, list[int], list[int]]]:
    return [
        (each.executor_id, list(each.results.task_ids), list(each.results.outcomes))
        for each in effects
        if isinstance(each, TaskResults)
    ]


def gone(effects: list[Effect]) -> list[ExecutorGone]:
    return [each for each in effects if isinstance(each, ExecutorGone)]
