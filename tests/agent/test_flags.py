"""An agent's flags: defaults, rules, and all problems at once."""

from __future__ import annotations

import pytest

from minimesos.agent.flags import AgentFlags, isolators
from minimesos.errors import InvalidFlags
from minimesos.flags import load


def problems(*arguments: str) -> tuple[str, ...]:
    with pytest.raises(InvalidFlags) as raised:
        load(AgentFlags, arguments, {})
    return raised.value.problems


def test_agent_needs_nothing_but_a_master() -> None:
    flags, warnings = load(AgentFlags, ["--master=127.0.0.1:5050"], {})

    assert (flags.ip, flags.port, str(flags.work_dir)) == ("127.0.0.1", 5051, "/tmp/mesos")
    assert flags.isolation == "posix/cpu,posix/mem"
    assert flags.executor_registration_timeout == 60.0
    assert warnings == []


def test_missing_master_is_a_problem() -> None:
    assert problems() == ("Missing required option '--master'",)


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("--master=zk://a:2181/mesos", "master"),
        ("--port=65536", "port"),
        ("--isolation=cgroups/net", "isolation"),
        ("--executor_environment_variables={", "executor_environment_variables"),
        ("--registration_backoff_factor=1mins", "registration_backoff_factor"),
        ("--max_completed_executors_per_framework=-1", "max_completed_executors_per_framework"),
        ("--logging_level=LOUD", "logging_level"),
        ("--log_format=xml", "log_format"),
        ("--resources=cpus", "resources"),
        ("--attributes=rack", "attributes"),
        ("--default_role=a b", "default_role"),
        ("--ip=localhost", "ip"),
        ("--work_dir=", "work_dir"),
        ("--master_detection_timeout=1", "master_detection_timeout"),
    ],
)
def test_bad_value_is_a_problem_that_names_its_flag(argument: str, name: str) -> None:
    master = () if name == "master" else ("--master=m:5050",)

    (problem,) = problems(*master, argument)

    assert f"'{name}'" in problem


def test_all_bad_values_are_problems_at_once() -> None:
    given = problems("--resources=cpus", "--attributes=rack", "--port=x", "--nonsense")

    assert [problem.partition("'")[2].partition("'")[0] for problem in given] == [
        "nonsense",
        "resources",
        "attributes",
        "port",
        "--master",
    ]


def test_process_is_an_old_name_of_the_posix_isolators() -> None:
    assert isolators("process") == ("posix/cpu", "posix/mem")
    assert isolators("posix/mem, posix/mem") == ("posix/mem",)
