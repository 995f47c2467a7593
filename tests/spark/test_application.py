"""What an application starts from."""

from __future__ import annotations

from pathlib import Path

import pytest

from minimesos.errors import InvalidValue
from minimesos.spark import SparkConf, application
from minimesos.spark.application import read_pools
from minimesos.spark.io import compression

POOLS = "<allocations><pool name='a'><weight>{}</weight></pool></allocations>"


def fair(file: Path | str | None = None) -> SparkConf:
    conf = SparkConf(loadDefaults=False).set("spark.scheduler.mode", "fair")
    return conf if file is None else conf.set("spark.scheduler.allocation.file", file)


@pytest.fixture(autouse=True)
def _no_configuration_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARK_CONF_DIR", raising=False)
    monkeypatch.delenv("SPARK_HOME", raising=False)


def test_the_fifo_mode_has_no_pools() -> None:
    assert read_pools(SparkConf(loadDefaults=False)) is None


def test_the_fair_mode_needs_no_file() -> None:
    assert read_pools(fair()) is not None


def test_pools_are_read_from_the_file_that_is_named(tmp_path: Path) -> None:
    file = tmp_path / "pools.xml"
    file.write_text(POOLS.format(3))
    for name in (file, f"file://{file}"):
        pools = read_pools(fair(name))
        assert pools is not None
        assert pools.pool("a").weight == 3
        assert pools.pool("b").weight == 1


def test_else_from_the_configuration_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fairscheduler.xml").write_text(POOLS.format(4))
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    pools = read_pools(fair())
    assert pools is not None
    assert pools.pool("a").weight == 4


def test_bad_values_in_the_file_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "pools.xml"
    file.write_text(POOLS.format("much"))
    pools = read_pools(fair(file))
    assert pools is not None
    assert pools.pool("a").weight == 1
    assert "pool a: weight 'much' is not a number from 1; 1 holds" in caplog.text


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "No such file"), (b"<a>", "not XML"), (b"\xff", "decode")]
)
def test_a_file_that_cannot_be_read_is_named_with_its_setting(
    content: bytes | None, problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "pools.xml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(
        InvalidValue, match=f"^spark.scheduler.allocation.file: {file}: .*{problem}"
    ):
        read_pools(fair(file))


def test_a_codec_that_is_not_installed_is_said_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(application, "_warned", set())
    monkeypatch.setattr(compression, "_lz4", None)
    conf = SparkConf(loadDefaults=False)
    application.warn_of_settings(conf)
    assert caplog.text == ""
    conf.set("spark.io.compression.codec", "snappy")
    application.warn_of_settings(conf)
    application.warn_of_settings(conf)
    assert caplog.text.count("Codec is not installed here") == 1
