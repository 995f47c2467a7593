"""What holds for all tests."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

REQUIRE_ALL = "MINIMESOS_REQUIRE_ALL"
"""Set where everything that tests need is installed: there, a test that is skipped has failed."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get(REQUIRE_ALL):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, but {REQUIRE_ALL} is set: {report.longrepr}"
    return report
