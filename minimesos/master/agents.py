"""The life of an agent: it registers, answers pings, loses its stream and comes back, or is lost.

An agent whose stream broke is *disconnected*: no offers, tasks of checkpointing frameworks are
kept, those of others are lost. An agent that answers no ping for long enough, or stays away, is
*unreachable*: its tasks are too, but it may return with them. What a returning agent reports is
`homecoming`'s business. An agent is *removed* when it says goodbye; its tasks are lost for good.

Source: Mesos 1.11 `Master::registerSlave`, `SlaveObserver`, `markUnreachable`, `removeSlave`;
documentation "High availability".
"""

from __future__ import annotations

from collections.abc import Iterable

from minimesos.log import get_logger
from minimesos.master.context import PING, REREGISTER, Context
from minimesos.master.homecoming import Homecoming, registration_problem
from minimesos.master.offers import Offers
from minimesos.master.state import Agent, Framework
from minimesos.master.tasks import Reason, Tasks
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.resources import Resources
from minimesos.states import TaskState

_log = get_logger(__name__)

UNREACHABLE_AGENTS_MAX = 102_400
"""How many unreachable agents are remembered, the oldest forgotten first."""


class Agents:
    """Follows agents and their connections."""

    def __init__(
        self, context: Context, offers: Offers, tasks: Tasks, homecoming: Homecoming
    ) -> None:
        self._context = context
        self._cluster = context.cluster
        self._offers = offers
        self._tasks = tasks
        self._homecoming = homecoming
        self._away: dict[str, Agent] = {}  # disconnected ones by address

    # -- registering ------------------------------------------------------------------------------

    def register(self, peer: str, message: cluster_pb2.RegisterAgent) -> None:
        """Give a new agent an id."""
        registered = self._cluster.agents_by_peer.get(peer)
        if registered is not None:
            _log.info("Agent already registered, resending acknowledgement", agent=registered.id)
            self._confirm(registered)
            return
        problem = registration_problem(message.agent_info)
        if problem is not None:
            self._refuse(peer, message.agent_info, problem)
            return
        self._remove_predecessor(message.agent_info)
        info = mesos_pb2.AgentInfo()
        info.CopyFrom(message.agent_info)
        info.id.value = self._context.new_agent_id()
        agent = self._new(peer, info, message.version, message.capabilities)
        self._cluster.agents[agent.id] = agent
        self._connect(agent, peer)
        self._context.allocator.add_agent(agent.id, agent.hostname, agent.total, {})
        _log.info("Registered agent", agent=agent.id, address=_address(info), resources=agent.total)
        self._confirm(agent)
        self._start_pings(agent)

    def _new(
        self,
        peer: str,
        info: mesos_pb2.AgentInfo,
        version: str,
        capabilities: Iterable[mesos_pb2.AgentInfo.Capability],
    ) -> Agent:
        return Agent(
            id=info.id.value,
            info=info,
            total=Resources.from_proto(info.resources),
            version=version,
            capabilities=frozenset(capability.type for capability in capabilities),
            registered_at=self._context.now,
            peer=None,
        )

    def _refuse(self, peer: str, info: mesos_pb2.AgentInfo, problem: str) -> None:
        _log.warning("Agent refused", address=_address(info), peer=peer, problem=problem)
        self._context.send(peer, cluster_pb2.RegistrationRefused(message=problem))
        self._context.close(peer)

    def _remove_predecessor(self, info: mesos_pb2.AgentInfo) -> None:
        """An agent of the same address that lost its stream, and now its memory, is gone."""
        agent = self._away.get(_address(info))
        if agent is not None:
            self.remove(agent, "a new agent registered at the same address")

    def _connect(self, agent: Agent, peer: str | None) -> None:
        self._cluster.connect_agent(agent, peer)
        if peer is None:
            self._away[_address(agent.info)] = agent
        elif self._away.get(_address(agent.info)) is agent:
            del self._away[_address(agent.info)]

    def _confirm(self, agent: Agent) -> None:
        self._context.tell(
            agent,
            cluster_pb2.AgentRegistered(
                agent_id=agent.info.id,
                master_info=self._context.master_info,
                total_ping_timeout_s=self._context.flags.total_ping_timeout_s,
            ),
        )

    # -- coming back ------------------------------------------------------------------------------

    def reregister(self, peer: str, message: cluster_pb2.ReregisterAgent) -> None:
        """Take an agent back that has an id, with what it brings."""
        info = message.agent_info
        problem = registration_problem(info, message.tasks, message.executors, message.frameworks)
        if problem is None and not info.id.value:
            problem = "An agent that re-registers has an id"
        if problem is not None:
            self._refuse(peer, info, problem)
            return
        agent = self._cluster.agents.get(info.id.value)
        if agent is not None and not Resources.from_proto(info.resources).contains(
            agent.used_total()
        ):
            self._refuse(peer, info, f"Agent has less than what it uses ({agent.used_total()})")
        elif agent is None:
            self._readmit(peer, message)
        elif agent.hostname != info.hostname:
            _log.warning("Agent came back as another host", agent=agent.id, hostname=info.hostname)
            self._context.send(
                peer,
                cluster_pb2.ShutdownAgent(
                    message=f"Agent attempted to re-register with different hostname"
                    f" '{info.hostname}' (expected '{agent.hostname}')"
                ),
            )
            self._context.close(peer)
        else:
            self._welcome_back(agent, peer, message)

    def _readmit(self, peer: str, message: cluster_pb2.ReregisterAgent) -> None:
        """Take an agent in that was unreachable, or that an earlier master admitted."""
        agent = self._new(peer, message.agent_info, message.version, message.capabilities)
        agent.reregistered_at = self._context.now
        was_unreachable = self._cluster.unreachable_agents.pop(agent.id, None) is not None
        self._cluster.agents[agent.id] = agent
        self._connect(agent, peer)
        _log.info(
            "Re-registered agent",
            agent=agent.id,
            address=_address(agent.info),
            resources=agent.total,
            unreachable=was_unreachable,
        )
        self._homecoming.readmit(agent, message)
        self._start_pings(agent)

    def _welcome_back(self, agent: Agent, peer: str, message: cluster_pb2.ReregisterAgent) -> None:
        _log.info("Re-registering known agent", agent=agent.id, address=_address(agent.info))
        if agent.peer is not None and agent.peer != peer:
            self._context.close(agent.peer)
        self._connect(agent, peer)
        self._context.cancel_timer(REREGISTER, agent.id)
        agent.reregistered_at = self._context.now
        agent.info = message.agent_info
        agent.version = message.version
        agent.capabilities = frozenset(item.type for item in message.capabilities)
        total = Resources.from_proto(message.agent_info.resources)
        if total != agent.total:
            self._offers.rescind(agent.offers.values(), "agent's resources changed")
            agent.total = total
            self._context.allocator.update_agent_total(agent.id, total)
        self._homecoming.welcome_back(agent, message)
        self._context.allocator.activate_agent(agent.id)
        self._start_pings(agent)

    # -- pings ------------------------------------------------------------------------------------

    def _start_pings(self, agent: Agent) -> None:
        agent.missed_pings = 0
        self._ping(agent)

    def _ping(self, agent: Agent) -> None:
        # One that cannot be sent counts as sent: silence is silence.
        self._context.tell(agent, cluster_pb2.Ping(connected=True))
        agent.ping_outstanding = True
        at_s = self._context.now + self._context.flags.agent_ping_timeout
        self._context.set_timer(PING, at_s, agent.id)

    def ping_due(self, agent_id: str) -> None:
        """Count a ping that was not answered in time, and send the next or give the agent up."""
        agent = self._cluster.agents.get(agent_id)
        if agent is None:
            return
        if agent.ping_outstanding:
            agent.missed_pings += 1
            if agent.missed_pings >= self._context.flags.max_agent_ping_timeouts:
                self.mark_unreachable(agent, "health check timed out")
                return
            _log.warning("Agent missed a ping", agent=agent.id, missed=agent.missed_pings)
        self._ping(agent)

    def pong(self, agent: Agent, message: cluster_pb2.Pong) -> None:
        """Hear that an agent is alive."""
        agent.missed_pings = 0
        agent.ping_outstanding = False

    def greet_unknown(self, peer: str, what: str) -> None:
        """Tell an agent that speaks as if it were registered that it is not."""
        _log.warning("Message of unregistered agent dropped", peer=peer, message=what)
        self._context.send(peer, cluster_pb2.Ping(connected=False))

    # -- leaving ----------------------------------------------------------------------------------

    def disconnected(self, agent: Agent) -> None:
        """An agent lost its stream: offer nothing of it, and wait for its return."""
        _log.info("Agent disconnected", agent=agent.id, hostname=agent.hostname)
        self._connect(agent, None)
        self._context.allocator.deactivate_agent(agent.id)
        self._offers.rescind(agent.offers.values(), "agent disconnected")
        for framework in self._frameworks_on(agent):
            if not framework.info.checkpoint:
                # Their executors are not recovered by an agent that restarts.
                self._end_all(
                    framework,
                    agent,
                    mesos_pb2.TASK_LOST,
                    mesos_pb2.TaskStatus.REASON_AGENT_DISCONNECTED,
                    f"Agent {agent.hostname} disconnected",
                )
        at_s = self._context.now + self._context.flags.agent_reregister_timeout
        self._context.set_timer(REREGISTER, at_s, agent.id)

    def reregister_timed_out(self, agent_id: str) -> None:
        """Give up an agent that stayed away."""
        agent = self._cluster.agents.get(agent_id)
        if agent is not None and not agent.connected:
            self.mark_unreachable(agent, "agent did not re-register within the timeout")

    def unregister(self, agent: Agent, message: cluster_pb2.UnregisterAgent) -> None:
        """An agent says goodbye."""
        self.remove(agent, "the agent unregistered")

    def mark_unreachable(self, agent: Agent, cause: str) -> None:
        """Give an agent up until it returns."""
        _log.warning(
            "Marking agent unreachable", agent=agent.id, hostname=agent.hostname, cause=cause
        )
        self._drop(
            agent,
            mesos_pb2.TASK_UNREACHABLE,
            f"Agent {agent.hostname} is unreachable: {cause}",
        )
        unreachable = self._cluster.unreachable_agents
        unreachable[agent.id] = self._context.now
        while len(unreachable) > UNREACHABLE_AGENTS_MAX:
            del unreachable[next(iter(unreachable))]

    def remove(self, agent: Agent, cause: str) -> None:
        """Forget an agent for good."""
        _log.info("Removing agent", agent=agent.id, hostname=agent.hostname, cause=cause)
        self._drop(agent, mesos_pb2.TASK_LOST, f"Agent {agent.hostname} removed: {cause}")

    def _drop(self, agent: Agent, state: TaskState, message: str) -> None:
        context, cluster = self._context, self._cluster
        self._offers.rescind(agent.offers.values(), "agent removed")
        for framework in self._frameworks_on(agent):
            self._end_all(
                framework, agent, state, mesos_pb2.TaskStatus.REASON_AGENT_REMOVED, message
            )
        if agent.peer is not None:
            context.close(agent.peer)
            cluster.connect_agent(agent, None)
        elif self._away.get(_address(agent.info)) is agent:
            del self._away[_address(agent.info)]
        context.cancel_timer(PING, agent.id)
        context.cancel_timer(REREGISTER, agent.id)
        context.allocator.remove_agent(agent.id)
        del cluster.agents[agent.id]
        failure = scheduler_pb2.Event.Failure(agent_id=agent.info.id)
        for framework in cluster.frameworks.values():
            event = scheduler_pb2.Event(type=scheduler_pb2.Event.FAILURE, failure=failure)
            context.notify(framework, event)

    def _frameworks_on(self, agent: Agent) -> list[Framework]:
        ids = dict.fromkeys((*agent.tasks, *agent.executors))
        return [self._cluster.frameworks[id] for id in ids]

    def _end_all(
        self, framework: Framework, agent: Agent, state: TaskState, reason: Reason, message: str
    ) -> None:
        for task in list(agent.tasks.get(framework.id, {}).values()):
            self._tasks.end(framework, agent, task, state, reason, message)
        for executor in list(agent.executors.get(framework.id, {}).values()):
            self._tasks.remove_executor(framework, agent, executor)


def _address(info: mesos_pb2.AgentInfo) -> str:
    return f"{info.hostname}:{info.port}"
