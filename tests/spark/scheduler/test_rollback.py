"""Map stages that write other data when they run again: nothing of the old and the new is mixed."""

from __future__ import annotations

import pytest

from minimesos.spark.scheduler.effects import JobAborted
from minimesos.spark.scheduler.rollback import is_indeterminate
from minimesos.spark.scheduler.stage import shuffle_inputs


def counted(cluster):
    pairs = cluster.parallelize(range(40), 4).map(lambda number: (number, 1))
    return pairs.reduceByKey(lambda a, b: a + b, 4)


def dealt(cluster):
    """Records that a shuffle gives, dealt out to partitions in turn."""
    return counted(cluster).keys().repartition(4)


def began(cluster, stage):
    return any(where == stage for where, _, _ in cluster.launched)


def shuffle_of(rdd):
    """Return the first shuffle that an RDD reads."""
    return shuffle_inputs(rdd)[0]


def test_what_is_dealt_out_behind_a_shuffle_is_indeterminate_with_all_that_follows(new_cluster):
    cluster = new_cluster()
    numbers = cluster.parallelize(range(40), 4)
    assert not is_indeterminate(shuffle_of(numbers.repartition(3)))
    assert not is_indeterminate(shuffle_of(counted(cluster).map(str)))
    assert not is_indeterminate(shuffle_of(counted(cluster).coalesce(1, shuffle=True)))
    assert is_indeterminate(shuffle_of(dealt(cluster)))
    following = dealt(cluster).map(lambda number: (number, 1)).reduceByKey(lambda a, b: a + b)
    assert is_indeterminate(shuffle_of(following))


def test_long_lineages_are_judged_without_recursion(new_cluster):
    rdd = dealt(new_cluster())
    for _ in range(3000):
        rdd = rdd.map(abs)
    assert is_indeterminate(shuffle_of(rdd.map(lambda number: (number, 1)).groupByKey()))


def test_if_an_output_of_it_is_lost_all_are_made_anew(new_cluster):
    cluster = new_cluster(executors=2)
    cluster.duration = lambda stage, partition: 0.1 if stage < 2 else 5.0
    job = cluster.submit(dealt(cluster), lambda task, items: list(items))
    cluster.run_until(lambda: began(cluster, 2))
    assert sum(cluster.launches(1).values()) == 4
    cluster.kill(cluster.executors["0"])
    cluster.run_until(lambda: job in cluster.ended)
    assert sorted(number for part in cluster.results(job) for number in part) == [*range(40)]
    assert cluster.launches(1) == {0: 2, 1: 2, 2: 2, 3: 2}


def test_if_some_results_came_of_it_the_job_fails_with_advice(new_cluster):
    cluster = new_cluster(executors=2)
    cluster.duration = lambda stage, partition: 5.0 if (stage, partition) == (2, 3) else 0.1
    job = cluster.submit(dealt(cluster), lambda task, items: list(items))
    cluster.run_until(lambda: cluster.launches(2)[3])
    cluster.advance(1)
    (idle,) = [each for each in cluster.executors.values() if not each.running]
    cluster.kill(idle)
    cluster.run_until(lambda: job in cluster.ended)
    with pytest.raises(JobAborted, match="checkpointing the RDD before repartition"):
        cluster.results(job)
    cluster.settle()
    assert cluster.scheduler._tasks.live() == ()


def test_a_shuffle_that_was_made_from_it_is_made_anew_too(new_cluster):
    cluster = new_cluster(executors=2)
    pairs = dealt(cluster).map(lambda number: (number % 5, number))
    sums = pairs.reduceByKey(lambda a, b: a + b, 3)
    cluster.duration = lambda stage, partition: 5.0 if (stage, partition) == (2, 3) else 0.1
    job = cluster.submit(sums, lambda task, items: list(items))
    cluster.run_until(lambda: cluster.launches(2)[3])
    cluster.advance(1)  # three of four are done
    (idle,) = [each for each in cluster.executors.values() if not each.running]
    cluster.kill(idle)
    cluster.run_until(lambda: job in cluster.ended)
    pairs = [pair for part in cluster.results(job) for pair in part]
    assert dict(pairs) == {rest: sum(range(rest, 40, 5)) for rest in range(5)}
    assert min(cluster.launches(2).values()) == 2


def test_a_loss_at_every_step_gives_each_record_once_or_the_advice(new_cluster):
    def run(fatal_step):
        cluster = new_cluster(executors=2)
        pairs = dealt(cluster).map(lambda number: (number % 5, number))

        def kill(step):
            if step == fatal_step:
                cluster.kill(cluster.executors["0"], 0.05)

        cluster.before_step = kill
        try:
            sums = dict(pairs.reduceByKey(lambda a, b: a + b, 3).collect())
            assert sums == {rest: sum(range(rest, 40, 5)) for rest in range(5)}, fatal_step
        except JobAborted as error:
            reasons.append(str(error))
        steps = cluster.steps
        cluster.settle()
        assert cluster.scheduler._tasks.live() == ()
        return steps

    reasons = []
    steps = run(None)
    for fatal_step in range(steps):
        run(fatal_step)
    assert all("checkpointing the RDD" in text for text in reasons)
    assert 0 < len(reasons) < steps / 2
