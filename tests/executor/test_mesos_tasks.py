"""What a control process tells its agent of Spark tasks that are Mesos tasks."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from minimesos_executor.control import Identity
from minimesos_executor.deaths import Exit
from minimesos_executor.mesos_tasks import MesosTaskControl
from minimesos_executor.pool import Fetch
from minimesos_executor.reactor import SelectorReactor

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.proto.minimesos import spark_pb2
from minimesos.runtime.frame_socket import Reactor


class NoWorkers:
    """Where workers would come from."""

    pid = 0

    def attach(
        self,
        reactor: Reactor,
        on_forked: Callable[[int, int], None],
        on_exited: Callable[[int, Exit], None],
        on_died: Callable[[], None],
    ) -> None:
        pass

    def fork(self, slot: int, worker: socket.socket, board: int, stdout: int, stderr: int) -> None:
        pass

    def signal(self, pid: int, signum: int) -> None:
        pass

    def close(self) -> None:
        pass


class Link:
    """A driver that notes what it is sent, and why the executor gives up."""

    has_log = False

    def __init__(self) -> None:
        self.sent: list[spark_pb2.ExecutorFrame] = []
        self.given_up: list[str] = []

    def send(self, frame: spark_pb2.ExecutorFrame) -> None:
        self.sent.append(frame)

    def fetch(self, wish: Fetch, answer: Callable[[str, int], None]) -> None:
        pass

    def give_up(self, reason: str) -> None:
        self.given_up.append(reason)

    def shut_down(self) -> None:
        pass


class Executor:
    """A control process, and what it reports."""

    def __init__(self, local_dir: Path) -> None:
        self.link = Link()
        self.reported: list[tuple[int, mesos_pb2.TaskState]] = []
        self.data: list[bytes] = []
        identity = Identity("S1", "host", 1)
        self.control = MesosTaskControl(
            SelectorReactor(), NoWorkers(), identity, self.link, self._report
        )
        self._local_dir = local_dir

    def configure(self, **conf: str) -> None:
        texts = {"spark." + name.replace("_", "."): text for name, text in conf.items()}
        self.control.configure(spark_pb2.Registered(conf=texts), str(self._local_dir))

    def started(self) -> list[int]:
        """Have the pool note what it is given from now on, instead of doing it."""
        started: list[int] = []
        self.control.pool.submit = lambda batch: started.extend(batch.task_ids)  # type: ignore[method-assign]
        return started

    def _report(self, task_id: int, state: mesos_pb2.TaskState, data: bytes, text: str) -> None:
        self.reported.append((task_id, state))
        self.data.append(data)


@pytest.fixture
def executor(tmp_path: Path) -> Iterator[Executor]:
    (tmp_path / "blocks").mkdir()
    executor = Executor(tmp_path / "blocks")
    yield executor
    executor.control.close()


def test_a_task_that_is_killed_before_the_driver_has_sent_the_settings_is_reported(
    executor: Executor,
) -> None:
    executor.control.launch(7, b"")
    executor.control.kill(7)
    assert executor.reported == [(7, mesos_pb2.TASK_KILLED)]
    assert executor.link.given_up == []


def test_a_task_that_has_failed_is_reported(executor: Executor) -> None:
    executor.configure()
    executor.control.ended([7], [spark_pb2.FAILED], [b"why"], 0)
    assert executor.reported == [(7, mesos_pb2.TASK_FAILED)]
    assert executor.link.given_up == []


def test_an_executor_whose_directory_is_gone_blames_no_task(
    executor: Executor, tmp_path: Path
) -> None:
    executor.configure()
    (tmp_path / "blocks").rmdir()
    executor.control.ended([7], [spark_pb2.FAILED], [b"no such file"], 0)
    executor.control.ended([8], [spark_pb2.FAILED], [b"no such file"], 0)
    assert executor.reported == []
    (reason,) = executor.link.given_up
    assert "where its blocks were, is gone" in reason


STAGE = spark_pb2.DriverFrame(stages=[spark_pb2.Stage(stage_key=3, binary=b"closure")])
TASK = spark_pb2.TaskBatch(stage_key=3, task_ids=[7], partitions=[0], attempts=[0])


def test_a_task_waits_for_settings_and_for_its_stage(executor: Executor) -> None:
    started = executor.started()
    executor.control.launch(7, TASK.SerializeToString())
    executor.configure()
    assert started == []
    executor.control.handle(STAGE)
    assert started == [7]
    assert executor.reported == []  # not before it has run for a while


def test_a_task_without_data_waits_for_its_description_and_a_description_for_its_launch(
    executor: Executor,
) -> None:
    started = executor.started()
    executor.configure()
    executor.control.handle(STAGE)
    executor.control.launch(7, b"")
    assert started == []
    other = spark_pb2.TaskBatch(stage_key=3, task_ids=[8], partitions=[1], attempts=[0])
    executor.control.handle(spark_pb2.DriverFrame(tasks=[TASK, other]))
    assert started == [7]
    executor.control.launch(8, b"")
    assert started == [7, 8]


def test_data_that_are_no_description_fail_their_task_only(executor: Executor) -> None:
    executor.configure()
    executor.control.launch(7, b"\xff")
    assert executor.reported == [(7, mesos_pb2.TASK_FAILED)]
    assert executor.link.given_up == []


def test_a_small_result_goes_with_the_status_and_a_large_one_to_the_driver(
    executor: Executor,
) -> None:
    executor.configure(task_maxDirectResultSize="10")
    executor.control.ended([7, 8], [], [b"x" * 10, b"x" * 11], 0)
    executor.control.turn()
    assert executor.reported == [(7, mesos_pb2.TASK_FINISHED), (8, mesos_pb2.TASK_FINISHED)]
    small, large = executor.data
    assert spark_pb2.TaskResults.FromString(small).payloads == [b"x" * 10]
    assert large == b""
    (frame,) = executor.link.sent
    assert frame.results.task_ids == [8]
