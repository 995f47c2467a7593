"""What a shuffle service decides: whose map outputs it keeps on its host, where, and for how long.

An application is there from the registration of its first executor. It is gone when its driver says
so, or when the driver has not renewed its lease in time; a driver that never came has a day. The
caller checks proofs and touches files; here are only names, keys and times. `now` is in epoch
seconds.

An application's name is unique for its key (see `spark.backends.proofs`), so a name that is known
need not be defended against another key.

Source: the behaviour of Spark's external shuffle service on Mesos ("Running Spark on Mesos").
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from minimesos.errors import MinimesosError
from minimesos.ids import id_problem

UNCLAIMED_S = 24 * 3600.0
"""How long an application is kept whose driver has never said how long it may be silent."""
APPLICATIONS_MAX = 10_000
EXECUTORS_MAX = 100_000
"""Of one application, those that are gone included."""
ENDED_MAX = 1_000
"""Names of ended applications that are remembered, so that late executors do not revive them."""


class Refused(MinimesosError):
    """The service does not do what it is asked for; the message is for the one who asked."""


class NotRegistered(Refused):
    """Nobody of that name has registered here, or it is over."""


@dataclass(slots=True)
class Application:
    """An application that has files here."""

    name: str
    key: bytes
    expires_at_s: float
    lease_s: float | None = None
    """How long its driver may be silent; None until the driver has come."""
    roots: dict[str, int] = field(default_factory=dict)
    """Executors that ever were, and on which of the service's directories each is."""


class ShuffleRegistry:
    """All applications of one service that keeps files in `roots` directories."""

    def __init__(self, roots: int = 1) -> None:
        self._roots = range(roots)
        self._applications: dict[str, Application] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    def application(self, name: str) -> Application:
        """Return an application. Raises NotRegistered."""
        application = self._applications.get(name)
        if application is None:
            raise NotRegistered(f"application {name} is not registered at this shuffle service")
        return application

    def root_of(self, name: str, executor_id: str) -> int:
        """Return the number of the root where an executor's files are. Raises NotRegistered."""
        root = self.application(name).roots.get(executor_id)
        if root is None:
            raise NotRegistered(
                f"executor {executor_id} of application {name} is not registered at this shuffle "
                "service"
            )
        return root

    def restore(
        self,
        name: str,
        key: bytes,
        lease_s: float | None,
        executors: Mapping[str, int],
        now: float,
    ) -> None:
        """Take in what an earlier life of this service has recorded, with a full lease.

        May be called for each root of an application.
        """
        application = self._applications.setdefault(name, Application(name, key, 0))
        application.lease_s = application.lease_s or lease_s
        application.roots.update(executors)
        self._renew(application, now)

    def register_executor(
        self, name: str, key: bytes, executor_id: str, preferred: Sequence[int], now: float
    ) -> Application:
        """Take in an executor, and with the first one its application; a repeat changes nothing.

        It gets a place on one of the `preferred` roots, if there are some, in turn. Raises Refused.
        """
        for what in (name, executor_id):
            if problem := id_problem(what):
                raise Refused(problem)
        if name in self._ended:
            raise Refused(f"application {name} has ended")
        application = self._applications.get(name)
        if application is None:
            if len(self._applications) >= APPLICATIONS_MAX:
                raise Refused(f"this shuffle service has {APPLICATIONS_MAX} applications already")
            application = self._applications[name] = Application(name, key, now)
        if executor_id not in application.roots:
            if len(application.roots) >= EXECUTORS_MAX:
                raise Refused(f"application {name} has had {EXECUTORS_MAX} executors here already")
            choice = preferred or self._roots
            application.roots[executor_id] = choice[len(application.roots) % len(choice)]
        self._renew(application, now)
        return application

    def lease(self, name: str, timeout_s: float, now: float) -> bool:
        """An application's driver lives; say whether its timeout is news, to be recorded.

        Raises NotRegistered, and Refused for a timeout that is none.
        """
        application = self.application(name)
        if timeout_s <= 0:
            raise Refused(f"a lease of {timeout_s:g} s is none")
        is_news = application.lease_s != timeout_s
        application.lease_s = timeout_s
        self._renew(application, now)
        return is_news

    def end(self, name: str) -> Application:
        """Forget an application that is over, and take in none of that name. Raises NotRegistered.

        Its files are the caller's to delete.
        """
        application = self.application(name)
        del self._applications[name]
        self._ended[name] = None
        if len(self._ended) > ENDED_MAX:
            self._ended.popitem(last=False)
        return application

    def expire(self, now: float) -> list[Application]:
        """Forget the applications whose leases have run out; their files are to be deleted."""
        expired = [each for each in self._applications.values() if each.expires_at_s <= now]
        for application in expired:
            del self._applications[application.name]
        return expired

    def _renew(self, application: Application, now: float) -> None:
        lease_s = UNCLAIMED_S if application.lease_s is None else application.lease_s
        application.expires_at_s = now + lease_s
