"""Executors from a package: fetched in every way, and told of within seconds if they cannot run."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minimesos.spark.package import DEFAULT_NAME, write_package
from minimesos.testing.processes import ProcessCluster

from ..agent.containerizer.web import Web
from ..executor.old_python import OLD_PYTHON
from .conftest import REPOSITORY, minimesos

pytestmark = pytest.mark.integration

COUNT = REPOSITORY / "examples" / "count.py"
TOLD_WITHIN_S = 10.0  # far less than any time-out on the way

Submit = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def cluster() -> Iterator[ProcessCluster]:
    """A master and one agent, which reach web servers on loopback without a proxy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("http_proxy", raising=False)
        patch.delenv("HTTP_PROXY", raising=False)
        with ProcessCluster(agents=1, cpus=2) as running:
            yield running


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / DEFAULT_NAME
    write_package(path)
    return path


@pytest.fixture
def submit(cluster: ProcessCluster) -> Submit:
    """Count with executors from a URI, in this Python or another."""

    def submit(
        uri: object, *options: str, python: object = sys.executable
    ) -> subprocess.CompletedProcess[str]:
        return minimesos(
            *("submit", "--master", cluster.url),
            *("--conf", f"spark.executor.uri={uri}"),
            *("--conf", f"spark.executorEnv.PYSPARK_PYTHON={python}"),
            *options,
            str(COUNT),
        )

    return submit


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_package_that_agents_can_read_runs_executors(
    submit: Submit, cluster: ProcessCluster, package: Path, form: str
) -> None:
    done = submit(form.format(package))
    assert (done.returncode, done.stdout) == (0, "11\n"), done.stderr
    sandbox = max(cluster.work_dir.rglob("runs/latest"), key=os.path.getmtime)
    assert (sandbox / DEFAULT_NAME.removesuffix(".tgz") / "minimesos_executor").is_dir()


def test_a_package_on_the_web_runs_executors_and_is_downloaded_once_if_cached(
    submit: Submit, package: Path
) -> None:
    with Web() as web:
        url = web.page(f"/{DEFAULT_NAME}", package.read_bytes())
        for _ in range(2):
            done = submit(url, "--conf", "spark.mesos.fetcherCache.enable=true")
            assert (done.returncode, done.stdout) == (0, "11\n"), done.stderr
        assert len(web.requests) == 1


def assert_told(done: subprocess.CompletedProcess[str], since: float, why: str) -> None:
    assert time.monotonic() - since < TOLD_WITHIN_S
    assert done.returncode == 1
    assert why in done.stderr.splitlines()[-1]  # the exception that the driver's user sees


def test_a_broken_archive_is_told(submit: Submit, package: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.tgz"
    broken.write_bytes(package.read_bytes()[:10_000])
    since = time.monotonic()
    assert_told(submit(broken), since, f"Failed to fetch '{broken}': cannot unpack it: ")


def test_a_python_that_the_driver_would_refuse_is_told(
    submit: Submit, package: Path, tmp_path: Path
) -> None:
    old = tmp_path / "python3.9"
    old.write_text(OLD_PYTHON)
    old.chmod(0o755)
    since = time.monotonic()
    ours = f"{sys.version_info[0]}.{sys.version_info[1]}"
    why = f"this executor needs Python {ours} as its driver, PYSPARK_PYTHON={old} is 3.9"
    assert_told(submit(package, python=old), since, why)


def test_another_version_than_the_drivers_is_told(
    submit: Submit, package: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.tgz"
    with tarfile.open(package) as tar:
        tar.extractall(tmp_path, filter="data")
    folder = tmp_path / DEFAULT_NAME.removesuffix(".tgz")
    version = folder / "minimesos" / "__init__.py"
    version.write_text(version.read_text().replace('__version__ = "', '__version__ = "9.'))
    with tarfile.open(other, "w:gz") as tar:
        tar.add(folder, "other")
    since = time.monotonic()
    assert_told(submit(other), since, "runs minimesos 9.")
