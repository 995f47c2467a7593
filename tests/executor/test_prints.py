from __future__ import annotations

import pytest
from minimesos_executor.prints import BURST_BYTES, LINE_BYTES_MAX, RATE_BYTES_PER_S, PrintedLines


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines(clock: Clock) -> PrintedLines:
    return PrintedLines(clock)


def test_each_line_says_whose_it_is(lines: PrintedLines) -> None:
    assert lines.add(b"one\n\ntwo\n", "(it) ") == "(it) one\n(it) \n(it) two\n"


def test_a_line_is_passed_on_once_it_is_whole(lines: PrintedLines) -> None:
    assert lines.add("ü".encode()[:1], "") == ""
    assert lines.add("ü".encode()[1:] + b"\nrest", "") == "ü\n"
    assert lines.end("") == "rest\n"
    assert not lines.has_rest


def test_a_line_that_does_not_end_is_passed_on_in_pieces(lines: PrintedLines) -> None:
    piece = b"x" * (LINE_BYTES_MAX // 2)
    assert lines.add(piece, "") == ""
    assert len(lines.add(piece, "")) == LINE_BYTES_MAX + 1


def test_what_is_no_text_does_no_harm(lines: PrintedLines) -> None:
    assert lines.add(b"\xff\n", "") == "\N{REPLACEMENT CHARACTER}\n"


def test_of_a_flood_some_is_passed_on_and_the_rest_is_counted(lines: PrintedLines) -> None:
    line = b"x" * 999 + b"\n"
    count = 20_000
    passed = "".join(lines.add(line, "") for _ in range(count))
    assert len(passed) == BURST_BYTES // 1000 * 1000
    assert (
        lines.end("(it) ") == f"(it) ... {1000 * count - len(passed):,} bytes of output left out\n"
    )


def test_one_huge_write_is_cut_as_well(lines: PrintedLines) -> None:
    passed = lines.add(b"x" * (3 * BURST_BYTES), "")
    assert "left out" in passed + lines.end("")
    assert len(passed) <= BURST_BYTES + 100


def test_after_a_flood_lines_come_again_once_there_is_room(
    lines: PrintedLines, clock: Clock
) -> None:
    flood = b"x" * 999 + b"\n"
    while lines.add(flood, ""):
        pass
    clock.now += 0.6 * BURST_BYTES / RATE_BYTES_PER_S
    assert lines.add(b"hello\n", "") == "... 1,000 bytes of output left out\nhello\n"
