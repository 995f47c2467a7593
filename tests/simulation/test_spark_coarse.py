"""Coarse-grained Spark applications in a cluster."""

from __future__ import annotations

from minimesos.testing.cluster import SimCluster
from minimesos.testing.spark_application import SimSparkApplication

ONE_CORE = {"spark.executor.cores": "1", "spark.executor.memory": "100m"}


def application(cluster: SimCluster, name: str = "app", **conf: object) -> SimSparkApplication:
    settings = {"spark." + key.replace("_", "."): str(value) for key, value in conf.items()}
    return SimSparkApplication(cluster, name, ONE_CORE | settings)


def test_executors_start_do_the_work_and_leave_nothing_behind() -> None:
    cluster = SimCluster(seed=1, agents=2, cpus=4, mem=8192)
    app = application(cluster, cores_max=3)
    app.submit_tasks(30)
    assert cluster.run_until(lambda: app.work.is_done, 60)
    assert sorted(app.driver.executors) == ["0", "1", "2"]
    assert cluster.master.allocated("*").cpus == 3
    app.stop()
    cluster.advance(5)
    assert app.lost == []
    assert cluster.master.cluster.frameworks == {}
    cluster.settle()
