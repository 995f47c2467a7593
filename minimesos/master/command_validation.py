"""What the master checks of the parts of a task: commands, containers, checks.

Every function says what is wrong in Mesos's words, or returns None.

Source: Mesos 1.11 `common/validation.cpp`.
"""

from __future__ import annotations

from minimesos.proto.mesos.v1 import mesos_pb2

Variable = mesos_pb2.Environment.Variable
Secret = mesos_pb2.Secret


def command_problem(command: mesos_pb2.CommandInfo) -> str | None:
    """Check a command's environment; what it runs is found out when it is run."""
    for variable in command.environment.variables:
        problem = _variable_problem(variable)
        if problem is not None:
            return problem
    return None


def _variable_problem(variable: mesos_pb2.Environment.Variable) -> str | None:
    # The name may be a secret's, never its value: messages end up in logs.
    name = f"Environment variable '{variable.name}'"
    if variable.type == Variable.VALUE:
        if not variable.HasField("value"):
            return f"{name} of type 'VALUE' must have a value set"
        if variable.HasField("secret"):
            return f"{name} of type 'VALUE' must not have a secret set"
        return None
    if variable.type != Variable.SECRET:
        return "Environment variable of type 'UNKNOWN' is not allowed"
    if not variable.HasField("secret"):
        return f"{name} of type 'SECRET' must have a secret set"
    if variable.HasField("value"):
        return f"{name} of type 'SECRET' must not have a value set"
    problem = _secret_problem(variable.secret)
    if problem is not None:
        return f"{name} specifies an invalid secret: {problem}"
    if b"\0" in variable.secret.value.data:
        return (
            f"{name} specifies a secret containing null bytes,"
            " which is not allowed in the environment"
        )
    return None


def _secret_problem(secret: mesos_pb2.Secret) -> str | None:
    if secret.type == Secret.UNKNOWN:
        return "Secret of type UNKNOWN is not allowed"
    wanted, other = (
        ("reference", "value") if secret.type == Secret.REFERENCE else ("value", "reference")
    )
    kind = Secret.Type.Name(secret.type)
    if not secret.HasField(wanted):
        return f"Secret of type {kind} must have the '{wanted}' field set"
    if secret.HasField(other):
        return f"Secret of type {kind} must not have the '{other}' field set"
    return None


def container_problem(container: mesos_pb2.ContainerInfo) -> str | None:
    """Check a container's type and volumes."""
    if container.type == mesos_pb2.ContainerInfo.DOCKER and not container.HasField("docker"):
        return "DockerInfo 'docker' is not set for DOCKER typed ContainerInfo"
    for volume in container.volumes:
        given = sum(volume.HasField(field) for field in ("host_path", "image", "source"))
        if given != 1:
            return (
                "Invalid volume: Only one of them should be set: 'host_path', 'image' and 'source'"
            )
    return None


def check_problem(check: mesos_pb2.CheckInfo) -> str | None:
    """Check a check."""
    if not check.HasField("type"):
        return "CheckInfo must specify 'type'"
    kind = mesos_pb2.CheckInfo.Type.Name(check.type)
    if check.type == mesos_pb2.CheckInfo.UNKNOWN:
        return f"'{kind}' is not a valid check type"
    if not check.HasField(kind.lower()):
        return f"Expecting '{kind.lower()}' to be set for {kind} check"
    problem: str | None = None
    if check.type == mesos_pb2.CheckInfo.COMMAND:
        problem = _check_command_problem(check.command.command, "Check", "check")
    elif check.type == mesos_pb2.CheckInfo.HTTP:
        problem = _path_problem(check.http, "check")
    return problem or _durations_problem(check, ("delay", "interval", "timeout"))


def health_check_problem(check: mesos_pb2.HealthCheck) -> str | None:
    """Check a health check."""
    if not check.HasField("type"):
        return "HealthCheck must specify 'type'"
    kind = mesos_pb2.HealthCheck.Type.Name(check.type)
    if check.type == mesos_pb2.HealthCheck.UNKNOWN:
        return f"'{kind}' is not a valid health check type"
    if not check.HasField(kind.lower()):
        return f"Expecting '{kind.lower()}' to be set for {kind} health check"
    problem: str | None = None
    if check.type == mesos_pb2.HealthCheck.COMMAND:
        problem = _check_command_problem(check.command, "Health check", "health check")
    elif check.type == mesos_pb2.HealthCheck.HTTP:
        if check.http.HasField("scheme") and check.http.scheme not in ("http", "https"):
            return f"Unsupported HTTP health check scheme: '{check.http.scheme}'"
        problem = _path_problem(check.http, "health check")
    return problem or _durations_problem(check, ("delay", "grace_period", "interval", "timeout"))


def _check_command_problem(command: mesos_pb2.CommandInfo, owner: str, what: str) -> str | None:
    if not command.HasField("value"):
        kind = "'shell command'" if command.shell else "'executable path'"
        return f"Command {what} must contain {kind}"
    problem = command_problem(command)
    return f"{owner}'s `CommandInfo` is invalid: {problem}" if problem else None


def _path_problem(
    http: mesos_pb2.CheckInfo.Http | mesos_pb2.HealthCheck.HTTPCheckInfo, what: str
) -> str | None:
    if http.HasField("path") and not http.path.startswith("/"):
        return f"The path '{http.path}' of HTTP {what} must start with '/'"
    return None


def _durations_problem(
    check: mesos_pb2.CheckInfo | mesos_pb2.HealthCheck, names: tuple[str, ...]
) -> str | None:
    for name in names:
        field = f"{name}_seconds"
        if getattr(check, field) < 0:
            return f"Expecting '{field}' to be non-negative"
    return None
