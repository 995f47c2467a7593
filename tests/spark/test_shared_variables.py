"""Broadcasts and accumulators."""

from __future__ import annotations

import gc
import os
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest

from minimesos.spark import RDD, AccumulatorParam, SparkContext
from minimesos.spark.broadcast import Broadcast, file_name
from minimesos.spark.env import Location, WorkerEnv
from minimesos.spark.shuffle.files import DiskFull
from minimesos.spark.taskcontext import TaskContext


def test_a_broadcast_is_read_in_tasks_and_loaded_once(sc: SparkContext, runner: Any) -> None:
    value = sc.broadcast({"a": 1})
    assert value.value == {"a": 1}
    same = sc.parallelize(range(2), 2).map(lambda _: (value.value["a"], id(value.value)))
    (first, one), (second, other) = same.collect()
    assert (first, second) == (1, 1)
    assert one == other
    assert list(runner.env.broadcasts) == [value.id]


def test_an_unpersisted_broadcast_is_loaded_again(sc: SparkContext, runner: Any) -> None:
    value = sc.broadcast([1])
    use = sc.parallelize([1]).map(lambda x: x + value.value[0])
    use.collect()
    value.unpersist()
    assert runner.env.broadcasts == {}
    assert use.collect() == [2]


def test_a_destroyed_broadcast_fails_jobs_and_leaves_no_file(sc: SparkContext, runner: Any) -> None:
    value = sc.broadcast([1])
    use = sc.parallelize([1]).map(lambda x: x + value.value[0])
    value.destroy()
    assert os.listdir(runner.driver_location.root) == []
    with pytest.raises(pickle.PicklingError, match="Broadcast 0 was destroyed"):
        use.collect()
    with pytest.raises(RuntimeError, match="was destroyed"):
        _ = value.value


def test_a_broadcast_that_nobody_refers_to_is_gone(sc: SparkContext, runner: Any) -> None:
    def adding(value: Broadcast[list[int]]) -> RDD[int]:
        return sc.parallelize([1]).map(lambda x: x + value.value[0])

    use = adding(sc.broadcast([1]))
    assert use.collect() == [2]
    del use
    gc.collect()
    assert runner.cleaned == [("broadcast", 0)]
    assert os.listdir(runner.driver_location.root) == []


def test_tasks_can_only_read_a_broadcast(sc: SparkContext) -> None:
    value = sc.broadcast([1])
    with pytest.raises(RuntimeError, match="INVALID_BROADCAST_OPERATION"):
        sc.parallelize([1]).foreach(lambda _: value.unpersist())
    with pytest.raises(RuntimeError, match="INVALID_BROADCAST_OPERATION"):
        sc.parallelize([1]).map(lambda _: pickle.dumps(value)).collect()


def test_what_cannot_be_pickled_cannot_be_broadcast(sc: SparkContext) -> None:
    with pytest.raises(pickle.PicklingError, match="Could not serialize broadcast"):
        sc.broadcast(threading.Lock())


def test_a_worker_on_another_host_fetches_the_file_once(tmp_path: Path) -> None:
    driver, executor = tmp_path / "driver", tmp_path / "executor"
    executor.mkdir()
    fetched = []

    def fetch(location: Location, path: str, offset: int, length: int) -> str:
        fetched.append((location.executor_id, path, offset, length))
        copy = executor / "fetched"
        copy.write_bytes((driver / path).read_bytes())
        return str(copy)

    made = Broadcast(3, "value", Location("driver", "there", "", str(driver)), lambda: None, {})
    travelled = pickle.loads(pickle.dumps(made))
    for _ in range(2):
        env: Any = WorkerEnv("0", "here", str(executor), {}, None, fetch)  # type: ignore[arg-type]
        with TaskContext(env=env).active():
            assert travelled.value == "value"
    assert fetched == [("driver", "broadcast_3", 0, 0)]


def test_an_accumulator_adds_what_tasks_add(sc: SparkContext) -> None:
    total = sc.accumulator(10)
    mapped = sc.parallelize(range(5), 2).map(lambda x: total.add(x))
    assert total.value == 10
    mapped.count()
    assert total.value == 20
    mapped.count()  # a transformation adds each time it is computed
    assert total.value == 30
    total += 5
    assert (total.value, str(total)) == (35, "35")
    assert repr(total) == f"Accumulator<id={total.aid}, value=35>"


def test_a_failed_task_adds_nothing(sc: SparkContext) -> None:
    total = sc.accumulator(0)

    def add_and_fail(x: int) -> None:
        total.add(x)
        raise ValueError(x)

    with pytest.raises(ValueError, match="7"):
        sc.parallelize([7], 1).foreach(add_and_fail)
    assert total.value == 0


