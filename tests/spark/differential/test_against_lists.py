"""Programs of two to eight operations give what plain lists say, also when memory is short."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from minimesos.spark import SparkContext

from .compare import promised
from .draws import programs_with_looks
from .lists import Dataset, seen
from .programs import Program, Step, run

EXAMPLES = 150
relaxed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def hold_against_lists(
    sc: SparkContext, program: Program, looks: list[Step], data: Dataset
) -> None:
    parts = run(sc, program, ("partitions",))
    assert promised(data, parts) == promised(data, data.parts)
    for look in looks:
        assert run(sc, program, look) == seen(program, look), look


@relaxed
@given(drawn=programs_with_looks())
def test_programs_give_what_lists_give(
    sc: SparkContext, drawn: tuple[Program, list[Step], Dataset]
) -> None:
    hold_against_lists(sc, *drawn)


@relaxed
@given(drawn=programs_with_looks())
def test_programs_that_spill_give_what_lists_give(
    spilling: SparkContext, drawn: tuple[Program, list[Step], Dataset]
) -> None:
    hold_against_lists(spilling, *drawn)
