"""For tests of programs that import pyspark: a fixture that pytest finds by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from minimesos.spark.compat import pyspark_alias as alias


@pytest.fixture
def pyspark_alias() -> Iterator[None]:
    """Make `import pyspark` give minimesos for a test."""
    with alias():
        yield
