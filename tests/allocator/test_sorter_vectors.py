"""The order of the DRF sorter, step by step, with the ledger of shares that explains each step."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest

from minimesos.allocator.sorter import ClusterTotal, Sorter
from minimesos.errors import InvariantViolated


def amounts(cpus: float, mem: float) -> dict[str, int]:
    return {"cpus": int(cpus * 1000), "mem": int(mem * 1000)}


class Ledger:
    """A sorter whose clients are added active, and whose total can be replaced."""

    def __init__(self, cpus: float = 100, mem: float = 100) -> None:
        self.cluster = ClusterTotal()
        self.cluster.add(amounts(cpus, mem))
        self.sorter = Sorter(self.cluster)

    def add(self, client: str, cpus: float = 0, mem: float = 0, weight: int | str = 1) -> None:
        self.sorter.add(client)
        self.sorter.activate(client)
        self.sorter.update_weight(client, Fraction(weight))
        if cpus or mem:
            self.sorter.allocated(client, amounts(cpus, mem))

    def give(self, client: str, cpus: float, mem: float) -> None:
        self.sorter.allocated(client, amounts(cpus, mem))

    def take(self, client: str, cpus: float, mem: float) -> None:
        self.sorter.unallocated(client, amounts(cpus, mem))

    def set_total(self, cpus: float, mem: float) -> None:
        self.cluster.subtract(dict(self.cluster.quantities()))
        self.cluster.add(amounts(cpus, mem))

    @property
    def order(self) -> list[str]:
        return list(self.sorter.sort())


def grant_tasks(
    ledger: Ledger, demands: dict[str, dict[str, int]], left: dict[str, int]
) -> list[str]:
    """Give one task at a time to the head of the order until it no longer fits anywhere."""
    picks = []
    while True:
        fitting = (
            client
            for client in ledger.order
            if all(left[name] >= amount for name, amount in demands[client].items())
        )
        client = next(fitting, None)
        if client is None:
            return picks
        ledger.sorter.allocated(client, demands[client])
        for name, amount in demands[client].items():
            left[name] -= amount
        picks.append(client)


def test_V1_the_example_of_the_paper_gives_A_three_tasks_and_B_two() -> None:
    ledger = Ledger(cpus=9, mem=18)
    ledger.add("A")
    ledger.add("B")
    left = amounts(9, 18)
    # step  pick              share A  share B  used
    #    1  A (tie: by name)  2/9      0        1, 4
    #    2  B                 2/9      1/3      4, 5
    #    3  A                 4/9      1/3      5, 9
    #    4  B                 4/9      2/3      8, 10
    #    5  A                 2/3      2/3      9, 14
    picks = grant_tasks(ledger, {"A": amounts(1, 4), "B": amounts(3, 1)}, left)
    assert "".join(picks) == "ABABA"
    assert ledger.sorter.dominant("A") == ("mem", Fraction(2, 3))
    assert ledger.sorter.dominant("B") == ("cpus", Fraction(2, 3))
    assert left == amounts(0, 4)


def test_V1_scaled_by_ten_interleaves_the_same_way() -> None:
    ledger = Ledger(cpus=90, mem=180)
    ledger.add("A")
    ledger.add("B")
    picks = grant_tasks(ledger, {"A": amounts(1, 4), "B": amounts(3, 1)}, amounts(90, 180))
    assert "".join(picks).startswith("ABABABAABABAABABAABABAAB")
    assert (picks.count("A"), picks.count("B")) == (30, 20)


def test_V1_with_weight_two_B_gets_twice_the_share() -> None:
    ledger = Ledger(cpus=90, mem=180)
    ledger.add("A")
    ledger.add("B", weight=2)
    left = amounts(90, 180)
    picks = grant_tasks(ledger, {"A": amounts(1, 4), "B": amounts(3, 1)}, left)
    assert "".join(picks).startswith("ABBABABABBABABABBABABABB")
    assert (picks.count("A"), picks.count("B")) == (18, 24)
    assert left == amounts(0, 84)


def test_V2_weights_one_two_three_repeat_exactly_where_doubles_would_slip() -> None:
    ledger = Ledger(cpus=60, mem=60)
    for client, weight in (("a", 1), ("b", 2), ("c", 3)):
        ledger.add(client, weight=weight)
    picks = grant_tasks(ledger, dict.fromkeys("abc", amounts(1, 0)), amounts(60, 0))
    # The 19th pick is a: 9/60/3 = 6/60/2 = 3/60/1, and a was picked least often.
    assert "".join(picks) == "abccbc" * 10


def test_V3_weights_count_at_every_level_of_the_tree() -> None:
    ledger = Ledger(cpus=100, mem=100)
    ledger.add("eng/web", weight=3)
    ledger.add("eng/batch")
    ledger.add("sales")
    ledger.sorter.update_weight("eng", Fraction(2))
    clients = ("eng/web", "eng/batch", "sales")
    picks = grant_tasks(ledger, dict.fromkeys(clients, amounts(1, 0)), amounts(100, 0))
    short = {"eng/web": "w", "eng/batch": "b", "sales": "s"}
    assert "".join(short[pick] for pick in picks[:16]) == "bswswwsbwswwsbws"
    assert {client: picks.count(client) for client in clients} == {
        "eng/web": 49,
        "eng/batch": 17,
        "sales": 34,
    }


def test_V4_the_order_follows_allocations_totals_and_activity() -> None:
    ledger = Ledger()
    ledger.add("a", 5, 5)
    ledger.add("b", 6, 6)
    assert ledger.order == ["a", "b"]  # .05 .06

    ledger.add("c", 1, 1)
    ledger.add("d", 3, 1)
    assert ledger.order == ["c", "d", "a", "b"]  # .01 .03 .05 .06

    ledger.sorter.remove("a")
    ledger.take("b", 4, 4)
    assert ledger.order == ["c", "b", "d"]  # .01 .02 .03

    ledger.add("e", 1, 5)
    ledger.set_total(50, 100)
    assert ledger.order == ["c", "b", "e", "d"]  # .02 .04 .05 .06

    ledger.add("f", 5, 1)
    ledger.set_total(50, 200)
    ledger.give("c", 0, 15)
    assert ledger.order == ["e", "b", "d", "c", "f"]  # .025 .04 .06 .08 .1

    ledger.sorter.deactivate("d")
    assert ledger.order == ["e", "b", "c", "f"]

    ledger.sorter.activate("d")
    assert ledger.order == ["e", "b", "d", "c", "f"]


def test_V5_weights_divide_shares() -> None:
    ledger = Ledger()
    ledger.add("a", 5, 5)
    ledger.add("b", 6, 6, weight=2)
    assert ledger.order == ["b", "a"]  # .03 .05

    ledger.add("c", 4, 4)
    assert ledger.order == ["b", "c", "a"]  # .03 .04 .05

    ledger.add("d", 10, 20, weight=10)
    assert ledger.order == ["d", "b", "c", "a"]  # .02 .03 .04 .05

    ledger.sorter.remove("b")
    assert ledger.order == ["d", "c", "a"]

    ledger.give("d", 10, 25)
    assert ledger.order == ["c", "d", "a"]  # .04 .045 .05

    ledger.add("e", 1, 1, weight="0.1")
    assert ledger.order == ["c", "d", "a", "e"]  # .04 .045 .05 .1

    ledger.sorter.remove("a")
    assert ledger.order == ["c", "d", "e"]


def ledger_of_equal_shares() -> Ledger:
    """All hold 3/3: a, b and e by one allocation, c by three, d by two."""
    ledger = Ledger()
    for client in "abcde":
        ledger.add(client)
    for client in "abe":
        ledger.give(client, 3, 3)
    for _ in range(3):
        ledger.give("c", 1, 1)
    ledger.give("d", 2, 2)
    ledger.give("d", 1, 1)
    return ledger


def test_V6_equal_shares_go_by_allocation_count_then_name() -> None:
    ledger = ledger_of_equal_shares()
    assert ledger.order == ["a", "b", "e", "d", "c"]  # counts 1 1 1 2 3

    ledger.take("c", 3, 3)
    assert ledger.order == ["c", "a", "b", "e", "d"]  # c has share 0

    ledger.give("c", 3, 3)
    assert ledger.order == ["a", "b", "e", "d", "c"]  # counts 1 1 1 2 4


def test_V6_the_allocation_count_survives_inactivity() -> None:
    ledger = ledger_of_equal_shares()
    ledger.sorter.deactivate("a")
    ledger.sorter.activate("a")
    assert ledger.order == ["a", "b", "e", "d", "c"]

    ledger.sorter.deactivate("a")
    ledger.take("a", 3, 3)
    ledger.give("a", 3, 3)
    assert ledger.order == ["b", "e", "d", "c"]

    ledger.sorter.activate("a")
    assert ledger.order == ["b", "e", "a", "d", "c"]  # counts 1 1 2 2 3


def test_V7_inner_nodes_hold_the_sum_of_their_subtree() -> None:
    ledger = Ledger()
    ledger.add("a", 6, 6)
    ledger.add("b/c", 4, 4)
    ledger.add("b/d", 3, 3)
    assert ledger.order == ["a", "b/d", "b/c"]  # a .06, b .07 (.03 .04)

    ledger.give("a", 2, 2)
    assert ledger.order == ["b/d", "b/c", "a"]  # b .07, a .08

    ledger.add("b/e/f")
    assert ledger.order == ["b/e/f", "b/d", "b/c", "a"]  # b .07 (0 .03 .04), a .08

    ledger.give("b/e/f", 3.5, 3.5)
    assert ledger.order == ["a", "b/d", "b/e/f", "b/c"]  # a .08, b .105 (.03 .035 .04)

    ledger.sorter.remove("b/e/f")
    assert ledger.order == ["b/d", "b/c", "a"]  # b .07, a .08

    ledger.take("b/c", 3, 3)
    assert ledger.order == ["b/c", "b/d", "a"]  # b .04 (.01 .03), a .08


def test_V7_a_client_with_clients_below_it_competes_with_them() -> None:
    ledger = Ledger()
    for client in ("a/b", "c", "d", "d/e"):
        ledger.add(client)
    assert ledger.order == ["a/b", "c", "d", "d/e"]

    ledger.give("c", 8, 8)
    assert ledger.order == ["a/b", "d", "d/e", "c"]

    ledger.give("d", 3, 3)
    ledger.give("d/e", 2, 2)
    assert ledger.order == ["a/b", "d/e", "d", "c"]  # a 0, d .05 (.02 .03), c .08

    ledger.give("a/b", 6, 6)
    assert ledger.order == ["d/e", "d", "a/b", "c"]  # d .05, a .06, c .08


@pytest.mark.parametrize("first", ["d", "d/e"])
def test_a_client_collapses_to_a_leaf_when_those_below_it_are_gone(first: str) -> None:
    ledger = Ledger()
    other = {"d": "d/e", "d/e": "d"}[first]
    ledger.add(first, 1, 1)
    ledger.add(other, 2, 2)
    ledger.sorter.remove("d/e")
    assert ledger.order == ["d"]
    assert ledger.sorter.allocation("d") == (amounts(1, 1) if first == "d" else amounts(2, 2))

    ledger.add("b", 1, 1)
    ledger.take("d", 1, 1)
    expected = ["d", "b"] if first == "d" else ["b", "d"]  # d: 0, or 1 by more allocations
    assert ledger.order == expected


def test_a_client_keeps_its_allocation_count_when_others_come_below_it() -> None:
    ledger = Ledger()
    ledger.add("d", 1, 1)
    ledger.give("d", 1, 1)
    ledger.add("d/e", 2, 2)
    assert ledger.order == ["d/e", "d"]  # counts 1 2


def test_removing_a_client_from_the_middle_keeps_those_below_it() -> None:
    ledger = Ledger()
    ledger.add("d", 3, 3)
    ledger.add("d/e/f", 2, 2)
    ledger.add("c", 2.5, 2.5)
    assert ledger.order == ["c", "d/e/f", "d"]  # c .025, d .05 (.02 .03)

    ledger.sorter.remove("d")
    assert ledger.order == ["d/e/f", "c"]  # d .02, c .025


def test_a_resource_of_which_the_cluster_has_none_does_not_dominate() -> None:
    ledger = Ledger()
    ledger.add("a", 2, 2)
    ledger.add("b", 1, 1)
    ledger.sorter.allocated("b", {"gpus": 5000})
    assert ledger.order == ["b", "a"]


def test_an_excluded_resource_does_not_dominate() -> None:
    cluster = ClusterTotal(excluded={"gpus"})
    cluster.add({"cpus": 10_000, "gpus": 1_000})
    sorter = Sorter(cluster)
    for client, held in (("a", {"cpus": 2000}), ("b", {"cpus": 1000, "gpus": 1000})):
        sorter.add(client)
        sorter.activate(client)
        sorter.allocated(client, held)
    assert list(sorter.sort()) == ["b", "a"]
    assert sorter.dominant("b") == ("cpus", Fraction(1, 10))


def test_charging_while_the_order_is_walked_does_not_change_the_walk() -> None:
    ledger = Ledger()
    for client in "abc":
        ledger.add(client)
    walked = []
    for client in ledger.sorter.sort():
        ledger.give(client, 10, 10)
        walked.append(client)
    assert walked == ["a", "b", "c"]


@pytest.mark.parametrize(
    "misuse",
    [
        lambda sorter: sorter.add("a"),
        lambda sorter: sorter.remove("z"),
        lambda sorter: sorter.allocated("z", amounts(1, 1)),
        lambda sorter: sorter.unallocated("a", amounts(2, 0)),
    ],
)
def test_losing_count_raises(misuse: Callable[[Sorter], None]) -> None:
    ledger = Ledger()
    ledger.add("a", 1, 1)
    with pytest.raises(InvariantViolated):
        misuse(ledger.sorter)
