"""The policy of dynamic allocation by itself: numbers in, decisions out."""

from __future__ import annotations

import math

import pytest

from minimesos.errors import InvalidValue
from minimesos.spark import settings
from minimesos.spark.scheduler.allocation import (
    AllocationSettings,
    Decision,
    ExecutorAllocationManager,
    IdleExecutor,
)

ENABLED = {"spark.dynamicAllocation.enabled": "true"}


def manager_of(**values):
    return ExecutorAllocationManager(AllocationSettings(**values))


def ramp(manager, tasks, seconds, live=lambda target: 0, started_at=0.0):
    """Let tasks wait; returns (when, target) of every request."""
    manager.stage_submitted(started_at)
    requests, now = [], started_at
    while now <= started_at + seconds:
        decision = manager.decide(tasks, live(manager.target), (), now)
        if decision.total is not None:
            requests.append((now, decision.total))
        now = decision.next_at_s
    return requests


# -- settings -------------------------------------------------------------------------------------


def test_the_settings_are_read_with_the_defaults_of_spark():
    assert AllocationSettings.of(ENABLED) == AllocationSettings()
    assert AllocationSettings() == AllocationSettings(
        least=0,
        most=2**31 - 1,
        initial=0,
        tasks_per_executor=1,
        ratio=1.0,
        backlog_s=1.0,
        sustained_backlog_s=1.0,
        idle_s=60.0,
        cached_idle_s=math.inf,
        tracks_shuffles=True,
        shuffle_idle_s=math.inf,
    )
    read = AllocationSettings.of(
        {
            "spark.dynamicAllocation.minExecutors": "2",
            "spark.dynamicAllocation.maxExecutors": "9",
            "spark.dynamicAllocation.initialExecutors": "3",
            "spark.dynamicAllocation.schedulerBacklogTimeout": "500ms",
            "spark.dynamicAllocation.executorIdleTimeout": "0",
            "spark.dynamicAllocation.cachedExecutorIdleTimeout": "2min",
            "spark.dynamicAllocation.executorAllocationRatio": "0.5",
            "spark.dynamicAllocation.shuffleTracking.timeout": "5",
            "spark.shuffle.service.enabled": "true",
            "spark.executor.cores": "5",
            "spark.task.cpus": "2",
        }
    )
    assert read == AllocationSettings(
        least=2,
        most=9,
        initial=3,
        tasks_per_executor=2,
        ratio=0.5,
        backlog_s=0.5,
        sustained_backlog_s=0.5,
        idle_s=0.0,
        cached_idle_s=120.0,
        tracks_shuffles=False,
        shuffle_idle_s=5.0,
    )


@pytest.mark.parametrize(
    ("least", "initial", "instances", "most", "expected"),
    [
        (None, None, None, None, 0),
        ("2", None, None, None, 2),
        ("2", "1", None, None, 2),
        ("2", "5", None, None, 5),
        ("2", "5", "7", None, 7),
        (None, None, "7", None, 7),
        (None, None, "7", "4", 4),
    ],
)
def test_the_first_number_is_the_largest_of_three_settings(
    least, initial, instances, most, expected
):
    conf = {
        "spark.dynamicAllocation.minExecutors": least,
        "spark.dynamicAllocation.initialExecutors": initial,
        "spark.executor.instances": instances,
        "spark.dynamicAllocation.maxExecutors": most,
    }
    assert AllocationSettings.of(conf).initial == expected


