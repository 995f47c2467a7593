"""What a shuffle service decides, in virtual time."""

from __future__ import annotations

import pytest

from minimesos.spark.shuffle import service
from minimesos.spark.shuffle.service import UNCLAIMED_S, NotRegistered, Refused, ShuffleRegistry

KEY = b"key"
NOW = 1_000.0


@pytest.fixture
def registry() -> ShuffleRegistry:
    return ShuffleRegistry()


def names(applications) -> list[str]:
    return [application.name for application in applications]


def test_an_application_is_there_from_its_first_executor_on(registry):
    with pytest.raises(NotRegistered, match="application app is not registered"):
        registry.application("app")
    registry.register_executor("app", KEY, "0", (), NOW)
    assert registry.application("app").key == KEY
    assert registry.root_of("app", "0") == 0


def test_nobody_is_confused_with_anybody_else(registry):
    registry.register_executor("app", KEY, "0", (), NOW)
    with pytest.raises(NotRegistered, match="executor 1 of application app"):
        registry.root_of("app", "1")
    with pytest.raises(NotRegistered, match="application other"):
        registry.root_of("other", "0")


def test_executors_are_spread_over_the_roots_and_keep_their_places():
    registry = ShuffleRegistry(roots=3)
    for _ in range(2):
        for executor_id in "abcd":
            registry.register_executor("app", KEY, executor_id, (), NOW)
    assert [registry.root_of("app", executor_id) for executor_id in "abcd"] == [0, 1, 2, 0]


def test_an_application_gets_the_roots_that_it_prefers():
    registry = ShuffleRegistry(roots=3)
    for executor_id in "abc":
        registry.register_executor("app", KEY, executor_id, (1, 2), NOW)
    assert [registry.root_of("app", executor_id) for executor_id in "abc"] == [1, 2, 1]


def test_a_lease_that_is_renewed_in_time_does_not_run_out(registry):
    registry.register_executor("app", KEY, "0", (), NOW)
    for seconds in range(0, 1200, 100):
        registry.lease("app", 120, NOW + seconds)
        assert registry.expire(NOW + seconds + 99) == []
    assert names(registry.expire(NOW + 1100 + 119)) == []
    (gone,) = registry.expire(NOW + 1100 + 120)
    assert (gone.name, gone.roots) == ("app", {"0": 0})
    with pytest.raises(NotRegistered):
        registry.lease("app", 120, NOW + 1221)


def test_only_a_lease_of_another_length_is_news(registry):
    registry.register_executor("app", KEY, "0", (), NOW)
    assert [registry.lease("app", s, NOW) for s in (120, 120, 60, 60)] == [True, False, True, False]


def test_an_application_whose_driver_never_came_has_a_day(registry):
    registry.register_executor("app", KEY, "0", (), NOW)
    assert registry.expire(NOW + UNCLAIMED_S - 1) == []
    assert names(registry.expire(NOW + UNCLAIMED_S)) == ["app"]


def test_an_application_that_has_run_out_may_come_back_as_a_new_one(registry):
    registry.register_executor("app", KEY, "0", (), NOW)
    registry.lease("app", 10, NOW)
    registry.expire(NOW + 10)
    registry.register_executor("app", KEY, "1", (), NOW + 11)
    assert registry.application("app").roots == {"1": 0}
    assert registry.expire(NOW + 100) == []


def test_an_application_that_has_ended_does_not(registry):
    registry.register_executor("app", KEY, "0", (), NOW)
    assert registry.end("app").roots == {"0": 0}
    with pytest.raises(Refused, match="application app has ended"):
        registry.register_executor("app", KEY, "1", (), NOW)
    with pytest.raises(NotRegistered):
        registry.end("app")


def test_only_so_many_ends_are_remembered(registry, monkeypatch):
    monkeypatch.setattr(service, "ENDED_MAX", 2)
    for number in range(3):
        registry.register_executor(f"app-{number}", KEY, "0", (), NOW)
        registry.end(f"app-{number}")
    registry.register_executor("app-0", KEY, "0", (), NOW)
    with pytest.raises(Refused):
        registry.register_executor("app-1", KEY, "0", (), NOW)


def test_a_restarted_service_gives_everybody_a_full_lease():
    registry = ShuffleRegistry(roots=2)
    registry.restore("app", KEY, 60.0, {"0": 0}, NOW)
    registry.restore("app", KEY, None, {"1": 1}, NOW)
    registry.restore("unclaimed", KEY, None, {"0": 0}, NOW)
    assert [registry.root_of("app", executor_id) for executor_id in "01"] == [0, 1]
    assert registry.expire(NOW + 59) == []
    assert names(registry.expire(NOW + 60)) == ["app"]
    assert names(registry.expire(NOW + UNCLAIMED_S)) == ["unclaimed"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0b", "x" * 256])
def test_what_cannot_be_the_name_of_a_directory_is_refused(registry, name):
    with pytest.raises(Refused, match="ID"):
        registry.register_executor(name, KEY, "0", (), NOW)
    with pytest.raises(Refused, match="ID"):
        registry.register_executor("app", KEY, name, (), NOW)


def test_a_lease_must_have_a_length(registry):
    registry.register_executor("app", KEY, "0", (), NOW)
    with pytest.raises(Refused, match="0 s"):
        registry.lease("app", 0, NOW)


def test_there_is_an_end_to_what_it_takes_in(registry, monkeypatch):
    monkeypatch.setattr(service, "APPLICATIONS_MAX", 1)
    monkeypatch.setattr(service, "EXECUTORS_MAX", 1)
    registry.register_executor("app", KEY, "0", (), NOW)
    registry.register_executor("app", KEY, "0", (), NOW)
    with pytest.raises(Refused, match="1 executors"):
        registry.register_executor("app", KEY, "1", (), NOW)
    with pytest.raises(Refused, match="1 applications"):
        registry.register_executor("other", KEY, "0", (), NOW)
