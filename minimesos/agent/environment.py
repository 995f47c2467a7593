"""The environment that an executor starts with.

Only what is defined here: variables from `--executor_environment_variables`, then Mesos's own, then
the command's. The agent's environment is never inherited, so nothing of it leaks into tasks.

Source: Mesos documentation "Executor HTTP API", environment variables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from minimesos.errors import InvalidValue
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.units import format_duration

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def parse_variables(text: str) -> dict[str, str]:
    """Read a JSON object whose values are strings; raises InvalidValue."""
    try:
        variables = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidValue(f"not JSON: {error}") from error
    if not isinstance(variables, dict):
        raise InvalidValue("expecting a JSON object")
    for name, value in variables.items():
        if not isinstance(value, str):
            raise InvalidValue(f"the value of '{name}' is not a string")
    return variables


def executor_environment(
    configured: Mapping[str, str],
    command: mesos_pb2.CommandInfo,
    *,
    framework_id: str,
    executor_id: str,
    agent_id: str,
    agent_address: str,
    sandbox: str,
    shutdown_grace_s: float,
) -> dict[str, str]:
    """Return the complete environment of an executor. `agent_address` is ip:port."""
    environment = {
        **configured,
        "MESOS_FRAMEWORK_ID": framework_id,
        "MESOS_EXECUTOR_ID": executor_id,
        "MESOS_SLAVE_ID": agent_id,
        "MESOS_SLAVE_PID": f"slave(1)@{agent_address}",
        "MESOS_AGENT_ENDPOINT": agent_address,
        "MESOS_DIRECTORY": sandbox,
        "MESOS_SANDBOX": sandbox,
        # This agent does not recover executors, whatever the framework asked for: an executor must
        # not wait for the agent to come back.
        "MESOS_CHECKPOINT": "0",
        "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": format_duration(shutdown_grace_s),
        "MESOS_HTTP_COMMAND_EXECUTOR": "0",
        "LIBPROCESS_PORT": "0",
    }
    for variable in command.environment.variables:
        if variable.type == mesos_pb2.Environment.Variable.SECRET:
            environment[variable.name] = variable.secret.value.data.decode("utf-8", "replace")
        else:
            environment[variable.name] = variable.value
    environment.setdefault("PATH", DEFAULT_PATH)
    return environment
