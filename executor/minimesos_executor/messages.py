"""What an executor's control process and its workers say to each other, inside frames.

A message is a tuple whose first item is its kind. They are marshalled: both processes are forks of
one interpreter, and it is several times faster than pickle for columns of integers and bytes.

    to a worker     SETUP    settings: dict
                    STAGE    stage key, binary                     ahead of its first task
                    TASKS    [(stage key, task id, partition, attempt, payload), ...]
                    RECALL                                         give back what has not started
                    CANCEL   [task id, ...], interrupt the running one too
                    CLEANUP  stage keys, rdd ids, broadcast ids
                    MET      task id, [message, ...], reason of failure or ""
                    FETCHED  number, reason of failure or "", ranges that are there
    from a worker   READY                                          the surroundings of tasks exist
                    RESULTS  task ids, outcomes (empty: successes), payloads, seconds of work
                    RETURNED [task id, ...]                        the answer to RECALL
                    FETCH    number, address, executor id, [path...], [offset...], [length...],
                             destination
                    MEET     task id, barrier.Call, message
                    PRINTED  descriptor (1 or 2), whole lines with whose they are

A worker looks for messages between tasks only when it has none left. RECALL and CANCEL are
followed by SIGINT (a *poke*), which makes it look at once, and flush results that it holds back.

The *board* is a page of memory that both see: the worker writes there which task it runs, so that
the right one is blamed when it dies.
"""

from __future__ import annotations

import marshal
from typing import Any

from minimesos.runtime.frame_socket import Frame

SETUP, STAGE, TASKS, RECALL, CANCEL, CLEANUP, FETCHED, MET = range(8)
READY, RESULTS, RETURNED, FETCH, PRINTED, MEET = range(10, 16)

BOARD_BYTES = 4096
NO_TASK = -1

Task = tuple[int, int, int, int, bytes]
"""Stage key, task id, partition, attempt, payload."""


def encode(*message: Any) -> bytes:
    """Return a message as the content of a frame. Raises ValueError if an item is above 2 GiB."""
    return marshal.dumps(message)


def decode(frame: Frame) -> tuple[Any, ...]:
    """Return the message of a frame."""
    message: tuple[Any, ...] = marshal.loads(frame)
    return message
