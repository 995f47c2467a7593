"""The master: decides who gets which resources, and relays between frameworks and agents.

This module wires the parts together and dispatches every stimulus to one of their methods, by
tables. The core never waits, reads a clock or opens a socket: a world (`master.server`, or
`minimesos.testing`) feeds it stimuli and performs its effects.

Peers that send `mesos.v1.scheduler.Call` are frameworks, those that send the agent's messages of
`minimesos.AgentMessage` are agents; what they are sent is `Event` and the messages of
`minimesos.MasterMessage`, without their envelopes.

Source: Mesos 1.11, `master/master.cpp`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from google.protobuf.message import Message

import minimesos
from minimesos.actor import (
    Connected,
    Disconnected,
    Effect,
    EffectFailed,
    Received,
    Stimulus,
    TimerFired,
)
from minimesos.allocator.allocator import Allocator, AllocatorConfig, parse_alternatives
from minimesos.allocator.hierarchical import HierarchicalAllocator
from minimesos.log import get_logger
from minimesos.master import context as timers
from minimesos.master.agents import Agents
from minimesos.master.context import Context
from minimesos.master.executors import Executors
from minimesos.master.flags import MasterFlags
from minimesos.master.frameworks import Frameworks
from minimesos.master.homecoming import Homecoming
from minimesos.master.offers import Offers
from minimesos.master.operations import Operations
from minimesos.master.reconciliation import Reconciliation
from minimesos.master.state import Agent, Cluster, Framework
from minimesos.master.tasks import Tasks
from minimesos.master.validation import call_problem, message_problem
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.resources import Resources

_log = get_logger(__name__)

Call = scheduler_pb2.Call


class Master:
    """The master's core. See `minimesos.actor.Actor` for how it is run."""

    def __init__(
        self, flags: MasterFlags, master_info: mesos_pb2.MasterInfo, random: Random
    ) -> None:
        allocator = HierarchicalAllocator(_allocator_config(flags), random)
        allocator.update_weights(flags.weight_of_role)
        self._context = Context(flags, master_info, allocator)
        self.started_at = 0.0
        self._offers = Offers(self._context)
        self._tasks = Tasks(self._context)
        self._executors = Executors(self._context, self._tasks)
        self._frameworks = Frameworks(self._context, self._offers, self._tasks)
        self._operations = Operations(self._context, self._offers, self._tasks)
        self._reconciliation = Reconciliation(self._context, self._tasks)
        homecoming = Homecoming(self._context, self._offers, self._tasks, self._frameworks)
        self._agents = Agents(self._context, self._offers, self._tasks, homecoming)
        self._allocation_due = False

        self._stimuli: dict[type[Stimulus], Callable[[Any], None]] = {
            Connected: lambda stimulus: None,  # who it is we learn from its first message
            Received: self._received,
            Disconnected: self._disconnected,
            TimerFired: self._timer_fired,
            EffectFailed: self._effect_failed,
        }
        self._calls = self._table_of_calls()
        self._registrations: dict[type[Message], Callable[[str, Any], None]] = {
            cluster_pb2.RegisterAgent: self._agents.register,
            cluster_pb2.ReregisterAgent: self._agents.reregister,
        }
        self._agent_messages: dict[type[Message], Callable[[Agent, Any], None]] = {
            cluster_pb2.UnregisterAgent: self._agents.unregister,
            cluster_pb2.Pong: self._agents.pong,
            cluster_pb2.StatusUpdate: self._tasks.status_update,
            cluster_pb2.ExitedExecutor: self._executors.exited,
            cluster_pb2.ExecutorToFramework: self._executors.to_framework,
        }
        self._timers: dict[str, Callable[[str], None]] = {
            timers.ALLOCATE: lambda id: self._offers.allocate_periodically(),
            timers.ALLOCATE_NOW: lambda id: self._allocate_now(),
            timers.HEARTBEAT: self._frameworks.heartbeat,
            timers.FAILOVER: self._frameworks.failover_timed_out,
            timers.OFFER: self._offers.expire,
            timers.PING: self._agents.ping_due,
            timers.REREGISTER: self._agents.reregister_timed_out,
        }

    def _table_of_calls(self) -> Mapping[Call.Type, Callable[[Framework, Call], None]]:
        """SUBSCRIBE is not here: whoever sends it is not a framework yet."""
        return {
            Call.UNKNOWN: self._unsupported,
            Call.TEARDOWN: self._frameworks.teardown,
            Call.ACCEPT: self._operations.accept,
            Call.DECLINE: self._offers.decline,
            Call.ACCEPT_INVERSE_OFFERS: self._unsupported,
            Call.DECLINE_INVERSE_OFFERS: self._unsupported,
            Call.REVIVE: self._frameworks.revive,
            Call.SUPPRESS: self._frameworks.suppress,
            Call.KILL: self._kill,
            Call.SHUTDOWN: self._executors.shutdown,
            Call.ACKNOWLEDGE: self._tasks.acknowledge,
            Call.RECONCILE: self._reconciliation.reconcile,
            Call.MESSAGE: self._executors.to_executor,
            Call.REQUEST: self._offers.request,
            Call.UPDATE_FRAMEWORK: self._frameworks.update,
            Call.ACKNOWLEDGE_OPERATION_STATUS: self._operations.acknowledge,
            Call.RECONCILE_OPERATIONS: self._operations.reconcile,
        }

    # -- what others may look at, and not change --------------------------------------------------

    @property
    def cluster(self) -> Cluster:
        """The records of frameworks, agents, offers and tasks."""
        return self._context.cluster

    @property
    def flags(self) -> MasterFlags:
        """The flags the master was started with."""
        return self._context.flags

    @property
    def info(self) -> mesos_pb2.MasterInfo:
        """Who this master is, as frameworks and agents are told."""
        return self._context.master_info

    @property
    def allocator(self) -> Allocator:
        """The allocator."""
        return self._context.allocator

    def allocated(self, role: str) -> Resources:
        """Return what tasks and executors of a role use; offers do not count."""
        return self.cluster.allocated(role)

    def teardown(self, framework_id: str) -> bool:
        """Remove a framework, between `begin` and `finish`; False if it is unknown."""
        framework = self.cluster.frameworks.get(framework_id)
        if framework is None:
            return False
        self._frameworks.remove(framework)
        return True

    # -- the actor --------------------------------------------------------------------------------

    def start(self, now: float) -> Sequence[Effect]:
        """Set the allocation timer."""
        self._context.begin(now)
        self.started_at = now
        info = self.info
        _log.info(f"Master {info.id} ({info.hostname}) started on {info.address.ip}:{info.port}")
        self._offers.allocate_periodically()
        return self._context.take()

    def handle(self, stimulus: Stimulus, now: float) -> Sequence[Effect]:
        """React to one stimulus."""
        self._context.begin(now)
        self._stimuli[type(stimulus)](stimulus)
        return self.finish()

    def begin(self, now: float) -> None:
        """Open a turn that is no stimulus, such as an operator's call; `finish` ends it."""
        self._context.begin(now)

    def finish(self) -> Sequence[Effect]:
        """Return the effects of the turn."""
        if self.allocator.run_wanted and not self._allocation_due:
            # A timer and not a call, so that a thousand agents that register at once are one run.
            self._allocation_due = True
            self._context.set_timer(timers.ALLOCATE_NOW, self._context.now)
        return self._context.take()

    def _received(self, stimulus: Received) -> None:
        peer, message = stimulus.peer, stimulus.message
        if isinstance(message, Call):
            self._received_call(peer, message)
            return
        problem = message_problem(message)
        if problem is not None:
            what = message.DESCRIPTOR.name
            _log.warning("Malformed message dropped", peer=peer, message=what, problem=problem)
            return
        register = self._registrations.get(type(message))
        if register is not None:
            register(peer, message)
            return
        handler = self._agent_messages.get(type(message))
        agent = self.cluster.agents_by_peer.get(peer)
        if handler is None:
            _log.warning("Unknown message dropped", peer=peer, message=message.DESCRIPTOR.name)
        elif agent is None:
            self._agents.greet_unknown(peer, message.DESCRIPTOR.name)
        else:
            handler(agent, message)

    def _received_call(self, peer: str, call: Call) -> None:
        problem = call_problem(call)
        if problem is not None:
            _log.warning("Malformed call dropped", peer=peer, problem=problem)
            return
        if call.type == Call.SUBSCRIBE:
            self._frameworks.subscribe(peer, call)
            return
        framework = self.cluster.frameworks_by_peer.get(peer)
        if framework is None or framework.id != call.framework_id.value:
            _log.warning(
                "Call dropped: not from the framework's subscription",
                call=Call.Type.Name(call.type),
                framework=call.framework_id.value,
                peer=peer,
            )
            return
        self._calls[call.type](framework, call)

    def _disconnected(self, stimulus: Disconnected) -> None:
        framework = self.cluster.frameworks_by_peer.get(stimulus.peer)
        if framework is not None:
            self._frameworks.disconnected(framework)
        agent = self.cluster.agents_by_peer.get(stimulus.peer)
        if agent is not None:
            self._agents.disconnected(agent)

    def _timer_fired(self, stimulus: TimerFired) -> None:
        kind, _, id = stimulus.name.partition("/")
        self._timers[kind](id)

    def _effect_failed(self, stimulus: EffectFailed) -> None:
        reason = f"{type(stimulus.effect).__name__} failed: {stimulus.reason}"
        _log.error("The master cannot go on", reason=reason)
        self._context.stop(1, reason)

    def _allocate_now(self) -> None:
        self._allocation_due = False
        self._offers.allocate_now()

    # -- calls that concern several parts ---------------------------------------------------------

    def _kill(self, framework: Framework, call: Call) -> None:
        kill = call.kill
        task_id = kill.task_id.value
        _log.info("Processing KILL", task=task_id, framework=framework.id)
        task = framework.tasks.get(task_id)
        if task is None:
            agent_id = kill.agent_id.value if kill.HasField("agent_id") else None
            self._reconciliation.answer(framework, task_id, agent_id)
        else:
            self._tasks.kill(framework, task, kill)

    def _unsupported(self, framework: Framework, call: Call) -> None:
        _log.warning(
            "Call dropped: not supported", call=Call.Type.Name(call.type), framework=framework.id
        )


