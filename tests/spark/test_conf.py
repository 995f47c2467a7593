"""The configuration's setters and getters, and the texts that settings are."""

from __future__ import annotations

import pytest

from minimesos.spark import SparkConf
from minimesos.spark.conf import parse_memory_mb, parse_seconds


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [("512m", 512), ("1g", 1024), ("2G", 2048), ("2048k", 2), ("1t", 1024**2), ("300", 300)],
)
def test_sizes(text: str, expected: int) -> None:
    assert parse_memory_mb(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3s", 3), ("200ms", 0.2), ("5min", 300), ("1m", 60), ("2h", 7200), ("1d", 86400), ("7", 7)],
)
def test_times(text: str, expected: float) -> None:
    assert parse_seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "g", "1x", "1.5g", "1 g b"])
def test_malformed_texts_are_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_memory_mb(text)
    with pytest.raises(ValueError, match="is not a time"):
        parse_seconds(text)
