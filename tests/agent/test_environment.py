"""Executors start with exactly the environment that is defined for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from minimesos.agent.environment import DEFAULT_PATH, parse_variables
from minimesos.errors import InvalidValue


def test_environment_of_an_executor_is_the_documented_one_and_nothing_else(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_SECRET", "must not leak")
    bench.run_task("t1", executor="e1")

    container = bench.container()
    assert container.environment == {
        "LIBPROCESS_PORT": "0",
        "MESOS_AGENT_ENDPOINT": "10.0.0.2:5051",
        "MESOS_CHECKPOINT": "0",
        "MESOS_DIRECTORY": container.sandbox,
        "MESOS_EXECUTOR_ID": "e1",
        "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "5secs",
        "MESOS_FRAMEWORK_ID": "F",
        "MESOS_HTTP_COMMAND_EXECUTOR": "0",
        "MESOS_SANDBOX": container.sandbox,
        "MESOS_SLAVE_ID": "M-S0",
        "MESOS_SLAVE_PID": "slave(1)@10.0.0.2:5051",
        "PATH": DEFAULT_PATH,
    }


def test_configured_variables_come_first_and_the_commands_win(
    make_bench: Callable[..., Any],
) -> None:
    bench = make_bench(executor_environment_variables='{"PATH": "/opt/bin", "LANG": "C", "A": "1"}')
    bench.register()
    message = bench.run_message("t1")
    variables = message.task.executor.command.environment.variables
    variables.add(name="A", value="2")
    variables.add(name="MESOS_SANDBOX", value="/elsewhere")

    bench.from_master(message)

    environment = bench.container().environment
    assert environment["PATH"] == "/opt/bin"
    assert environment["LANG"] == "C"
    assert environment["A"] == "2"
    assert environment["MESOS_SANDBOX"] == "/elsewhere"


def test_secret_reaches_the_executor_but_no_representation_of_its_launch(bench: Any) -> None:
    message = bench.run_message("t1")
    variable = message.task.executor.command.environment.variables.add(name="TOKEN", type="SECRET")
    variable.secret.type = variable.secret.VALUE
    variable.secret.value.data = b"hunter2"

    bench.from_master(message)

    container = bench.container()
    assert container.environment["TOKEN"] == "hunter2"
    assert "'TOKEN'" not in repr(container)


@pytest.mark.parametrize(
    ("text", "problem"),
    [("{", "not JSON"), ("[]", "JSON object"), ('{"A": 1}', "'A' is not a string")],
)
def test_malformed_variables_are_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidValue, match=problem):
        parse_variables(text)
