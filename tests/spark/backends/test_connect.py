"""From a master URL to the mode that serves it, or to why it is refused."""

from __future__ import annotations

import pytest

from minimesos.errors import InvalidValue
from minimesos.spark.backends import mesos
from minimesos.spark.backends.coarse import CoarseGrainedCore
from minimesos.spark.backends.connect import connect
from minimesos.spark.backends.fine import FineGrainedCore
from minimesos.spark.conf import SparkConf
from minimesos.spark.errors import IllegalArgumentException, SparkException


def refused(master: str, **settings: object) -> str:
    conf = SparkConf(loadDefaults=False)
    for name, value in settings.items():
        conf.set("spark." + name.replace("_", "."), value)
    with pytest.raises((SparkException, InvalidValue)) as info:
        connect(master, conf, "/nowhere")
    return str(info.value)


def test_a_url_of_no_known_form_is_answered_with_the_known_ones() -> None:
    assert "mesos://host:port" in refused("yarn")


def test_a_zookeeper_url_is_known_and_told_what_it_needs() -> None:
    assert "needs the extra 'zk'" in refused("mesos://zk://10.0.0.1:2181,10.0.0.2:2181/mesos")


@pytest.mark.parametrize(
    ("coarse", "core"),
    [(None, CoarseGrainedCore), ("true", CoarseGrainedCore), ("false", FineGrainedCore)],
)
def test_executors_hold_their_cores_unless_the_fine_grained_mode_is_asked_for(
    coarse: str | None, core: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    monkeypatch.setattr(mesos, "MesosBackend", lambda *arguments: made.extend(arguments))
    conf = SparkConf(loadDefaults=False).setAppName("app")
    if coarse is not None:
        conf.set("spark.mesos.coarse", coarse)
    connect("mesos://127.0.0.1:5050", conf, "/nowhere")
    assert core in map(type, made)


def test_encryption_that_nobody_does_is_refused() -> None:
    conf = SparkConf(loadDefaults=False).set("spark.io.encryption.enabled", True)
    for master in ("mesos://127.0.0.1:5050", "local[1]"):
        with pytest.raises(IllegalArgumentException, match=r"spark\.io\.encryption\.enabled=true"):
            connect(master, conf, "/nowhere")


def test_dynamic_allocation_is_turned_off_with_a_warning_where_there_is_one_executor(
    caplog: pytest.LogCaptureFixture,
) -> None:
    conf = SparkConf(loadDefaults=False).set("spark.dynamicAllocation.enabled", True)
    connect("local[2]", conf, "/nowhere")
    assert conf.get("spark.dynamicAllocation.enabled") == "false"
    assert "Dynamic allocation means nothing here" in caplog.text


def test_one_executor_that_keeps_its_files_itself_needs_no_shuffle_service() -> None:
    conf = SparkConf(loadDefaults=False).set("spark.shuffle.service.enabled", True)
    connect("local[2]", conf, "/nowhere")
    assert conf.get("spark.shuffle.service.enabled") == "false"
