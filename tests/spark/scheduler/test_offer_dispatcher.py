"""Launching on offers: one task per executor and round, and nothing that was not offered."""

from __future__ import annotations

import pytest

from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.env import Location
from minimesos.spark.scheduler.effects import Revive, SendFrame
from minimesos.spark.scheduler.executor import WorkerOffer
from minimesos.spark.scheduler.limits import Limits
from minimesos.spark.scheduler.pools import Pool, Pools
from minimesos.spark.scheduler.preferences import Preferences
from minimesos.spark.scheduler.task_scheduler import TaskScheduler
from minimesos.spark.scheduler.task_set import TaskSet


class Listener:
    def __init__(self):
        self.done = []
        self.aborted = []
        self.lost = []

    def tasks_succeeded(self, task_set, slots, task_ids, payloads, workers, executor, now):
        self.done += slots

    def task_set_aborted(self, task_set, error, now):
        self.aborted.append(error)
        task_set.is_zombie = True

    def executor_lost(self, executor_id, now):
        self.lost.append(executor_id)


class Bench:
    """A task scheduler that is offered cores when the test says so."""

    def __init__(self, limits=None, pools=None):
        self.now = 0.0
        self.listener = Listener()
        self.effects = []
        self.scheduler = TaskScheduler(
            self.listener, self.effects, limits or Limits(), pools, launches_on_offers=True
        )
        self.running = {}
        self.names = []
        self.stages = []
        self.revived = 0
        self.cancelled = []
        self.keys = 0

    def submit(self, tasks, payload=lambda partition: b"", pool="default", preferences=None):
        self.keys += 1
        task_set = TaskSet(
            key=self.keys,
            stage_id=self.keys,
            attempt=0,
            priority=(0, self.keys),
            partitions=range(tasks),
            binary=b"stage",
            payload=payload,
            pool=pool,
            preferences=preferences,
        )
        self.scheduler.submit(task_set, self.now)
        self.collect()
        return task_set

    def offer(self, **cores):
        """Offer cores; returns how many tasks each executor got."""
        before = {name: len(self.running.get(name, ())) for name in cores}
        offers = [WorkerOffer(name, f"host-{name}", count) for name, count in cores.items()]
        self.scheduler.resource_offers(offers, self.now)
        self.collect()
        return {name: len(self.running.get(name, ())) - before[name] for name in cores}

    def collect(self):
        for effect in self.effects:
            self.revived += isinstance(effect, Revive)
            if isinstance(effect, SendFrame):
                self.cancelled += effect.frame.cancel.task_ids
                name = effect.executor_id
                self.stages += [(name, each.stage_key) for each in effect.frame.stages]
                for batch in effect.frame.tasks:
                    assert len(batch.task_ids) == len(batch.names) == 1
                    self.names += batch.names
                    self.running.setdefault(effect.executor_id, []).extend(batch.task_ids)
        self.effects.clear()

    def finish(self, name, count=1, outcome=spark_pb2.SUCCESS):
        task_ids, self.running[name] = self.running[name][:count], self.running[name][count:]
        results = spark_pb2.TaskResults(
            task_ids=task_ids, payloads=[b"\x80"] * count, workers=[0] * count
        )
        if outcome != spark_pb2.SUCCESS:
            results.outcomes.extend([outcome] * count)
        self.scheduler.results(name, results, self.now)
        self.collect()


def test_tasks_are_spread_one_per_executor_and_round():
    bench = Bench()
    bench.submit(5)
    assert bench.offer(a=8, b=1, c=8) == {"a": 2, "b": 1, "c": 2}


def test_no_more_is_launched_than_is_offered_and_nothing_without_an_offer():
    bench = Bench()
    bench.submit(10)
    assert bench.running == {}
    assert bench.offer(a=2) == {"a": 2}
    bench.finish("a", 2)
    assert bench.running == {"a": []}
    assert bench.offer(a=3, b=0) == {"a": 3, "b": 0}


def test_tasks_that_take_several_cores_count_as_so_many():
    bench = Bench(Limits(task_cpus=2))
    bench.submit(10)
    assert bench.offer(a=5, b=1) == {"a": 2, "b": 0}


def test_cores_are_asked_for_while_tasks_wait_and_not_otherwise():
    bench = Bench()
    bench.submit(2)
    assert bench.revived
    bench.revived = 0
    bench.offer(a=1)
    assert not bench.revived  # nothing has become free
    bench.finish("a")
    assert bench.revived
    bench.offer(a=1)
    bench.revived = 0
    bench.finish("a")
    assert not bench.revived
    assert bench.listener.done == [0, 1]


