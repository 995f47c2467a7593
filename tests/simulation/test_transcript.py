"""One seed, one story: whatever the process's hash seed, byte for byte."""

from __future__ import annotations

import os
import subprocess
import sys

from minimesos.testing.cluster import SimCluster
from minimesos.testing.nemesis import torment

PROGRAM = """
import logging
logging.disable(logging.CRITICAL)
from minimesos.testing.cluster import SimCluster
from minimesos.testing.nemesis import torment
cluster = SimCluster(seed=5)
cluster.subscribe("spark", "a", failover_timeout=1000)
torment(cluster, 300)
print(cluster.transcript)
"""


def story(seed):
    cluster = SimCluster(seed=seed)
    cluster.subscribe("spark", "a", failover_timeout=1000)
    torment(cluster, 300)
    return cluster.transcript


def test_the_same_seed_tells_the_same_story_and_another_seed_another():
    assert story(5) == story(5)
    assert story(5) != story(6)


def test_the_story_does_not_depend_on_the_hash_seed_of_the_process():
    stories = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert stories[0] == stories[1]
    assert "RegisterAgent" in stories[0]


def test_a_transcript_can_be_read():
    cluster = SimCluster(seed=1, agents=1)
    framework = cluster.subscribe("spark")
    framework.launch_on("agent-1")
    lines = cluster.transcript.splitlines()
    assert any("agent-1 <- master: RunTask task_id=spark-task-0" in line for line in lines)
    assert any("type=UPDATE task_id=spark-task-0 state=TASK_RUNNING" in line for line in lines)
