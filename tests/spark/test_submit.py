"""spark-submit's options, properties files and their precedence."""

from __future__ import annotations

from pathlib import Path

import pytest

from minimesos.spark.launch import driver_environment
from minimesos.spark.settings import SETTINGS
from minimesos.spark.submit import (
    ENVIRONMENT,
    OPTIONS,
    SUBMIT_ARGS_VARIABLE,
    SubmitError,
    default_properties,
    parse_arguments,
    resolve,
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
        parse_arguments(["--nonsense", "--conf", "spark.x", "--kill", "a", "--status=b", "--name"])
    assert str(caught.value) == (
        "Unrecognized option: --nonsense; Spark config without '=': spark.x; "
        "only one of --kill and --status can be asked for; option --name needs a value"
    )


def test_foreign_settings_are_ignored_with_a_warning_and_options_of_the_jvm_left_to_spark() -> None:
    submission = parse_arguments(["--class", "Main", "--conf", "color=blue", "x.py"])
    assert submission.properties == {}
    assert submission.warnings == ["Ignoring non-spark config property: color=blue"]
    assert submission.to_submit_args() == "--class Main pyspark-shell"


def test_sparks_own_master_is_told_to_it_as_it_spells_it_and_to_us_as_it_was_given() -> None:
    submission = parse_arguments(
        ["--master", "spark+local[2]", "--queue", "q", "--conf", "spark.minimesos.x=y", "x.py"]
    )
    driver = driver_environment(submission, resolve(submission, {})[0], {})
    assert driver["PYSPARK_SUBMIT_ARGS"] == "--queue q --conf 'spark.master=local[2]' pyspark-shell"
    assert default_properties(driver)["spark.master"] == "spark+local[2]"
    assert "PYTHONPATH" not in driver, "the real one is not hidden by the alias"


@pytest.mark.parametrize(
    ("arguments", "question"),
    [
        (["--help"], "--help"),
        (["--master", "local", "-h", "x.py"], "--help"),
        (["--version", "--nonsense"], "--version"),
        (["--nonsense", "--help"], "--help"),
        (["x.py", "--help"], None),
    ],
)
def test_help_and_version_are_answered_wherever_they_are_asked_for_before_the_script(
    arguments: list[str], question: str | None
) -> None:
    assert parse_arguments(arguments).question == question


def test_a_request_about_a_driver_takes_its_id() -> None:
    assert parse_arguments(["--kill", "driver-1"]).driver_request == ("--kill", "driver-1")
    assert parse_arguments(["--status=driver-2"]).driver_request == ("--status", "driver-2")


def test_supervise_takes_no_value_and_is_warned_of() -> None:
    submission = parse_arguments(["--supervise", "x.py"])
    assert submission.primary == "x.py"
    assert "--supervise has no effect" in submission.warnings[0]


def test_paths_are_made_absolute_but_uris_and_names_of_archives_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    submission = parse_arguments(
        [
            *("--py-files", "a.py, /lib/b.zip,,file:/c.egg"),
            *("--files", "hdfs://host/d"),
            *("--archives", "e.zip#env"),
            *("--properties-file", "f.conf"),
        ]
    )
    assert submission.properties == {
        "spark.submit.pyFiles": f"{tmp_path}/a.py,/lib/b.zip,file:/c.egg",
        "spark.files": "hdfs://host/d",
        "spark.archives": f"{tmp_path}/e.zip#env",
    }
    assert submission.properties_file == f"{tmp_path}/f.conf"


def test_what_options_and_variables_stand_for_are_settings() -> None:
    assert set(OPTIONS.values()).union(ENVIRONMENT) <= {setting.name for setting in SETTINGS}


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


def test_each_source_beats_the_ones_below_it(tmp_path: Path) -> None:
    names = ["spark.cores.max", "spark.executor.cores", "spark.executor.memory", "spark.master"]
    environment = {"SPARK_EXECUTOR_CORES": "env", "SPARK_EXECUTOR_MEMORY": "env", "MASTER": "env"}
    file = tmp_path / "defaults"
    file.write_text("".join(f"{name} file\n" for name in names[:3]))
    submission = parse_arguments(
        [
            *("--properties-file", str(file)),
            *("--executor-cores", "option"),
            *("--conf", "spark.cores.max=conf"),
            *("--conf", "spark.executor.cores=conf"),
        ]
    )
    properties, _ = resolve(submission, environment)
    assert [properties[name] for name in names] == ["conf", "option", "file", "env"]


def test_variables_stand_for_settings_that_nothing_else_sets() -> None:
    properties, _ = resolve(
        parse_arguments([]),
        {"SPARK_LOCAL_IP": "10.0.0.1", "SPARK_EXECUTOR_URI": "http://h/x.tgz", "MASTER": ""},
    )
    assert properties == {
        "spark.driver.host": "10.0.0.1",
        "spark.driver.bindAddress": "10.0.0.1",
        "spark.executor.uri": "http://h/x.tgz",
    }
    properties, _ = resolve(
        parse_arguments([]), {"SPARK_LOCAL_IP": "10.0.0.1", "SPARK_LOCAL_HOSTNAME": "driver"}
    )
    assert properties["spark.driver.host"] == "driver"


def test_foreign_settings_of_the_properties_file_are_left_out_with_a_warning(
    tmp_path: Path,
) -> None:
    (tmp_path / "conf").mkdir()
    file = tmp_path / "conf" / "spark-defaults.conf"
    file.write_text("color blue\nspark.cores.max 3\n")
    properties, warnings = resolve(parse_arguments([]), {"SPARK_HOME": str(tmp_path)})
    assert properties == {"spark.cores.max": "3"}
    assert warnings == [f"{file}: Ignoring non-spark config property: color=blue"]


def test_an_unreadable_properties_file_is_named(tmp_path: Path) -> None:
    submission = parse_arguments(["--properties-file", str(tmp_path / "none.conf")])
    with pytest.raises(SubmitError, match=r"none\.conf: No such file"):
        default_properties({SUBMIT_ARGS_VARIABLE: submission.to_submit_args()})


def test_malformed_submit_arguments_are_named_by_their_variable() -> None:
    for arguments in ("--conf 'spark", "--nonsense"):
        with pytest.raises(SubmitError, match=f"^{SUBMIT_ARGS_VARIABLE}: "):
            default_properties({SUBMIT_ARGS_VARIABLE: arguments})


def test_settings_survive_the_way_to_the_script() -> None:
    odd = {"spark.a": "b c", "spark.d": "\"e\" 'f' $g \\ \u00e9\n", "spark.h": ""}
    submission = parse_arguments([word for k, v in odd.items() for word in ("-c", f"{k}={v}")])
    assert default_properties({SUBMIT_ARGS_VARIABLE: submission.to_submit_args()}) == odd
