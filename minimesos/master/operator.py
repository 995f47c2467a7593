"""The operator API: questions about a master's records, and the few orders it takes.

One synchronous method serves all transports. Lists are in Mesos's protobuf layout; environments and
secrets are left out as in `snapshot`.

Source: Mesos 1.11 documentation "Operator HTTP API".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import cast

import minimesos
from minimesos import flags
from minimesos.actor import Effect
from minimesos.errors import MinimesosError
from minimesos.master import snapshot
from minimesos.master.master import Master
from minimesos.master.state import Agent, Framework, Task, total
from minimesos.proto.mesos.v1 import master_pb2, mesos_pb2
from minimesos.resource_metadata import ReservationFormat
from minimesos.resources import Resources

Call = master_pb2.Call
Response = master_pb2.Response
NANOSECONDS = 1_000_000_000


class OperatorRefusal(MinimesosError):
    """A call that cannot be answered. `status` is the HTTP status that says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Operator:
    """Answers operators' calls for one master."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._handlers: dict[Call.Type, Callable[[Call, Response], None]] = {
            Call.GET_HEALTH: self._get_health,
            Call.GET_FLAGS: self._get_flags,
            Call.GET_VERSION: self._get_version,
            Call.GET_MASTER: self._get_master,
            Call.GET_STATE: self._get_state,
            Call.GET_AGENTS: lambda call, answer: self._agents(answer.get_agents),
            Call.GET_FRAMEWORKS: lambda call, answer: self._frameworks(answer.get_frameworks),
            Call.GET_EXECUTORS: lambda call, answer: self._executors(answer.get_executors),
            Call.GET_TASKS: lambda call, answer: self._tasks(answer.get_tasks),
            Call.GET_ROLES: self._get_roles,
            Call.GET_WEIGHTS: self._get_weights,
            Call.TEARDOWN: self._teardown,
        }

    def operate(self, call: Call, now: float) -> tuple[Response | None, Sequence[Effect]]:
        """Answer a call (None: an empty answer) and return the effects it has.

        Raises OperatorRefusal.
        """
        name = Call.Type.Name(call.type)
        handler = self._handlers.get(call.type)
        if handler is None:
            raise OperatorRefusal(501, f"{name} is not supported")
        self._master.begin(now)
        answer = Response()
        handler(call, answer)
        effects = self._master.finish()
        if call.type == Call.TEARDOWN:
            return None, effects
        answer.type = cast("Response.Type", Response.Type.Value(name))
        return answer, effects

    # -- the master itself ------------------------------------------------------------------------

    def _get_health(self, call: Call, answer: Response) -> None:
        answer.get_health.healthy = True

    def _get_flags(self, call: Call, answer: Response) -> None:
        for name, value in flags.to_json(self._master.flags).items():
            answer.get_flags.flags.add(name=name, value=value)

    def _get_version(self, call: Call, answer: Response) -> None:
        answer.get_version.version_info.version = minimesos.__version__

    def _get_master(self, call: Call, answer: Response) -> None:
        answer.get_master.master_info.CopyFrom(self._master.info)
        answer.get_master.start_time = self._master.started_at
        answer.get_master.elected_time = self._master.started_at

    # -- lists ------------------------------------------------------------------------------------

    def _get_state(self, call: Call, answer: Response) -> None:
        state = answer.get_state
        self._tasks(state.get_tasks)
        self._executors(state.get_executors)
        self._frameworks(state.get_frameworks)
        self._agents(state.get_agents)

    def _agents(self, answer: Response.GetAgents) -> None:
        answer.SetInParent()
        for agent in self._master.cluster.agents.values():
            answer.agents.append(_agent(agent))

    def _frameworks(self, answer: Response.GetFrameworks) -> None:
        answer.SetInParent()
        cluster = self._master.cluster
        for framework in cluster.frameworks.values():
            answer.frameworks.append(_framework(framework))
        for framework in cluster.completed_frameworks.values():
            answer.completed_frameworks.append(_framework(framework))

    def _executors(self, answer: Response.GetExecutors) -> None:
        answer.SetInParent()
        for framework in self._master.cluster.frameworks.values():
            for executors in framework.executors.values():
                for executor in executors.values():
                    shown = answer.executors.add()
                    shown.agent_id.value = executor.agent_id
                    shown.executor_info.CopyFrom(executor.info)
                    if shown.executor_info.HasField("command"):
                        shown.executor_info.command.ClearField("environment")
                    shown.executor_info.ClearField("data")

    def _tasks(self, answer: Response.GetTasks) -> None:
        answer.SetInParent()
        cluster = self._master.cluster
        for framework in (*cluster.frameworks.values(), *cluster.completed_frameworks.values()):
            answer.tasks.extend(map(_task, framework.tasks.values()))
            answer.completed_tasks.extend(map(_task, framework.completed_tasks))
            answer.unreachable_tasks.extend(map(_task, framework.unreachable_tasks.values()))

    def _get_roles(self, call: Call, answer: Response) -> None:
        answer.get_roles.SetInParent()
        for role in snapshot.roles(self._master)["roles"]:
            shown = answer.get_roles.roles.add(name=role["name"], weight=role["weight"])
            shown.frameworks.extend(mesos_pb2.FrameworkID(value=id) for id in role["frameworks"])
            shown.resources.extend(_messages(Resources.of(**role["resources"])))

    def _get_weights(self, call: Call, answer: Response) -> None:
        answer.get_weights.SetInParent()
        for role, weight in self._master.flags.weight_of_role.items():
            answer.get_weights.weight_infos.add(role=role, weight=weight)

    # -- orders -----------------------------------------------------------------------------------

    def _teardown(self, call: Call, answer: Response) -> None:
        framework_id = call.teardown.framework_id.value
        if not self._master.teardown(framework_id):
            raise OperatorRefusal(400, f"No framework found with ID '{framework_id}'")


def _agent(agent: Agent) -> Response.GetAgents.Agent:
    shown = Response.GetAgents.Agent(
        agent_info=agent.info,
        active=agent.connected,
        version=agent.version,
        pid=agent.pid,
        registered_time=_time(agent.registered_at),
        total_resources=_messages(agent.total),
        allocated_resources=_messages(total(agent.used.values())),
        offered_resources=_messages(total(offer.resources for offer in agent.offers.values())),
        capabilities=[
            mesos_pb2.AgentInfo.Capability(type=kind) for kind in sorted(agent.capabilities)
        ],
        deactivated=False,
    )
    if agent.reregistered_at is not None:
        shown.reregistered_time.CopyFrom(_time(agent.reregistered_at))
    return shown


def _framework(framework: Framework) -> Response.GetFrameworks.Framework:
    shown = Response.GetFrameworks.Framework(
        framework_info=framework.info,
        active=framework.connected,
        connected=framework.connected,
        recovered=framework.recovered,
        registered_time=_time(framework.registered_at),
        allocated_resources=_messages(framework.used),
        offered_resources=_messages(total(offer.resources for offer in framework.offers.values())),
    )
    if framework.reregistered_at is not None:
        shown.reregistered_time.CopyFrom(_time(framework.reregistered_at))
    if framework.unregistered_at is not None:
        shown.unregistered_time.CopyFrom(_time(framework.unregistered_at))
    return shown


def _task(task: Task) -> mesos_pb2.Task:
    shown = task.to_proto()
    # ClearField on a member that is not set would set it.
    if shown.health_check.HasField("command"):
        shown.health_check.command.ClearField("environment")
    for volume in shown.container.volumes:
        if volume.HasField("source"):
            volume.source.ClearField("secret")
    return shown


def _messages(resources: Resources) -> Iterable[mesos_pb2.Resource]:
    return resources.to_proto(ReservationFormat.ENDPOINT)


def _time(seconds: float) -> mesos_pb2.TimeInfo:
    return mesos_pb2.TimeInfo(nanoseconds=int(seconds * NANOSECONDS))
