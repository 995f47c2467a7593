"""Clusters for tests, of frameworks, of Spark scripts and of minimesos itself.

`SimCluster` is simulated, in virtual time; `LocalCluster` is real, in this process;
`ProcessCluster` is real, in processes of its own. Builders of valid messages are in
`minimesos.testing.builders`, pytest fixtures in `minimesos.testing.plugin`. Each cluster is
imported when it is first asked for: who simulates needs no gRPC.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minimesos.testing.cluster import SimCluster
    from minimesos.testing.local_cluster import LocalCluster
    from minimesos.testing.processes import ProcessCluster

__all__ = ["LocalCluster", "ProcessCluster", "SimCluster"]

_MODULES = {
    "LocalCluster": "local_cluster",
    "ProcessCluster": "processes",
    "SimCluster": "cluster",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
