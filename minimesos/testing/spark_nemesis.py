"""Misfortune for Spark applications: what `nemesis` draws, and executors that die or hang.

Besides them there may be plain frameworks, which use offers for short tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from minimesos.testing.cluster import SimCluster
from minimesos.testing.executors import Behaviour, finishes
from minimesos.testing.framework import SimFramework
from minimesos.testing.nemesis import Nemesis
from minimesos.testing.spark_application import SimSparkApplication

TASKS_MAX = 20
EXECUTORS_MAX = 5


class SparkNemesis(Nemesis):
    """Draws what happens next to some applications and their cluster."""

    def __init__(self, cluster: SimCluster, *applications: SimSparkApplication) -> None:
        super().__init__(cluster)
        self._applications = applications
        self._acts: list[Callable[[], None]] = [
            *[self._submit_tasks] * 4,
            *[self._kill_process] * 2,
            self._freeze_process,
            *[self._give_back] * 2,
            *[self._use_offers] * 2,
            self._decline,
            self._partition,
            self._heal,
            self._crash,
            self._restart,
            self._restart,
        ]

    def _application(self) -> SimSparkApplication | None:
        alive = [each for each in self._applications if each.node.alive]
        return self.random.choice(alive) if alive else None

    def _framework(self) -> SimFramework | None:
        """Only plain ones have offers to play with."""
        found = super()._framework()
        return None if isinstance(found, SimSparkApplication) else found

    def _behaviour(self) -> Behaviour:
        return finishes(self.random.uniform(0, 30))

    def _submit_tasks(self) -> None:
        app = self._application()
        if app is not None:
            app.submit_tasks(self.random.randint(1, TASKS_MAX))

    def _kill_process(self) -> None:
        for app, executor_id in self._executor():
            app.executors[executor_id].die()

    def _freeze_process(self) -> None:
        for app, executor_id in self._executor():
            app.executors[executor_id].freeze()

    def _give_back(self) -> None:
        for app, executor_id in self._executor():
            app.kill_executors(executor_id)

    def _executor(self) -> Iterator[tuple[SimSparkApplication, str]]:
        """Yield a connected executor, if there is one."""
        app = self._application()
        if app is not None and app.driver.executors:
            yield app, self.random.choice(sorted(app.driver.executors))
