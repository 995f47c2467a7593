"""The table of settings, and how their texts are read."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import minimesos
from minimesos.errors import InvalidValue
from minimesos.spark import SparkConf, settings
from minimesos.spark.setting_kinds import (
    falling_back,
    flag,
    mebibytes,
    number,
    one_of,
    parse_bytes,
    parse_mebibytes,
    parse_python_bytes,
    parse_seconds,
    path,
    pattern,
    port,
    seconds,
    text,
    whole,
    words,
)
from minimesos.spark.settings.application import FILES
from minimesos.spark.settings.executors import CORES_MAX, EXECUTOR_MEMORY, NETWORK_TIMEOUT
from minimesos.spark.settings.known import known_names
from minimesos.spark.settings.scheduling import LOCALITY_WAIT, LOCALITY_WAIT_PROCESS
from minimesos.spark.settings.shuffle import REDUCER_MAX_SIZE_IN_FLIGHT

REPOSITORY = Path(minimesos.__file__).parents[1]
NOT_READ = {
    "spark.app.id": "told to the user",
    "spark.serializer.objectStreamReset": "told to the user, as PySpark does",
    "spark.scheduler.pool": "a local property of jobs",
    "spark.jobGroup.id": "a local property of jobs",
    "spark.job.description": "a local property of jobs",
    "spark.job.interruptOnCancel": "a local property of jobs",
    "spark.job.tags": "a local property of jobs",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("512m", 512), ("1g", 1024), ("2G", 2048), ("2048kb", 2), ("1t", 1024**2), ("300", 300)],
)
def test_mebibytes(text: str, expected: int) -> None:
    assert parse_mebibytes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("512", 512), ("512b", 512), ("1k", 1024), ("1 MB", 2**20), ("0", 0)]
)
def test_bytes(text: str, expected: int) -> None:
    assert parse_bytes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3s", 3), ("200ms", 0.2), ("5min", 300), ("1m", 60), ("2h", 7200), ("1d", 86400), ("7", 7)],
)
def test_times(text: str, expected: float) -> None:
    assert parse_seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "g", "1x", "1.5g", "1 g b", "-1", "1bb"])
def test_malformed_sizes_and_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_bytes(text)
    with pytest.raises(ValueError, match="is not a time"):
        parse_seconds(text)


def test_the_memory_of_python_workers_needs_a_unit_and_may_be_a_fraction() -> None:
    assert [parse_python_bytes(text) for text in ("512m", "1G", "1.5k")] == [2**29, 2**30, 1536]
    for malformed in ("2gs", "100", "m", ""):
        with pytest.raises(ValueError, match="is not a size"):
            parse_python_bytes(malformed)


def test_a_bare_number_is_in_the_unit_of_its_setting() -> None:
    conf = {"spark.locality.wait": "200", "spark.network.timeout": "200"}
    assert LOCALITY_WAIT.read(conf) == pytest.approx(0.2)
    assert NETWORK_TIMEOUT.read(conf) == 200


def test_what_is_not_set_has_its_default() -> None:
    assert CORES_MAX.read({}) is None
    assert EXECUTOR_MEMORY.read({}) == 1024
    assert EXECUTOR_MEMORY.read(SparkConf(loadDefaults=False)) == 1024
    assert FILES.read({"spark.files": "a.txt, b.txt,"}) == ("a.txt", "b.txt")


def test_a_setting_may_take_the_value_of_another() -> None:
    conf = {"spark.locality.wait": "7s"}
    assert LOCALITY_WAIT_PROCESS.read({}) == 3
    assert LOCALITY_WAIT_PROCESS.read(conf) == 7
    assert LOCALITY_WAIT_PROCESS.read(conf | {"spark.locality.wait.process": "0"}) == 0


@pytest.mark.parametrize(
    ("setting", "text", "problem"),
    [
        (whole("spark.x", 1, "", minimum=1), "two", "is not a whole number"),
        (whole("spark.x", None, "", minimum=1), "0", "is below 1"),
        (number("spark.x", 0.5, "", most=1), "1.5", "is not within 0 and 1"),
        (number("spark.x", 0, ""), "nan", "is below 0"),
        (number("spark.x", 0, ""), "much", "is not a number"),
        (flag("spark.x", True, ""), "yes", "is neither true nor false"),
        (one_of("spark.x", "a", ("a", "b"), ""), "c", "is none of a, b"),
        (pattern("spark.x", "a", ""), "[", "is no regular expression"),
        (port("spark.x", 0, ""), "65536", "is not a port from 0 to 65535"),
        (port("spark.x", 0, ""), "-1", "is not a port from 0 to 65535"),
        (port("spark.x", 1, "", minimum=1), "0", "is not a port from 1 to 65535"),
        (path("spark.x", ""), "opt/spark", "is not an absolute path"),
        (mebibytes("spark.x", None, ""), "1x", "is not a size like 512m or 1g"),
        (mebibytes("spark.x", None, "", minimum=1), "1023k", "is below 1m"),
        (seconds("spark.x", "1s", ""), "soon", "is not a time like 200ms, 3s or 5min"),
        (falling_back("spark.x", seconds("spark.y", "1s", ""), ""), "1w", "is not a time"),
    ],
)
def test_a_malformed_setting_is_named_with_its_text(setting, text: str, problem: str) -> None:
    with pytest.raises(InvalidValue, match=f"^spark.x: '{re.escape(text)}' {problem}"):
        setting.read({"spark.x": text})


def test_what_is_well_formed_is_read() -> None:
    assert flag("spark.x", False, "").read({"spark.x": "True"})
    assert one_of("spark.x", "a", ("a", "B"), "").read({"spark.x": "b"}) == "B"
    assert one_of("spark.x", None, ("a", "b"), "").read({}) is None
    assert port("spark.x", 0, "").read({"spark.x": "4040"}) == 4040
    assert path("spark.x", "").read({"spark.x": "/opt"}) == "/opt"
    assert text("spark.x", None, "").read({"spark.x": ""}) == ""
    assert number("spark.x", 0, "").read({"spark.x": "1e3"}) == 1000
    assert words("spark.x", "").read({}) == ()


def test_all_malformed_settings_are_reported_at_once() -> None:
    conf = {
        "spark.executor.cores": "two",
        "spark.executor.memory": "1x",
        "spark.cores.max": "0",
        "spark.unknown": "kept",
    }
    with pytest.raises(InvalidValue) as caught:
        settings.check(conf)
    assert str(caught.value).splitlines() == [
        "spark.cores.max: '0' is below 1",
        "spark.executor.cores: 'two' is not a whole number",
        "spark.executor.memory: '1x' is not a size like 512m or 1g",
    ]
    settings.check({"spark.unknown": "kept"})


@pytest.mark.parametrize(
    ("conf", "problem"),
    [
        (
            {"spark.executor.heartbeatInterval": "2min"},
            "spark.executor.heartbeatInterval=2min must be less than spark.network.timeout=120s",
        ),
        (
            {"spark.storage.blockManagerSlaveTimeoutMs": "9000"},
            "spark.executor.heartbeatInterval=10s must be less than "
            "spark.storage.blockManagerHeartbeatTimeoutMs=9000",
        ),
        (
            {"spark.executor.cores": "1", "spark.task.cpus": "2"},
            "spark.executor.cores=1 must not be less than spark.task.cpus=2",
        ),
        (
            {"spark.rpc.message.maxSize": "2g"},
            "spark.rpc.message.maxSize=2g must not be above 2047m",
        ),
        ({"spark.broadcast.blockSize": "0"}, "spark.broadcast.blockSize=0 must be above 0"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(conf: dict[str, str], problem: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        settings.check(conf)
    assert str(caught.value) == problem


@pytest.mark.parametrize("size", ["0", "0g", "512k"])
def test_executors_without_memory_are_refused_together_with_what_else_is_malformed(
    size: str,
) -> None:
    with pytest.raises(InvalidValue) as caught:
        settings.check({"spark.executor.memory": size, "spark.executor.cores": "two"})
    assert str(caught.value).splitlines() == [
        "spark.executor.cores: 'two' is not a whole number",
        f"spark.executor.memory: '{size}' is below 1m",
    ]
    settings.check({"spark.executor.memory": "1m"})


def test_malformed_settings_and_those_that_do_not_go_together_are_reported_at_once() -> None:
    conf = {"spark.cores.max": "0", "spark.executor.cores": "1", "spark.task.cpus": "2"}
    with pytest.raises(
        InvalidValue, match=r"(?s)cores\.max: '0' is below 1\n.* less than .*cpus=2"
    ):
        settings.check(conf)
    settings.check({"spark.executor.cores": "2", "spark.task.cpus": "2"})


def test_unknown_settings_are_told_in_one_line_with_what_may_be_meant() -> None:
    known = ["spark.cores.max", "spark.sql.shuffle.partitions", "spark.ui.port"]
    assert settings.unknown(known) is None
    assert settings.unknown([*known, "spark.executor.core"]) == (
        "spark.executor.core is not a setting that minimesos knows; "
        "did you mean spark.executor.cores?"
    )
    assert settings.unknown(["spark.my.own"]) == (
        "spark.my.own is not a setting that minimesos knows"
    )
    assert settings.unknown(["spark.my.own", "spark.driver.extraClassPaths"]) == (
        "spark.driver.extraClassPaths (did you mean spark.driver.extraClassPath?), spark.my.own "
        "are not settings that minimesos knows"
    )


def test_a_setting_is_either_read_or_known_to_mean_nothing() -> None:
    assert known_names().isdisjoint(setting.name for setting in settings.SETTINGS)


def test_secrets_are_not_shown() -> None:
    conf = {"spark.mesos.secret": "x", "spark.my.PASSWORD": "y", "spark.app.name": "z"}
    hidden = "*********(redacted)"
    assert settings.redacted(conf) == {
        "spark.mesos.secret": hidden, "spark.my.PASSWORD": hidden, "spark.app.name": "z",
    }  # fmt: skip
    conf["spark.redaction.regex"] = "name$"
    assert settings.redacted(conf)["spark.app.name"] == hidden


def test_the_table_is_in_order_and_names_each_setting_once() -> None:
    names = [setting.name for setting in settings.SETTINGS]
    assert names == sorted(set(names))


def test_defaults_are_as_they_are_written() -> None:
    for setting in settings.SETTINGS:
        if setting.default_text:
            assert setting.parse(setting.default_text) == setting.default, setting.name


def test_no_other_file_spells_the_name_of_a_setting() -> None:
    strays = {
        (path.relative_to(REPOSITORY).as_posix(), node.value)
        for folder in ("minimesos", "executor")
        for path in (REPOSITORY / folder).rglob("*.py")
        if path.name not in ("launch.py", "submit.py")  # before there is a configuration
        and path.name != "local_properties.py"  # of jobs, not settings
        and path.parent.name != "settings"  # declares them
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"spark(\.\w+)+", node.value)
        and node.value not in NOT_READ
    }
    assert strays == set()


def test_the_environment_of_executors_is_what_follows_the_prefix() -> None:
    conf = {"spark.executorEnv.A": "1", "spark.executorEnv.B.c": "2", "spark.x": "3"}
    assert settings.executor_environment(conf) == {"A": "1", "B.c": "2"}


def test_secrets_stay_with_the_driver() -> None:
    conf = {"spark.authenticate.secret": "a", "spark.mesos.secret": "b", "spark.x": "3"}
    assert settings.for_executors(conf) == {"spark.x": "3"}


def test_authentication_at_shuffle_services_needs_their_secret() -> None:
    conf = {"spark.authenticate": "true", "spark.authenticate.secret": "s"}
    settings.check(conf)
    conf["spark.shuffle.service.enabled"] = "true"
    settings.check(conf)
    del conf["spark.authenticate.secret"]
    with pytest.raises(InvalidValue, match=r"needs spark\.authenticate\.secret"):
        settings.check(conf)


def test_a_bare_size_in_flight_is_in_mebibytes() -> None:
    assert REDUCER_MAX_SIZE_IN_FLIGHT.read({"spark.reducer.maxSizeInFlight": "2"}) == 2 * 2**20
