"""ACCEPT: what a framework does with the resources it was offered.

Operations apply in order to what is left of the offers; the rest is given back with the accept's
filters. LAUNCH and LAUNCH_GROUP are carried out. Reservations and volumes are not supported yet:
they are dropped, and say so to whoever gave them an id.

Source: Mesos 1.11 `Master::accept`; documentation "Scheduler HTTP API".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from minimesos.log import get_logger
from minimesos.master.context import Context
from minimesos.master.group_validation import group_problem
from minimesos.master.offers import Offers, refuse_seconds
from minimesos.master.state import Agent, Executor, Framework, Task, total
from minimesos.master.task_validation import task_problem
from minimesos.master.tasks import Reason, Tasks
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.resources import Resources

_log = get_logger(__name__)

Operation = mesos_pb2.Offer.Operation
OPERATION_ID_REFUSED = "An operation 'id' cannot be set for LAUNCH and LAUNCH_GROUP"


@dataclass(slots=True)
class Accepted:
    """The offers of one ACCEPT: whose they were, and what is left of them."""

    framework: Framework
    agent: Agent
    role: str
    available: Resources  # allocated to `role`


class Operations:
    """Carries out ACCEPT, and answers for operations."""

    def __init__(self, context: Context, offers: Offers, tasks: Tasks) -> None:
        self._context = context
        self._offers = offers
        self._tasks = tasks
        self._handlers: dict[Operation.Type, Callable[[Accepted, Operation], None]] = {
            Operation.UNKNOWN: self._drop,
            Operation.LAUNCH: self._launch,
            Operation.LAUNCH_GROUP: self._launch_group,
            Operation.RESERVE: self._drop,
            Operation.UNRESERVE: self._drop,
            Operation.CREATE: self._drop,
            Operation.DESTROY: self._drop,
            Operation.GROW_VOLUME: self._drop,
            Operation.SHRINK_VOLUME: self._drop,
            Operation.CREATE_DISK: self._drop,
            Operation.DESTROY_DISK: self._drop,
        }

    def accept(self, framework: Framework, call: scheduler_pb2.Call) -> None:
        """Use offers. If one of them is bad, nothing is done and all of them are gone."""
        accept = call.accept
        offers, problem = self._offers.claim(framework, accept.offer_ids)
        if problem is not None:
            self._refuse(framework, accept.operations, problem)
            return
        agent = self._context.cluster.agents[offers[0].agent_id]
        _log.info(
            "Processing ACCEPT",
            offers=" ".join(offer.id for offer in offers),
            agent=agent.id,
            framework=framework.id,
        )
        available = total(offer.resources for offer in offers)
        accepted = Accepted(framework, agent, offers[0].role, available)
        for operation in accept.operations:
            self._handlers[operation.type](accepted, operation)
        if accepted.available:
            self._context.allocator.recover_resources(
                framework.id,
                agent.id,
                accepted.available,
                refuse_seconds(accept.filters),
                self._context.now,
            )

    def _refuse(self, framework: Framework, operations: Iterable[Operation], problem: str) -> None:
        _log.warning("ACCEPT refused", framework=framework.id, problem=problem)
        for operation in operations:
            for task in (*operation.launch.task_infos, *operation.launch_group.task_group.tasks):
                self._tasks.refuse(
                    framework,
                    task,
                    mesos_pb2.TASK_DROPPED,
                    mesos_pb2.TaskStatus.REASON_INVALID_OFFERS,
                    f"Task launched with invalid offers: {problem}",
                )
            if operation.type not in (Operation.LAUNCH, Operation.LAUNCH_GROUP):
                self._report_error(framework, operation, f"Invalid offers: {problem}")

    # -- LAUNCH -----------------------------------------------------------------------------------

    def _launch(self, accepted: Accepted, operation: Operation) -> None:
        for given in operation.launch.task_infos:
            task = _filled_in(given, accepted)
            problem = OPERATION_ID_REFUSED if operation.HasField("id") else None
            problem = problem or task_problem(
                task, accepted.framework, accepted.agent, accepted.available
            )
            if problem is not None:
                self._refuse_invalid(
                    accepted, task, mesos_pb2.TaskStatus.REASON_TASK_INVALID, problem
                )
                continue
            executor = task.executor if task.HasField("executor") else None
            new_executor = self._charge_executor(accepted, executor)
            self._charge_task(accepted, task, executor)
            self._context.tell(
                accepted.agent,
                cluster_pb2.RunTask(
                    framework_info=accepted.framework.info,
                    task=task,
                    launch_executor=new_executor,
                ),
            )
            self._log_launch(accepted, task, new_executor)

    def _launch_group(self, accepted: Accepted, operation: Operation) -> None:
        executor = _executor_filled_in(operation.launch_group.executor, accepted)
        group = mesos_pb2.TaskGroupInfo()
        for given in operation.launch_group.task_group.tasks:
            task = _filled_in(given, accepted)
            if not task.HasField("executor"):
                task.executor.CopyFrom(executor)
            group.tasks.append(task)
        if not group.tasks:
            return
        problem = OPERATION_ID_REFUSED if operation.HasField("id") else None
        problem = problem or group_problem(
            group, executor, accepted.framework, accepted.agent, accepted.available
        )
        if problem is not None:
            for task in group.tasks:
                self._refuse_invalid(
                    accepted, task, mesos_pb2.TaskStatus.REASON_TASK_GROUP_INVALID, problem
                )
            return
        new_executor = self._charge_executor(accepted, executor)
        for task in group.tasks:
            self._charge_task(accepted, task, executor)
            self._log_launch(accepted, task, new_executor)
        self._context.tell(
            accepted.agent,
            cluster_pb2.RunTaskGroup(
                framework_info=accepted.framework.info,
                executor=executor,
                task_group=group,
                launch_executor=new_executor,
            ),
        )

    def _refuse_invalid(
        self, accepted: Accepted, task: mesos_pb2.TaskInfo, reason: Reason, problem: str
    ) -> None:
        self._tasks.refuse(accepted.framework, task, mesos_pb2.TASK_ERROR, reason, problem)

    def _charge_executor(self, accepted: Accepted, executor: mesos_pb2.ExecutorInfo | None) -> bool:
        """Record an executor unless it is known; tell whether the agent must start one."""
        if executor is None:
            return True
        framework, agent = accepted.framework, accepted.agent
        if agent.executor(framework.id, executor.executor_id.value) is not None:
            return False
        resources = Resources.from_proto(executor.resources)
        accepted.available = accepted.available - resources
        self._context.cluster.add_executor(
            framework, agent, Executor(executor, agent.id, resources)
        )
        return True

    def _charge_task(
        self,
        accepted: Accepted,
        task: mesos_pb2.TaskInfo,
        executor: mesos_pb2.ExecutorInfo | None,
    ) -> None:
        resources = Resources.from_proto(task.resources)
        accepted.available = accepted.available - resources
        record = Task(
            info=_describe(task, accepted.framework, executor),
            role=accepted.role,
            resources=resources,
            state=mesos_pb2.TASK_STAGING,
        )
        self._tasks.add(accepted.framework, accepted.agent, record)

    def _log_launch(self, accepted: Accepted, task: mesos_pb2.TaskInfo, new_executor: bool) -> None:
        _log.info(
            "Launching task",
            task=task.task_id.value,
            framework=accepted.framework.id,
            agent=accepted.agent.id,
            new_executor=new_executor,
        )

    # -- what is not supported yet ----------------------------------------------------------------

    def _drop(self, accepted: Accepted, operation: Operation) -> None:
        name = Operation.Type.Name(operation.type)
        _log.warning(
            "Operation dropped: not supported", operation=name, framework=accepted.framework.id
        )
        self._report_error(
            accepted.framework, operation, f"Operation {name} is not supported by this master"
        )

    def _report_error(self, framework: Framework, operation: Operation, message: str) -> None:
        if operation.HasField("id"):
            self._report(framework, operation.id, mesos_pb2.OPERATION_ERROR, message)

    def _report(
        self,
        framework: Framework,
        operation_id: mesos_pb2.OperationID,
        state: mesos_pb2.OperationState,
        message: str,
    ) -> None:
        status = mesos_pb2.OperationStatus(operation_id=operation_id, state=state, message=message)
        self._context.notify(
            framework,
            scheduler_pb2.Event(
                type=scheduler_pb2.Event.UPDATE_OPERATION_STATUS,
                update_operation_status=scheduler_pb2.Event.UpdateOperationStatus(status=status),
            ),
        )

    def reconcile(self, framework: Framework, call: scheduler_pb2.Call) -> None:
        """Answer for the operations named: none is known."""
        for operation in call.reconcile_operations.operations:
            self._report(
                framework,
                operation.operation_id,
                mesos_pb2.OPERATION_UNKNOWN,
                "Reconciliation: Operation is unknown",
            )

    def acknowledge(self, framework: Framework, call: scheduler_pb2.Call) -> None:
        """Ignore: the statuses that we send ask for no acknowledgement."""
        _log.warning(
            "Acknowledgement of unknown operation status ignored",
            operation=call.acknowledge_operation_status.operation_id.value,
            framework=framework.id,
        )


def _filled_in(task: mesos_pb2.TaskInfo, accepted: Accepted) -> mesos_pb2.TaskInfo:
    """Return the task with what the framework may leave out."""
    filled = mesos_pb2.TaskInfo()
    filled.CopyFrom(task)
    _allocate(filled, accepted.role)
    if filled.HasField("executor"):
        filled.executor.CopyFrom(_executor_filled_in(task.executor, accepted))
    return filled


def _executor_filled_in(
    executor: mesos_pb2.ExecutorInfo, accepted: Accepted
) -> mesos_pb2.ExecutorInfo:
    filled = mesos_pb2.ExecutorInfo()
    filled.CopyFrom(executor)
    _allocate(filled, accepted.role)
    if not filled.HasField("framework_id"):
        filled.framework_id.value = accepted.framework.id
    return filled


def _allocate(holder: mesos_pb2.TaskInfo | mesos_pb2.ExecutorInfo, role: str) -> None:
    for resource in holder.resources:
        if not resource.HasField("allocation_info"):
            resource.allocation_info.role = role


def _describe(
    task: mesos_pb2.TaskInfo, framework: Framework, executor: mesos_pb2.ExecutorInfo | None
) -> mesos_pb2.Task:
    """Return what operators are shown of a task, apart from its state."""
    described = mesos_pb2.Task(
        name=task.name,
        task_id=task.task_id,
        framework_id=framework.info.id,
        agent_id=task.agent_id,
        state=mesos_pb2.TASK_STAGING,
        resources=task.resources,
    )
    if executor is not None:
        described.executor_id.CopyFrom(executor.executor_id)
    for field in ("labels", "discovery", "container", "health_check", "kill_policy"):
        if task.HasField(field):
            getattr(described, field).CopyFrom(getattr(task, field))
    for name, limit in task.limits.items():
        described.limits[name].CopyFrom(limit)
    command = executor.command if executor is not None else task.command
    if command.HasField("user"):
        described.user = command.user
    return described
