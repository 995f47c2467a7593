"""Which stages carry what the driver has shipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minimesos.spark import SparkFiles
from minimesos.spark.env import DRIVER, Location
from minimesos.spark.files import ShippedFiles
from minimesos.spark.shipment import Shipment


@pytest.fixture
def files(tmp_path: Path) -> Iterator[ShippedFiles]:
    directory = tmp_path / "driver"
    directory.mkdir()
    made = ShippedFiles(str(directory), {"spark.files.overwrite": "true"})
    yield made
    made.close()


def shipped(files: ShippedFiles) -> Shipment:
    return Shipment(files.version, Location(DRIVER, "localhost", "", str(Path(files.root).parent)))


def read(_: object) -> list[str]:
    root = Path(SparkFiles.getRootDirectory())
    return sorted(path.name for path in root.iterdir()) if root.exists() else []


def test_stages_that_are_submitted_later_see_what_was_shipped(
    new_cluster: Any, files: ShippedFiles, tmp_path: Path
) -> None:
    cluster = new_cluster(executors=1)
    data = cluster.parallelize([1], 1)
    assert data.map(read).collect() == [[]]
    (tmp_path / "late").touch()
    files.add_file(str(tmp_path / "late"))
    cluster.scheduler.ship(shipped(files), cluster.now)
    assert data.map(read).collect() == [["late"]]


def test_a_stage_of_a_running_job_sees_what_was_shipped_since_the_job_began(
    new_cluster: Any, files: ShippedFiles, tmp_path: Path
) -> None:
    cluster = new_cluster(executors=1)
    (tmp_path / "late").touch()
    files.add_file(str(tmp_path / "late"))

    def ship(step: int) -> None:
        if step == 1:
            cluster.scheduler.ship(shipped(files), cluster.now)

    cluster.before_step = ship
    pairs = cluster.parallelize([(1, 1)], 1).map(lambda pair: (tuple(read(0)), 1))
    found = pairs.reduceByKey(lambda a, b: a + b, 1).map(lambda pair: (list(pair[0]), read(0)))
    assert found.collect() == [([], ["late"])]


def test_a_shipment_that_is_late_does_not_hide_a_newer_one(
    new_cluster: Any, files: ShippedFiles, tmp_path: Path
) -> None:
    cluster = new_cluster(executors=1)
    old = shipped(files)
    (tmp_path / "new").touch()
    files.add_file(str(tmp_path / "new"))
    for shipment in (shipped(files), old):
        cluster.scheduler.ship(shipment, cluster.now)
    assert cluster.parallelize([1], 1).map(read).collect() == [["new"]]
