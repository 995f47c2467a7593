"""pytest fixtures of clusters. A project takes them by a line in its top `conftest.py`:

    pytest_plugins = ["minimesos.testing.plugin"]

They are no entry point of pytest's, because pytest would then rewrite the assertions of the whole
package, in every run of everybody who has it installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from minimesos.spark.context import SparkContext
    from minimesos.testing import LocalCluster, SimCluster


@pytest.fixture
def sim_cluster() -> SimCluster:
    """A simulated cluster of two agents, in virtual time."""
    from minimesos.testing import SimCluster

    return SimCluster(agents=2)


@pytest.fixture
def local_cluster() -> Iterator[LocalCluster]:
    """A real cluster of two agents, in this process."""
    from minimesos.testing import LocalCluster

    with LocalCluster() as cluster:
        yield cluster


@pytest.fixture
def spark_context(local_cluster: LocalCluster) -> SparkContext:
    """A SparkContext on `local_cluster`, stopped with it."""
    return local_cluster.spark_context()
