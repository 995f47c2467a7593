"""Where tasks would rather run: levels, how long each lasts, and hosts that come and go."""

from __future__ import annotations

from minimesos.spark.scheduler.preferences import ANYWHERE, BY_EXECUTOR, BY_HOST, Preferences

PENDING = 0
DONE = 2


def cached(waits_s=(3.0, 5.0)):
    """Slots 0 and 1 are cached by executor a on host-1."""
    preferences = Preferences(waits_s, 0.0)
    for slot in (0, 1):
        preferences.prefer_worker(slot, "a", 0)
        preferences.prefer_host(slot, "host-1")
    return preferences


def test_an_executor_comes_first_then_its_host_then_all():
    state = bytearray(2)
    levels = [cached().level(state, now) for now in (0.0, 2.9, 3.0, 7.9, 8.0)]
    assert levels == [BY_EXECUTOR, BY_EXECUTOR, BY_HOST, BY_HOST, ANYWHERE]


def test_another_executor_of_the_host_waits_for_its_level():
    preferences, state = cached(), bytearray(2)
    assert preferences.take(2, "b", "host-1", state, 2.9) == []
    assert preferences.take(2, "b", "host-1", state, 3.0) == [0, 1]


def test_other_hosts_wait_for_both():
    preferences, state = cached(), bytearray(2)
    assert preferences.take_any(1, state, 7.9) == []
    assert preferences.take_any(1, state, 8.0) == [0]


def test_a_level_that_no_task_waits_for_is_passed_at_once():
    preferences = Preferences((3.0, 5.0), 0.0)
    preferences.prefer_host(0, "host-1")
    assert preferences.level(bytearray(1), 0.0) == BY_HOST
    assert preferences.level(bytearray((DONE,)), 0.0) == ANYWHERE


def test_a_launch_that_suits_a_task_starts_its_level_anew():
    preferences, state = cached(), bytearray(2)
    assert preferences.level(state, 3.0) == BY_HOST
    assert preferences.take(1, "a", "host-1", state, 4.0) == [0]
    state[0] = DONE
    assert preferences.level(state, 6.9) == BY_EXECUTOR
    assert preferences.next_level_at_s() == 7.0


def test_no_slot_is_taken_twice():
    preferences, state = cached(), bytearray(2)
    assert preferences.take(2, "a", "host-1", state, 0.0, besides=[0]) == [1]


def test_a_host_that_joins_is_waited_for():
    preferences = Preferences((3.0, 5.0), 0.0)
    preferences.prefer_host(0, "host-1", is_there=False)
    state = bytearray(1)
    assert preferences.slots() == set()
    assert preferences.level(state, 0.0) == ANYWHERE
    preferences.joined("host-1", 1.0)
    assert preferences.level(state, 5.9) == BY_HOST
    assert preferences.take(1, "a", "host-1", state, 5.9) == [0]


def test_slots_whose_executor_and_host_are_gone_are_free():
    assert cached().forget("a", "host-1") == [0, 1]
    assert cached().forget("a", None) == []
