"""The life of a framework: it subscribes, loses its stream and comes back, and is removed.

A framework is *connected* while it has a stream. Without one it gets no offers, its tasks run on,
and after its failover timeout it is removed for good: its id can never subscribe again while it is
remembered. A *recovered* framework is one that only agents have told us of; it becomes a real one
when it subscribes.

Source: Mesos 1.11 `Master::subscribe`, `failoverFramework`, `disconnect`, `removeFramework`;
documentation "Scheduler HTTP API".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from minimesos.log import get_logger
from minimesos.master import validation
from minimesos.master.context import FAILOVER, HEARTBEAT, Context
from minimesos.master.offers import Offers
from minimesos.master.state import Framework
from minimesos.master.tasks import Tasks
from minimesos.master.validation import minimum_offers
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.units import format_duration

_log = get_logger(__name__)

HEARTBEAT_INTERVAL_S = 15.0
FAILED_OVER = "Framework failed over"
REMOVED = "Framework has been removed"


class Frameworks:
    """Follows frameworks and their subscriptions."""

    def __init__(self, context: Context, offers: Offers, tasks: Tasks) -> None:
        self._context = context
        self._cluster = context.cluster
        self._offers = offers
        self._tasks = tasks

    # -- subscribing ------------------------------------------------------------------------------

    def subscribe(self, peer: str, call: scheduler_pb2.Call) -> None:
        """Make `peer` a framework's stream, or refuse it with an ERROR event and close it."""
        subscribe = call.subscribe
        info = subscribe.framework_info
        _log.info("Received SUBSCRIBE", name=info.name, framework=info.id.value, peer=peer)
        subscribed = self._cluster.frameworks_by_peer.get(peer)
        if subscribed is not None:
            if info.id.value in ("", subscribed.id):
                self._confirm(subscribed)  # it repeats itself: our answer was lost or is late
            else:
                _log.warning(
                    "SUBSCRIBE dropped: peer is another framework",
                    peer=peer,
                    framework=subscribed.id,
                )
            return
        known = self._cluster.frameworks.get(info.id.value)
        problem = self._subscription_problem(known, subscribe)
        if problem is not None:
            _log.warning("Refusing framework", name=info.name, peer=peer, problem=problem)
            self._send_error(peer, problem)
        elif known is None:
            self._add(peer, subscribe)
        else:
            self._take_over(known, peer, subscribe)

    def _subscription_problem(
        self, known: Framework | None, subscribe: scheduler_pb2.Call.Subscribe
    ) -> str | None:
        info, flags = subscribe.framework_info, self._context.flags
        problem = validation.framework_problem(
            info, subscribe.suppressed_roles, subscribe.offer_constraints
        ) or validation.policy_problem(info, flags.allowed_roles, flags.root_submissions)
        if problem is not None:
            return problem
        if info.id.value in self._cluster.completed_frameworks:
            return REMOVED
        # What agents told us of a recovered framework is not what it must stay.
        if known is not None and not known.recovered:
            return validation.principal_problem(known.info, info)
        return None

    def _send_error(self, peer: str, message: str) -> None:
        event = scheduler_pb2.Event(
            type=scheduler_pb2.Event.ERROR, error=scheduler_pb2.Event.Error(message=message)
        )
        self._context.send(peer, event)
        self._context.close(peer)

    def _add(self, peer: str, subscribe: scheduler_pb2.Call.Subscribe) -> None:
        info = mesos_pb2.FrameworkInfo()
        info.CopyFrom(subscribe.framework_info)
        if not info.id.value:
            info.id.value = self._context.new_framework_id()
        framework = self._new(info)
        framework.suppressed_roles = frozenset(subscribe.suppressed_roles)
        if subscribe.HasField("offer_constraints"):
            framework.offer_constraints = subscribe.offer_constraints
        self._cluster.frameworks[framework.id] = framework
        self._context.allocator.add_framework(
            framework.id,
            framework.roles,
            framework.suppressed_roles,
            framework.capabilities,
            self._context.now,
            min_allocatable=minimum_offers(info),
        )
        _log.info(
            "Adding framework",
            framework=framework.id,
            name=framework.name,
            roles=",".join(framework.roles),
            checkpoint=info.checkpoint,
            peer=peer,
        )
        self._connect(framework, peer)

    def _new(self, info: mesos_pb2.FrameworkInfo) -> Framework:
        flags = self._context.flags
        return Framework(
            id=info.id.value,
            info=info,
            registered_at=self._context.now,
            completed_tasks=deque(maxlen=flags.max_completed_tasks_per_framework),
            unreachable_tasks_max=flags.max_unreachable_tasks_per_framework,
        )

    def _take_over(
        self, framework: Framework, peer: str, subscribe: scheduler_pb2.Call.Subscribe
    ) -> None:
        if framework.peer is not None:
            _log.info(
                "Framework failed over", framework=framework.id, old=framework.peer, peer=peer
            )
            self._send_error(framework.peer, FAILED_OVER)
            # No rescind: the new scheduler has never heard of the old one's offers.
            self._offers.discard(framework)
            self._context.allocator.deactivate_framework(framework.id)
        else:
            _log.info("Framework reregistered", framework=framework.id, peer=peer)
            self._context.cancel_timer(FAILOVER, framework.id)
        if framework.recovered:
            framework.recovered = False
            framework.registered_at = self._context.now
        framework.reregistered_at = self._context.now
        info = subscribe.framework_info
        if (info.user, info.checkpoint) != (framework.info.user, framework.info.checkpoint):
            _log.warning("User and checkpoint of a framework cannot change", framework=framework.id)
        self._update(
            framework,
            validation.with_immutable_fields_of(framework.info, info),
            subscribe.suppressed_roles,
            subscribe.offer_constraints if subscribe.HasField("offer_constraints") else None,
        )
        self._context.allocator.activate_framework(
            framework.id, framework.suppressed_roles, self._context.now
        )
        self._connect(framework, peer)

    def _connect(self, framework: Framework, peer: str) -> None:
        self._cluster.connect_framework(framework, peer)
        self._confirm(framework)

    def _confirm(self, framework: Framework) -> None:
        self._context.notify(
            framework,
            scheduler_pb2.Event(
                type=scheduler_pb2.Event.SUBSCRIBED,
                subscribed=scheduler_pb2.Event.Subscribed(
                    framework_id=framework.info.id,
                    heartbeat_interval_seconds=HEARTBEAT_INTERVAL_S,
                    master_info=self._context.master_info,
                ),
            ),
        )
        self.heartbeat(framework.id)

    def heartbeat(self, framework_id: str) -> None:
        """Send a heartbeat, and set the timer for the next."""
        framework = self._cluster.frameworks.get(framework_id)
        if framework is None or not framework.connected:
            return
        self._context.notify(framework, scheduler_pb2.Event(type=scheduler_pb2.Event.HEARTBEAT))
        self._context.set_timer(HEARTBEAT, self._context.now + HEARTBEAT_INTERVAL_S, framework.id)

    def recover(self, info: mesos_pb2.FrameworkInfo) -> Framework:
        """Take in a framework that an agent tells us of."""
        framework = self._new(info)
        framework.recovered = True
        self._cluster.frameworks[framework.id] = framework
        self._context.allocator.add_framework(
            framework.id,
            framework.roles,
            (),
            framework.capabilities,
            self._context.now,
            active=False,
        )
        _log.info("Recovered framework from an agent", framework=framework.id, name=framework.name)
        return framework

    # -- changing ---------------------------------------------------------------------------------

    def update_problem(self, framework: Framework, call: scheduler_pb2.Call) -> str | None:
        """Say why an UPDATE_FRAMEWORK is refused; the HTTP API answers with it."""
        update, flags = call.update_framework, self._context.flags
        return (
            validation.framework_problem(
                update.framework_info, update.suppressed_roles, update.offer_constraints
            )
            or validation.policy_problem(
                update.framework_info, flags.allowed_roles, flags.root_submissions
            )
            or validation.update_problem(framework.info, update.framework_info)
        )

    def update(self, framework: Framework, call: scheduler_pb2.Call) -> None:
        """Replace a framework's description."""
        problem = self.update_problem(framework, call)
        if problem is not None:
            _log.warning("UPDATE_FRAMEWORK refused", framework=framework.id, problem=problem)
            return
        update = call.update_framework
        self._update(
            framework,
            update.framework_info,
            update.suppressed_roles,
            update.offer_constraints if update.HasField("offer_constraints") else None,
        )

    def _update(
        self,
        framework: Framework,
        info: mesos_pb2.FrameworkInfo,
        suppressed_roles: Collection[str],
        constraints: scheduler_pb2.OfferConstraints | None,
    ) -> None:
        changed = info != framework.info
        framework.set_info(info)
        framework.suppressed_roles = frozenset(suppressed_roles)
        framework.offer_constraints = constraints
        left = [offer for offer in framework.offers.values() if offer.role not in framework.roles]
        self._offers.rescind(left, "framework left the role")
        self._context.allocator.update_framework(
            framework.id,
            framework.roles,
            framework.suppressed_roles,
            framework.capabilities,
            self._context.now,
            min_allocatable=minimum_offers(info),
        )
        if changed:
            _log.info("Updated framework", framework=framework.id, name=framework.name)
            for agent_id in framework.agents():
                self._context.tell(
                    self._cluster.agents[agent_id], cluster_pb2.UpdateFramework(framework_info=info)
                )

    def revive(self, framework: Framework, call: scheduler_pb2.Call) -> None:
        """Offer again, in some roles or all, also what was declined."""
        roles = self._own_roles(framework, call.revive.roles, "REVIVE")
        if roles is not None:
            framework.suppressed_roles -= frozenset(roles or framework.roles)
            self._context.allocator.revive(framework.id, roles, self._context.now)

    def suppress(self, framework: Framework, call: scheduler_pb2.Call) -> None:
        """Offer no more, in some roles or all; offers that are out stay valid."""
        roles = self._own_roles(framework, call.suppress.roles, "SUPPRESS")
        if roles is not None:
            framework.suppressed_roles |= frozenset(roles or framework.roles)
            self._context.allocator.suppress(framework.id, roles)

    def _own_roles(
        self, framework: Framework, roles: Collection[str], call: str
    ) -> list[str] | None:
        foreign = [role for role in roles if role not in framework.roles]
        if foreign:
            _log.warning(
                "Call dropped: not roles of the framework",
                call=call,
                roles=",".join(foreign),
                framework=framework.id,
            )
            return None
        _log.info(
            "Processing call", call=call, framework=framework.id, roles=",".join(roles) or "all"
        )
        return list(roles)

    # -- leaving ----------------------------------------------------------------------------------

    def disconnected(self, framework: Framework) -> None:
        """A framework lost its stream: keep its tasks, and wait for its return."""
        _log.info("Framework disconnected", framework=framework.id, name=framework.name)
        self._cluster.connect_framework(framework, None)
        self._context.cancel_timer(HEARTBEAT, framework.id)
        self._context.allocator.deactivate_framework(framework.id)
        self._offers.discard(framework)
        timeout_s = framework.info.failover_timeout
        if timeout_s <= 0:
            self.remove(framework)
            return
        _log.info(
            "Giving framework time to failover",
            framework=framework.id,
            failover_timeout=format_duration(timeout_s),
        )
        self._context.set_timer(FAILOVER, self._context.now + timeout_s, framework.id)

    def failover_timed_out(self, framework_id: str) -> None:
        """Remove a framework that did not come back."""
        framework = self._cluster.frameworks.get(framework_id)
        if framework is not None and not framework.connected:
            _log.info("Framework failover timeout, removing framework", framework=framework_id)
            self.remove(framework)

    def teardown(self, framework: Framework, call: scheduler_pb2.Call) -> None:
        """Remove a framework at its own wish."""
        _log.info("Processing TEARDOWN", framework=framework.id)
        self.remove(framework)

    def remove(self, framework: Framework) -> None:
        """End a framework and all it runs, and close its stream."""
        _log.info("Removing framework", framework=framework.id, name=framework.name)
        context, cluster = self._context, self._cluster
        self._offers.discard(framework)
        for agent_id in framework.agents():
            context.tell(
                cluster.agents[agent_id],
                cluster_pb2.ShutdownFramework(framework_id=framework.info.id),
            )
        for task in list(framework.tasks.values()):
            self._tasks.end(
                framework,
                cluster.agents[task.agent_id],
                task,
                mesos_pb2.TASK_KILLED,
                mesos_pb2.TaskStatus.REASON_FRAMEWORK_REMOVED,
                f"Framework {framework.id} removed",
                announce=False,
            )
        for agent_id, executors in list(framework.executors.items()):
            for executor in list(executors.values()):
                self._tasks.remove_executor(framework, cluster.agents[agent_id], executor)
        if framework.peer is not None:
            context.close(framework.peer)
            cluster.connect_framework(framework, None)
        context.cancel_timer(HEARTBEAT, framework.id)
        context.cancel_timer(FAILOVER, framework.id)
        context.allocator.remove_framework(framework.id)
        framework.unregistered_at = context.now
        del cluster.frameworks[framework.id]
        cluster.completed_frameworks[framework.id] = framework
        while len(cluster.completed_frameworks) > context.flags.max_completed_frameworks:
            del cluster.completed_frameworks[next(iter(cluster.completed_frameworks))]
