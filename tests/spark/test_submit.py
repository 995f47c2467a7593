"""spark-submit's options, properties files and their precedence."""

from __future__ import annotations

from pathlib import Path

import pytest

from minimesos.spark.submit import (
    SUBMIT_ARGS_VARIABLE,
    SubmitError,
    default_properties,
    parse_arguments,
    parse_properties,
)


def test_everything_after_the_script_belongs_to_the_script() -> None:
    submission = parse_arguments(["--master", "local[2]", "pi.py", "--master", "100"])
    assert submission.primary == "pi.py"
    assert submission.arguments == ["--master", "100"]
    assert submission.properties == {"spark.master": "local[2]"}


def test_options_stand_for_properties() -> None:
    submission = parse_arguments(
        ["--total-executor-cores=2", "--executor-memory", "1G", "--conf", "spark.mesos.role=dev"]
    )
    assert submission.properties == {
        "spark.mesos.role": "dev",
        "spark.cores.max": "2",
        "spark.executor.memory": "1G",
    }


def test_an_option_beats_conf_for_its_own_property() -> None:
    submission = parse_arguments(["--executor-cores", "3", "-c", "spark.executor.cores=1"])
    assert submission.properties["spark.executor.cores"] == "3"


def test_all_problems_of_a_command_line_are_reported_at_once() -> None:
    with pytest.raises(SubmitError) as caught:
        parse_arguments(["--nonsense", "--conf", "spark.x", "--deploy-mode", "moon", "--name"])
    assert str(caught.value) == (
        "Unrecognized option: --nonsense; Spark config without '=': spark.x; "
        "option --name needs a value; --deploy-mode must be client, not moon: nothing else is here"
    )


def test_options_of_the_jvm_and_foreign_settings_are_ignored_with_a_warning() -> None:
    submission = parse_arguments(["--class", "Main", "--conf", "color=blue", "x.py"])
    assert submission.properties == {}
    assert submission.warnings == [
        "option --class means nothing here and is ignored",
        "Ignoring non-spark config property: color=blue",
    ]


def test_a_properties_file_takes_all_three_separators_and_comments() -> None:
    text = "# comment\nspark.a 1\nspark.b=two words\n  spark.c: 3 \nother.d 4\n\nspark.e\n"
    assert parse_properties(text) == {
        "spark.a": "1",
        "spark.b": "two words",
        "spark.c": "3",
        "spark.e": "",
    }


def test_options_beat_the_properties_file_and_that_beats_the_environment(tmp_path: Path) -> None:
    (tmp_path / "spark-defaults.conf").write_text(
        "spark.master from-file\nspark.executor.memory 2g\n"
    )
    submission = parse_arguments(["--master", "from option"])
    environment = {
        "SPARK_CONF_DIR": str(tmp_path),
        "SPARK_EXECUTOR_MEMORY": "1g",
        "SPARK_EXECUTOR_CORES": "4",
        SUBMIT_ARGS_VARIABLE: submission.to_submit_args(),
    }
    assert default_properties(environment) == {
        "spark.master": "from option",
        "spark.executor.memory": "2g",
        "spark.executor.cores": "4",
    }


def test_an_unreadable_properties_file_is_named(tmp_path: Path) -> None:
    submission = parse_arguments(["--properties-file", str(tmp_path / "none.conf")])
    with pytest.raises(SubmitError, match=r"none\.conf: No such file"):
        default_properties({SUBMIT_ARGS_VARIABLE: submission.to_submit_args()})
