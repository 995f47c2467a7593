"""What an ACCEPT launches, refuses and gives back."""

from __future__ import annotations

from minimesos.actor import Received
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.resources import Resources
from minimesos.testing import builders

Event = scheduler_pb2.Event
Operation = mesos_pb2.Offer.Operation
Reason = mesos_pb2.TaskStatus


def told(world, peer, kind):
    return [message for message in world.take(peer) if isinstance(message, kind)]


def test_a_command_task_is_sent_to_its_agent_with_the_role_it_is_charged_to(world):
    agent = world.agent()
    framework = world.framework("f1", "dev")
    framework.launch(agent, builders.task_info("t1", agent, cpus=1, mem=128))
    (run,) = told(world, "agent/a1", cluster_pb2.RunTask)
    assert run.launch_executor
    assert run.framework_info.id.value == framework.id
    assert Resources.from_proto(run.task.resources) == Resources.of(
        cpus=1, mem=128, allocated="dev"
    )
    assert world.master.allocated("dev") == Resources.of(cpus=1, mem=128)
    assert not framework.updates()  # STAGING is the framework's to assume


def test_what_a_task_does_not_use_is_offered_again(world):
    agent = world.agent()
    framework = world.framework()
    framework.launch(agent, builders.task_info("t1", agent, cpus=1, mem=1000), refuse_seconds=0)
    world.advance(2)
    assert Resources.from_proto(framework.offer_of(agent).resources) == Resources.of(cpus=3, mem=24)


def test_of_two_tasks_that_want_the_whole_offer_the_second_is_an_error(world):
    agent = world.agent()
    framework = world.framework()
    framework.launch(
        agent,
        builders.task_info("t1", agent, cpus=4, mem=1024),
        builders.task_info("t2", agent, cpus=4, mem=1024),
    )
    (status,) = framework.updates()
    assert status.task_id.value == "t2"
    assert (status.state, status.reason) == (mesos_pb2.TASK_ERROR, Reason.REASON_TASK_INVALID)
    assert status.message.startswith("Total resources cpus(allocated: *):4; mem(allocated: *):1024")
    assert "required by task and its executor is more than available {}" in status.message
    assert [run.task.task_id.value for run in told(world, "agent/a1", cluster_pb2.RunTask)] == [
        "t1"
    ]


def test_an_executor_is_charged_once_and_launched_once(world):
    agent = world.agent()
    framework = world.framework("f1", "dev")
    executor = builders.executor_info(cpus=0.5, mem=100)
    framework.launch(
        agent,
        builders.task_info("t1", agent, cpus=1, mem=100, executor=executor),
        builders.task_info("t2", agent, cpus=1, mem=100, executor=executor),
    )
    first, second = told(world, "agent/a1", cluster_pb2.RunTask)
    assert (first.launch_executor, second.launch_executor) == (True, False)
    assert first.task.executor.framework_id.value == framework.id
    assert world.master.allocated("dev") == Resources.of(cpus=2.5, mem=300)


def test_when_an_executor_ends_its_resources_are_free_and_its_framework_hears_of_it(world):

    agent = world.agent()
    framework = world.framework("f1", "dev")
    executor = builders.executor_info("e1", cpus=0.5, mem=100)
    framework.launch(agent, builders.task_info("t1", agent, executor=executor))
    framework.update("a1", "t1", mesos_pb2.TASK_FINISHED)
    exited = cluster_pb2.ExitedExecutor(
        framework_id=mesos_pb2.FrameworkID(value=framework.id),
        executor_id=executor.executor_id,
        status=9,
    )
    world.give(Received("agent/a1", exited))
    (event,) = framework.events(Event.FAILURE)
    assert (event.failure.executor_id.value, event.failure.status) == ("e1", 9)
    assert event.failure.agent_id.value == agent
    assert world.master.allocated("dev") == Resources.EMPTY
    assert world.master.cluster.frameworks[framework.id].executors == {}
    world.give(Received("agent/a1", exited))
    assert len(framework.events(Event.FAILURE)) == 1


def test_a_task_group_is_launched_whole(world):
    agent = world.agent("a1", "cpus:4;mem:1024;disk:100")
    framework = world.framework("f1", "dev")
    executor = _default_executor(framework)
    group = builders.launch_group(
        executor, builders.task_info("t1", agent), builders.task_info("t2", agent)
    )
    framework.accept(agent, group)
    assert not framework.updates()
    (run,) = told(world, "agent/a1", cluster_pb2.RunTaskGroup)
    assert [task.task_id.value for task in run.task_group.tasks] == ["t1", "t2"]
    assert world.master.allocated("dev") == Resources.of(cpus=2.1, mem=160, disk=10)


