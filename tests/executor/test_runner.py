"""One worker, spoken to as its control process does."""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from minimesos_executor import messages

from minimesos.runtime.frame_socket import HEADER
from minimesos.spark.env import DRIVER, FetchFailed, Location, Range
from minimesos.spark.files import ShippedFiles
from minimesos.spark.scheduler.task import Outcome, decode_failure, decode_success
from minimesos.spark.shipment import Shipment
from minimesos.testing.spark_executors import DEADLINE_S, stage

pytestmark = pytest.mark.integration

PEER = Location("7", "there", "10.0.0.7:7777", "/blocks")

SCRIPT = """
import signal, socket, sys
from minimesos_executor.runner import run_worker
signal.signal(signal.SIGINT, signal.SIG_IGN)
run_worker(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
"""


class WorkerProcess:
    """A worker without zygote and pool."""

    def __init__(self, directory: Path) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(DEADLINE_S)
        board = os.memfd_create("board")
        os.ftruncate(board, messages.BOARD_BYTES)
        self._page = mmap.mmap(board, messages.BOARD_BYTES)
        self.board = memoryview(self._page).cast("q")
        fds = theirs.fileno(), board
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", SCRIPT, *map(str, fds)], pass_fds=fds
        )
        theirs.close()
        os.close(board)
        self.send(
            messages.SETUP,
            {
                "executor_id": "0",
                "host": "here",
                "local_dir": str(directory),
                "workers": 1,
                "conf": {},
                "python_path": (),
            },
        )
        assert self.receive() == (messages.READY,)

    def send(self, *message: object) -> None:
        frame = messages.encode(*message)
        self.socket.sendall(HEADER.pack(len(frame)) + frame)

    def run(self, key, function, task_ids) -> None:
        self.send(messages.STAGE, key, stage(key, function).binary)
        self.send(messages.TASKS, [(key, task_id, task_id, 0, b"") for task_id in task_ids])

    def poke(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def receive(self) -> tuple:
        (length,) = HEADER.unpack(self._exactly(HEADER.size))
        return messages.decode(self._exactly(length))

    def results(self, *task_ids: int) -> dict[int, tuple[int, bytes]]:
        """Receive RESULTS until these tasks have ended."""
        ended: dict[int, tuple[int, bytes]] = {}
        while not ended.keys() >= set(task_ids):
            kind, ids, outcomes, payloads, _ = self.receive()
            assert kind == messages.RESULTS
            outcomes = outcomes or [0] * len(ids)
            ended.update(zip(ids, zip(outcomes, payloads, strict=True), strict=True))
        return ended

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            assert piece, "the worker is gone"
            data += piece
        return data

    def close(self) -> None:
        self.socket.close()
        self.process.kill()
        self.process.wait()
        self.board.release()
        self._page.close()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[WorkerProcess]:
    worker = WorkerProcess(tmp_path)
    yield worker
    worker.close()


def value(result: tuple[int, bytes]) -> object:
    assert result[0] == Outcome.SUCCESS
    return pickle.loads(decode_success(result[1])[1])


def test_results_of_small_tasks_share_frames(worker):
    worker.run(1, lambda i, _: i, range(1000))
    frames = ended = 0
    while ended < 1000:
        ended += len(worker.receive()[1])
        frames += 1
    assert frames < 100


def test_a_large_result_does_not_wait_for_others(worker, gate):
    worker.run(1, lambda i, _: gate.wait() if i else bytes(10**6), [0, 1])
    assert len(value(worker.results(0)[0])) == 10**6
    gate.open()
    worker.results(1)


async def test_the_board_shows_the_running_task(worker, gate):
    worker.run(1, lambda i, _: gate.wait(), [5, 6])
    await gate.rung()
    assert worker.board[0] == 5
    gate.open()
    await gate.rung()
    assert worker.board[0] == 6
    gate.open()
    worker.results(5, 6)
    worker.send(messages.RECALL)
    assert worker.receive() == (messages.RETURNED, [])
    assert worker.board[0] == messages.NO_TASK


async def test_a_poke_makes_it_send_what_it_holds_back(worker, gate):
    worker.run(1, lambda i, _: i and gate.wait(), [0, 1])
    await gate.rung()
    worker.poke()
    assert value(worker.results(0)[0]) == 0
    gate.open()
    assert value(worker.results(1)[1]) is None


async def test_a_recall_gives_back_what_has_not_started(worker, gate):
    worker.run(1, lambda i, _: gate.wait(), [1, 2, 3])
    await gate.rung()
    worker.send(messages.RECALL)
    worker.poke()
    assert worker.receive() == (messages.RETURNED, [2, 3])
    gate.open()
    assert worker.results(1).keys() == {1}


async def test_cancelling_ends_the_running_task_and_those_behind_it(worker, gate):
    worker.run(1, lambda i, _: gate.wait(), [1, 2])
    await gate.rung()
    worker.send(messages.CANCEL, [1, 2], True)
    worker.poke()
    ended = worker.results(1, 2)
    assert [ended[i][0] for i in (1, 2)] == [Outcome.CANCELLED] * 2


async def test_a_stale_cancel_does_not_hit_the_next_task(worker, gate):
    worker.run(1, lambda i, _: gate.wait(), [1, 2])
    await gate.rung()
    gate.open()
    await gate.rung()
    worker.send(messages.CANCEL, [1], True)
    worker.poke()
    gate.open()
    assert value(worker.results(1, 2)[2]) is None


def test_a_keyboard_interrupt_of_the_users_own_is_a_failure(worker):
    def interrupt(i, _):
        raise KeyboardInterrupt

    worker.run(1, interrupt, [0])
    outcome, payload = worker.results(0)[0]
    assert outcome == Outcome.FAILED
    assert decode_failure(payload).class_name == "KeyboardInterrupt"


def test_a_fetch_goes_through_the_control_process(worker):
    def fetch(i, task):
        return Path(task.env.fetch(PEER, "shuffle_1", 10, 20)).read_text()

    worker.run(1, fetch, [0])
    kind, number, *wish, destination = worker.receive()
    assert (kind, wish) == (messages.FETCH, ["10.0.0.7:7777", "7", ["shuffle_1"], [10], [20]])
    Path(destination).write_text("block")
    worker.send(messages.FETCHED, number, "", 1)
    assert value(worker.results(0)[0]) == "block"


def test_several_fetches_are_under_way_at_once(worker):
    def fetch(i, task):
        begun = [task.env.begin_fetch(PEER, [Range(name, 0, 1), Range("z", 5, 6)]) for name in "ab"]
        return [Path(each.result()).read_text() for each in reversed(begun)]

    worker.run(1, fetch, [0])
    fetches = [worker.receive() for _ in "ab"]
    assert [fetch[4:7] for fetch in fetches] == [([n, "z"], [0, 5], [1, 6]) for n in "ab"]
    for fetch in fetches:
        Path(fetch[-1]).write_text(fetch[4][0])
        worker.send(messages.FETCHED, fetch[1], "", 2)
    assert value(worker.results(0)[0]) == ["b", "a"]


def test_the_first_range_that_is_missing_is_named(worker):
    def fetch(i, task):
        try:
            task.env.begin_fetch(PEER, [Range(name, 0, 1) for name in "abc"]).result()
        except FetchFailed as failure:
            return failure.path, failure.reason

    worker.run(1, fetch, [0])
    worker.send(messages.FETCHED, worker.receive()[1], "no such file", 1)
    assert value(worker.results(0)[0]) == ("b", "no such file")


def test_what_nobody_wants_any_more_is_deleted_when_it_comes(worker, tmp_path):
    def fetch(i, task):
        wanted, dropped, late = [task.env.begin_fetch(PEER, [Range(name, 0, 1)]) for name in "abc"]
        wanted.result()
        dropped.drop()
        late.drop()

    worker.run(1, fetch, [0])
    first, second, third = [worker.receive()[1] for _ in "abc"]
    worker.send(messages.FETCHED, second, "", 1)
    worker.send(messages.FETCHED, first, "", 1)
    worker.results(0)
    worker.send(messages.FETCHED, third, "", 1)
    worker.run(2, lambda i, task: len(os.listdir(task.env.local_dir)), [1])
    assert value(worker.results(1)[1]) == 1  # the one that was waited for


def test_a_fetch_that_fails_raises_in_the_task(worker, tmp_path):
    worker.run(1, lambda i, task: task.env.fetch(PEER, "shuffle_1", 0, 0), [0])
    worker.send(messages.FETCHED, worker.receive()[1], "the disk is on fire", 0)
    outcome, payload = worker.results(0)[0]
    assert outcome == Outcome.FAILED
    assert "the disk is on fire" in decode_failure(payload).message
    assert list(tmp_path.iterdir()) == []


def test_a_task_that_waits_for_a_fetch_can_be_cancelled(worker, tmp_path):
    worker.run(1, lambda i, task: task.env.fetch(PEER, "shuffle_1", 0, 0), [0])
    kind, number, *_ = worker.receive()
    assert kind == messages.FETCH
    worker.send(messages.CANCEL, [0], True)
    worker.poke()
    assert worker.results(0)[0][0] == Outcome.CANCELLED
    worker.send(messages.FETCHED, number, "", 1)
    worker.run(2, lambda i, task: os.listdir(task.env.local_dir), [1])
    assert value(worker.results(1)[1]) == []


def test_it_ends_when_the_control_process_is_gone(worker):
    worker.socket.close()
    assert worker.process.wait(DEADLINE_S) == 0


def test_modules_of_the_driver_are_found_after_those_of_the_worker(tmp_path):
    Path(tmp_path, "socket.py").write_text("raise ImportError('shadowed')")
    Path(tmp_path, "only_the_driver_has_it.py").write_text("ANSWER = 42")
    worker = WorkerProcess(tmp_path)
    try:
        settings = {
            "executor_id": "0",
            "host": "here",
            "local_dir": str(tmp_path),
            "workers": 1,
            "conf": {},
            "python_path": (str(tmp_path),),
        }
        worker.send(messages.SETUP, settings)
        assert worker.receive() == (messages.READY,)

        def use(i, _):
            import socket

            import only_the_driver_has_it

            return socket.AF_UNIX and only_the_driver_has_it.ANSWER

        worker.run(1, use, [0])
        assert value(worker.results(0)[0]) == 42
    finally:
        worker.close()


def test_what_was_shipped_ahead_of_a_stage_is_there_before_its_closure_is_loaded(worker, tmp_path):
    (tmp_path / "shipped_by_the_driver.py").write_text("class Answer:\n    value = 42\n")
    driver = tmp_path / "driver"
    driver.mkdir()
    files = ShippedFiles(str(driver), {})
    files.add_py_file(str(tmp_path / "shipped_by_the_driver.py"))
    try:
        answer = import_module("shipped_by_the_driver").Answer()  # pickled by the module's name
    finally:
        files.close()
    shipment = Shipment(files.version, Location(DRIVER, "here", "", str(driver)))
    worker.send(messages.STAGE, 1, stage(1, lambda i, _: answer.value, shipment).binary)
    worker.send(messages.TASKS, [(1, 0, 0, 0, b"")])
    assert value(worker.results(0)[0]) == 42
