"""Accumulators: variables that tasks only add to, and only the driver reads.

A task's additions travel with its result and are merged by `add_updates` when the scheduler accepts
that result: once per partition in actions; transformations may add again when they are recomputed.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from minimesos.spark.errors import PySparkRuntimeError, PySparkTypeError
from minimesos.spark.taskcontext import TaskContext

T = TypeVar("T")
U = TypeVar("U")

_ids = itertools.count()
_on_driver: WeakValueDictionary[int, Accumulator[Any]] = WeakValueDictionary()


class AccumulatorParam(Generic[T]):
    """How values of one type are added."""

    def zero(self, value: T) -> T:
        """Return the neutral value of the same kind as `value` (of equal length, say)."""
        raise NotImplementedError

    def addInPlace(self, value1: T, value2: T) -> T:
        """Return the sum; may change and return `value1`."""
        raise NotImplementedError


class AddingAccumulatorParam(AccumulatorParam[U]):
    """Adds with `+`, from the given zero."""

    def __init__(self, zero_value: U) -> None:
        self.zero_value = zero_value

    def zero(self, value: U) -> U:
        return self.zero_value

    def addInPlace(self, value1: U, value2: U) -> U:
        value1 += value2  # type: ignore[operator]
        return value1


INT_ACCUMULATOR_PARAM = AddingAccumulatorParam(0)
FLOAT_ACCUMULATOR_PARAM = AddingAccumulatorParam(0.0)
COMPLEX_ACCUMULATOR_PARAM = AddingAccumulatorParam(0.0j)


def default_param(value: Any) -> AccumulatorParam[Any]:
    """Return how numbers are added; TypeError for anything else."""
    # A bool counts as an int, as in PySpark.
    for kind, param in (
        (int, INT_ACCUMULATOR_PARAM),
        (float, FLOAT_ACCUMULATOR_PARAM),
        (complex, COMPLEX_ACCUMULATOR_PARAM),
    ):
        if isinstance(value, kind):
            return param
    raise PySparkTypeError(f"No default accumulator param for type {type(value)}")


class Accumulator(Generic[T]):
    """A variable that tasks add to with `add` or `+=`."""

    def __init__(self, value: T, accum_param: AccumulatorParam[T]) -> None:
        self.aid = next(_ids)
        self.accum_param = accum_param
        self._value = value
        self._is_copy = False
        self._zero = accum_param.zero(value)
        self._task: TaskContext | None = None
        _on_driver[self.aid] = self

    @property
    def value(self) -> T:
        """The sum so far; only on the driver."""
        self._require_driver("value")
        return self._value

    @value.setter
    def value(self, value: T) -> None:
        self._require_driver("value")
        self._value = value

    def add(self, term: T) -> None:
        """Add a term."""
        if self._is_copy and self._task is not TaskContext._running.task:
            self._enter_task()
        self._value = self.accum_param.addInPlace(self._value, term)

    def __iadd__(self, term: T) -> Accumulator[T]:
        self.add(term)
        return self

    def task_value(self) -> T:
        """Return what the current task has added."""
        return self._value

    def _enter_task(self) -> None:
        """Start from zero: a worker keeps closures, and so this object, from task to task."""
        self._task = TaskContext.get()
        self._value = copy.deepcopy(self._zero)
        if self._task is not None:
            self._task.accumulators[self.aid] = self

    def _require_driver(self, what: str) -> None:
        if self._is_copy:
            raise PySparkRuntimeError(
                f"Value `{what}` cannot be accessed inside tasks.", "VALUE_NOT_ACCESSIBLE"
            )

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _copy_in_worker, (self.aid, self._zero, self.accum_param)

    def __str__(self) -> str:
        return str(self._value)

    def __repr__(self) -> str:
        return f"Accumulator<id={self.aid}, value={self._value}>"


def _copy_in_worker(aid: int, zero: T, param: AccumulatorParam[T]) -> Accumulator[T]:
    copied: Accumulator[T] = Accumulator.__new__(Accumulator)
    copied.aid = aid
    copied.accum_param = param
    copied._is_copy = True
    copied._zero = zero
    copied._value = zero
    copied._task = None
    return copied


def add_updates(updates: Iterable[tuple[int, Any]]) -> None:
    """Merge a task's additions on the driver; those of accumulators nobody holds are dropped."""
    for aid, term in updates:
        accumulator = _on_driver.get(aid)
        if accumulator is not None:
            accumulator.add(term)
