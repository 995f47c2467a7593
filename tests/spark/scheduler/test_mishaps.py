"""Tasks that fail, are slow, and lose their executors, all at once."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from minimesos.spark.scheduler.effects import JobFailed
from minimesos.spark.scheduler.limits import Limits
from minimesos.spark.scheduler.mishaps import ExclusionSettings, SpeculationSettings
from minimesos.spark.scheduler.pools import Pools
from minimesos.spark.taskcontext import TaskContext

NUMBERS = 60
EXPECTED = Counter(number % 7 for number in range(NUMBERS))
ENDS = ("cannot run anywhere", "failed 4 times", "maximum allowable number of times")


def limits(dice):
    return Limits(
        speculation=SpeculationSettings(quantile=dice.choice([0.3, 0.75])),
        exclusion=ExclusionSettings(
            task_per_executor=dice.randint(1, 2),
            timeout_s=20,
            unschedulable_s=5,
            by_fetch_failure=dice.random() < 0.5,
            kills=dice.random() < 0.3,
        ),
    )


def stumbling(seed, odds):
    """Return a function that fails at random, but in the same way whenever the seed is the same."""

    def pair(number):
        task_id = TaskContext.get().taskAttemptId()
        if random.Random(f"{seed} {task_id}").random() < odds:
            raise ValueError("by the test")
        return number % 7, 1

    return pair


def assert_nothing_is_left(cluster):
    cluster.settle()
    tasks = cluster.scheduler._tasks
    assert tasks.live() == ()
    assert tasks.unfinished == 0
    assert tasks._task_sets._retries == {}
    assert [each.id for each in tasks.executors.values() if each.outstanding] == []
    assert tasks._copies.speculation._taken == {}
    assert list(tasks._copies.speculation._run_times.running()) == []
    assert tasks._leaving_out.exclusion._sets == {}
    assert tasks._leaving_out.hopeless_at_s == {}
    assert not cluster.scheduler.progress()
    alive = [each for each in cluster.executors.values() if each.is_alive]
    assert not any(each.running or each.queue for each in alive)


@pytest.mark.seeds(100)
def test_jobs_end_once_and_right_or_say_why_not(new_cluster, seed):
    dice = random.Random(seed)
    pools = dice.choice([None, Pools()])
    cluster = new_cluster(
        executors=dice.randint(2, 4), cores=dice.randint(1, 3), limits=limits(dice), pools=pools
    )
    cluster.duration = lambda stage, partition: dice.choice([0.01, 0.05, 0.3, 4.0])
    deaths = iter(range(3))

    def mishap(step):
        alive = [each for each in cluster.executors.values() if each.is_alive]
        if alive and dice.random() < 0.02 and next(deaths, None) is not None:
            cluster.kill(dice.choice(alive), dice.choice([0.001, 0.5, 3.0]))
        if dice.random() < 0.01 or not alive:
            hosts = [each.location.host for each in cluster.executors.values()]
            cluster.add_executor(cores=2, host=dice.choice(["", *hosts]))

    cluster.before_step = mishap
    totals, jobs = [], []
    for _ in range(3):
        total = cluster.accumulator(0)

        def act(task, items, total=total):
            total.add(1)
            return list(items)

        pairs = cluster.parallelize(range(NUMBERS), 8).map(stumbling(seed, 0.004))
        jobs.append(cluster.submit(pairs.reduceByKey(lambda a, b: a + b, 5), act))
        totals.append(total)
        cluster.advance(dice.choice([0.0, 0.2, 2.0]))
    cluster.run_until(lambda: all(job in cluster.ended for job in jobs))
    for job, total in zip(jobs, totals, strict=True):
        if isinstance(end := cluster.ended[job], JobFailed):
            assert any(text in str(end.error) for text in ENDS)
            continue
        parts = cluster.results(job)
        assert len(parts) == 5
        assert sorted(pair for part in parts for pair in part) == sorted(EXPECTED.items())
        assert total.value == 5, "a partition's result counts once"
    assert_nothing_is_left(cluster)
