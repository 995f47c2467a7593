"""How executors are started, by the catalogue of Spark's own suite."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.spark.backends.executor_command import executor_command
from minimesos.spark.conf import SparkConf

ARGUMENTS = ["--executor-id", "0", "--hostname", "a b"]
QUOTED = "--executor-id 0 --hostname 'a b'"
OWN = f"exec {shlex.quote(sys.executable)} -P -m minimesos_executor spark {QUOTED}"


def command(conf: dict[str, str], kind: str = "spark", **environment: str) -> mesos_pb2.CommandInfo:
    spark = SparkConf(loadDefaults=False).setAll(conf.items())
    return executor_command(spark, kind, ARGUMENTS, environment)


def variables(info: mesos_pb2.CommandInfo) -> dict[str, str]:
    return {each.name: each.value for each in info.environment.variables}


def installed(directory: Path) -> str:
    launcher = directory / "bin" / "minimesos-executor"
    launcher.parent.mkdir()
    launcher.touch(mode=0o755)
    return str(directory)


def test_by_default_executors_run_in_the_drivers_own_interpreter() -> None:
    info = command({})
    assert info.value == OWN
    assert not info.uris


def test_an_installation_on_the_agents_has_a_launcher() -> None:
    conf = {"spark.mesos.executor.home": "/opt/mini mesos", "spark.home": "/opt/other"}
    expected = f"exec '/opt/mini mesos/bin/minimesos-executor' fine {QUOTED}"
    assert command(conf, "fine").value == expected


def test_the_home_of_the_application_stands_in(tmp_path: Path) -> None:
    assert command({"spark.home": "/only/on/agents"}).value.startswith("exec /only/on/agents/bin/")
    home = installed(tmp_path)
    assert command({"spark.home": home}).value.startswith(f"exec {home}/bin/minimesos-executor ")


def test_the_home_of_the_drivers_environment_stands_in_if_it_is_ours(tmp_path: Path) -> None:
    home = installed(tmp_path)
    assert command({}, SPARK_HOME=home).value.startswith(f"exec {home}/bin/minimesos-executor ")


def test_an_installation_of_spark_itself_is_not_taken_for_ours(tmp_path: Path) -> None:
    home = str(tmp_path)
    assert command({}, SPARK_HOME=home).value == OWN
    assert command({}, SPARK_HOME=os.path.join(home, "gone")).value == OWN
    assert command({"spark.home": home}).value == OWN


@pytest.mark.parametrize("kind", ["spark", "fine"])
@pytest.mark.parametrize("source", ["setting", "variable"])
def test_an_archive_is_fetched_and_run_from_the_directory_in_it(source: str, kind: str) -> None:
    uri = "hdfs:///test-app-1.0.0.tgz"
    if source == "setting":
        info = command({"spark.executor.uri": uri, "spark.mesos.executor.home": "/opt"}, kind)
    else:
        info = command({}, kind, SPARK_EXECUTOR_URI=uri)
    assert info.value == f"cd test-app-1*/ && exec ./bin/minimesos-executor {kind} {QUOTED}"
    assert [each.value for each in info.uris] == [uri]


def test_the_setting_of_the_archive_wins_over_the_variable() -> None:
    info = command({"spark.executor.uri": "/a.tgz"}, SPARK_EXECUTOR_URI="/b.tgz")
    assert [each.value for each in info.uris] == ["/a.tgz"]


@pytest.mark.parametrize("cache", [True, False])
def test_all_uris_are_fetched_with_or_without_the_agents_cache(cache: bool) -> None:
    conf = {
        "spark.executor.uri": "http://h/spark.tgz",
        "spark.mesos.uris": "http://h/a.txt, http://h/b.txt",
        "spark.mesos.fetcherCache.enable": str(cache),
    }
    uris = command(conf).uris
    assert [each.value for each in uris] == [
        "http://h/spark.tgz",
        "http://h/a.txt",
        "http://h/b.txt",
    ]
    assert {each.cache for each in uris} == {cache}


def test_the_environment_is_the_applications(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_USER", "ada")
    conf = {"spark.executor.memory": "2g", "spark.executorEnv.A": "1"}
    assert variables(command(conf)) == {
        "SPARK_USER": "ada",
        "SPARK_EXECUTOR_MEMORY": "2048m",
        "A": "1",
    }


def test_the_python_of_executors_comes_from_the_setting_or_the_drivers_environment() -> None:
    conf = {"spark.pyspark.python": "/opt/py"}
    assert variables(command({}, PYSPARK_PYTHON="py3"))["PYSPARK_PYTHON"] == "py3"
    assert variables(command(conf, PYSPARK_PYTHON="py3"))["PYSPARK_PYTHON"] == "/opt/py"
    conf["spark.executorEnv.PYSPARK_PYTHON"] = "/of/executors"
    assert variables(command(conf))["PYSPARK_PYTHON"] == "/of/executors"


@pytest.mark.parametrize("origin", ["spark.executor.uri", "spark.mesos.executor.home"])
def test_a_launcher_is_told_of_which_python_the_driver_is(origin: str) -> None:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert variables(command({origin: "/a.tgz"}))["MINIMESOS_DRIVER_PYTHON"] == version
    assert "MINIMESOS_DRIVER_PYTHON" not in variables(command({}))


def test_secrets_are_variables_beside_the_others() -> None:
    conf = {
        "spark.mesos.executor.secret.names": "/db/password",
        "spark.mesos.executor.secret.envkeys": "PASSWORD",
    }
    secret = command(conf).environment.variables[-1]
    assert (secret.name, secret.secret.reference.name) == ("PASSWORD", "/db/password")


def test_a_fixed_port_of_blocks_is_told_to_executors_that_must_know_it_early() -> None:
    conf = {"spark.blockManager.port": "30100"}
    assert command(conf).value.endswith(" --block-manager-port 30100")
    assert "--block-manager-port" not in command(conf, "fine").value
    assert "--block-manager-port" not in command({"spark.blockManager.port": "0"}).value