def test_each_task_has_a_name_by_its_place_in_the_set_and_its_attempt():
    bench = Bench()
    bench.submit(2)
    bench.offer(a=2)
    bench.finish("a", outcome=spark_pb2.CANCELLED)
    bench.offer(a=1)
    assert bench.names == [
        "task 0.0 in stage 1.0 (TID 0)",
        "task 1.0 in stage 1.0 (TID 1)",
        "task 0.1 in stage 1.0 (TID 2)",
    ]


def test_a_stage_is_sent_once_to_each_executor_that_gets_a_task():
    bench = Bench()
    bench.submit(5)
    bench.offer(a=1, b=1)
    bench.finish("a")
    bench.offer(a=2)
    assert bench.stages == [("a", 1), ("b", 1)]


def test_an_executor_that_got_nothing_is_not_there_and_hears_nothing():
    bench = Bench()
    bench.submit(1)
    bench.offer(a=1, b=1)
    assert list(bench.scheduler.executors) == ["a"]


def test_an_executor_has_the_slots_that_its_tasks_hold():
    bench = Bench()
    bench.submit(3)
    bench.offer(a=2, b=1)
    assert bench.scheduler.total_slots == 3
    bench.finish("a")
    assert bench.scheduler.total_slots == 2
    assert bench.scheduler.executors["a"].slots == 1


def test_where_an_executor_is_becomes_known_when_it_connects():
    bench = Bench()
    bench.submit(1)
    bench.offer(a=1)
    location = Location("a", "host-a", "host-a:1", "/blocks")
    bench.scheduler.executor_added(location, 4, bench.now)
    assert bench.scheduler.executors["a"].location == location
    assert bench.scheduler.total_slots == 1


def test_all_tasks_of_a_lost_executor_are_charged_and_launched_again_with_their_stage():
    bench = Bench()
    task_set = bench.submit(3)
    bench.offer(a=2)
    bench.scheduler.executor_lost("a", "killed", True, bench.now)
    assert bench.listener.lost == ["a"]
    assert task_set.failures == {0: 1, 1: 1}
    assert bench.offer(a=3) == {"a": 3}
    assert bench.stages == [("a", 1), ("a", 1)]


def test_tasks_of_an_executor_that_never_was_are_not_charged():
    bench = Bench()
    task_set = bench.submit(3)
    bench.offer(a=2)
    bench.scheduler.executor_lost("a", "it was not launched", False, bench.now)
    assert task_set.failures == {}
    assert task_set.pending == 3


def test_tasks_of_a_cancelled_set_are_cancelled_where_they_run():
    bench = Bench()
    task_set = bench.submit(3)
    bench.offer(a=1, b=1)
    bench.scheduler.cancel(task_set)
    bench.collect()
    assert sorted(bench.cancelled) == [0, 1]
    assert bench.offer(a=1) == {"a": 0}


def test_the_first_set_gets_cores_first_and_the_next_what_is_left():
    bench = Bench()
    first, second = bench.submit(2), bench.submit(5)
    bench.offer(a=4)
    assert (first.running, second.running) == (2, 2)


def test_pools_share_what_is_offered_by_weight():
    pools = Pools([Pool("gold", weight=3), Pool("tin", weight=1)])
    bench = Bench(pools=pools)
    gold, tin = bench.submit(20, pool="gold"), bench.submit(20, pool="tin")
    given = bench.offer(a=4, b=4)
    assert (gold.running, tin.running) == (6, 2)
    assert given == {"a": 4, "b": 4}


def test_a_task_waits_for_the_host_that_it_prefers_but_not_for_ever():
    preferences = Preferences((3.0, 3.0), 0.0)
    preferences.prefer_host(0, "host-b")
    bench = Bench()
    bench.submit(1, preferences=preferences)
    assert bench.offer(a=1) == {"a": 0}
    bench.now = 4.0
    assert bench.offer(a=1) == {"a": 1}


def test_a_task_whose_input_cannot_be_pickled_fails_its_set_and_takes_no_core():
    def payload(partition):
        raise ValueError("no pickle")

    bench = Bench()
    bench.submit(2, payload)
    assert bench.offer(a=2) == {"a": 0}
    assert [str(error) for error in bench.listener.aborted] == ["no pickle"]
    assert bench.scheduler.executors == {}


def test_tasks_may_not_be_offered_cores_where_executors_have_their_own():
    scheduler = TaskScheduler(Listener(), [], Limits())
    with pytest.raises(AssertionError):
        scheduler.resource_offers([], 0.0)
