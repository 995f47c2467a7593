"""Which tasks launch, which are refused and why, and what killing does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from minimesos.actor import Disconnected
from minimesos.agent.containers import DestroyContainer, LaunchContainer, UpdateContainer
from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.resources import Resources

Status = mesos_pb2.TaskStatus
PARTITION_AWARE = mesos_pb2.FrameworkInfo.Capability.PARTITION_AWARE


def test_task_starts_its_executor_in_a_container_of_both_their_resources(bench: Any) -> None:
    bench.run_task("t1", executor="e1", cpus=1)

    container = bench.container()
    assert container.framework_id == "F"
    assert container.executor_id == "e1"
    assert container.command.value == "./run"
    assert container.user == "ada"
    assert container.resources.quantities() == {"cpus": 1500, "mem": 96_000}
    assert container.sandbox == (
        f"/tmp/mesos/slaves/M-S0/frameworks/F/executors/e1/runs/{container.container_id}"
    )


def test_command_task_runs_under_an_executor_made_up_for_it(bench: Any) -> None:
    bench.run_task("t1", executor=None, command="sleep 100 && echo done", cpus=1)

    container = bench.container()
    assert container.executor_id == "t1"
    assert list(container.command.arguments) == ["python", "-m", "command_executor"]
    assert container.command.value == "python"
    assert not container.command.shell
    # 0.1 CPUs and 32 MB of overhead
    assert container.resources.quantities() == {"cpus": 1100, "mem": 96_000}
    info = bench.agent.state.frameworks["F"].executors["t1"].info
    assert info.name == "Command Executor (Task: t1) (Command: sh -c 'sleep 100 &&...')"
    assert info.source == "t1"


@pytest.mark.parametrize(("grace_s", "expected_s"), [(None, 5.0), (10, 12.0)])
def test_command_executor_gets_two_seconds_beyond_its_tasks_kill_grace(
    bench: Any, grace_s: int | None, expected_s: float
) -> None:
    message = bench.run_message("t1", executor=None)
    if grace_s is not None:
        message.task.kill_policy.grace_period.nanoseconds = grace_s * 10**9

    bench.from_master(message)

    assert bench.agent.state.frameworks["F"].executors["t1"].shutdown_grace_s == expected_s


def test_environment_of_a_command_does_not_change_its_executor(bench: Any) -> None:
    message = bench.run_message("t1", executor=None)
    message.task.command.environment.variables.add(name="PYTHONPATH", value="/evil")

    bench.from_master(message)

    assert "PYTHONPATH" not in bench.container().environment


def test_second_task_for_a_running_executor_is_delivered_after_its_container_has_grown(
    bench: Any,
) -> None:
    bench.running_task("t1", executor="e1", cpus=1)

    bench.run_task("t2", executor="e1", cpus=2)

    update, launch = bench.effects
    assert isinstance(update, UpdateContainer)
    assert update.resources.quantities() == {"cpus": 3500, "mem": 160_000}
    assert launch.peer == "executor/1"
    assert launch.message.launch.task.task_id.value == "t2"


def test_tasks_wait_for_their_executor_and_are_delivered_in_order(bench: Any) -> None:
    bench.run_task("t1")
    bench.run_task("t2")
    assert not bench.all(LaunchContainer)

    bench.subscribe()

    assert bench.events() == ["SUBSCRIBED", "LAUNCH", "LAUNCH"]
    launches = bench.sent(executor_pb2.Event, "executor/1")[1:]
    assert [event.launch.task.task_id.value for event in launches] == ["t1", "t2"]


def refusal(bench: Any) -> tuple[str, str]:
    status = bench.reported()
    assert status.source == Status.SOURCE_AGENT
    return mesos_pb2.TaskState.Name(status.state), Status.Reason.Name(status.reason)


def test_task_for_an_executor_that_has_ended_is_refused(bench: Any) -> None:
    bench.run_task("t1", new=False)

    assert refusal(bench) == ("TASK_LOST", "REASON_EXECUTOR_TERMINATED")
    assert not bench.all(LaunchContainer)
    assert not bench.sent(cluster_pb2.ExitedExecutor)


def test_partition_aware_framework_is_told_that_a_refused_task_was_dropped(bench: Any) -> None:
    bench.run_task("t1", new=False, capabilities=(PARTITION_AWARE,))

    assert refusal(bench) == ("TASK_DROPPED", "REASON_EXECUTOR_TERMINATED")


def test_launch_of_an_executor_that_exists_is_refused(bench: Any) -> None:
    bench.running_task("t1")

    bench.run_task("t2", new=True)

    assert refusal(bench) == ("TASK_LOST", "REASON_EXECUTOR_TERMINATED")


def docker_container() -> mesos_pb2.ContainerInfo:
    docker = mesos_pb2.ContainerInfo.DockerInfo(image="some/spark:3")
    return mesos_pb2.ContainerInfo(type=mesos_pb2.ContainerInfo.DOCKER, docker=docker)


def mesos_container(**more: Any) -> mesos_pb2.ContainerInfo:
    return mesos_pb2.ContainerInfo(type=mesos_pb2.ContainerInfo.MESOS, **more)


def image() -> mesos_pb2.ContainerInfo.MesosInfo:
    docker = mesos_pb2.Image.Docker(name="some/spark:3")
    return mesos_pb2.ContainerInfo.MesosInfo(
        image=mesos_pb2.Image(type=mesos_pb2.Image.DOCKER, docker=docker)
    )


@pytest.mark.parametrize(
    ("container", "why"),
    [
        (docker_container(), "DOCKER containers ('some/spark:3')"),
        (mesos_container(mesos=image()), "images ('some/spark:3')"),
        (
            mesos_container(network_infos=[mesos_pb2.NetworkInfo(name="blue")]),
            "network 'blue' but the host's",
        ),
        (
            mesos_container(
                volumes=[
                    mesos_pb2.Volume(container_path=path, host_path="/h", mode=mesos_pb2.Volume.RW)
                    for path in ("/a", "/b")
                ]
            ),
            "volume for '/a', volume for '/b'",
        ),
    ],
)
@pytest.mark.parametrize("executor", [None, "e1"])
def test_task_that_asks_for_a_container_we_cannot_make_fails_and_nothing_runs(
    bench: Any, executor: str | None, container: mesos_pb2.ContainerInfo, why: str
) -> None:
    message = bench.run_message("t1", executor=executor)
    (message.task if executor is None else message.task.executor).container.CopyFrom(container)

    bench.from_master(message)

    assert refusal(bench) == ("TASK_FAILED", "REASON_CONTAINER_LAUNCH_FAILED")
    assert bench.reported().message == (
        "None of the enabled containerizers (mesos) could create a container for the provided "
        f"TaskInfo/ExecutorInfo message: this agent has no {why}"
    )
    assert not bench.all(LaunchContainer)
    exits = [each.executor_id.value for each in bench.sent(cluster_pb2.ExitedExecutor)]
    assert exits == ([] if executor is None else [executor])


def test_all_that_a_container_cannot_be_is_said_at_once(bench: Any) -> None:
    message = bench.run_message("t1", executor=None)
    message.task.container.CopyFrom(
        mesos_container(mesos=image(), network_infos=[mesos_pb2.NetworkInfo(name="blue")])
    )

    bench.from_master(message)

    assert "no images ('some/spark:3'), network 'blue' but the host's" in bench.reported().message


@pytest.mark.parametrize(
    "container",
    [mesos_container(), mesos_container(network_infos=[mesos_pb2.NetworkInfo()])],
    ids=["bare", "host network"],
)
@pytest.mark.parametrize("executor", [None, "e1"])
def test_task_that_asks_for_a_process_of_the_host_launches(
    bench: Any, executor: str | None, container: mesos_pb2.ContainerInfo
) -> None:
    message = bench.run_message("t1", executor=executor)
    (message.task if executor is None else message.task.executor).container.CopyFrom(container)

    bench.from_master(message)

    assert bench.container().executor_id == (executor or "t1")


def test_container_of_a_task_is_its_own_executors_business(bench: Any) -> None:
    message = bench.run_message("t1", executor="e1")
    message.task.container.CopyFrom(docker_container())

    bench.from_master(message)

    assert bench.container().executor_id == "e1"


def test_the_master_is_told_that_an_executor_was_not_launched_where_an_ended_one_is_remembered(
    bench: Any,
) -> None:
    bench.running_task("t1")
    bench.exit_container()  # the end of its task is not acknowledged yet

    bench.run_task("t2", new=True)

    assert refusal(bench) == ("TASK_LOST", "REASON_EXECUTOR_TERMINATED")
    assert len(bench.sent(cluster_pb2.ExitedExecutor)) == 1


def test_task_for_a_terminating_executor_is_refused(bench: Any) -> None:
    bench.running_task("t1")
    bench.from_master(shutdown_executor("F", "e1"))

    bench.run_task("t2")

    assert refusal(bench) == ("TASK_LOST", "REASON_EXECUTOR_TERMINATED")


def test_second_command_task_of_the_same_id_is_refused(bench: Any) -> None:
    bench.run_task("t1", executor=None)

    bench.run_task("t1", executor=None)

    assert refusal(bench) == ("TASK_LOST", "REASON_TASK_INVALID")


@pytest.mark.parametrize("executor_id", ["", "..", "a/b"])
def test_executor_id_that_is_no_directory_name_is_refused_and_the_master_forgets_the_executor(
    bench: Any, executor_id: str
) -> None:
    bench.run_task("t1", executor=executor_id)

    assert refusal(bench) == ("TASK_LOST", "REASON_TASK_INVALID")
    (exited,) = bench.sent(cluster_pb2.ExitedExecutor)
    assert (exited.executor_id.value, exited.status) == (executor_id, -1)


def test_task_group_is_refused_clearly(bench: Any) -> None:
    run = bench.run_message("t1")
    message = cluster_pb2.RunTaskGroup(
        framework_info=run.framework_info, executor=run.task.executor, launch_executor=True
    )
    message.task_group.tasks.append(run.task)

    bench.from_master(message)

    assert refusal(bench) == ("TASK_LOST", "REASON_TASK_GROUP_INVALID")
    assert bench.sent(cluster_pb2.ExitedExecutor)


def test_task_for_another_agent_id_is_ignored(bench: Any) -> None:
    message = bench.run_message("t1")
    message.task.agent_id.value = "M-S9"

    assert bench.from_master(message) == []


def test_refused_framework_is_forgotten_once_it_has_acknowledged(bench: Any) -> None:
    bench.run_task("t1", new=False)
    assert bench.agent.state.frameworks

    bench.acknowledge(bench.reported())

    assert not bench.agent.state.frameworks


def test_killing_a_queued_task_ends_it_and_the_executor_that_has_nothing_left(bench: Any) -> None:
    bench.run_task("t1")

    bench.kill("t1")

    status = bench.reported()
    assert status.state == mesos_pb2.TASK_KILLED
    assert status.reason == Status.REASON_TASK_KILLED_DURING_LAUNCH
    assert status.message == "Killed before delivery to the executor"
    assert bench.only(DestroyContainer).grace_s == 5.0


def test_executor_with_another_queued_task_survives_the_kill_of_one(bench: Any) -> None:
    bench.run_task("t1")
    bench.run_task("t2")

    bench.kill("t1")
    assert not bench.all(DestroyContainer)
    bench.subscribe()

    assert bench.events() == ["SUBSCRIBED", "LAUNCH"]


def test_kill_of_a_running_task_goes_to_its_executor_with_the_policy(bench: Any) -> None:
    bench.running_task("t1")
    message = cluster_pb2.KillTask()
    message.framework_id.value = "F"
    message.task_id.value = "t1"
    message.kill_policy.grace_period.nanoseconds = 7

    bench.from_master(message)

    (event,) = bench.sent(executor_pb2.Event, "executor/1")
    assert event.type == executor_pb2.Event.KILL
    assert event.kill.kill_policy.grace_period.nanoseconds == 7


def test_kill_reaches_an_executor_that_was_away(bench: Any) -> None:
    bench.running_task("t1")
    bench.update(mesos_pb2.TASK_RUNNING)
    bench.give(Disconnected("executor/1"))
    bench.kill("t1")

    bench.subscribe(peer="executor/2")

    assert bench.events("executor/2") == ["SUBSCRIBED", "KILL"]


def test_kill_of_a_task_that_is_nowhere_is_answered(bench: Any) -> None:
    bench.running_task("t1")

    bench.kill("t9")

    assert refusal(bench) == ("TASK_LOST", "REASON_EXECUTOR_TERMINATED")
    assert bench.reported().message == "Cannot find executor"


def test_kill_of_a_task_that_has_ended_changes_nothing(bench: Any) -> None:
    bench.running_task("t1")
    bench.update(mesos_pb2.TASK_FINISHED)

    assert bench.kill("t1") == []


def test_kill_for_an_unknown_framework_is_ignored(bench: Any) -> None:
    assert bench.kill("t1", framework="G") == []


def test_agent_uses_nothing_when_all_tasks_are_done(bench: Any) -> None:
    bench.running_task("t1", cpus=2)
    assert bench.agent.state.allocated().cpus == 2.5
    finished = bench.update(mesos_pb2.TASK_FINISHED)
    assert bench.agent.state.allocated().cpus == 0.5
    bench.acknowledge(finished)
    bench.exit_container(0)

    assert bench.agent.state.allocated() == Resources.EMPTY
    assert not bench.agent.state.frameworks
    (framework,) = bench.agent.state.completed_frameworks
    ((task,),) = (executor.completed for executor in framework.completed_executors)
    assert task.state == mesos_pb2.TASK_FINISHED


def test_user_is_left_to_the_agent_if_switching_is_off(
    make_bench: Callable[..., Any],
) -> None:
    bench = make_bench(switch_user=False)
    bench.register()

    bench.run_task("t1")

    assert bench.container().user == ""


def shutdown_executor(framework: str, executor: str) -> cluster_pb2.ShutdownExecutor:
    message = cluster_pb2.ShutdownExecutor()
    message.framework_id.value = framework
    message.executor_id.value = executor
    return message