def master_info(
    master_id: str, ip: str, port: int, hostname: str | None = None
) -> mesos_pb2.MasterInfo:
    """Return the description of a master at an IPv4 address."""
    # Four bytes in network order, read as a little-endian number: what x86 masters have always
    # sent, and clients expect.
    number = int.from_bytes(bytes(int(part) for part in ip.split(".")), "little")
    hostname = hostname or ip
    return mesos_pb2.MasterInfo(
        id=master_id,
        ip=number,
        port=port,
        pid=f"master@{ip}:{port}",
        hostname=hostname,
        version=minimesos.__version__,
        address=mesos_pb2.Address(hostname=hostname, ip=ip, port=port),
        capabilities=[
            mesos_pb2.MasterInfo.Capability(type=mesos_pb2.MasterInfo.Capability.AGENT_UPDATE)
        ],
    )


def _allocator_config(flags: MasterFlags) -> AllocatorConfig:
    excluded = flags.fair_sharing_excluded_resource_names
    return AllocatorConfig(
        allocation_interval_s=flags.allocation_interval,
        min_allocatable=parse_alternatives(flags.min_allocatable_resources),
        filter_gpu_resources=flags.filter_gpu_resources,
        fair_sharing_excluded=frozenset(excluded.split(",")) if excluded else frozenset(),
    )
