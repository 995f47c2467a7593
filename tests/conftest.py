"""What holds for all tests."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from importlib.metadata import Distribution
from pathlib import Path

import pytest
from grpc.experimental import aio

from minimesos.runtime.loop import LoopThread
from tests.leaks import Watch

REQUIRE_ALL = "MINIMESOS_REQUIRE_ALL"
"""Set where everything that tests need is installed: there, a test that is skipped has failed."""

# Tests beside the real PySpark run where it is installed: `make test-pyspark`.
collect_ignore = [] if any(Distribution.discover(name="pyspark")) else ["pyspark"]


@pytest.fixture(scope="session")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    """Sees what tests leave behind, in a temporary directory that is theirs alone."""
    tmp_path_factory.getbasetemp()  # pytest's own stays where it always is
    LoopThread.shared()  # it stays, as does what gRPC begins with
    aio.init_grpc_aio()
    watch = Watch()
    yield watch
    watch.close()


@pytest.fixture(scope="session")
def integration_modules(request: pytest.FixtureRequest) -> set[Path]:
    """Files of the integration tests of this run."""
    tests = request.session.items
    return {test.path for test in tests if test.get_closest_marker("integration")}


@pytest.fixture(scope="module", autouse=True)
def _module_leaves_nothing(
    request: pytest.FixtureRequest, integration_modules: set[Path]
) -> Iterator[None]:
    """Fail a module of integration tests whose own fixtures leave something behind."""
    yield from _watched(request, request.path in integration_modules)


@pytest.fixture(autouse=True)
def _test_leaves_nothing(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail an integration test that leaves a process, file, socket, shared memory or thread."""
    yield from _watched(request, request.node.get_closest_marker("integration") is not None)


def _watched(request: pytest.FixtureRequest, is_integration: bool) -> Iterator[None]:
    if not is_integration:  # most tests: they do not even start the watch
        yield
        return
    with request.getfixturevalue("watch").leaves_nothing():
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", type=int, default=1, help="how many times as many seeds to try")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    seeds = metafunc.definition.get_closest_marker("seeds")
    if seeds is not None:
        count = seeds.args[0] * metafunc.config.getoption("--soak")
        metafunc.parametrize("seed", range(count))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get(REQUIRE_ALL):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, but {REQUIRE_ALL} is set: {report.longrepr}"
    return report
