"""What needs Java is refused in words that name the way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from minimesos.spark import SparkContext

CALLS: dict[str, Callable[[SparkContext, Any], Any]] = {
    "sequenceFile": lambda sc, rdd: sc.sequenceFile("path"),
    "newAPIHadoopFile": lambda sc, rdd: sc.newAPIHadoopFile("path", "a", "b", "c"),
    "newAPIHadoopRDD": lambda sc, rdd: sc.newAPIHadoopRDD("a", "b", "c"),
    "hadoopFile": lambda sc, rdd: sc.hadoopFile("path", "a", "b", "c"),
    "hadoopRDD": lambda sc, rdd: sc.hadoopRDD("a", "b", "c"),
    "_jvm": lambda sc, rdd: sc._jvm,
    "_jsc": lambda sc, rdd: sc._jsc,
    "saveAsHadoopDataset": lambda sc, rdd: rdd.saveAsHadoopDataset({}),
    "saveAsHadoopFile": lambda sc, rdd: rdd.saveAsHadoopFile("path", "a"),
    "saveAsNewAPIHadoopDataset": lambda sc, rdd: rdd.saveAsNewAPIHadoopDataset({}),
    "saveAsNewAPIHadoopFile": lambda sc, rdd: rdd.saveAsNewAPIHadoopFile("path", "a"),
    "saveAsSequenceFile": lambda sc, rdd: rdd.saveAsSequenceFile("path"),
    "toDF": lambda sc, rdd: rdd.toDF(),
    "_jrdd": lambda sc, rdd: rdd._jrdd,
    "_to_java_object_rdd": lambda sc, rdd: rdd._to_java_object_rdd(),
}


@pytest.mark.parametrize("name", CALLS)
def test_it_is_not_implemented_and_says_where_it_is(sc: SparkContext, name: str) -> None:
    with pytest.raises(NotImplementedError, match=r"NOT_IMPLEMENTED.*spark\+local") as raised:
        CALLS[name](sc, sc.parallelize([1]))
    assert name in str(raised.value)


def test_scripts_that_look_for_java_find_none(sc: SparkContext) -> None:
    assert not hasattr(sc, "_jvm")
    assert getattr(sc.parallelize([1]), "_jrdd", None) is None


def test_a_context_around_one_of_java_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="gateway"):
        SparkContext("local[1]", "app", gateway=object())


def test_executors_of_one_kind_are_told_how_to_be_set(sc: SparkContext) -> None:
    with pytest.raises(NotImplementedError, match=r"spark\.executor\.cores"):
        sc.parallelize([1]).withResources(object())
    assert sc.parallelize([1]).getResourceProfile() is None
