"""Turns what tasks run (RDDs and the user's functions) into bytes, or says what cannot be.

`dumps_stage` is called once per submitted stage, on the driver, before any task of it is launched.
An RDD may travel only as part of the stage's own lineage: one that a user's function refers to is
refused here, as no job can be started inside a task.
"""

from __future__ import annotations

import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Protocol

from minimesos.spark.errors import PySparkRuntimeError

if TYPE_CHECKING:
    from minimesos.spark.lineage import Lineage

_DEPTH_MAX = 16
"""How far the search for the culprit of a failed pickle follows references."""

_REPR_MAX = 80

_CALLS_PER_STEP = 8
_CALLS_BESIDES = 1000


class Writable(Protocol):
    """What a pickle can be written to, part by part."""

    def write(self, data: Any, /) -> object:
        """Take any bytes-like object."""
        ...


class _Travelling(threading.local):
    """Ids of the RDDs that the pickle being made on this thread may contain."""

    rdd_ids: frozenset[int] = frozenset()


_travelling = _Travelling()


def dumps_stage(rdd: Lineage[Any], action: Any) -> bytes:
    """Pickle (rdd, action) for a stage; `pickle.loads` reads it in a worker.

    `action` is what a task does with a partition: a result function or a shuffle dependency. Raises
    pickle.PicklingError that names the object and what holds it.
    """
    lineage = rdd.travelling_lineage()
    _travelling.rdd_ids = frozenset(step.rdd_id for step in lineage)
    try:
        return dumps(_StageClosure((lineage, action)))
    finally:
        _travelling.rdd_ids = frozenset()


class _StageClosure(tuple[list[Any], Any]):
    """(lineage, action), which unpickles as (rdd, action); errors do not tell of it."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        lineage, action = self
        depth = sum(step.steps_within() for step in lineage)
        return _unpacked, (lineage, action, depth)


def _unpacked(lineage: list[Lineage[Any]], action: Any, depth: int) -> tuple[Lineage[Any], Any]:
    # The items of a partition pass through as many calls as its lineage has steps.
    needed = depth * _CALLS_PER_STEP + _CALLS_BESIDES
    if needed > sys.getrecursionlimit():
        sys.setrecursionlimit(needed)
    return lineage[-1], action


def dumps(value: Any) -> bytes:
    """Pickle any value with functions by value; PicklingError says what could not be."""
    import cloudpickle

    try:
        data: bytes = cloudpickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise pickle.PicklingError(_explain(value, error, cloudpickle.dumps)) from error
    return data


def dump(value: Any, file: Writable) -> None:
    """Pickle a value into a file like `dumps`. Raises PicklingError, and what the file raises."""
    import cloudpickle

    try:
        cloudpickle.dump(value, file, protocol=pickle.HIGHEST_PROTOCOL)
    except OSError:
        raise  # no room for it
    except Exception as error:
        raise pickle.PicklingError(_explain(value, error, cloudpickle.dumps)) from error


def refuse_stray(rdd: Lineage[Any]) -> None:
    """Raise unless `rdd` belongs to the lineage being pickled. Called by RDDs' reducers."""
    if rdd.rdd_id not in _travelling.rdd_ids:
        raise PySparkRuntimeError(
            "It appears that you are attempting to broadcast an RDD or reference an RDD from an "
            "action or transformation. RDD transformations and actions can only be invoked by the "
            "driver, not inside of other transformations; for example, "
            "rdd1.map(lambda x: rdd2.values.count() * x) is invalid because the values "
            "transformation and count action cannot be performed inside of the rdd1.map "
            "transformation.",
            "RDD_TRANSFORM_ONLY_VALID_ON_DRIVER",
        )


def _explain(value: Any, error: Exception, dump: Callable[[Any], bytes]) -> str:
    """Follow the parts that cannot be pickled either, down to the last one."""
    path: list[str] = []
    culprit = value
    for _ in range(_DEPTH_MAX):
        for role, part in _parts(culprit):
            if not _can(dump, part):
                path.append(role)
                culprit = part
                break
        else:
            break
    text = f"Could not serialize object: {type(error).__name__}: {error}"
    held = ", of ".join(role for role in reversed(path) if role)
    return f"{text}\nThe object is {_describe(culprit)}: {held}" if held else text


def _can(dump: Callable[[Any], bytes], part: Any) -> bool:
    try:
        dump(part)
    except Exception:  # noqa: BLE001 (as above)
        return False
    return True


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what `value` refers to, each with its role in words."""
    if isinstance(value, FunctionType):
        yield from _function_parts(value)
    elif isinstance(value, _StageClosure):
        lineage, action = value
        yield "", action
        for step in reversed(lineage):
            yield from step.closure_parts()
    elif isinstance(value, MethodType):
        yield f"the object of method {value.__qualname__}", value.__self__
    elif isinstance(value, partial):
        yield "the function of a partial", value.func
        for item in (*value.args, *value.keywords.values()):
            yield f"an argument of partial {_name(value.func)}", item
    elif isinstance(value, dict):
        for key, item in value.items():
            yield f"key {key!r:.{_REPR_MAX}} of a dict", key
            yield f"the value of key {key!r:.{_REPR_MAX}} of a dict", item
    elif isinstance(value, list | tuple | set | frozenset):
        kind = type(value).__name__
        for index, item in enumerate(value):
            yield f"item {index} of a {kind}", item
    else:
        yield from _attributes(value)


def _function_parts(function: FunctionType) -> Iterator[tuple[str, Any]]:
    where = f"function {_name(function)}"
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            yield f"variable {name!r} of {where}", cell.cell_contents
        except ValueError:
            continue  # a variable that has no value yet
    for name in _global_names(function.__code__):
        if name in function.__globals__:
            yield f"global variable {name!r} used by {where}", function.__globals__[name]
    for item in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
        yield f"a default argument of {where}", item


def _global_names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant)


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    if getattr(value, "rdd_id", None) in _travelling.rdd_ids and hasattr(value, "closure_parts"):
        yield from value.closure_parts()
        return
    if getattr(type(value), "__reduce__", None) is not object.__reduce__:
        return  # it says by itself what it consists of, or that it must not travel
    names = list(getattr(value, "__dict__", ()))
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        names += [slots] if isinstance(slots, str) else slots
    for name in names:
        if hasattr(value, name):
            yield f"attribute {name!r} of {_describe(value)}", getattr(value, name)


def _describe(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 (a user's __repr__)
        text = f"a {type(value).__name__}"
    return text if len(text) <= _REPR_MAX else f"{text[:_REPR_MAX]}..."


def _name(function: Any) -> str:
    code = getattr(function, "__code__", None)
    name = getattr(function, "__qualname__", type(function).__name__)
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code is not None else name
