"""Closures travel with what they use; one that cannot is refused before any task, by its name."""

from __future__ import annotations

import operator
import pickle
import threading
from collections import namedtuple
from functools import partial
from typing import Any

import pytest

from minimesos.spark import SparkContext, closure

LOCK = threading.Lock()


class Holder:
    def __init__(self) -> None:
        self.fine = 1
        self.lock = threading.Lock()

    def method(self, x: int) -> int:
        return x


def refusal(sc: SparkContext, function: Any) -> str:
    """The text of the error of a job that uses `function`."""
    with pytest.raises(pickle.PicklingError) as caught:
        sc.parallelize([1]).map(function).map(str).count()
    return str(caught.value)


def test_a_captured_variable_is_named(sc: SparkContext) -> None:
    lock = threading.Lock()
    text = refusal(sc, lambda x: (x, lock))
    assert "Could not serialize object: TypeError: cannot pickle '_thread.lock' object" in text
    assert "variable 'lock' of function" in text
    assert f"of what was given to map at {__file__}:" in text


def test_a_global_variable_is_named(sc: SparkContext) -> None:
    # Functions of this module would travel by name; one that was made from text travels by value.
    scope = {"LOCK": LOCK}
    exec("def use(x):\n    return (x, LOCK)", scope)
    assert "global variable 'LOCK' used by function use" in refusal(sc, scope["use"])


def test_an_attribute_of_a_captured_object_is_named(sc: SparkContext) -> None:
    holder = Holder()
    assert "attribute 'lock' of <" in refusal(sc, holder.method)
    assert "the object of method Holder.method" in refusal(sc, holder.method)


def test_defaults_partials_and_containers_are_followed(sc: SparkContext) -> None:
    def with_default(x: int, lock: Any = threading.Lock()) -> int:  # noqa: B008
        return x

    assert "a default argument of function" in refusal(sc, with_default)
    items = {"a": [1, threading.Lock()]}
    text = refusal(sc, partial(lambda items, x: x, items))
    assert "item 1 of a list, of the value of key 'a' of a dict, of an argument of partial" in text


def test_an_rdd_inside_a_function_is_refused(sc: SparkContext) -> None:
    other = sc.parallelize([2])
    text = refusal(sc, lambda x: other.count())
    assert "RDD_TRANSFORM_ONLY_VALID_ON_DRIVER" in text
    assert "variable 'other'" in text
    with pytest.raises(pickle.PicklingError, match="attempting to broadcast an RDD"):
        sc.broadcast(other)


def test_the_context_inside_a_function_is_refused(sc: SparkContext) -> None:
    text = refusal(sc, lambda x: sc.version)
    assert "CONTEXT_ONLY_VALID_ON_DRIVER" in text
    assert "The object is <SparkContext master=local[4] appName=test>: variable 'sc'" in text


def test_functions_and_classes_travel_by_value(sc: SparkContext) -> None:
    class Local:
        def __init__(self, x: int) -> None:
            self.x = x

    def fib(n: int) -> int:
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    travelled = pickle.loads(closure.dumps((fib, Local(3))))
    assert (travelled[0](10), travelled[1].x) == (55, 3)
    assert sc.parallelize([10]).map(fib).map(Local).map(lambda o: o.x).collect() == [55]


def test_later_jobs_have_the_values_that_globals_have_then(sc: SparkContext) -> None:
    scope: dict[str, Any] = {"STEP": 1}
    exec("def use(x):\n    return x + STEP", scope)
    assert sc.parallelize([0]).map(scope["use"]).collect() == [1]
    scope["STEP"] = 2
    assert sc.parallelize([0]).map(scope["use"]).collect() == [2]


def test_functions_of_any_kind_travel(sc: SparkContext) -> None:
    Point = namedtuple("Point", "x y")

    def factorial(n: int) -> int:
        return n * factorial(n - 1) if n else 1

    pairs = sc.parallelize([(1, 2), (3, 4)], 2)
    assert pairs.map(operator.itemgetter(1)).map(factorial).collect() == [2, 24]
    points = pairs.map(lambda pair: Point(*pair))
    assert points.map(operator.attrgetter("y")).collect() == [2, 4]
    assert points.map(tuple).collect() == [(1, 2), (3, 4)]


def test_a_large_captured_value_arrives_whole(sc: SparkContext) -> None:
    numbers = [n / 7 for n in range(200_000)]
    assert sc.parallelize(range(3), 3).map(lambda i: (len(numbers), numbers[i])).collect() == [
        (200_000, i / 7) for i in range(3)
    ]
