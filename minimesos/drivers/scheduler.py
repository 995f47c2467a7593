"""The scheduler driver: Mesos's callback API for frameworks, over a scheduler session.

    class MyScheduler(Scheduler):
        def resourceOffers(self, driver, offers):
            for offer in offers:
                driver.declineOffer(offer.id)

    SchedulerDriver(MyScheduler(), framework_info, "127.0.0.1:5050").run()

Framework authors use it; our own backends use the session itself. Names are Mesos's, as users of
`MesosSchedulerDriver` know them.

Source: Mesos documentation "Scheduler API" (0.28 to 1.11), `mesos/scheduler.hpp`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from minimesos.actor import Actor, Effect
from minimesos.detector import master_address
from minimesos.drivers.driver import STOPPED, Driver
from minimesos.drivers.scheduler_session import SchedulerSession, acknowledgement
from minimesos.drivers.session import Arrived, Leave, Submit, Subscribed, Unsubscribed
from minimesos.errors import InvalidValue
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.runtime.frames import SCHEDULER

_Call = scheduler_pb2.Call
_Event = scheduler_pb2.Event


class Scheduler:
    """What a framework does about its news; override what matters. `driver` is always the caller.

    Callbacks are called one at a time, in order, in one thread. One that raises aborts the driver.
    """

    def registered(
        self,
        driver: SchedulerDriver,
        framework_id: mesos_pb2.FrameworkID,
        master_info: mesos_pb2.MasterInfo,
    ) -> None:
        """A master that did not know this driver has taken the framework on."""

    def reregistered(self, driver: SchedulerDriver, master_info: mesos_pb2.MasterInfo) -> None:
        """The master that knew this driver has it back."""

    def disconnected(self, driver: SchedulerDriver) -> None:
        """The master is lost; the driver looks for it. All offers are void."""

    def resourceOffers(self, driver: SchedulerDriver, offers: Sequence[mesos_pb2.Offer]) -> None:
        """Resources to accept or decline, each offer once."""

    def offerRescinded(self, driver: SchedulerDriver, offer_id: mesos_pb2.OfferID) -> None:
        """An offer is void."""

    def statusUpdate(self, driver: SchedulerDriver, status: mesos_pb2.TaskStatus) -> None:
        """A task has changed. Acknowledged when this returns, unless that is done explicitly."""

    def frameworkMessage(
        self,
        driver: SchedulerDriver,
        executor_id: mesos_pb2.ExecutorID,
        agent_id: mesos_pb2.AgentID,
        data: bytes,
    ) -> None:
        """An executor has sent data."""

    def slaveLost(self, driver: SchedulerDriver, agent_id: mesos_pb2.AgentID) -> None:
        """An agent is gone; statuses of its tasks come separately. Calls `agentLost`."""
        self.agentLost(driver, agent_id)

    def agentLost(self, driver: SchedulerDriver, agent_id: mesos_pb2.AgentID) -> None:
        """`slaveLost` under its newer name; override either."""

    def executorLost(
        self,
        driver: SchedulerDriver,
        executor_id: mesos_pb2.ExecutorID,
        agent_id: mesos_pb2.AgentID,
        status: int,
    ) -> None:
        """An executor has ended with this wait(2) status."""

    def error(self, driver: SchedulerDriver, message: str) -> None:
        """The driver has aborted itself because of this."""


class SchedulerDriver(Driver):
    """A framework's driver. Calls return the driver's status and do nothing unless it runs.

    `master` is host:port. After `give_up_s` seconds without a master the driver fails; None: never.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        framework: mesos_pb2.FrameworkInfo,
        master: str,
        implicitAcknowledgements: bool = True,
        *,
        give_up_s: float | None = None,
    ) -> None:
        super().__init__(SCHEDULER, "scheduler-callbacks")
        self._scheduler = scheduler
        self._framework = framework
        self._master = master
        self._acknowledges = implicitAcknowledgements
        self._give_up_s = give_up_s
        self._handlers: Mapping[int, Callable[[scheduler_pb2.Event], None]] = {
            _Event.OFFERS: self._offers,
            _Event.RESCIND: self._rescind,
            _Event.UPDATE: self._update,
            _Event.MESSAGE: self._message,
            _Event.FAILURE: self._failure,
        }

    # -- life -------------------------------------------------------------------------------------

    def stop(self, failover: bool = False) -> mesos_pb2.Status:
        """End: tear the framework down, or with `failover` leave its tasks to a successor."""
        return self._leave(STOPPED, Leave(failover))

    # -- offers -----------------------------------------------------------------------------------

    def acceptOffers(
        self,
        offerIds: Iterable[mesos_pb2.OfferID],
        operations: Iterable[mesos_pb2.Offer.Operation],
        filters: mesos_pb2.Filters | None = None,
    ) -> mesos_pb2.Status:
        """Use offers of one agent for operations, in order; what is left over is declined."""
        accept = _Call.Accept(offer_ids=offerIds, operations=operations, filters=filters)
        return self._call(_Call(type=_Call.ACCEPT, accept=accept))

    def launchTasks(
        self,
        offerIds: Iterable[mesos_pb2.OfferID] | mesos_pb2.OfferID,
        tasks: Iterable[mesos_pb2.TaskInfo],
        filters: mesos_pb2.Filters | None = None,
    ) -> mesos_pb2.Status:
        """Launch tasks on offers of one agent; no task declines them."""
        ids = [offerIds] if isinstance(offerIds, mesos_pb2.OfferID) else offerIds
        launch = mesos_pb2.Offer.Operation(
            type=mesos_pb2.Offer.Operation.LAUNCH,
            launch=mesos_pb2.Offer.Operation.Launch(task_infos=tasks),
        )
        return self.acceptOffers(ids, [launch], filters)

    def declineOffer(
        self, offerId: mesos_pb2.OfferID, filters: mesos_pb2.Filters | None = None
    ) -> mesos_pb2.Status:
        """Return an offer; its like is not offered again for 5 s, or what `filters` says."""
        decline = _Call.Decline(offer_ids=[offerId], filters=filters)
        return self._call(_Call(type=_Call.DECLINE, decline=decline))

    def reviveOffers(self, roles: Iterable[str] = ()) -> mesos_pb2.Status:
        """Want offers for these roles (all) again, whatever was declined or suppressed."""
        return self._call(_Call(type=_Call.REVIVE, revive=_Call.Revive(roles=roles)))

    def suppressOffers(self, roles: Iterable[str] = ()) -> mesos_pb2.Status:
        """Want no offers for these roles (all) until they are revived."""
        return self._call(_Call(type=_Call.SUPPRESS, suppress=_Call.Suppress(roles=roles)))

    def requestResources(self, requests: Iterable[mesos_pb2.Request]) -> mesos_pb2.Status:
        """Say what would be useful; the hierarchical allocator does not listen."""
        return self._call(_Call(type=_Call.REQUEST, request=_Call.Request(requests=requests)))

    # -- tasks ------------------------------------------------------------------------------------

    def killTask(self, taskId: mesos_pb2.TaskID) -> mesos_pb2.Status:
        """Kill a task; answered by a status, also if the task is unknown."""
        return self._call(_Call(type=_Call.KILL, kill=_Call.Kill(task_id=taskId)))

    def acknowledgeStatusUpdate(self, status: mesos_pb2.TaskStatus) -> mesos_pb2.Status:
        """Acknowledge a status, if it wants that.

        Raises InvalidValue if the driver does so by itself.
        """
        if self._acknowledges:
            raise InvalidValue("this driver acknowledges implicitly: statuses are not yours to")
        return self._acknowledge(status)

    def reconcileTasks(self, statuses: Iterable[mesos_pb2.TaskStatus]) -> mesos_pb2.Status:
        """Ask for the latest status of these tasks; of all if there are none."""
        tasks = [
            _Call.Reconcile.Task(
                task_id=status.task_id,
                agent_id=status.agent_id if status.HasField("agent_id") else None,
            )
            for status in statuses
        ]
        return self._call(_Call(type=_Call.RECONCILE, reconcile=_Call.Reconcile(tasks=tasks)))

    def sendFrameworkMessage(
        self, executorId: mesos_pb2.ExecutorID, agentId: mesos_pb2.AgentID, data: bytes
    ) -> mesos_pb2.Status:
        """Send data to an executor, best effort."""
        message = _Call.Message(agent_id=agentId, executor_id=executorId, data=data)
        return self._call(_Call(type=_Call.MESSAGE, message=message))

    # -- inside -----------------------------------------------------------------------------------

    def _session(self) -> Actor:
        return SchedulerSession(
            master_address(self._master),
            self._framework,
            random=random.Random(),
            give_up_s=self._give_up_s,
        )

    def _call(self, call: scheduler_pb2.Call) -> mesos_pb2.Status:
        return self._submit(Submit(call))

    def _acknowledge(self, status: mesos_pb2.TaskStatus) -> mesos_pb2.Status:
        call = acknowledgement(status)
        return self._status if call is None else self._call(call)

    def _failed(self, message: str) -> None:
        self._scheduler.error(self, message)

    def _tell(self, news: Effect) -> None:
        if isinstance(news, Subscribed):
            event: Any = news.event
            master_info = event.subscribed.master_info
            if news.again:
                self._scheduler.reregistered(self, master_info)
            else:
                self._scheduler.registered(self, event.subscribed.framework_id, master_info)
        elif isinstance(news, Unsubscribed):
            self._scheduler.disconnected(self)
        elif isinstance(news, Arrived):
            assert isinstance(news.event, scheduler_pb2.Event)
            handler = self._handlers.get(news.event.type)
            if handler is not None:  # what the callback API has no word for is passed over
                handler(news.event)

    def _offers(self, event: scheduler_pb2.Event) -> None:
        self._scheduler.resourceOffers(self, list(event.offers.offers))

    def _rescind(self, event: scheduler_pb2.Event) -> None:
        self._scheduler.offerRescinded(self, event.rescind.offer_id)

    def _update(self, event: scheduler_pb2.Event) -> None:
        status = event.update.status
        self._scheduler.statusUpdate(self, status)
        if self._acknowledges:
            self._acknowledge(status)

    def _message(self, event: scheduler_pb2.Event) -> None:
        message = event.message
        self._scheduler.frameworkMessage(self, message.executor_id, message.agent_id, message.data)

    def _failure(self, event: scheduler_pb2.Event) -> None:
        failure = event.failure
        if failure.HasField("executor_id"):
            self._scheduler.executorLost(
                self, failure.executor_id, failure.agent_id, failure.status
            )
        else:
            self._scheduler.slaveLost(self, failure.agent_id)
