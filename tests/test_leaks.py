"""What is left behind is seen, and named so that it can be found."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests import leaks
from tests.leaks import Watch

pytestmark = pytest.mark.integration

Left = Callable[[], AbstractContextManager[str]]
"""Leaves something behind, says how it is named, and takes it away in the end."""


@contextmanager
def a_child() -> Iterator[str]:
    wait = [sys.executable, "-c", "import signal; signal.pause()"]
    with subprocess.Popen(wait) as child:
        yield f"process {child.pid}: .*import signal"
        child.kill()


@contextmanager
def an_orphan() -> Iterator[str]:
    script = "sleep 60 >/dev/null & echo $!"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.read())
    yield f"process {pid}: sleep 60"
    subprocess.run(["kill", str(pid)], check=True)


@contextmanager
def a_file() -> Iterator[str]:
    with tempfile.NamedTemporaryFile() as file:
        yield f"file {file.name}"


@contextmanager
def a_directory() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as path, open(f"{path}/inside", "w"):
        yield rf"directory {path} with \['inside'\]"


@contextmanager
def a_socket() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield rf"AF_INET socket \('127.0.0.1', {listener.getsockname()[1]}\)"


@contextmanager
def shared_memory() -> Iterator[str]:
    # Not by multiprocessing: it starts a tracker, which stays.
    with tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="minimesos-") as memory:
        yield f"shared memory {memory.name}"


@contextmanager
def a_thread() -> Iterator[str]:
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="left")
    thread.start()
    yield "thread left"
    end.set()
    thread.join()


@pytest.mark.parametrize(
    "left", [a_child, an_orphan, a_file, a_directory, a_socket, shared_memory, a_thread]
)
def test_what_is_left_behind_is_named(
    watch: Watch, left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaks, "DEADLINE_S", 0.0)
    watching = watch.leaves_nothing()
    watching.__enter__()
    with left() as name:
        with pytest.raises(AssertionError) as info:
            watching.__exit__(None, None, None)
        assert re.search(name, str(info.value))


def test_what_is_about_to_go_is_waited_for(watch: Watch) -> None:
    with watch.leaves_nothing():
        child = subprocess.Popen(["sh", "-c", "read line"], stdin=subprocess.PIPE)
        assert child.stdin is not None
        threading.Timer(0.05, child.stdin.close).start()
    child.wait()
