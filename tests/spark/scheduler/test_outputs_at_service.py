"""What happens to jobs when executors die whose map outputs a shuffle service keeps."""

from __future__ import annotations

import random

import pytest

from minimesos.spark.scheduler.limits import Limits

SERVED = Limits(outputs_outlive_executors=True)
BY_HOST = Limits(outputs_outlive_executors=True, outputs_fail_by_host=True)
SUMS = {key: sum(range(key, 40, 8)) for key in range(8)}


def sums_of(cluster, maps=4):
    pairs = cluster.parallelize(range(40), maps).map(lambda number: (number % 8, number))
    return pairs.reduceByKey(lambda a, b: a + b, 3)


def total(job_results):
    return {key: value for part in job_results for key, value in part}


def test_a_later_job_reads_what_executors_wrote_that_are_gone(new_cluster):
    cluster = new_cluster(limits=SERVED)
    sums = sums_of(cluster)
    sums.count()
    for executor in list(cluster.executors.values()):
        cluster.kill(executor)
    cluster.add_executor()
    cluster.settle()
    assert dict(sums.collect()) == SUMS
    assert cluster.launches(0) == dict.fromkeys(range(4), 1)


def test_map_tasks_that_were_done_are_not_run_again_when_their_executor_dies(new_cluster):
    cluster = new_cluster(executors=2, limits=SERVED)
    cluster.duration = lambda stage, partition: 1.0 if partition == 3 else 0.01
    sums = sums_of(cluster)
    job = cluster.submit(sums, lambda task, items: list(items))
    cluster.advance(0.5)
    (idle,) = [each for each in cluster.executors.values() if not each.running]
    cluster.kill(idle)
    cluster.run_until(lambda: job in cluster.ended)
    assert total(cluster.results(job)) == SUMS
    assert cluster.launches(0) == dict.fromkeys(range(4), 1)


def test_files_that_are_gone_all_the_same_are_computed_again_with_all_of_their_executor(
    new_cluster,
):
    cluster = new_cluster(executors=2, limits=SERVED)
    sums = sums_of(cluster)
    sums.count()
    cluster.lose_files(cluster.executors["0"])
    before = outputs(cluster)
    assert dict(sums.collect()) == SUMS
    assert {each for each in before if each not in outputs(cluster)} == {
        each for each in before if each.location.executor_id == "0"
    }


@pytest.mark.parametrize(("limits", "lost"), [(SERVED, {"0"}), (BY_HOST, {"0", "1"})])
def test_and_with_all_of_their_host_if_that_is_set(new_cluster, limits, lost):
    cluster = new_cluster(executors=2, limits=limits)
    for executor in cluster.scheduler._tasks.executors.values():  # by what it says of itself
        executor.location = executor.location._replace(host="shared")
    sums = sums_of(cluster)
    sums.count()
    cluster.lose_files(cluster.executors["0"])
    before = outputs(cluster)
    assert dict(sums.collect()) == SUMS
    gone = {each.location.executor_id for each in before if each not in outputs(cluster)}
    assert gone == lost


def outputs(cluster):
    """Return the map outputs of the first shuffle that the driver knows of."""
    return list(cluster.scheduler._stages.outputs._shuffles[0].outputs)


@pytest.mark.parametrize("limits", [SERVED, None], ids=["with a service", "without"])
def test_services_are_told_of_shuffles_that_nobody_can_ask_for(new_cluster, limits):
    cluster = new_cluster(limits=limits)
    sums = sums_of(cluster)
    sums.count()
    cluster.clean_up(rdd_ids=[7])
    cluster.clean_up(shuffle_ids=[sums.dependencies[0].shuffle_id])
    cluster.settle()
    assert cluster.forgotten_shuffles == ([] if limits is None else [0])


@pytest.mark.seeds(40)
def test_results_are_right_whatever_dies_or_gets_lost(new_cluster, seed):
    dice = random.Random(seed)
    cluster = new_cluster(
        executors=dice.randint(1, 3), cores=2, limits=dice.choice([SERVED, BY_HOST])
    )
    cluster.duration = lambda stage, partition: dice.choice([0.001, 0.01, 0.3])
    mishaps = iter(range(3))

    def mishap(step):
        if dice.random() > 0.02 or next(mishaps, None) is None:
            return
        executor = dice.choice(list(cluster.executors.values()))
        if dice.random() < 0.3:
            cluster.lose_files(executor)
        cluster.kill(executor, dice.choice([0.001, 0.1, 3.0]))
        cluster.after(dice.choice([0.01, 1.0]), lambda: cluster.add_executor(cores=2))

    cluster.before_step = mishap
    once = sums_of(cluster)
    twice = once.map(lambda pair: (pair[0] % 2, pair[1])).reduceByKey(lambda a, b: a + b, 2)
    jobs = [cluster.submit(rdd, lambda task, items: list(items)) for rdd in (once, twice)]
    cluster.run_until(lambda: all(job in cluster.ended for job in jobs))
    assert total(cluster.results(jobs[0])) == SUMS
    assert total(cluster.results(jobs[1])) == {n: sum(range(n, 40, 2)) for n in range(2)}
