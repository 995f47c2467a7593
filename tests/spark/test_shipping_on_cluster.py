"""Shipped files on a real cluster whose executors do not share a host with the driver."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from minimesos.spark import SparkConf, SparkContext, SparkFiles

pytestmark = pytest.mark.integration

# An address of this machine that nobody takes for the agents' "localhost".
OTHER_HOST = "127.0.0.2"


def made(path: Path, **members: str) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return str(path)


@pytest.fixture
def sc(tmp_path: Path) -> Iterator[SparkContext]:
    (tmp_path / "table.txt").write_text("of the setting")
    (tmp_path / "shipped_module.py").write_text("from shipped_zipped import ANSWER\n")
    conf = SparkConf(loadDefaults=False).setAll(
        {
            "spark.driver.host": OTHER_HOST,
            "spark.files": f"{tmp_path}/table.txt",
            "spark.submit.pyFiles": f"{tmp_path}/shipped_module.py,"
            + made(tmp_path / "modules.zip", **{"shipped_zipped.py": "ANSWER = 42\n"}),
            "spark.archives": made(tmp_path / "model.zip", weights="7") + "#model",
        }.items()
    )
    with SparkContext("local-cluster[1,2,256]", "shipping", conf=conf) as context:
        yield context


def test_executors_on_another_host_get_all_that_is_shipped_at_first_and_later(
    sc: SparkContext, tmp_path: Path
) -> None:
    def look(_: int) -> tuple[int, str, str, str]:
        from shipped_module import ANSWER

        read = [Path(SparkFiles.get(name)).read_text() for name in ("table.txt", "model/weights")]
        return ANSWER, read[0], read[1], SparkFiles.getRootDirectory()

    found = sc.parallelize(range(4), 4).map(look).collect()
    assert {row[:3] for row in found} == {(42, "of the setting", "7")}
    (there,) = {row[3] for row in found}
    assert there != SparkFiles.getRootDirectory()

    (tmp_path / "late.txt").write_text("late")
    sc.addFile(str(tmp_path / "late.txt"))
    late = sc.parallelize(range(4), 4).map(lambda _: Path(SparkFiles.get("late.txt")).read_text())
    assert late.collect() == ["late"] * 4
