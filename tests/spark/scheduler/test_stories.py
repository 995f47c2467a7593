"""What happens to jobs when executors die, at any moment."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from minimesos.spark.scheduler.effects import JobAborted
from minimesos.spark.taskcontext import TaskContext

WORDS = ["to", "be", "or", "not", "to", "be", "that", "is", "the", "question"] * 3
COUNTS = Counter(WORDS)


def two_stages(cluster):
    pairs = cluster.parallelize(WORDS, 4).map(lambda word: (word, 1))
    return pairs.reduceByKey(lambda a, b: a + b, 3)


def steps_without_faults(new_cluster):
    cluster = new_cluster(executors=2)
    assert dict(two_stages(cluster).collect()) == COUNTS
    return cluster.steps


def three_stages(cluster):
    """Ends with the same counts, by way of another shuffle."""
    by_length = two_stages(cluster).map(lambda pair: (len(pair[0]), [pair]))
    grouped = by_length.reduceByKey(lambda a, b: a + b, 2)
    return grouped.flatMap(lambda pair: pair[1])


@pytest.mark.parametrize("noticed_after_s", [0.001, 0.1, 5.0])
def test_a_job_of_three_stages_survives_too(new_cluster, noticed_after_s):
    cluster = new_cluster(executors=3)
    assert dict(three_stages(cluster).collect()) == COUNTS
    for fatal_step in range(cluster.steps):
        cluster = new_cluster(executors=3)
        cluster.duration = lambda stage, partition: 0.01 * (1 + partition)

        def kill_at(step, cluster=cluster, fatal_step=fatal_step):
            if step == fatal_step:
                cluster.kill(cluster.executors["1"], noticed_after_s)

        cluster.before_step = kill_at
        assert dict(three_stages(cluster).collect()) == COUNTS, f"killed at step {fatal_step}"


@pytest.mark.seeds(80)
def test_results_are_right_whatever_happens(new_cluster, seed, worker_killed):
    dice = random.Random(seed)
    cluster = new_cluster(executors=dice.randint(1, 3), cores=dice.randint(1, 3))
    cluster.duration = lambda stage, partition: dice.choice([0.001, 0.01, 0.3])
    mishaps = iter(range(2))

    def mishap(step):
        alive = [each for each in cluster.executors.values() if each.is_alive]
        if alive and dice.random() < 0.01 and next(mishaps, None) is not None:
            cluster.kill(dice.choice(alive), dice.choice([0.001, 0.1, 3.0]))
            cluster.after(dice.choice([0.01, 1.0]), lambda: cluster.add_executor(cores=2))

    def stumble(pair):
        odds = random.Random(f"{seed} {pair} {TaskContext.get().taskAttemptId()}").random()
        if odds < 0.02 and TaskContext.get().attemptNumber() == 0:
            raise (ValueError if odds < 0.01 else worker_killed)("by the test")
        return pair

    cluster.before_step = mishap
    first = two_stages(cluster).map(stumble)
    if dice.random() < 0.5:
        first.cache()
    second = three_stages(cluster).map(stumble)
    both = first.union(second).reduceByKey(lambda a, b: a + b, 5)
    jobs = [cluster.submit(both, lambda task, items: list(items)) for _ in range(2)]
    jobs += [cluster.submit(first, lambda task, items: list(items))]
    cluster.run_until(lambda: all(job in cluster.ended for job in jobs))
    double = {word: 2 * count for word, count in COUNTS.items()}
    for job, expected in zip(jobs, [double, double, COUNTS], strict=True):
        pairs = [pair for part in cluster.results(job) for pair in part]
        assert len(pairs) == len(expected)
        assert dict(pairs) == expected
    cluster.settle()
    alive = [each for each in cluster.executors.values() if each.is_alive]
    assert not any(executor.running or executor.queue for executor in alive)
    assert not cluster.scheduler.progress()


@pytest.mark.parametrize("noticed_after_s", [0.001, 5.0])
def test_a_job_survives_the_loss_of_an_executor_at_every_step(new_cluster, noticed_after_s):
    steps = steps_without_faults(new_cluster)
    assert steps > 15
    for fatal_step in range(steps):
        cluster = new_cluster(executors=2)
        victim = cluster.executors["0"]

        def kill_at(step, cluster=cluster, victim=victim, fatal_step=fatal_step):
            if step == fatal_step:
                cluster.kill(victim, noticed_after_s)

        cluster.before_step = kill_at
        assert dict(two_stages(cluster).collect()) == COUNTS, f"killed at step {fatal_step}"
        attempts = Counter((stage, partition) for stage, partition, _ in cluster.launched)
        assert max(attempts.values()) <= 3, f"killed at step {fatal_step}"


def test_a_job_survives_the_loss_of_all_executors_at_every_step(new_cluster):
    for fatal_step in range(steps_without_faults(new_cluster)):
        cluster = new_cluster(executors=2)

        def kill_at(step, cluster=cluster, fatal_step=fatal_step):
            if step == fatal_step:
                for executor in list(cluster.executors.values()):
                    cluster.kill(executor)
                cluster.after(1.0, cluster.add_executor)

        cluster.before_step = kill_at
        assert dict(two_stages(cluster).collect()) == COUNTS, f"killed at step {fatal_step}"


def test_only_lost_map_outputs_are_computed_again(new_cluster):
    cluster = new_cluster(executors=2)
    counts = two_stages(cluster)
    cluster.duration = lambda stage, partition: 0.01 if stage == 0 else 1.0
    job = cluster.submit(counts, lambda task, pairs: dict(pairs))
    cluster.run_until(lambda: any(stage == 1 for stage, _, _ in cluster.launched))
    first_round = cluster.launches(0)
    assert first_round == {0: 1, 1: 1, 2: 1, 3: 1}

    cluster.kill(cluster.executors["0"])
    cluster.run_until(lambda: job in cluster.ended)

    assert {word: n for part in cluster.results(job) for word, n in part.items()} == COUNTS
    assert sum(cluster.launches(0).values()) == 6  # two of four were on the executor that died


def test_map_tasks_that_were_done_are_run_again_when_their_executor_dies_while_others_run(
    new_cluster,
):
    cluster = new_cluster(executors=2)
    cluster.duration = lambda stage, partition: 1.0 if partition == 3 else 0.01
    job = cluster.submit(two_stages(cluster), lambda task, pairs: dict(pairs))
    cluster.advance(0.5)
    (idle,) = [each for each in cluster.executors.values() if not each.running]
    assert cluster.launches(0) == {0: 1, 1: 1, 2: 1, 3: 1}
    cluster.kill(idle)
    cluster.run_until(lambda: job in cluster.ended)
    assert {word: n for part in cluster.results(job) for word, n in part.items()} == COUNTS
    assert sorted(cluster.launches(0).values()) == [1, 1, 2, 2]  # two were on the one that died
    assert cluster.launches(0)[3] == 1
    assert cluster.launches(1) == {0: 1, 1: 1, 2: 1}  # none of which has missed its input


def test_a_later_job_computes_what_was_lost_since_the_shuffle_was_written(new_cluster):
    cluster = new_cluster(executors=2)
    counts = two_stages(cluster)
    assert counts.count() == len(COUNTS)
    launched = len(cluster.launched)
    cluster.kill(cluster.executors["1"])
    cluster.settle()

    assert dict(counts.collect()) == COUNTS
    again = cluster.launched[launched:]
    assert sum(1 for stage, _, _ in again if stage == 2) == 2  # the map stage of the second job
    assert sum(1 for stage, _, _ in again if stage == 3) == 3


def test_a_stage_that_can_never_fetch_its_input_is_given_up(new_cluster):
    cluster = new_cluster(executors=2)
    counts = two_stages(cluster)

    def lose_files_once_they_are_wanted(step):
        if cluster.launched and cluster.launched[-1][0] == 1:
            for executor in cluster.executors.values():
                for path in Path(executor.location.root).glob("*.data"):
                    path.unlink()

    cluster.before_step = lose_files_once_they_are_wanted
    with pytest.raises(JobAborted, match="maximum allowable number of times: 4"):
        counts.collect()
    assert max(cluster.launches(1).values()) <= 4


def test_tasks_that_were_only_queued_on_a_lost_executor_are_not_charged(new_cluster):
    cluster = new_cluster(executors=1)
    cluster.duration = lambda stage, partition: 1.0
    job = cluster.submit(cluster.parallelize(range(4), 4), lambda task, items: list(items))
    for _ in range(6):
        cluster.advance(0.1)
        cluster.kill(list(cluster.executors.values())[-1])
        cluster.advance(0.1)
        cluster.add_executor()
        # Each time the same first task was running; four such losses end the job.
        if job in cluster.ended:
            break
    with pytest.raises(JobAborted, match="ExecutorLostFailure"):
        cluster.results(job)
    assert len(cluster.executors) == 5


def test_map_outputs_of_a_chain_of_shuffles_are_recovered_in_order(new_cluster):
    cluster = new_cluster(executors=2)
    pairs = cluster.parallelize(range(40), 4).map(lambda number: (number % 8, number))
    sums = pairs.reduceByKey(lambda a, b: a + b, 3)
    parity = sums.map(lambda pair: (pair[0] % 2, pair[1])).reduceByKey(lambda a, b: a + b, 2)
    expected = {0: sum(range(0, 40, 2)), 1: sum(range(1, 40, 2))}
    cluster.duration = lambda stage, partition: 0.5
    job = cluster.submit(parity, lambda task, items: dict(items))
    cluster.run_until(lambda: any(stage == 2 for stage, _, _ in cluster.launched))

    cluster.kill(cluster.executors["0"], noticed_after_s=30)
    cluster.run_until(lambda: job in cluster.ended)

    merged = {key: value for part in cluster.results(job) for key, value in part.items()}
    assert merged == expected
