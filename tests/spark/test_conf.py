"""The configuration's setters and getters."""

from __future__ import annotations

import pytest

from minimesos.spark import SparkConf


def empty() -> SparkConf:
    return SparkConf(loadDefaults=False)


def test_setters_chain_and_values_become_text() -> None:
    conf = empty().setMaster("local").setAppName("app").setSparkHome("/opt").set("spark.n", 3)
    conf.setAll([("spark.a", "1"), ("spark.flag", True)]).setIfMissing("spark.a", "2")
    assert dict(conf.getAll()) == {
        "spark.master": "local",
        "spark.app.name": "app",
        "spark.home": "/opt",
        "spark.n": "3",
        "spark.a": "1",
        "spark.flag": "true",
    }
    assert conf.get("spark.none") is None
    assert conf.get("spark.none", "default") == "default"
    assert conf.contains("spark.n")
    assert conf.toDebugString().splitlines()[0] == "spark.a=1"
    assert "token=*********(redacted)" in empty().set("spark.token", "x").toDebugString()
    with pytest.raises(ValueError, match=r"null value for spark\.x"):
        conf.set("spark.x", None)


def test_executor_environment_is_one_variable_or_pairs() -> None:
    conf = empty().setExecutorEnv("A", "1").setExecutorEnv(pairs=[("B", "2"), ("C", "3")])
    assert [conf.get(f"spark.executorEnv.{name}") for name in "ABC"] == ["1", "2", "3"]
    with pytest.raises(RuntimeError, match="KEY_VALUE_PAIR_REQUIRED"):
        conf.setExecutorEnv()
    with pytest.raises(RuntimeError, match="KEY_VALUE_PAIR_REQUIRED"):
        conf.setExecutorEnv("A", "1", [("B", "2")])


def test_defaults_are_those_of_the_submission(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--master local[7] --name submitted pyspark-shell")
    assert SparkConf().get("spark.master") == "local[7]"
    assert SparkConf(loadDefaults=False).get("spark.master") is None
