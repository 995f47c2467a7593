"""The stderr that an executor shares with its command."""

from __future__ import annotations

import os

import pytest
from minimesos_executor import stderr


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """A file in place of the process's stderr."""
    with open(tmp_path / "stderr", "ab", buffering=0) as file:
        monkeypatch.setattr("minimesos_executor.stderr._STDERR", file.fileno())
        yield file


def test_what_was_said_before_is_not_told(shared):
    shared.write(b"earlier\n")
    position = stderr.position()
    assert stderr.said_since(position) == ""
    shared.write(b"later\n")
    assert stderr.said_since(position) == "later"


def test_what_this_process_logs_is_not_told(shared):
    shared.write(b"why\nI1123 12:05:40.123456 %5d command.py:88] ended\n" % os.getpid())
    assert stderr.said_since(0) == "why"


def test_a_stderr_that_is_no_file_is_left_alone(monkeypatch):
    reading, writing = os.pipe()
    monkeypatch.setattr("minimesos_executor.stderr._STDERR", writing)
    assert stderr.said_since(stderr.position()) == ""
    os.close(reading)
    os.close(writing)