def test_only_the_driver_reads_an_accumulator(sc: SparkContext) -> None:
    total = sc.accumulator(0)
    with pytest.raises(RuntimeError, match="VALUE_NOT_ACCESSIBLE"):
        sc.parallelize([1]).foreach(lambda x: total.value)


def test_other_kinds_need_a_parameter(sc: SparkContext) -> None:
    class Vectors(AccumulatorParam[list[float]]):
        def zero(self, value: list[float]) -> list[float]:
            return [0.0] * len(value)

        def addInPlace(self, value1: list[float], value2: list[float]) -> list[float]:
            for i, term in enumerate(value2):
                value1[i] += term
            return value1

    total = sc.accumulator([1.0, 2.0], Vectors())
    for _ in range(2):
        sc.parallelize([1.0, 2.0, 3.0], 2).foreach(lambda x: total.add([x, x]))
    assert total.value == [13.0, 14.0]
    assert sc.accumulator(1j).value == 1j
    with pytest.raises(TypeError, match="No default accumulator param for type"):
        sc.accumulator("text")


def test_a_kept_closure_starts_each_task_from_zero(sc: SparkContext, runner: Any) -> None:
    total = pickle.loads(pickle.dumps(sc.accumulator(0)))
    for expected in (1, 2):
        task = TaskContext(env=runner.env)
        with task.active():
            for _ in range(expected):
                total.add(1)
        assert task.accumulator_updates() == [(total.aid, expected)]


@pytest.mark.parametrize("switch", ["true", "false"])
def test_broadcasts_are_compressed_and_checked_as_is_set(
    start_context: Any, switch: str, tmp_path: Path
) -> None:
    settings = {
        "spark.broadcast.compress": switch,
        "spark.broadcast.checksum": switch,
        "spark.broadcast.blockSize": "1k",
    }
    words = [f"word {number}" for number in range(10_000)]
    with start_context(settings=settings) as sc:
        shared = sc.broadcast(words)
        (file,) = Path(sc._runner.driver_location.root).glob("broadcast_*")
        assert (file.stat().st_size < len(pickle.dumps(words)) / 2) == (switch == "true")
        assert sc.parallelize([9999], 1).map(lambda i: shared.value[i]).collect() == ["word 9999"]
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        shared.unpersist()
        if switch == "true":
            with pytest.raises(Exception, match="checksum of a piece is wrong"):
                sc.parallelize([0], 1).map(lambda i: shared.value[i]).collect()


def test_a_broadcast_that_cannot_be_pickled_leaves_no_file(sc: SparkContext) -> None:
    with pytest.raises(pickle.PicklingError, match=r"Could not serialize broadcast: .*generator"):
        sc.broadcast([bytes(10_000), (each for each in ())])
    assert list(Path(sc._runner.driver_location.root).glob("broadcast_*")) == []


def test_a_broadcast_may_hold_another_one(sc: SparkContext) -> None:
    inner = sc.broadcast({"a": 1})
    outer = sc.broadcast([inner, "b"])
    assert sc.parallelize(["a"], 1).map(lambda key: outer.value[0].value[key]).collect() == [1]


def test_a_broadcast_that_was_destroyed_fails_the_job_that_names_it(sc: SparkContext) -> None:
    shared = sc.broadcast(7)
    shared.destroy()
    with pytest.raises(Exception, match="Broadcast 0 was destroyed"):
        sc.parallelize([1], 1).map(lambda x: x + shared.value).collect()


def test_a_broadcast_in_a_cycle_of_garbage_is_removed_everywhere(
    sc: SparkContext, runner: Any
) -> None:
    def use() -> None:
        holder: dict[str, Any] = {"shared": sc.broadcast([1, 2])}
        holder["itself"] = holder
        assert sc.parallelize([0], 1).map(lambda i: holder["shared"].value[i]).collect() == [1]

    use()
    gc.collect()
    assert ("broadcast", 0) in runner.cleaned
    assert list(Path(runner.driver_location.root).glob("broadcast_*")) == []


def test_a_broadcast_for_which_the_disk_has_no_room_says_where(
    sc: SparkContext, runner: Any
) -> None:
    place = Path(runner.driver_location.root)
    place.mkdir(exist_ok=True)
    for number in range(5):
        (place / file_name(number)).symlink_to("/dev/full")
    with pytest.raises(DiskFull, match=f"no room in {place}"):
        sc.broadcast(bytes(100_000))


def test_garbage_stays_where_references_are_not_tracked(start_context: Any) -> None:
    with start_context(settings={"spark.cleaner.referenceTracking": "false"}) as sc:
        shared = sc.broadcast([1])
        sums = sc.parallelize([(1, 1)]).reduceByKey(lambda a, b: a + b).cache()
        assert sums.collect() == [(1, 1)]
        del shared, sums
        gc.collect()
        assert sc._runner.cleaned == []
        sc.broadcast([2]).destroy()
        assert sc._runner.cleaned == [("broadcast", 1)]
