"""Hashes and partitioners agree with PySpark's, in every process."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from minimesos.spark import closure, partitioner
from minimesos.spark.partitioner import Partitioner, RangePartitionFunction, portable_hash


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (None, 0),
        ((), 3430008),
        ((1, 2), 3430029580082870073),
        (-1, -2),
        (2.5, 1152921504606846978),
        (7, 7),
    ],
)
def test_the_portable_hash_is_pysparks(
    monkeypatch: pytest.MonkeyPatch, key: Any, expected: int
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    assert portable_hash(key) == expected
    assert portable_hash((None, 1)) & 0xFFFFFFFF == 219750521


def test_without_a_hash_seed_there_is_no_portable_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitioner, "_seeded", False)
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    with pytest.raises(RuntimeError, match="PYTHON_HASH_SEED_NOT_SET"):
        portable_hash("a")


def test_partitioners_are_equal_by_count_and_function_also_after_travelling() -> None:
    assert Partitioner(3, portable_hash) == Partitioner(3, portable_hash)
    assert Partitioner(3, portable_hash) != Partitioner(4, portable_hash)
    assert Partitioner(3, portable_hash) != Partitioner(3, hash)
    travelled = pickle.loads(closure.dumps(Partitioner(3, portable_hash)))
    assert travelled == Partitioner(3, portable_hash)
    assert travelled.partitionFunc is portable_hash


def test_a_partition_is_never_negative() -> None:
    assert Partitioner(4, lambda key: key)(-1) == 3


def test_ranges_cut_at_their_bounds_and_can_be_mirrored() -> None:
    ascending = RangePartitionFunction([10, 20], lambda key: key, True)
    assert [ascending(key) for key in (5, 10, 11, 20, 21)] == [0, 0, 1, 1, 2]
    descending = RangePartitionFunction([10, 20], lambda key: key, False)
    assert [descending(key) for key in (5, 10, 11, 20, 21)] == [2, 2, 1, 1, 0]
