"""Fair shares between pools: who is next, what is in the file, and what comes of it."""

from __future__ import annotations

from collections import Counter

import pytest

from minimesos.errors import InvalidValue
from minimesos.spark.scheduler.pools import FAIR, Pool, Pools, parse_pools, standing
from minimesos.spark.scheduler.task_set import TaskSet


def task_set(stage_id, pool, running=0):
    made = TaskSet(
        key=stage_id,
        stage_id=stage_id,
        attempt=0,
        priority=(stage_id, stage_id),
        partitions=range(100),
        binary=b"",
        payload=lambda partition: b"",
        pool=pool,
    )
    made.take(running, 0, "0", "host", 0.0)
    return made


def turns(pools, *task_sets, count):
    """Return the stages that get the next tasks, one after the other."""
    order = []
    for _ in range(count):
        chosen = pools.first(task_sets, task_sets)
        chosen.take(1, 0, "0", "host", 0.0)
        order.append(chosen.stage_id)
    return order


def test_who_is_below_its_minimum_comes_before_who_is_not():
    assert standing(1, 2, 1, "z") < standing(0, 0, 1000, "a")


def test_of_two_below_their_minimum_the_needier_comes_first():
    assert standing(1, 4, 1, "z") < standing(1, 2, 1, "a")


def test_of_two_above_their_minimum_the_one_with_less_for_its_weight_comes_first():
    assert standing(3, 1, 4, "z") < standing(1, 1, 1, "a")


def test_the_name_decides_at_last():
    assert standing(0, 0, 1, "a") < standing(0, 0, 1, "b")
    assert standing(2, 4, 1, "a") < standing(1, 2, 1, "b")


def test_pools_take_turns_by_weight():
    pools = Pools([Pool("a", weight=3), Pool("b", weight=1)])
    order = turns(pools, task_set(0, "a"), task_set(1, "b"), count=40)
    assert Counter(order) == {0: 30, 1: 10}


def test_minimum_shares_are_filled_first_and_then_weights_count():
    pools = Pools([Pool("minimum", min_share=3), Pool("heavy", weight=1000)])
    order = turns(pools, task_set(0, "heavy"), task_set(1, "minimum"), count=8)
    assert order == [1, 1, 1, 0, 0, 0, 0, 0]


def test_a_pool_counts_with_all_of_its_task_sets_also_those_that_wait_for_nothing():
    pools = Pools()
    busy, idle = task_set(0, "a", running=5), task_set(1, "a")
    other = task_set(2, "b", running=4)
    assert pools.first([idle, other], [busy, idle, other]) is other


def test_within_a_pool_the_oldest_comes_first_or_all_share_alike():
    fifo = turns(Pools(), task_set(0, "p"), task_set(1, "p"), count=4)
    fair = turns(Pools([Pool("p", FAIR)]), task_set(0, "p"), task_set(1, "p"), count=4)
    assert fifo == [0, 0, 0, 0]
    assert fair == [0, 1, 0, 1]


def test_a_pool_that_nobody_has_described_has_weight_1_and_no_minimum():
    pools = Pools([Pool("described", weight=2)])
    order = turns(pools, task_set(0, "described"), task_set(1, "unknown"), count=30)
    assert Counter(order) == {0: 20, 1: 10}


def test_an_allocation_file_describes_pools():
    text = """<?xml version="1.0"?>
    <allocations>
      <pool name="production">
        <schedulingMode>fair</schedulingMode><weight>2</weight><minShare> 3 </minShare>
      </pool>
      <pool name="test"/>
    </allocations>"""
    assert parse_pools(text) == ([Pool("production", FAIR, 3, 2), Pool("test")], [])


def test_bad_values_of_an_allocation_file_give_way_to_defaults_with_a_warning():
    text = """<allocations>
      <pool name="a"><schedulingMode>RANDOM</schedulingMode></pool>
      <pool name="b"><weight>0</weight><minShare>-1</minShare></pool>
      <pool name="c"><weight></weight><minShare>some</minShare></pool>
      <pool/>
    </allocations>"""
    pools, warnings = parse_pools(text)
    assert pools == [Pool("a"), Pool("b"), Pool("c")]
    assert warnings == [
        "pool a: schedulingMode 'RANDOM' is not FIFO or FAIR; FIFO holds",
        "pool b: minShare '-1' is not a number from 0; 0 holds",
        "pool b: weight '0' is not a number from 1; 1 holds",
        "pool c: minShare 'some' is not a number from 0; 0 holds",
        "pool c: weight '' is not a number from 1; 1 holds",
        "a pool without a name is left out",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [("pools", "it is not XML: syntax error"), ("<pools/>", "its outermost element is <pools>")],
)
def test_what_is_no_allocation_file_is_refused(text, problem):
    with pytest.raises(InvalidValue, match=problem):
        parse_pools(text)


