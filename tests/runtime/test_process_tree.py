"""The tree below a process, by both ways of finding it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from minimesos.agent.containerizer.wire import Decoder, encode
from minimesos.runtime import process_tree

pytestmark = pytest.mark.integration

FAMILY = """
import os, subprocess, sys, threading
def start(): return subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE)
CHILD = "import os, sys; pid = os.fork(); pid and print(pid, flush=True); sys.stdin.read()"
found = []
def in_thread():
    child = start()
    found.extend((child.pid, int(child.stdout.readline())))
    done.set(); forever.wait()
done, forever = threading.Event(), threading.Event()
threading.Thread(target=in_thread, daemon=True).start()
done.wait()
print(*found, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("has_children_files", [True, False])
def test_descendants_are_found_parents_first_also_those_of_threads(monkeypatch, has_children_files):
    if has_children_files and not process_tree._HAS_CHILDREN_FILES:
        pytest.skip("this kernel has no /proc/<pid>/task/<tid>/children")
    monkeypatch.setattr(process_tree, "_HAS_CHILDREN_FILES", has_children_files)
    command = [sys.executable, "-c", FAMILY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        family = [int(pid) for pid in process.stdout.readline().split()]
        assert process_tree.descendants(process.pid) == family
        assert process_tree.children(family[0]) == family[1:]
        assert process_tree.read_stat(family[1]).parent == family[0]
        process.communicate()


def test_a_process_that_is_gone_has_no_children_and_no_facts():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert process_tree.descendants(process.pid) == []
    for fact in (process_tree.read_stat, process_tree.cpu_s):
        with pytest.raises(OSError, match=r"No such file|Invalid argument"):
            fact(process.pid)


def test_the_cpu_clock_of_a_process_is_that_of_all_its_threads():
    assert process_tree.cpu_s(os.getpid()) == pytest.approx(sum(os.times()[:2]), abs=0.1)


def test_messages_come_out_as_they_went_in_however_the_stream_is_cut():
    messages = [("launch", {"environment": {"A": "é" * 5000}}), ("limit", None), ("destroy", 0.5)]
    stream = b"".join(map(encode, messages))
    decoder = Decoder()
    pieces = [stream[at : at + 7] for at in range(0, len(stream), 7)]
    assert [message for piece in pieces for message in decoder.feed(piece)] == messages
