"""Ends of tasks, collected into frames."""

from __future__ import annotations

from minimesos_executor.results import FRAME_BYTES, ResultOutbox

from minimesos.proto.minimesos import spark_pb2


def columns(frame):
    results = frame.results
    return list(results.task_ids), list(results.outcomes), list(results.workers)


def test_small_results_share_a_frame_and_successes_need_no_outcomes():
    outbox = ResultOutbox()
    outbox.add([1, 2], (), [b"a", b"b"], 0)
    outbox.add([3], (), [b"c"], 1)
    (frame,) = outbox.take()
    assert columns(frame) == ([1, 2, 3], [], [0, 0, 1])
    assert list(frame.results.payloads) == [b"a", b"b", b"c"]
    assert outbox.take() == []


def test_one_failure_gives_all_their_outcomes():
    outbox = ResultOutbox()
    outbox.add([1], (), [b"a"], 0)
    outbox.add([2], (spark_pb2.FAILED,), [b"b"], 0)
    outbox.add([3], (), [b"c"], 0)
    (frame,) = outbox.take()
    assert columns(frame)[1] == [spark_pb2.SUCCESS, spark_pb2.FAILED, spark_pb2.SUCCESS]


def test_a_large_result_has_a_frame_of_its_own():
    outbox = ResultOutbox()
    outbox.add([1, 2, 3], (), [b"a", bytes(FRAME_BYTES), b"c"], 0)
    outbox.add([4], (), [b"d"], 1)
    assert [columns(frame)[0] for frame in outbox.take()] == [[1], [2], [3, 4]]
