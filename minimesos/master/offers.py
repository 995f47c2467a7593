"""Offers: made from what the allocator grants, until they are accepted, declined or rescinded.

An offer holds resources of one agent for one role of one framework; to the allocator they count as
allocated until they are given back here. What an accepted offer is used for is `operations`'
business.

Source: Mesos 1.11 `Master::offer`, `decline`, `removeOffer`; documentation "Scheduler HTTP API".
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from minimesos.allocator.allocator import OfferGrant
from minimesos.log import get_logger
from minimesos.master.context import ALLOCATE, OFFER, Context
from minimesos.master.state import Capability, Framework, Offer
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.resource_metadata import ReservationFormat

_log = get_logger(__name__)

DEFAULT_REFUSE_S = mesos_pb2.Filters().refuse_seconds
REFUSE_S_MAX = 365 * 24 * 3600.0


class Offers:
    """Makes offers, and takes them back."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._cluster = context.cluster

    def allocate_periodically(self) -> None:
        """Let the allocator look at all that changed, and set the timer for its next run."""
        context = self._context
        context.set_timer(ALLOCATE, context.now + context.flags.allocation_interval)
        self._send(context.allocator.allocate(context.now, periodic=True))

    def allocate_now(self) -> None:
        """Let the allocator look at what should not wait for the next period."""
        self._send(self._context.allocator.allocate(self._context.now))

    def _send(self, grants: Iterable[OfferGrant]) -> None:
        made: dict[str, list[Offer]] = {}
        for grant in grants:
            offer = self._make(grant)
            if offer is not None:
                made.setdefault(offer.framework_id, []).append(offer)
        for framework_id, offers in made.items():
            framework = self._cluster.frameworks[framework_id]
            messages = [self.to_proto(framework, offer) for offer in offers]
            self._context.notify(
                framework,
                scheduler_pb2.Event(
                    type=scheduler_pb2.Event.OFFERS,
                    offers=scheduler_pb2.Event.Offers(offers=messages),
                ),
            )
            _log.info("Sending offers", count=len(offers), framework=framework_id)

    def _make(self, grant: OfferGrant) -> Offer | None:
        framework = self._cluster.frameworks.get(grant.framework_id)
        agent = self._cluster.agents.get(grant.agent_id)
        offer = Offer(
            self._context.new_offer_id(),
            grant.framework_id,
            grant.agent_id,
            grant.role,
            grant.resources,
        )
        if framework is None or agent is None or not framework.connected or not agent.connected:
            self._give_back(offer, None)
            return None
        self._cluster.add_offer(offer)
        timeout_s = self._context.flags.offer_timeout
        if timeout_s is not None:
            self._context.set_timer(OFFER, self._context.now + timeout_s, offer.id)
        return offer

    def to_proto(self, framework: Framework, offer: Offer) -> mesos_pb2.Offer:
        """Return an offer as this framework is to see it."""
        agent = self._cluster.agents[offer.agent_id]
        multi_role = Capability.MULTI_ROLE in framework.capabilities
        form = (
            ReservationFormat.POST_REFINEMENT
            if Capability.RESERVATION_REFINEMENT in framework.capabilities
            else ReservationFormat.PRE_REFINEMENT
        )
        resources = offer.resources if multi_role else offer.resources.unallocated()
        message = mesos_pb2.Offer(
            id=mesos_pb2.OfferID(value=offer.id),
            framework_id=framework.info.id,
            agent_id=agent.info.id,
            hostname=agent.hostname,
            resources=resources.to_proto(form),
            attributes=agent.info.attributes,
            executor_ids=[
                executor.info.executor_id
                for executor in framework.executors.get(agent.id, {}).values()
            ],
            url=mesos_pb2.URL(
                scheme="http",
                address=mesos_pb2.Address(hostname=agent.hostname, port=agent.info.port),
                path="/slave(1)",
            ),
        )
        if multi_role:
            message.allocation_info.role = offer.role
        if agent.info.HasField("domain"):
            message.domain.CopyFrom(agent.info.domain)
        return message

    # -- answers ----------------------------------------------------------------------------------

    def decline(self, framework: Framework, call: scheduler_pb2.Call) -> None:
        """Take declined offers back, with the filter the framework asks for."""
        _log.info(
            "Processing DECLINE",
            offers=" ".join(offer_id.value for offer_id in call.decline.offer_ids),
            framework=framework.id,
        )
        refuse_s = refuse_seconds(call.decline.filters)
        for offer_id in call.decline.offer_ids:
            offer = framework.offers.get(offer_id.value)
            if offer is None:
                _log.warning("Declined offer is no longer valid", offer=offer_id.value)
                continue
            self._drop(offer)
            self._give_back(offer, refuse_s)

    def claim(
        self, framework: Framework, offer_ids: Iterable[mesos_pb2.OfferID]
    ) -> tuple[list[Offer], str | None]:
        """Take offers for an ACCEPT out of the records, still charged; or say why they cannot be.

        If one of them is bad all of the framework's own are gone, and their resources given back.
        """
        ids = [offer_id.value for offer_id in offer_ids]
        problem = self._problem(framework, ids)
        offers = [framework.offers[id] for id in dict.fromkeys(ids) if id in framework.offers]
        for offer in offers:
            self._drop(offer)
            if problem is not None:
                self._give_back(offer, None)
        return ([], problem) if problem is not None else (offers, None)

    def _problem(self, framework: Framework, ids: list[str]) -> str | None:
        if not ids:
            return "No offers specified"
        for position, id in enumerate(ids):
            if id in ids[:position]:
                return f"Duplicate offer {id} in offer list"
        offers = []
        for id in ids:
            offer = self._cluster.offers.get(id)
            if offer is None:
                return f"Offer {id} is no longer valid"
            if offer.framework_id != framework.id:
                return (
                    f"Offer {id} has invalid framework {offer.framework_id}"
                    f" while framework {framework.id} is expected"
                )
            offers.append(offer)
        first = offers[0]
        for offer in offers[1:]:
            if offer.role != first.role:
                return (
                    "Aggregated offers must be allocated to the same role. Offer"
                    f" {offer.id} uses role '{offer.role}' but another is using role '{first.role}'"
                )
            if offer.agent_id != first.agent_id:
                return (
                    "Aggregated offers must belong to one single agent. Offer"
                    f" {offer.id} uses agent {offer.agent_id} and agent {first.agent_id}"
                )
        return None

    def request(self, framework: Framework, call: scheduler_pb2.Call) -> None:
        """Hear a wish for resources; like the hierarchical allocator, do not heed it."""
        _log.info("REQUEST ignored", requests=len(call.request.requests), framework=framework.id)

    # -- taking back ------------------------------------------------------------------------------

    def expire(self, offer_id: str) -> None:
        """Rescind an offer that was not answered in time."""
        offer = self._cluster.offers.get(offer_id)
        if offer is not None:
            self.rescind([offer], "offer timed out")

    def rescind(self, offers: Iterable[Offer], why: str) -> None:
        """Take offers back and tell their frameworks. No filter: they may come again at once."""
        for offer in list(offers):
            framework = self._cluster.frameworks[offer.framework_id]
            self._drop(offer)
            self._give_back(offer, None)
            self._context.notify(
                framework,
                scheduler_pb2.Event(
                    type=scheduler_pb2.Event.RESCIND,
                    rescind=scheduler_pb2.Event.Rescind(offer_id=mesos_pb2.OfferID(value=offer.id)),
                ),
            )
            _log.info("Rescinding offer", offer=offer.id, framework=framework.id, cause=why)

    def discard(self, framework: Framework) -> None:
        """Take all offers of a framework back without a word to it."""
        for offer in list(framework.offers.values()):
            self._drop(offer)
            self._give_back(offer, None)

    def _drop(self, offer: Offer) -> None:
        self._cluster.drop_offer(offer)
        if self._context.flags.offer_timeout is not None:
            self._context.cancel_timer(OFFER, offer.id)

    def _give_back(self, offer: Offer, refuse_s: float | None) -> None:
        self._context.allocator.recover_resources(
            offer.framework_id, offer.agent_id, offer.resources, refuse_s, self._context.now
        )


def refuse_seconds(filters: mesos_pb2.Filters) -> float | None:
    """Return how long a refused resource is not to be offered again; None for no filter at all."""
    wanted = filters.refuse_seconds
    if math.isnan(wanted) or wanted < 0:
        return DEFAULT_REFUSE_S
    return min(wanted, REFUSE_S_MAX) or None
