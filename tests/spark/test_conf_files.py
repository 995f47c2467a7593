"""Files of settings: where they are, and their syntax."""

from __future__ import annotations

from pathlib import Path

import pytest

from minimesos.spark.conf_files import conf_directory, conf_file, parse_properties


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("spark.a 1", {"spark.a": "1"}),
        ("spark.a=two words", {"spark.a": "two words"}),
        ("  spark.a : 3 \t", {"spark.a": "3"}),
        ("spark.a  =  b = c", {"spark.a": "b = c"}),
        ("spark.a", {"spark.a": ""}),
        ("spark.a=", {"spark.a": ""}),
        ("# comment\n  ! comment \\\nspark.a 1\n\n", {"spark.a": "1"}),
        ("spark.a 1\r\nspark.b 2\rspark.c 3", {"spark.a": "1", "spark.b": "2", "spark.c": "3"}),
        (
            "spark.a one,\\\n    two,\\\n\tthree\nspark.b 2",
            {"spark.a": "one,two,three", "spark.b": "2"},
        ),
        ("spark.a one\\\n# two", {"spark.a": "one# two"}),
        ("spark.a c:\\\\dir\\\\\nspark.b 2", {"spark.a": "c:\\dir\\", "spark.b": "2"}),
        ("spark.a\\ b\\=c\\:d=1", {"spark.a b=c:d": "1"}),
        ("spark.a \\u00e9\\t\\n\\q|", {"spark.a": "\u00e9\t\nq|"}),
        ("spark.a x\\", {"spark.a": "x"}),
        ("spark.a 1\nspark.a 2", {"spark.a": "2"}),
        ("color blue", {"color": "blue"}),
        ("", {}),
    ],
)
def test_properties(text: str, expected: dict[str, str]) -> None:
    assert parse_properties(text) == expected


def test_the_configuration_directory_is_named_or_below_spark_home() -> None:
    assert conf_directory({"SPARK_CONF_DIR": "/etc/spark", "SPARK_HOME": "/opt"}) == Path(
        "/etc/spark"
    )
    assert conf_directory({"SPARK_HOME": "/opt/spark"}) == Path("/opt/spark/conf")
    assert conf_directory({}) is None


def test_a_file_of_the_directory_is_found_if_it_exists(tmp_path: Path) -> None:
    environment = {"SPARK_CONF_DIR": str(tmp_path)}
    assert conf_file("x.conf", environment) is None
    (tmp_path / "x.conf").touch()
    assert conf_file("x.conf", environment) == tmp_path / "x.conf"
    assert conf_file("x.conf", {}) is None