# -- on executors ---------------------------------------------------------------------------------


def count(task, items):
    return sum(1 for _ in items)


def running(cluster):
    """Tasks that run now, by stage."""
    return Counter(
        task_set.stage_id
        for task_set in cluster.scheduler._tasks.live()
        for _ in range(task_set.running)
    )


def submit(cluster, pool, tasks=200):
    return cluster.submit(cluster.range(0, tasks, 1, tasks), count, pool=pool)


def test_a_job_that_comes_second_gets_its_half_of_the_cores_as_soon_as_tasks_end(new_cluster):
    cluster = new_cluster(executors=2, cores=2, pools=Pools())
    cluster.duration = lambda stage, partition: 10.0
    submit(cluster, "a")
    cluster.advance(1.0)
    submit(cluster, "b")
    cluster.advance(15.0)
    assert running(cluster) == {0: 2, 1: 2}


def test_without_pools_a_job_that_comes_second_waits(new_cluster):
    cluster = new_cluster(executors=2, cores=2)
    cluster.duration = lambda stage, partition: 10.0
    submit(cluster, "a")
    submit(cluster, "b")
    cluster.advance(60.0)
    assert set(running(cluster)) == {0}


def test_long_tasks_share_cores_by_weight(new_cluster):
    cluster = new_cluster(executors=4, cores=2, pools=Pools([Pool("a", weight=3)]))
    cluster.duration = lambda stage, partition: 1.0
    submit(cluster, "a")
    submit(cluster, "b")
    cluster.advance(10.5)
    assert running(cluster) == {0: 6, 1: 2}


def test_a_minimum_share_comes_before_weights(new_cluster):
    pools = Pools([Pool("a", weight=1000), Pool("b", min_share=2)])
    cluster = new_cluster(executors=2, cores=2, pools=pools)
    cluster.duration = lambda stage, partition: 1.0
    submit(cluster, "a")
    submit(cluster, "b")
    cluster.advance(10.5)
    assert running(cluster) == {0: 2, 1: 2}


def test_short_tasks_which_are_queued_ahead_share_cores_by_weight_too(new_cluster):
    cluster = new_cluster(executors=2, cores=1, pools=Pools([Pool("a", weight=3)]))
    cluster.duration = lambda stage, partition: 0.002
    submit(cluster, "a", tasks=2000)
    submit(cluster, "b", tasks=2000)
    cluster.advance(1.2)
    share = len(cluster.launches(0)) / len(cluster.launched)
    assert len(cluster.launched) > 900
    assert 0.7 < share < 0.8


def test_short_tasks_do_not_keep_long_ones_of_another_pool_from_their_share(new_cluster):
    cluster = new_cluster(executors=1, cores=4, pools=Pools())
    cluster.duration = lambda stage, partition: 1.0 if stage == 0 else 0.002
    submit(cluster, "long")
    submit(cluster, "short", tasks=5000)
    cluster.advance(10.0)
    assert running(cluster)[0] == 2
    assert len(cluster.launches(0)) >= 20
    assert len(cluster.launches(1)) > 500


def test_pools_do_not_waste_cores_when_one_job_is_alone(new_cluster):
    cluster = new_cluster(executors=2, cores=2, pools=Pools())
    job = submit(cluster, "a", tasks=1000)
    cluster.run_until(lambda: job in cluster.ended)
    assert cluster.now < 1.3 * 1000 * 0.01 / 4


def test_every_task_of_many_jobs_in_pools_runs_once(new_cluster):
    cluster = new_cluster(executors=3, cores=2, pools=Pools([Pool("p1", FAIR, 2, 3)]))
    cluster.duration = lambda stage, partition: 0.001 * (1 + partition % 7)
    jobs = [submit(cluster, f"p{number % 3}", tasks=50) for number in range(9)]
    cluster.run_until(lambda: len(cluster.ended) == len(jobs))
    for job in jobs:
        assert sum(cluster.results(job)) == 50
    assert set(Counter((stage, part) for stage, part, _ in cluster.launched).values()) == {1}
