"""What holds for all tests."""

from __future__ import annotations

import os
from collections.abc import Generator
from importlib.metadata import Distribution

import pytest

REQUIRE_ALL = "MINIMESOS_REQUIRE_ALL"
"""Set where everything that tests need is installed: there, a test that is skipped has failed."""

# Tests beside the real PySpark run where it is installed: `make test-pyspark`.
collect_ignore = [] if any(Distribution.discover(name="pyspark")) else ["pyspark"]


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
