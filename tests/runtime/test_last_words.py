"""Which line of a program's stderr says why it failed."""

from __future__ import annotations

import io

import pytest

from minimesos.runtime.last_words import LENGTH_MAX, last_words

OWN_PID = 7


def logged(pid: int, words: str) -> str:
    return f"E1123 12:05:40.123456 {pid:>5} driver_link.py:88] {words}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ""),
        ("one\ntwo\n", "two"),
        ("unfinished", "unfinished"),
        ("why\n\n  ^^^^^^\n}\n", "why"),
        ("Traceback:\n  File ...\nModuleNotFoundError: No module named 'grpc'\n",
         "ModuleNotFoundError: No module named 'grpc'"),
        (logged(1, "executor ends reason=gone"), "executor ends reason=gone"),
        ("why\n" + logged(OWN_PID, "Forked command at 8"), "why"),
        (logged(OWN_PID, "Forked command at 8"), ""),
        (logged(1, "registered with driver").replace("E", "I", 1), ""),
        ("\x1b[31mred\x1b[0m\ttext \x07\x00\n", "red text"),
        ("12 %\r57 %\rstopped\r", "stopped"),
        ("caf\u00e9 \u4f60\n", "caf\u00e9 \u4f60"),
        ("x" * 20_000, "x" * LENGTH_MAX + "..."),
    ],
)  # fmt: skip
def test_it_is_the_last_line_that_says_anything(text, said):
    assert last_words(io.BytesIO(text.encode()), besides_pid=OWN_PID) == said


def test_bytes_that_are_no_text_are_marked():
    assert last_words(io.BytesIO(b"\xff\xfe bad\n")) == "\ufffd\ufffd bad"


def test_what_comes_before_the_start_is_not_looked_at():
    assert last_words(io.BytesIO(b"before\n"), start=7) == ""
    assert last_words(io.BytesIO(b"before\nafter\n"), start=7) == "after"