def test_one_bad_task_fails_its_whole_group(world):
    agent = world.agent("a1", "cpus:4;mem:1024;disk:100")
    framework = world.framework("f1", "dev")
    group = builders.launch_group(
        _default_executor(framework),
        builders.task_info("t1", agent),
        builders.task_info("t2", "elsewhere"),
    )
    framework.accept(agent, group)
    assert {status.reason for status in framework.updates()} == {Reason.REASON_TASK_GROUP_INVALID}
    assert framework.states("t1") == framework.states("t2") == ["TASK_ERROR"]
    assert framework.updates()[0].message == (
        f"Task 't2' is invalid: Task uses invalid agent elsewhere while agent {agent} is expected"
    )
    assert world.master.allocated("dev") == Resources.EMPTY


def test_an_empty_launch_declines_with_the_filter_of_the_accept(world):
    agent = world.agent()
    framework = world.framework()
    framework.accept(agent, builders.launch(), refuse_seconds=3600)
    world.advance(10)
    framework.poll()
    assert not framework.offers


def test_reservations_are_refused_and_say_so_to_whoever_asks_for_feedback(world):
    agent = world.agent()
    framework = world.framework()
    reserve = Operation(type=Operation.RESERVE, reserve=Operation.Reserve())
    with_id = Operation(
        type=Operation.RESERVE, reserve=Operation.Reserve(), id=mesos_pb2.OperationID(value="o1")
    )
    framework.accept(agent, reserve, with_id, builders.launch(builders.task_info("t1", agent)))
    (event,) = framework.events(Event.UPDATE_OPERATION_STATUS)
    status = event.update_operation_status.status
    assert (status.operation_id.value, status.state) == ("o1", mesos_pb2.OPERATION_ERROR)
    assert "RESERVE is not supported" in status.message
    # The operations after it are carried out.
    assert "t1" in world.master.cluster.frameworks[framework.id].tasks


def test_a_launch_cannot_have_an_operation_id(world):
    agent = world.agent()
    framework = world.framework()
    operation = builders.launch(builders.task_info("t1", agent))
    operation.id.value = "o1"
    framework.accept(agent, operation)
    assert framework.states("t1") == ["TASK_ERROR"]


def test_messages_pass_between_framework_and_executor(world):

    agent = world.agent()
    framework = world.framework()
    executor_id = mesos_pb2.ExecutorID(value="e1")
    framework.call(
        builders.Call(
            type=builders.Call.MESSAGE,
            message=builders.Call.Message(
                agent_id=mesos_pb2.AgentID(value=agent), executor_id=executor_id, data=b"ping"
            ),
        )
    )
    (message,) = told(world, "agent/a1", cluster_pb2.FrameworkToExecutor)
    assert (message.executor_id, message.data) == (executor_id, b"ping")
    answer = cluster_pb2.ExecutorToFramework(
        framework_id=message.framework_id, executor_id=executor_id, data=b"pong"
    )
    world.give(Received("agent/a1", answer))
    (event,) = framework.events(Event.MESSAGE)
    assert (event.message.agent_id.value, event.message.data) == (agent, b"pong")


def test_shutdown_reaches_the_agent_of_a_known_executor_only(world):
    agent = world.agent()
    framework = world.framework()
    framework.launch(agent, builders.task_info("t1", agent, executor=builders.executor_info("e1")))
    for executor_id in ("e1", "e2"):
        framework.call(
            builders.Call(
                type=builders.Call.SHUTDOWN,
                shutdown=builders.Call.Shutdown(
                    agent_id=mesos_pb2.AgentID(value=agent),
                    executor_id=mesos_pb2.ExecutorID(value=executor_id),
                ),
            )
        )
    shutdowns = told(world, "agent/a1", cluster_pb2.ShutdownExecutor)
    assert [each.executor_id.value for each in shutdowns] == ["e1"]


def _default_executor(framework):
    return builders.executor_info(
        "default",
        type=mesos_pb2.ExecutorInfo.DEFAULT,
        framework_id=mesos_pb2.FrameworkID(value=framework.id),
        resources=Resources.of(disk=10).to_proto(),
    )
