"""What the coarse-grained backend remembers of executors and agents."""

from __future__ import annotations

from minimesos.spark.backends.ledger import Agent, Ledger


def test_an_end_frees_what_the_executor_held_once() -> None:
    ledger = Ledger()
    ledger.launch("a1", "host", cores=2, gpus=1)
    assert ledger.end("0") is not None
    assert ledger.end("0") is None
    assert (ledger.total_cores_acquired, ledger.total_gpus_acquired) == (0, 0)
    assert not ledger.has_executor_at("host")


def test_ids_count_up_and_are_never_used_again() -> None:
    ledger = Ledger()
    assert ledger.launch("a1", "host", 1) == "0"
    ledger.end("0")
    assert ledger.launch("a1", "host", 1) == "1"


def test_ids_go_on_above_those_that_were_heard_of() -> None:
    ledger = Ledger()
    for id in ("7", "3", "t-9", "", "9" * 5000, "٤٢"):
        ledger.heard_of(id)
    assert ledger.launch("a1", "host", 1) == "8"


def test_failures_within_the_timeout_exclude_an_agent_for_the_timeout() -> None:
    agent = Agent("host")
    assert not agent.failed("first", 2, 60, now=100)
    assert not agent.is_excluded(100)
    assert agent.failed("second", 2, 60, now=159)
    assert agent.is_excluded(218)
    assert not agent.is_excluded(219)


def test_old_failures_are_forgotten_and_so_are_those_of_an_exclusion_that_is_over() -> None:
    agent = Agent("host")
    assert not agent.failed("first", 2, 60, now=100)
    assert not agent.failed("second", 2, 60, now=160)
    assert agent.failed("third", 2, 60, now=161)
    assert not agent.failed("fourth", 2, 60, now=300)


def test_an_application_is_stuck_once_every_agent_that_it_tried_is_excluded() -> None:
    ledger = Ledger()
    assert not ledger.is_stuck(0)
    for id, agent_id in (("0", "a1"), ("1", "a2")):
        ledger.launch(agent_id, "host", 1)
        assert not ledger.is_stuck(0)
        ledger.end(id)
        ledger.agents[agent_id].failed("why", 1, 60, 0)
    assert ledger.is_stuck(59)
    assert not ledger.is_stuck(60)
    ledger.launch("a3", "host", 1)
    assert not ledger.is_stuck(59)
