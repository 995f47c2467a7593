"""Files of cached partitions: read elsewhere, copied, and used when their first owner is gone."""

from __future__ import annotations

import os

import pytest

from minimesos.spark.storage_level import StorageLevel, block_name


def kept(cluster, level, partitions=3):
    computed = cluster.accumulator(0)

    def seen(number):
        computed.add(1)
        return number

    rdd = cluster.parallelize(range(6), partitions).map(seen).persist(level)
    return rdd, computed


def owners(cluster, rdd):
    """Return, by partition, which executors have its file."""
    directories = {each.id: each.env.local_dir for each in cluster.executors.values()}
    names = [block_name(rdd.id(), index) for index in range(rdd.getNumPartitions())]
    return [
        {id for id, directory in directories.items() if os.path.exists(f"{directory}/{name}")}
        for name in names
    ]


@pytest.mark.parametrize("level", ["DISK_ONLY_2", "MEMORY_AND_DISK_2", "MEMORY_ONLY_2"])
def test_each_partition_is_with_two_executors(new_cluster, level):
    cluster = new_cluster(executors=3)
    rdd, _ = kept(cluster, getattr(StorageLevel, level))
    rdd.count()
    cluster.settle()

    assert [len(each) for each in owners(cluster, rdd)] == [2, 2, 2]


def test_three_copies_are_made_one_after_the_other(new_cluster):
    cluster = new_cluster(executors=4)
    rdd, _ = kept(cluster, StorageLevel.DISK_ONLY_3)
    rdd.count()
    cluster.settle()

    assert [len(each) for each in owners(cluster, rdd)] == [3, 3, 3]


def test_a_single_executor_makes_no_copy(new_cluster):
    cluster = new_cluster(executors=1)
    rdd, _ = kept(cluster, StorageLevel.DISK_ONLY_2)
    rdd.count()
    cluster.settle()

    assert not any(frame.copy_blocks for frame in cluster.executors["0"].frames)


def test_levels_without_replicas_are_not_copied(new_cluster):
    cluster = new_cluster(executors=3)
    rdd, _ = kept(cluster, StorageLevel.DISK_ONLY)
    rdd.count()
    cluster.settle()

    assert [len(each) for each in owners(cluster, rdd)] == [1, 1, 1]


@pytest.mark.parametrize("victim", ["0", "1", "2"])
def test_nothing_is_computed_again_when_an_executor_with_a_copy_goes(new_cluster, victim):
    cluster = new_cluster(executors=3)
    rdd, computed = kept(cluster, StorageLevel.MEMORY_AND_DISK_2)
    assert rdd.sum() == 15
    cluster.settle()
    cluster.kill(cluster.executors[victim])
    cluster.settle()

    assert rdd.sum() == 15
    assert computed.value == 6


def test_a_copy_that_comes_after_its_rdd_was_forgotten_is_removed(new_cluster):
    cluster = new_cluster(executors=2)
    rdd, _ = kept(cluster, StorageLevel.DISK_ONLY_2, partitions=1)
    rdd.count()
    cluster.clean_up(rdd_ids=[rdd.id()])
    cluster.settle()

    (copier,) = (
        each
        for each in cluster.executors.values()
        if any(frame.copy_blocks for frame in each.frames)
    )
    sent = [frame.cleanup.rdd_ids for frame in copier.frames if frame.HasField("cleanup")]
    assert [ids for ids in sent if ids] == [[rdd.id()], [rdd.id()]]
