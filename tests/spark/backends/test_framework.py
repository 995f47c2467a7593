"""How the application presents itself to the master."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.spark.backends import framework
from minimesos.spark.backends.framework import credential, framework_info, with_advice
from minimesos.spark.errors import SparkException


def info(conf: dict[str, str], webui_url: str = "", **environment: str) -> mesos_pb2.FrameworkInfo:
    return framework_info(conf, webui_url, environment)


def test_the_settings_of_the_framework_reach_the_master() -> None:
    described = info(
        {
            "spark.app.name": "pi",
            "spark.driver.host": "10.0.0.1",
            "spark.mesos.role": "analytics",
            "spark.mesos.driver.failoverTimeout": "12.5",
            "spark.mesos.principal": "me",
        }
    )
    assert (described.name, described.hostname, described.role) == ("pi", "10.0.0.1", "analytics")
    assert described.failover_timeout == 12.5
    assert described.principal == "me"
    assert not described.HasField("checkpoint")
    assert not described.HasField("id")


def test_without_settings_there_is_neither_principal_nor_capability_nor_page() -> None:
    described = info({})
    assert described.role == "*"
    assert not described.HasField("principal")
    assert not described.HasField("webui_url")
    assert not described.capabilities


@pytest.mark.parametrize(
    ("conf", "choices"),
    [
        ({}, [{"cpus": 1, "mem": 1024 + 384}, {"cpus": 1}]),
        (
            {"spark.executor.cores": "3", "spark.executor.memory": "512m"},
            [{"cpus": 3, "mem": 512 + 384}, {"cpus": 1}],
        ),
        ({"spark.mesos.coarse": "false", "spark.task.cpus": "2"}, [{"cpus": 2}]),
    ],
)
def test_offers_without_a_whole_core_are_not_wanted_and_of_others_so_much_at_a_time(
    conf: dict[str, str], choices: list[dict[str, float]]
) -> None:
    filters = info({**conf, "spark.mesos.role": "dev"}).offer_filters["dev"]
    assert [
        {name: scalar.value for name, scalar in least.quantities.items()}
        for least in filters.min_allocatable_resources.quantities
    ] == choices


def test_the_public_name_of_the_host_wins() -> None:
    assert info({}, SPARK_PUBLIC_DNS="driver.example").hostname == "driver.example"


def test_the_page_is_the_one_that_is_set_else_the_applications() -> None:
    assert info({}, "http://driver:4040").webui_url == "http://driver:4040"
    conf = {"spark.mesos.driver.webui.url": "http://proxy/app"}
    assert info(conf, "http://driver:4040").webui_url == "http://proxy/app"


def test_gpus_are_offered_to_those_who_want_some() -> None:
    (capability,) = info({"spark.mesos.gpus.max": "2"}).capabilities
    assert capability.type == mesos_pb2.FrameworkInfo.Capability.GPU_RESOURCES
    assert not info({"spark.mesos.gpus.max": "0"}).capabilities


def test_later_contexts_of_a_process_have_ids_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framework, "_frameworks", itertools.count())
    conf = {"spark.mesos.driver.frameworkId": "driver-7"}
    assert [info(conf).id.value for _ in range(3)] == ["driver-7", "driver-7-0001", "driver-7-0002"]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    paths = {}
    for name in ("principal", "secret"):
        path = tmp_path / name
        path.write_text(f"{name}-of-file\n")
        paths[name] = str(path)
    return paths


def pair(conf: dict[str, str], **environment: str) -> tuple[str, str] | None:
    found = credential(conf, environment)
    return None if found is None else (found.principal, found.secret)


def test_without_a_principal_there_is_no_credential() -> None:
    assert credential({}, {}) is None


def test_a_principal_alone_has_no_secret() -> None:
    found = credential({"spark.mesos.principal": "me"}, {})
    assert found is not None
    assert not found.HasField("secret")


def test_principal_and_secret_are_settings() -> None:
    assert pair({"spark.mesos.principal": "me", "spark.mesos.secret": "s"}) == ("me", "s")


def test_principal_and_secret_are_in_files_that_settings_name(files: dict[str, str]) -> None:
    conf = {
        "spark.mesos.principal.file": files["principal"],
        "spark.mesos.secret.file": files["secret"],
    }
    assert pair(conf) == ("principal-of-file", "secret-of-file")


def test_principal_and_secret_are_variables() -> None:
    found = pair({}, SPARK_MESOS_PRINCIPAL="me", SPARK_MESOS_SECRET="s")
    assert found == ("me", "s")


def test_principal_and_secret_are_in_files_that_variables_name(files: dict[str, str]) -> None:
    found = pair(
        {},
        SPARK_MESOS_PRINCIPAL_FILE=files["principal"],
        SPARK_MESOS_SECRET_FILE=files["secret"],
    )
    assert found == ("principal-of-file", "secret-of-file")


def test_settings_win_over_variables_and_those_over_files(files: dict[str, str]) -> None:
    conf = {"spark.mesos.principal": "me", "spark.mesos.secret.file": files["secret"]}
    found = pair(conf, SPARK_MESOS_PRINCIPAL="other", SPARK_MESOS_SECRET="of-variable")
    assert found == ("me", "of-variable")


def test_a_file_of_a_setting_wins_over_that_of_a_variable(
    files: dict[str, str], tmp_path: Path
) -> None:
    conf = {"spark.mesos.principal.file": files["principal"]}
    found = credential(conf, {"SPARK_MESOS_PRINCIPAL_FILE": str(tmp_path / "none")})
    assert found is not None
    assert found.principal == "principal-of-file"


def test_a_secret_without_a_principal_is_refused() -> None:
    with pytest.raises(SparkException, match=r"^spark\.mesos\.principal must be configured"):
        framework_info({"spark.mesos.secret": "s"}, environment={})


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "none")
    with pytest.raises(SparkException, match=f"{missing}.*No such file"):
        credential({"spark.mesos.principal.file": missing}, {})
    with pytest.raises(SparkException, match="SPARK_MESOS_SECRET_FILE: cannot read"):
        credential({"spark.mesos.principal": "me"}, {"SPARK_MESOS_SECRET_FILE": missing})


def test_advice_is_given_only_on_an_error_that_is_known_and_to_whom_it_helps() -> None:
    returning = {"spark.mesos.driver.frameworkId": "F"}
    assert with_advice("Framework failed over", returning) == "Framework failed over"
    assert with_advice("Framework has been removed", {}) == "Framework has been removed"
