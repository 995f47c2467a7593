"""Programs made up by hypothesis: only steps whose outcome PySpark's API promises.

A step that depends on the order of items is drawn only where that order is certain.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from .lists import Dataset, Promise, result
from .programs import Program, Step

ITEMS_MAX = 3000
"""Programs whose data grows beyond that take no more steps."""
_IN_ORDER = (Promise.EXACT, Promise.ORDERED)

counts = st.integers(1, 6)
seeds = st.integers(0, 2**32)
fractions = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])
numbers = st.one_of(st.integers(-50, 50), st.integers(-(2**70), 2**70))
sources = st.builds(
    Program, st.lists(numbers, max_size=60).map(tuple), st.integers(1, 7), st.just(())
)
pairs = sources.map(lambda program: program._replace(steps=(("keyBy", "modulo_or_none"),)))


def step(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.tuples(st.just(name), *arguments)


unary = st.sampled_from(["double", "shifted", "modulo"])
of_numbers = [
    step("map", unary),
    step("filter", st.sampled_from(["is_even", "is_small"])),
    step("flatMap", st.just("some_of")),
    step("distinct", counts),
    step("union", sources),
    step("intersection", sources),
    step("subtract", sources, counts),
    step("sortBy", st.booleans(), counts),
]
to_pairs = [step("keyBy", st.sampled_from(["modulo", "modulo_or_none"]))]
of_pairs = [
    step("mapValues", unary),
    step("flatMapValues", st.just("some_of")),
    step("partitionBy", counts),
    *(
        step(name, counts)
        for name in ("reduceByKey", "foldByKey", "aggregateByKey", "combineByKey", "groupByKey")
    ),
    *(
        step(name, pairs, counts)
        for name in (
            *("join", "leftOuterJoin", "rightOuterJoin", "fullOuterJoin"),
            *("cogroup", "subtractByKey"),
        )
    ),
]
from_pairs = [
    step("keys"),
    step("values"),
    step("sortedKeys", st.booleans(), counts),
    step("sortedWithin", st.booleans(), counts),
]
of_all = [step("coalesce", counts), step("repartition", counts), step("cache")]
sampled = [
    step("sample", st.just(False), fractions, seeds),
    step("sample", st.just(True), st.sampled_from([0.3, 1.0, 2.5]), seeds),
    step("randomSplit", st.just([2.0, 1.0, 3.0]), seeds, st.integers(0, 2)),
]
"""Which items they take depends on their order in their partitions."""


def steps_for(data: Dataset, is_pairs: bool) -> list[st.SearchStrategy[Step]]:
    """Return the steps whose outcome is certain after `data`."""
    exact = data.promise is Promise.EXACT
    choices = [*of_all, *(sampled if exact else [])]
    if is_pairs:
        choices += of_pairs + from_pairs
        if exact:
            choices.append(step("sampleByKey", fractions, seeds))
        return choices
    choices += of_numbers + to_pairs
    if exact:
        choices += [step("mapPartitions"), step("zipWithUniqueId"), step("zip")]
    if data.promise in (Promise.EXACT, Promise.PLACED):
        choices += [step("mapPartitionsWithIndex"), step("glom")]
    if data.promise in _IN_ORDER:
        choices.append(step("zipWithIndex"))
    if len(data.items) < 40:
        choices.append(step("cartesian", sources))
    return choices


_MAKES_PAIRS = {"keyBy", "zip", "zipWithIndex", "zipWithUniqueId", "cartesian"}
_MAKES_NUMBERS = {"keys", "values", "sortedKeys", "sortedWithin"}


@st.composite
def programs(draw: st.DrawFn) -> tuple[Program, bool, Dataset]:
    """Draw a program of two to eight steps; say whether it ends in pairs, and with what."""
    program = draw(sources)
    is_pairs = False
    data = result(program)
    for _ in range(draw(st.integers(2, 8))):
        if len(data.items) > ITEMS_MAX:
            break
        chosen = draw(st.one_of(steps_for(data, is_pairs)))
        is_pairs = chosen[0] in _MAKES_PAIRS or (is_pairs and chosen[0] not in _MAKES_NUMBERS)
        program = program._replace(steps=(*program.steps, chosen))
        data = result(program)
    return program, is_pairs, data


def looks_for(data: Dataset, is_pairs: bool) -> st.SearchStrategy[Step]:
    """Return actions whose result is certain."""
    choices = [step("count"), step("isEmpty"), step("countByValue")]
    if data.promise in _IN_ORDER:
        choices += [step("take", st.integers(0, 30)), step("toLocalIterator")]
    if data.promise is Promise.EXACT:
        replace = st.booleans()
        choices.append(step("takeSample", replace, st.integers(0, 20), seeds))
    if is_pairs:
        choices += [step("countByKey"), step("lookup", st.integers(0, 4))]
        choices.append(step("reduceByKeyLocally"))
        if data.promise in _IN_ORDER:
            choices.append(step("collectAsMap"))
        return st.one_of(choices)
    choices += [step("sum"), step("fold"), step("aggregate")]
    choices += [step("takeOrdered", st.integers(0, 10)), step("top", st.integers(0, 10))]
    choices.append(step("treeAggregate", st.integers(1, 4)))
    if data.items:
        choices.append(step("histogram", st.just([-100, -10, 0, 5, 90])))
    return st.one_of(choices)


@st.composite
def programs_with_looks(draw: st.DrawFn) -> tuple[Program, list[Step], Dataset]:
    """Draw a program and actions on what it gives."""
    program, is_pairs, data = draw(programs())
    looks = draw(st.lists(looks_for(data, is_pairs), max_size=2))
    return program, looks, data