@pytest.mark.parametrize(
    ("conf", "problem"),
    [
        ({"minExecutors": "-1"}, "spark.dynamicAllocation.minExecutors: '-1' is below 0"),
        ({"maxExecutors": "0"}, "spark.dynamicAllocation.maxExecutors: '0' is below 1"),
        (
            {"minExecutors": "3", "maxExecutors": "2"},
            "spark.dynamicAllocation.minExecutors=3 must not be above "
            "spark.dynamicAllocation.maxExecutors=2",
        ),
        (
            {"schedulerBacklogTimeout": "0"},
            "spark.dynamicAllocation.schedulerBacklogTimeout=0 must be above 0",
        ),
        (
            {"sustainedSchedulerBacklogTimeout": "0s"},
            "spark.dynamicAllocation.sustainedSchedulerBacklogTimeout=0s must be above 0",
        ),
        (
            {"executorIdleTimeout": "-1"},
            "spark.dynamicAllocation.executorIdleTimeout: '-1' is not a time like 200ms, 3s or "
            "5min",
        ),
        (
            {"executorAllocationRatio": "0"},
            "spark.dynamicAllocation.executorAllocationRatio=0 must be above 0",
        ),
        (
            {"executorAllocationRatio": "1.1"},
            "spark.dynamicAllocation.executorAllocationRatio: '1.1' is not within 0 and 1",
        ),
        (
            {"shuffleTracking.enabled": "false"},
            "spark.dynamicAllocation.enabled=true needs spark.shuffle.service.enabled or "
            "spark.dynamicAllocation.shuffleTracking.enabled: what an executor has written for a "
            "shuffle must outlive it, or keep it",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(conf, problem):
    named = {f"spark.dynamicAllocation.{name}": text for name, text in conf.items()}
    with pytest.raises(InvalidValue) as caught:
        settings.check(ENABLED | named)
    assert str(caught.value) == problem


def test_all_problems_are_named_at_once():
    conf = ENABLED | {
        "spark.dynamicAllocation.maxExecutors": "many",
        "spark.dynamicAllocation.schedulerBacklogTimeout": "0",
        "spark.mesos.coarse": "false",
        "spark.task.cpus": "2",
    }
    with pytest.raises(InvalidValue) as caught:
        settings.check(conf)
    assert [line.partition(" ")[0] for line in str(caught.value).splitlines()] == [
        "spark.dynamicAllocation.maxExecutors:",
        "spark.dynamicAllocation.enabled=true",  # does not go with fine-grained mode
        "spark.dynamicAllocation.schedulerBacklogTimeout=0",
        "spark.dynamicAllocation.enabled=true",  # an executor of one core runs no task
    ]


def test_without_dynamic_allocation_its_settings_need_not_go_together():
    settings.check({"spark.dynamicAllocation.shuffleTracking.enabled": "false"})
    settings.check({"spark.mesos.coarse": "false"})
    settings.check(ENABLED | {"spark.dynamicAllocation.cachedExecutorIdleTimeout": "infinity"})


# -- how many -------------------------------------------------------------------------------------


def test_while_tasks_wait_one_two_four_and_eight_executors_are_added():
    assert ramp(manager_of(), 100, 5) == [(1, 1), (2, 3), (3, 7), (4, 15), (5, 31)]


def test_the_first_wait_may_be_another_than_the_next():
    manager = manager_of(backlog_s=0.25, sustained_backlog_s=2.0)
    assert ramp(manager, 100, 5) == [(0.25, 1), (2.25, 3), (4.25, 7)]


def test_no_more_are_asked_for_than_run_all_tasks_at_once():
    assert ramp(manager_of(), 5, 9) == [(1, 1), (2, 3), (3, 5)]
    assert ramp(manager_of(tasks_per_executor=4), 9, 9) == [(1, 1), (2, 3)]
    assert ramp(manager_of(ratio=0.3), 9, 9) == [(1, 1), (2, 3)]


def test_there_is_a_most_and_a_least():
    assert ramp(manager_of(most=6), 100, 9) == [(1, 1), (2, 3), (3, 6)]
    assert ramp(manager_of(least=4, initial=4), 100, 2) == [(1, 5), (2, 7)]


def test_steps_are_not_wasted_on_executors_that_are_there():
    manager = manager_of()
    assert ramp(manager, 100, 2, live=lambda target: 10) == [(1, 11), (2, 12)]


def test_once_all_that_are_needed_were_asked_for_the_steps_begin_again():
    manager = manager_of()
    ramp(manager, 5, 4)
    assert manager.target == 5
    requests = []
    for now in (5.0, 6.0, 7.0):
        decision = manager.decide(100, 5, (), now)
        requests.append(decision.total)
    assert requests == [6, 8, 12]


def test_the_wait_ends_when_all_tasks_have_started():
    manager = manager_of()
    manager.stage_submitted(0.0)
    assert manager.decide(9, 0, (), 0.9).next_at_s == 1.0
    manager.all_started()
    assert manager.decide(9, 3, (), 1.5) == Decision()
    manager.stage_submitted(2.0)
    manager.stage_submitted(2.5)  # the first one counts
    assert manager.decide(9, 3, (), 2.9).total is None
    assert manager.decide(9, 3, (), 3.0).total == 4


def test_after_a_wait_the_steps_begin_again():
    manager = manager_of()
    ramp(manager, 100, 4)
    assert manager.target == 15
    manager.all_started()
    manager.stage_submitted(10.0)
    assert manager.decide(100, 15, (), 11.0).total == 16


def test_fewer_are_wanted_as_soon_as_fewer_are_needed():
    manager = manager_of(least=2, initial=2)
    ramp(manager, 100, 4)
    decision = manager.decide(7, 17, (), 4.5)
    assert (decision.total, decision.added) == (7, 0)
    assert manager.decide(7, 17, (), 4.6).total is None
    assert manager.decide(0, 17, (), 4.7).total == 2
    assert manager.decide(0, 17, (), 4.8).total is None


def test_after_fewer_were_needed_the_steps_begin_again():
    manager = manager_of()
    ramp(manager, 100, 3)
    manager.decide(4, 4, (), 3.5)
    assert manager.decide(100, 4, (), 4.0).total == 5


def test_the_first_number_holds_until_there_is_a_stage():
    manager = manager_of(initial=4)
    assert manager.decide(0, 4, (), 1.0) == Decision()
    assert manager.target == 4
    manager.stage_submitted(2.0)
    assert manager.decide(1, 4, (), 2.0).total == 1


def test_the_first_number_holds_until_an_executor_was_idle_for_too_long():
    manager = manager_of(initial=2, idle_s=10.0)
    idle = [IdleExecutor("0", 1.0), IdleExecutor("1", 2.0)]
    assert manager.decide(0, 2, idle, 3.0) == Decision(next_at_s=11.0)
    decision = manager.decide(0, 2, idle, 11.0)
    assert decision.total == 0
    assert [each.executor_id for each in decision.removed] == ["0"]
    assert decision.next_at_s == 12.0


def test_a_decision_says_by_how_many_the_number_has_risen():
    manager = manager_of(initial=1)
    manager.stage_submitted(0.0)
    assert manager.decide(9, 3, (), 1.0) == Decision(total=4, added=3, next_at_s=2.0)


# -- which ----------------------------------------------------------------------------------------


def kept_until(executor, **values):
    """Return until when an idle executor is kept."""
    return manager_of(**values).decide(0, 1, [executor], executor.since_s).next_at_s


def test_an_idle_executor_is_kept_for_a_while():
    assert kept_until(IdleExecutor("0", 5.0)) == 65.0
    assert kept_until(IdleExecutor("0", 5.0), idle_s=1.5) == 6.5


def test_an_executor_with_cached_partitions_is_kept_for_ever_or_as_long_as_is_set():
    cached = IdleExecutor("0", 5.0, has_blocks=True)
    assert kept_until(cached) == math.inf
    assert kept_until(cached, cached_idle_s=100.0) == 105.0
    assert kept_until(cached, cached_idle_s=10.0) == 15.0


def test_an_executor_with_map_outputs_is_kept_for_ever_or_as_long_as_is_set():
    wrote = IdleExecutor("0", 5.0, has_shuffles=True)
    assert kept_until(wrote) == math.inf
    assert kept_until(wrote, shuffle_idle_s=100.0) == 105.0


def test_an_executor_whose_map_outputs_are_being_read_is_kept_whatever_is_set():
    read = IdleExecutor("0", 5.0, has_shuffles=True, is_read=True)
    assert kept_until(read, shuffle_idle_s=100.0) == math.inf


def test_of_two_reasons_the_longer_one_counts():
    both = IdleExecutor("0", 5.0, has_blocks=True, has_shuffles=True)
    assert kept_until(both, cached_idle_s=100.0, shuffle_idle_s=30.0) == 105.0
    assert kept_until(both, cached_idle_s=30.0, shuffle_idle_s=100.0) == 105.0


def test_the_least_are_spared_and_the_longest_idle_go_first():
    manager = manager_of(least=2, initial=2)
    idle = [IdleExecutor("b", 2.0), IdleExecutor("a", 1.0), IdleExecutor("c", 3.0)]
    decision = manager.decide(0, 3, idle, 100.0)
    assert [each.executor_id for each in decision.removed] == ["a"]
    assert decision.next_at_s == math.inf


def test_what_is_asked_for_is_spared_until_it_is_not():
    manager = manager_of()
    ramp(manager, 100, 2)  # the target is 3
    idle = [IdleExecutor("0", 2.0)]
    manager.all_started()
    assert manager.decide(100, 3, idle, 62.0).removed == ()
    assert manager.decide(100, 4, idle, 62.1).removed == tuple(idle)
    assert manager.decide(1, 3, idle, 62.2).removed == tuple(idle)


def test_spared_executors_get_their_time_again_when_another_one_comes():
    manager = manager_of(least=1, initial=1)
    idle = [IdleExecutor("0", 0.0)]
    assert manager.decide(0, 1, idle, 60.0) == Decision(next_at_s=math.inf)
    manager.executor_added(70.0)
    both = [*idle, IdleExecutor("1", 70.0)]
    assert manager.decide(0, 2, both, 71.0) == Decision(next_at_s=130.0)
    decision = manager.decide(0, 2, both, 130.0)
    assert [each.executor_id for each in decision.removed] == ["0"]


def test_an_executor_that_has_worked_since_it_was_spared_counts_from_its_last_task():
    manager = manager_of(least=1, initial=1)
    manager.decide(0, 1, [IdleExecutor("0", 0.0)], 60.0)
    manager.executor_added(70.0)
    assert manager.decide(0, 2, [IdleExecutor("0", 80.0)], 81.0).next_at_s == 140.0
