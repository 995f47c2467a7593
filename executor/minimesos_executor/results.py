"""Ends of tasks on their way to the driver: collected as columns, sent as frames near 1 MiB."""

from __future__ import annotations

from collections.abc import Sequence

from minimesos.proto.minimesos import spark_pb2

FRAME_BYTES = 2**20  # a frame takes no further payload once it is this long


class ResultOutbox:
    """Ends of tasks that have not been put into a frame yet."""

    def __init__(self) -> None:
        self._results: list[spark_pb2.TaskResults] = []
        self._last_bytes = 0

    def add(
        self, task_ids: Sequence[int], outcomes: Sequence[int], payloads: Sequence[bytes], slot: int
    ) -> None:
        """Add ends of tasks; no outcomes means that all are successes."""
        size = sum(map(len, payloads))
        if len(task_ids) > 1 and size > FRAME_BYTES:
            for at, task_id in enumerate(task_ids):
                self.add([task_id], outcomes[at : at + 1], [payloads[at]], slot)
            return
        if not self._results or self._last_bytes + size > FRAME_BYTES:
            self._results.append(spark_pb2.TaskResults())
            self._last_bytes = 0
        results = self._results[-1]
        self._last_bytes += size
        if outcomes or results.outcomes:
            missing = len(results.task_ids) - len(results.outcomes)
            results.outcomes.extend([spark_pb2.SUCCESS] * missing)
            results.outcomes.extend(outcomes or [spark_pb2.SUCCESS] * len(task_ids))  # type: ignore[arg-type]
        results.task_ids.extend(task_ids)
        results.payloads.extend(payloads)
        results.workers.extend([slot] * len(task_ids))

    def take(self) -> list[spark_pb2.ExecutorFrame]:
        """Return all that was added, as frames."""
        results, self._results = self._results, []
        return [spark_pb2.ExecutorFrame(results=each) for each in results]
