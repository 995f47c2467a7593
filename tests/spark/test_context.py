"""The context's life: one at a time, what it needs, what it leaves."""

from __future__ import annotations

import logging
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from minimesos.errors import InvalidValue
from minimesos.spark import SparkConf, SparkContext, SparkFiles, TaskContext
from minimesos.spark import context as spark_context
from minimesos.spark.errors import SparkException


def test_a_second_context_is_refused_with_where_the_first_was_made(sc: SparkContext) -> None:
    with pytest.raises(
        ValueError,
        match=r"Cannot run multiple SparkContexts at once; existing SparkContext\(app=test, "
        r"master=local\[4\]\) created by .* at .*conftest\.py:\d+",
    ):
        SparkContext("local", "second")
    assert SparkContext.getOrCreate() is sc


def test_master_and_name_are_needed(start_context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYSPARK_SUBMIT_ARGS", raising=False)
    with pytest.raises(RuntimeError, match="MASTER_URL_NOT_SET"):
        SparkContext(conf=SparkConf(loadDefaults=False))
    with pytest.raises(RuntimeError, match="APPLICATION_NAME_NOT_SET"):
        SparkContext("local", conf=SparkConf(loadDefaults=False))
    with start_context() as sc:  # the failures have left nothing active
        assert sc.parallelize([1]).count() == 1


def test_arguments_win_over_the_configuration_which_is_not_changed(start_context: Any) -> None:
    conf = SparkConf(loadDefaults=False).setMaster("local[2]").setAppName("conf")
    with SparkContext("local[3]", "argument", environment={"FLAG": 1}, conf=conf) as sc:
        assert (sc.master, sc.appName) == ("local[3]", "argument")
        assert sc.getConf().get("spark.executorEnv.FLAG") == "1"
        assert sc.getConf().get("spark.app.id") == sc.applicationId
        assert repr(sc) == "<SparkContext master=local[3] appName=argument>"
    assert conf.get("spark.master") == "local[2]"
    assert not conf.contains("spark.executorEnv.FLAG")


def test_stopping_twice_is_fine_and_leaves_nothing(start_context: Any) -> None:
    path_before = list(sys.path)
    sc = start_context()
    directory, runner = sc._scratch.path, sc._runner
    assert os.path.isdir(directory)
    sc.stop()
    sc.stop()
    assert runner.stopped
    assert not os.path.exists(directory)
    assert sys.path == path_before
    with pytest.raises(ValueError, match="stopped SparkContext"):
        sc.parallelize([1])
    assert start_context().parallelize([1]).count() == 1


def test_a_with_block_stops_also_upon_an_exception(start_context: Any) -> None:
    def fail(sc: SparkContext) -> None:
        with sc:
            raise KeyError

    sc = start_context()
    with pytest.raises(KeyError):
        fail(sc)
    assert SparkContext._active_spark_context is None
    with start_context() as sc:
        sc.stop()
    assert SparkContext._active_spark_context is None


def test_parallelism_comes_from_the_setting_or_the_cores(start_context: Any) -> None:
    with start_context(cores=3) as sc:
        assert (sc.defaultParallelism, sc.defaultMinPartitions) == (3, 2)
        assert sc.parallelize([1]).getNumPartitions() == 3
    with start_context(cores=3, settings={"spark.default.parallelism": "1"}) as sc:
        assert (sc.defaultParallelism, sc.defaultMinPartitions) == (1, 1)


def test_parallelize_needs_a_positive_number_of_slices(sc: SparkContext) -> None:
    with pytest.raises(ValueError, match="Positive number"):
        sc.parallelize([1], 0)


def test_properties_of_the_thread_reach_its_tasks(sc: SparkContext) -> None:
    sc.setJobGroup("nightly", "counts")
    sc.setLocalProperty("colour", "red")

    def seen(_: int) -> list[str | None]:
        task = TaskContext.get()
        assert task is not None
        return [task.getLocalProperty(key) for key in ("spark.jobGroup.id", "colour", "none")]

    assert sc.parallelize([1]).map(seen).collect() == [["nightly", "red", None]]
    sc.setLocalProperty("colour", None)
    assert sc.getLocalProperty("colour") is None
    assert sc.parallelize([1]).map(seen).collect() == [["nightly", None, None]]


def test_a_task_knows_its_partition_and_the_driver_has_no_task(sc: SparkContext) -> None:
    assert TaskContext.get() is None

    def partition(_: int) -> int:
        task = TaskContext.get()
        assert task is not None
        assert task.attemptNumber() == 0
        return task.partitionId()

    assert sc.parallelize(range(3), 3).map(partition).collect() == [0, 1, 2]
    assert TaskContext.get() is None


def test_a_context_in_a_task_is_refused(sc: SparkContext) -> None:
    with pytest.raises(RuntimeError, match="CONTEXT_ONLY_VALID_ON_DRIVER"):
        sc.parallelize([1]).foreach(lambda x: SparkContext("local", "inner"))


def test_log_levels_are_checked(sc: SparkContext) -> None:
    logger = logging.getLogger("minimesos")
    before = logger.level
    try:
        sc.setLogLevel("error")
        assert logger.level == logging.ERROR
    finally:
        logger.setLevel(before)
    with pytest.raises(ValueError, match="did not match one of"):
        sc.setLogLevel("LOUD")


def test_files_are_found_on_the_driver_and_in_tasks(sc: SparkContext, tmp_path: Path) -> None:
    source = tmp_path / "hello.txt"
    source.write_text("hello")
    sc.addFile(str(source))
    assert sc.listFiles == [f"file:{source}"]
    assert Path(SparkFiles.get("hello.txt")).read_text() == "hello"
    read = sc.parallelize([1]).map(lambda _: Path(SparkFiles.get("hello.txt")).read_text())
    assert read.collect() == ["hello"]
    source.write_text("changed")
    sc.addFile(str(source))
    assert read.collect() == ["hello"]
    with pytest.raises(Exception, match="recursive is not turned on"):
        sc.addFile(str(tmp_path))
    sc.addFile(str(tmp_path), recursive=True)
    assert Path(SparkFiles.get(f"{tmp_path.name}/hello.txt")).read_text() == "changed"


def test_modules_can_be_shipped(sc: SparkContext, tmp_path: Path) -> None:
    module = tmp_path / "shipped_for_this_test.py"
    module.write_text("ANSWER = 42\n")
    sc.addPyFile(str(module))

    def answer(_: int) -> int:
        import shipped_for_this_test

        return int(shipped_for_this_test.ANSWER)

    assert sc.parallelize([1]).map(answer).collect() == [42]


def test_archives_are_unpacked_for_the_driver_and_for_tasks(
    sc: SparkContext, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("below/a", "a")
    sc.addArchive(f"{tmp_path}/data.zip#data")
    assert (sc.listArchives, sc.listFiles) == ([f"file:{tmp_path}/data.zip"], [])
    assert Path(SparkFiles.get("data/below/a")).read_text() == "a"
    read = sc.parallelize([1]).map(lambda _: Path(SparkFiles.get("data/below/a")).read_text())
    assert read.collect() == ["a"]


def test_files_that_are_missing_are_named_before_anything_is_launched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(spark_context, "_start_runner", None)
    conf = SparkConf(loadDefaults=False).set("spark.files", f"{tmp_path}/f")
    conf.set("spark.archives", f"{tmp_path}/a.zip#a").set(
        "spark.submit.pyFiles", f"{tmp_path}/m.py"
    )
    before = list(sys.path)
    with pytest.raises(SparkException) as caught:
        SparkContext("local[1]", "missing", conf=conf)
    assert str(caught.value).splitlines() == [
        f"File file:{tmp_path}/{name} does not exist" for name in ("m.py", "f", "a.zip")
    ]
    assert sys.path == before
    assert SparkContext._active_spark_context is None


def test_the_log_level_is_a_setting_too(start_context: Any) -> None:
    logger = logging.getLogger("minimesos")
    before = logger.level
    try:
        with start_context(settings={"spark.log.level": "error"}):
            assert logger.level == logging.ERROR
    finally:
        logger.setLevel(before)


def test_unknown_settings_are_warned_of_once_in_a_process(
    start_context: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        with start_context(settings={"spark.task.maxFailure": "1"}) as sc:
            assert sc.getConf().get("spark.task.maxFailure") == "1"
    assert [record.message for record in caplog.records if "knows" in record.message] == [
        "spark.task.maxFailure is not a setting that minimesos knows; "
        "did you mean spark.task.maxFailures?"
    ]


def test_all_malformed_settings_are_named_before_anything_starts(
    start_context: Any, tmp_path: Path
) -> None:
    conf = SparkConf(loadDefaults=False).set("spark.local.dir", str(tmp_path))
    conf.set("spark.executor.memory", "much").set("spark.task.maxFailures", 0)
    with pytest.raises(InvalidValue) as caught:
        SparkContext("local[1]", "malformed", conf=conf)
    assert str(caught.value).splitlines() == [
        "spark.executor.memory: 'much' is not a size like 512m or 1g",
        "spark.task.maxFailures: '0' is below 1",
    ]
    assert list(tmp_path.iterdir()) == []
    assert SparkContext._active_spark_context is None
