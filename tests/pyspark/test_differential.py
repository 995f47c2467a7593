"""Random programs give on ours what they give on the real PySpark, and what plain lists say."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ..spark.differential.compare import promised
from ..spark.differential.draws import counts, programs, programs_with_looks
from ..spark.differential.lists import Dataset, Promise, seen
from ..spark.differential.programs import Program, Step, run
from .engines import Engine, Returned

# A job takes the real one a fifth of a second, so there are few, and always the same.
few = settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


def outcome(engine: Engine, program: Program, look: Step) -> Any:
    returned = engine.run(run, program, look)
    assert isinstance(returned, Returned), returned
    return returned.value


@few
@given(drawn=programs_with_looks())
def test_programs_give_what_the_real_one_and_lists_give(
    ours: Engine, real: Engine, drawn: tuple[Program, list[Step], Dataset]
) -> None:
    program, looks, data = drawn
    for engine in (ours, real):
        parts = outcome(engine, program, ("partitions",))
        assert promised(data, parts) == promised(data, data.parts), engine.name
        for look in looks:
            assert outcome(engine, program, look) == seen(program, look), (engine.name, look)


@few
@given(drawn=programs(), ascending=st.booleans(), count=counts)
def test_a_sort_cuts_its_partitions_where_the_real_one_does(
    ours: Engine,
    real: Engine,
    drawn: tuple[Program, bool, Dataset],
    ascending: bool,
    count: int,
) -> None:
    program, is_pairs, data = drawn
    if data.promise is not Promise.EXACT or is_pairs:
        return  # the cuts depend on which items were drawn, and so on their order
    program = program._replace(steps=(*program.steps, ("sortBy", ascending, count)))
    look = ("partitions",)
    assert outcome(ours, program, look) == outcome(real, program, look)
