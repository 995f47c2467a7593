"""A job runner in the test's own process, one task after the other, so that the RDD layer is tested
alone: closures are pickled and shuffles go through files as ever, but nothing is scheduled."""

from __future__ import annotations

import os
import pickle
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from minimesos.spark import SparkConf, SparkContext, accumulators, closure
from minimesos.spark import context as spark_context
from minimesos.spark.dependency import ShuffleDependency
from minimesos.spark.env import DRIVER, FetchFailed, Location, WorkerEnv
from minimesos.spark.lineage import Lineage
from minimesos.spark.scheduler.stage import steps_of
from minimesos.spark.shipment import Shipment, receive
from minimesos.spark.shuffle import writer
from minimesos.spark.shuffle.locations import encode_outputs, payload_key
from minimesos.spark.storage import BlockStore
from minimesos.spark.taskcontext import TaskContext

HOST = "localhost"

StartContext = Callable[..., SparkContext]


class InProcessRunner:
    """Stands in for the job runner."""

    application_id = "local-test"

    def __init__(self, conf: SparkConf, directory: str, cores: int) -> None:
        self.default_parallelism = cores
        self.driver_location = Location(DRIVER, HOST, "", os.path.join(directory, "driver"))
        self.shipment = Shipment(0, Location(DRIVER, HOST, "", directory))
        self.location = Location("0", HOST, "", os.path.join(directory, "executor-0"))
        os.makedirs(self.location.root)
        settings = dict(conf.getAll())
        self.env = WorkerEnv(
            executor_id="0",
            host=HOST,
            local_dir=self.location.root,
            conf=settings,
            blocks=BlockStore.of(settings, 1, self.location.root),
            fetch=_no_fetch,
        )
        self.jobs: list[str] = []
        """Call sites of all jobs so far."""
        self.tasks: list[tuple[str, int]] = []
        """(kind, partition) of all tasks so far."""
        self.stopped = False
        self.cleaned: list[tuple[str, int]] = []
        self._outputs: dict[int, tuple[bytes, list[array[int]]]] = {}

    def run_job(
        self,
        rdd: Lineage[Any],
        function: Callable[[TaskContext, Iterator[Any]], Any],
        partitions: Sequence[int],
        properties: Mapping[str, str],
        name: str,
    ) -> list[Any]:
        self.jobs.append(name)
        self._materialize_inputs(rdd)
        results = []
        for index in partitions:
            self.tasks.append(("result", index))
            results.append(self._run(rdd, function, index, properties, _call))
        return pickle.loads(pickle.dumps(results))

    def run_job_for(
        self,
        rdd: Lineage[Any],
        function: Callable[[TaskContext, Iterator[Any]], Any],
        partitions: Sequence[int],
        timeout_s: float,
        properties: Mapping[str, str],
        name: str,
    ) -> list[Any]:
        """Time does not pass here, so a job is in time."""
        return self.run_job(rdd, function, partitions, properties, name)

    def clean_up(
        self,
        rdd_ids: Sequence[int] = (),
        shuffle_ids: Sequence[int] = (),
        broadcast_ids: Sequence[int] = (),
    ) -> None:
        self.env.blocks.drop_rdds(rdd_ids)
        for broadcast_id in broadcast_ids:
            self.env.broadcasts.pop(broadcast_id, None)
        self.cleaned += [("rdd", i) for i in rdd_ids]
        self.cleaned += [("shuffle", i) for i in shuffle_ids]
        self.cleaned += [("broadcast", i) for i in broadcast_ids]

    def ship(self, version: int) -> None:
        self.shipment = self.shipment._replace(version=version)

    def stop(self) -> None:
        self.stopped = True

    def _materialize_inputs(self, rdd: Lineage[Any]) -> None:
        for step in rdd.narrow_lineage():
            for dependency in step.dependencies:
                if (
                    isinstance(dependency, ShuffleDependency)
                    and dependency.shuffle_id not in self._outputs
                ):
                    self._materialize(dependency)

    def _materialize(self, dependency: ShuffleDependency) -> None:
        self._materialize_inputs(dependency.rdd)
        offsets = []
        task_ids = array("Q")
        count = dependency.rdd.num_partitions
        for index in range(count):
            self.tasks.append(("map", index))
            task_ids.append(len(self.tasks))
            offsets.append(self._run(dependency.rdd, dependency, index, {}, _write))
        shared = encode_outputs([self.location], array("H", [0] * count), task_ids)
        self._outputs[dependency.shuffle_id] = (shared, offsets)

    def _run(
        self,
        rdd: Lineage[Any],
        action: Any,
        index: int,
        properties: Mapping[str, str],
        act: Callable[..., Any],
    ) -> Any:
        receive(self.shipment, self.env)
        travelled, action = pickle.loads(closure.dumps_stage(rdd, action))
        payload = rdd.payload(index) | self._shuffle_payload(rdd, index)
        task = TaskContext(
            env=self.env,
            partition_id=index,
            task_attempt_id=len(self.tasks),
            payload=pickle.loads(pickle.dumps(payload)),
            local_properties=properties,
        )
        with task.active():
            result = act(action, task, travelled.iterator(index, task), index)
        accumulators.add_updates(pickle.loads(pickle.dumps(task.accumulator_updates())))
        return result

    def _shuffle_payload(self, rdd: Lineage[Any], index: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for step, position in steps_of(rdd, index):
            for dependency in step.dependencies:
                if isinstance(dependency, ShuffleDependency):
                    shared, outputs = self._outputs[dependency.shuffle_id]
                    starts = array("Q", [offsets[position] for offsets in outputs])
                    ends = array("Q", [offsets[position + 1] for offsets in outputs])
                    lengths = array("Q", [b - a for a, b in zip(starts, ends, strict=True)])
                    key = payload_key(dependency.shuffle_id, position)
                    found[key] = (shared, starts.tobytes(), lengths.tobytes())
        return found


def _call(action: Any, task: TaskContext, items: Iterator[Any], index: int) -> Any:
    return action(task, items)


def _write(action: Any, task: TaskContext, items: Iterator[Any], index: int) -> Any:
    return writer.write(action, items, task, index).offsets


def _no_fetch(location: Location, path: str, offset: int, length: int) -> str:
    raise FetchFailed(location, path, "there is only one host")


@pytest.fixture
def start_context(monkeypatch: pytest.MonkeyPatch) -> Iterator[StartContext]:
    """Start a context whose jobs run in this process: `start_context(cores, settings)`."""
    with ExitStack() as contexts:

        def start_runner(master: str, conf: SparkConf, directory: str) -> InProcessRunner:
            return InProcessRunner(conf, directory, int(master[len("local[") : -1]))

        def start(cores: int = 4, settings: Mapping[str, str] | None = None) -> SparkContext:
            conf = SparkConf(loadDefaults=False).setAll((settings or {}).items())
            return contexts.enter_context(SparkContext(f"local[{cores}]", "test", conf=conf))

        monkeypatch.setenv("PYTHONHASHSEED", "0")
        monkeypatch.setattr(spark_context, "_start_runner", start_runner)
        yield start


@pytest.fixture
def sc(start_context: StartContext) -> SparkContext:
    """A context of four cores."""
    return start_context()


@pytest.fixture
def runner(sc: SparkContext) -> InProcessRunner:
    """What runs the jobs of `sc`, and remembers them."""
    assert isinstance(sc._runner, InProcessRunner)
    return sc._runner
