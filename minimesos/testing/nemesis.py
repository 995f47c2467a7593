"""Misfortune drawn from the seed: crashes, restarts and partitions, at random times, of anybody.

`torment` runs a cluster for a while under it, with frameworks that launch and kill tasks meanwhile.
Checkers hold all the time; what is left over is `SimCluster.settle`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from minimesos.testing import builders
from minimesos.testing.cluster import SimCluster
from minimesos.testing.executors import Behaviour, fails, finishes
from minimesos.testing.framework import SimFramework
from minimesos.testing.network import Faults

BAD_NETWORK = Faults(delay_min_s=0.001, delay_max_s=0.5, loss=0.005, duplication=0.05)
PAUSE_MEAN_S = 10.0
FRAMEWORKS_MAX = 5
FAILOVER_TIMEOUT_MAX_S = 300


def torment(
    cluster: SimCluster,
    seconds: float,
    faults: Faults = BAD_NETWORK,
    nemesis: Nemesis | None = None,
) -> None:
    """Let misfortune befall a cluster for some virtual seconds."""
    nemesis = nemesis or Nemesis(cluster)
    cluster.network.faults = faults
    until = cluster.now + seconds
    while cluster.now < until:
        cluster.advance(nemesis.random.expovariate(1 / PAUSE_MEAN_S))
        nemesis.strike()


class Nemesis:
    """Draws what happens next."""

    def __init__(self, cluster: SimCluster) -> None:
        self.random: Random = cluster.simulator.random_of("nemesis")
        self._cluster = cluster
        self._acts: list[Callable[[], None]] = [
            *[self._use_offers] * 6,
            *[self._kill_task] * 2,
            self._decline,
            self._subscribe_another,
            self._tear_down,
            self._partition,
            self._heal,
            self._crash,
            self._restart,
            self._restart,
        ]

    def strike(self) -> None:
        """Do one thing that is possible, or nothing."""
        self.random.choice(self._acts)()

    def _framework(self) -> SimFramework | None:
        frameworks = [each for each in self._cluster.frameworks.values() if each.is_subscribed]
        return self.random.choice(frameworks) if frameworks else None

    def _use_offers(self) -> None:
        framework = self._framework()
        if framework is None or not framework.offers:
            return
        offer = self.random.choice(list(framework.offers.values()))
        task_id = f"{framework.name}-task-{len(framework.tasks)}"
        self._cluster.behaviours[task_id] = self._behaviour()
        executor = builders.executor_info("shared") if self.random.random() < 0.3 else None
        framework.launch(
            [offer.id.value],
            # May be more than is left of the offer: then it is refused, which is news too.
            builders.task_info(task_id, offer.agent_id.value, cpus=1, executor=executor),
        )

    def _behaviour(self) -> Behaviour:
        drawn = self.random.random()
        if drawn < 0.4:
            return finishes(self.random.uniform(0, 60))
        if drawn < 0.5:
            return fails(self.random.uniform(0, 60))
        return Behaviour(registers=drawn < 0.95)

    def _kill_task(self) -> None:
        framework = self._framework()
        if framework is not None and framework.tasks:
            framework.kill(self.random.choice(framework.tasks))

    def _decline(self) -> None:
        framework = self._framework()
        if framework is not None:
            framework.decline(self.random.choice([0, 1, 5, 60]))

    def _subscribe_another(self) -> None:
        frameworks = self._cluster.frameworks
        if sum(not framework.over for framework in frameworks.values()) < FRAMEWORKS_MAX:
            name = f"framework-{len(frameworks)}"
            self._cluster.subscribe(
                name,
                role=self.random.choice(["a", "a/b", "c"]),
                wait=False,
                checkpoint=self.random.random() < 0.5,
                failover_timeout=self.random.choice([0, 60, FAILOVER_TIMEOUT_MAX_S]),
            )

    def _tear_down(self) -> None:
        framework = self._framework()
        # The master may not hear of it. It has to forget the framework before all has to settle.
        if framework is not None and framework.info.failover_timeout <= FAILOVER_TIMEOUT_MAX_S:
            framework.teardown()

    def _partition(self) -> None:
        connected = [name for name in self._cluster.nodes if name not in self._cluster.isolated]
        if connected:
            self._cluster.partition(self.random.choice(connected))

    def _heal(self) -> None:
        if self._cluster.isolated:
            self._cluster.heal(self.random.choice(self._cluster.isolated))

    def _crash(self) -> None:
        alive = [name for name, node in self._cluster.nodes.items() if node.alive]
        if alive:
            self._cluster.crash(self.random.choice(alive))

    def _restart(self) -> None:
        down = [
            name
            for name, node in self._cluster.nodes.items()
            if not node.alive
            and (name not in self._cluster.frameworks or not self._cluster.frameworks[name].over)
        ]
        if down:
            self._cluster.restart(self.random.choice(down))
