"""Profiles by RDD, when they are switched on; and Ctrl-C."""

from __future__ import annotations

import pstats
import signal
from pathlib import Path
from typing import Any

import pytest

from minimesos.spark import SparkConf, SparkContext
from minimesos.spark.interrupts import cancel_upon_interrupt
from minimesos.spark.profiler import BasicProfiler

pytestmark = pytest.mark.integration


def _work(x: int) -> tuple[int, int]:
    return x % 2, sum(range(x))


def test_each_stage_has_a_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conf = SparkConf(loadDefaults=False).set("spark.python.profile", True)
    with SparkContext("local[2]", "profiled", conf=conf) as sc:
        mapped = sc.parallelize(range(50), 2).map(_work)
        reduced = mapped.reduceByKey(max)
        assert reduced.count() == 2
        sc.show_profiles()
        shown = capsys.readouterr().out
        assert f"Profile of RDD<id={mapped.id()}>" in shown
        assert f"Profile of RDD<id={reduced.id()}>" in shown
        assert "(_work)" in shown
        sc.show_profiles()
        assert capsys.readouterr().out == ""
        sc.dump_profiles(str(tmp_path))
        stats = pstats.Stats(str(tmp_path / f"rdd_{mapped.id()}.pstats"))
    calls: Any = stats.stats  # type: ignore[attr-defined]
    assert [entry[1] for key, entry in calls.items() if key[2] == "_work"] == [50]


class _Announcing(BasicProfiler):
    def show(self, id: int) -> None:
        print(f"mine of {id}")


def test_a_profiler_of_ones_own_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    conf = SparkConf(loadDefaults=False).set("spark.python.profile", True)
    with SparkContext("local[1]", "profiled", conf=conf, profiler_cls=_Announcing) as sc:
        rdd = sc.parallelize([1]).map(str)
        rdd.collect()
        sc.show_profiles()
    assert capsys.readouterr().out == f"mine of {rdd.id()}\n"


def test_without_the_setting_there_are_none(sc: SparkContext) -> None:
    sc.parallelize([1]).count()
    with pytest.raises(RuntimeError, match="INCORRECT_CONF_FOR_PROFILE"):
        sc.show_profiles()


def test_an_interrupt_cancels_all_jobs_and_is_pythons_own_afterwards() -> None:
    cancelled: list[bool] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        release = cancel_upon_interrupt(lambda: cancelled.append(True))
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert cancelled == [True]
        release()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_programs_own_handler_is_left_alone() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        cancel_upon_interrupt(lambda: None)()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
