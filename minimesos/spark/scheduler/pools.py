"""Fair sharing between the jobs of one application: pools, and which of their task sets is next.

A job belongs to the pool that its thread's local property `spark.scheduler.pool` names. Pools share
the cores by weight, once each has its minimum; within a pool task sets are first in, first out, or
share alike. Pools that nobody has described have a weight of 1 and no minimum.

Asked by the dispatcher under `spark.scheduler.mode=FAIR`. The FIFO mode needs no pools.

Source: Spark's documentation "Job Scheduling", "Fair Scheduler Pools".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from minimesos.errors import InvalidValue
from minimesos.spark.scheduler.task_set import TaskSet

FIFO, FAIR = "FIFO", "FAIR"


@dataclass(frozen=True, slots=True)
class Pool:
    """What is known of a pool."""

    name: str
    mode: str = FIFO
    """Of its task sets among themselves."""
    min_share: int = 0
    """Tasks that it may run before any other pool gets more than its own minimum."""
    weight: int = 1


Standing = tuple[bool, float, str]
"""Where something stands in the queue; the smallest comes first."""


def standing(running: int, min_share: int, weight: int, name: str) -> Standing:
    """Return where something with `running` tasks stands.

    What is below its minimum comes first, by the part of the minimum that it has; then, by tasks
    for its weight; at last by name.
    """
    if running < min_share:
        return False, running / min_share, name
    return True, running / weight, name


class Pools:
    """The pools of one application."""

    def __init__(self, described: Iterable[Pool] = ()) -> None:
        self._described = {pool.name: pool for pool in described}

    def first(self, candidates: Collection[TaskSet], live: Iterable[TaskSet]) -> TaskSet:
        """Return the candidate that is to get the next core; there must be one.

        `live` are all task sets, of which also those count that have nothing pending.
        """
        running: dict[str, int] = {}
        for task_set in live:
            running[task_set.pool] = running.get(task_set.pool, 0) + task_set.running
        names = {task_set.pool for task_set in candidates}
        name = min(names, key=lambda name: self._standing(name, running.get(name, 0)))
        members = [task_set for task_set in candidates if task_set.pool == name]
        if self.pool(name).mode == FAIR:
            return min(members, key=lambda each: (each.running, each.priority))
        return min(members, key=lambda each: each.priority)

    def pool(self, name: str) -> Pool:
        """Return what is known of a pool, or the defaults."""
        return self._described.get(name) or Pool(name)

    def _standing(self, name: str, running: int) -> Standing:
        pool = self.pool(name)
        return standing(running, pool.min_share, pool.weight, name)


def parse_pools(text: str) -> tuple[list[Pool], list[str]]:
    """Read an allocation file; returns the pools, and warnings about values that were not used.

    Raises InvalidValue if it is no such file at all.
    """
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InvalidValue(f"it is not XML: {error}") from error
    if root.tag != "allocations":
        raise InvalidValue(f"its outermost element is <{root.tag}>, not <allocations>")
    pools: dict[str, Pool] = {}
    warnings: list[str] = []
    for element in root.iter("pool"):
        name = element.get("name", "").strip()
        if not name:
            warnings.append("a pool without a name is left out")
            continue
        given = {child.tag: (child.text or "").strip() for child in element}
        mode = given.pop("schedulingMode", FIFO).upper()
        if mode not in (FIFO, FAIR):
            warnings.append(f"pool {name}: schedulingMode '{mode}' is not FIFO or FAIR; FIFO holds")
            mode = FIFO
        min_share = _whole(given, "minShare", 0, name, warnings)
        weight = _whole(given, "weight", 1, name, warnings)
        pools[name] = Pool(name, mode, min_share, weight)
    return list(pools.values()), warnings


def _whole(given: Mapping[str, str], tag: str, default: int, pool: str, warnings: list[str]) -> int:
    """Return a number from the default up, which is also what holds instead of anything else."""
    text = given.get(tag, str(default))
    if text.isdecimal() and int(text) >= default:
        return int(text)
    warnings.append(f"pool {pool}: {tag} '{text}' is not a number from {default}; {default} holds")
    return default
