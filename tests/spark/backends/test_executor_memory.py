"""The memory that Mesos is asked for, by the vectors of Spark's own suite."""

from __future__ import annotations

import pytest

from minimesos.spark.backends.executor_memory import container_memory_mb


@pytest.mark.parametrize(
    ("memory", "container_mb"), [("512m", 896), ("4g", 4505), ("100m", 484), ("1g", 1408)]
)
def test_the_overhead_is_a_tenth_but_not_less_than_384_mb(memory: str, container_mb: int) -> None:
    assert container_memory_mb({"spark.executor.memory": memory}) == container_mb


@pytest.mark.parametrize(("overhead", "container_mb"), [("512", 1536), ("0", 1024)])
def test_an_overhead_that_is_set_replaces_the_default(overhead: str, container_mb: int) -> None:
    conf = {"spark.executor.memory": "1g", "spark.mesos.executor.memoryOverhead": overhead}
    assert container_memory_mb(conf) == container_mb
