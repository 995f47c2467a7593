"""Clusters under misfortune drawn from a seed: rules hold throughout, and then all is at rest."""

from __future__ import annotations

import pytest

from minimesos.testing.builders import Capability
from minimesos.testing.cluster import SimCluster
from minimesos.testing.nemesis import torment


@pytest.mark.seeds(8)
def test_a_tormented_cluster_breaks_no_rule_and_settles(seed):
    cluster = SimCluster(seed=seed, agents=3)
    cluster.subscribe("batch", "a", failover_timeout=1e6, checkpoint=True)
    cluster.subscribe(
        "service", "b", failover_timeout=1e6, capabilities=[Capability.PARTITION_AWARE]
    )
    cluster.subscribe(
        "short-lived",
        "a/x",
        failover_timeout=100,
        checkpoint=True,
        capabilities=[Capability.MULTI_ROLE, Capability.PARTITION_AWARE],
    )
    torment(cluster, seconds=1200)
    cluster.settle()
