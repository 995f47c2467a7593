"""What user code raised, described for people: its own traceback, and the record it was given.

Runs in a worker, once for each task that fails; nothing here costs a task that does not. The user's
classes are not to be trusted: their `__repr__`, `__str__` and `__reduce__` may raise, or be huge.

Source: the rule of fetch failures is Spark's.
"""

from __future__ import annotations

import os
import pickle
import reprlib
import resource
import traceback
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType

import minimesos
from minimesos.spark.io.serializers import dump_objects
from minimesos.spark.scheduler.task import (
    FetchFailure,
    Outcome,
    ResultNotSerializable,
    ResultTooLarge,
    TaskFailure,
)
from minimesos.spark.settings.workers import EXECUTOR_PYSPARK_MEMORY
from minimesos.spark.shuffle.reader import ShuffleFetchFailed

MESSAGE_CHARS_MAX = 8_000
TRACEBACK_CHARS_MAX = 32_000
EXCEPTION_BYTES_MAX = 2**20
RECORD_CHARS_MAX = 300
_CAUSES_MAX = 20
_GROUP_MAX = 15
_ARGUMENTS_MAX = 3
_OWN_FRAMES_SHOWN = 2

_OURS = (
    os.path.dirname(os.path.abspath(minimesos.__file__)) + os.sep,
    f"{os.sep}minimesos_executor{os.sep}",
)


def describe_failure(
    exception: BaseException, with_record: bool = True, whole_traceback: bool = False
) -> tuple[Outcome, bytes]:
    """Return how a task that raised has ended, and the payload that tells the driver why.

    `with_record` adds what the user's function was given; `whole_traceback` keeps our frames.
    """
    fetch = _fetch_failure(exception)
    if fetch is not None:
        owner = fetch.location.executor_id if fetch.location is not None else None
        failure = FetchFailure(fetch.shuffle_id, fetch.map_index, owner, str(fetch))
        return Outcome.FETCH_FAILED, pickle.dumps(tuple(failure))
    if isinstance(exception, MemoryError | RecursionError):
        _free_memory(exception)
    kind = type(exception)
    name = kind.__qualname__ if kind.__module__ == "builtins" else _qualified(kind)
    described = TaskFailure(
        class_name=name,
        message=_cut(_text(exception) or _memory_limit(exception), MESSAGE_CHARS_MAX),
        traceback=_cut(_traceback(exception, whole_traceback), TRACEBACK_CHARS_MAX),
        exception=_dump_exception(exception),
        fatal=isinstance(exception, ResultNotSerializable | ResultTooLarge),
        record=_record(exception) if with_record else "",
    )
    return Outcome.FAILED, pickle.dumps(tuple(described))


def _fetch_failure(exception: BaseException | None) -> ShuffleFetchFailed | None:
    """Return the fetch failure behind an exception; user code may have wrapped it."""
    for _ in range(_CAUSES_MAX):
        if exception is None or isinstance(exception, ShuffleFetchFailed):
            return exception
        exception = exception.__cause__ or exception.__context__
    return None


def _free_memory(exception: BaseException) -> None:
    """Let go of what filled the memory: there must be room to say so."""
    with suppress(BaseException):  # it runs __del__ and finally blocks of the user
        traceback.clear_frames(exception.__traceback__)


def _text(exception: BaseException) -> str:
    try:
        return str(exception)
    except BaseException as error:  # noqa: BLE001 - a user's __str__
        return f"<its __str__ raised {type(error).__name__}>"


def _memory_limit(exception: BaseException) -> str:
    """Say what a MemoryError does not: how much there was."""
    limit_bytes, _ = resource.getrlimit(resource.RLIMIT_AS)
    if not isinstance(exception, MemoryError) or limit_bytes == resource.RLIM_INFINITY:
        return ""
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"a worker may have {limit_bytes / 2**20:.0f} MiB of address space "
        f"({EXECUTOR_PYSPARK_MEMORY.name} by cores); {peak_mib:.0f} MiB of memory were the most"
    )


def _qualified(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _cut(text: str, most: int) -> str:
    """Leave out the middle of a long text: both ends say more."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n... {len(text) - 2 * half:,} characters left out ...\n{text[-half:]}"


def _dump_exception(exception: BaseException) -> bytes | None:
    """Pickle an exception; None unless it also unpickles, which many classes of users do not."""
    try:
        data = dump_objects(exception)
        pickle.loads(data)
    except BaseException:  # noqa: BLE001 - runs methods of the user's class
        return None
    return data if len(data) <= EXCEPTION_BYTES_MAX else None


# ---------------------------------------------------------------------------------- traceback


def _traceback(exception: BaseException, whole: bool) -> str:
    """Format an exception as Python does, without the engine's frames."""
    try:
        described = traceback.TracebackException.from_exception(exception)
        if not whole:
            for each in _related(described):
                _leave_out_ours(each, each is described)
        return "".join(described.format())
    except BaseException as error:  # noqa: BLE001 - for want of memory, or by the user's class
        name = type(exception).__name__
        return f"{name}: (its traceback cannot be shown: {type(error).__name__})\n"


def _related(
    described: traceback.TracebackException, depth: int = _CAUSES_MAX
) -> Iterator[traceback.TracebackException]:
    """Yield an exception, its causes and contexts, and the members of groups."""
    yield described
    if depth:
        members = getattr(described, "exceptions", None) or ()
        others = (described.__cause__, described.__context__, *members[:_GROUP_MAX])
        for other in others:
            if other is not None:
                yield from _related(other, depth - 1)


def _leave_out_ours(described: traceback.TracebackException, is_first: bool) -> None:
    frames = [frame for frame in described.stack if not _is_ours(frame.filename)]
    if not frames and is_first:
        # It was raised by what is not Python, such as `int`, or by ourselves.
        frames = described.stack[-_OWN_FRAMES_SHOWN:]
    described.stack = traceback.StackSummary.from_list(frames)


def _is_ours(filename: str) -> bool:
    return filename.startswith(_OURS[0]) or _OURS[1] in filename


# ------------------------------------------------------------------------------------- record


def _record(exception: BaseException) -> str:
    """Show what the user's function was given, "" if that is not known or cannot be shown.

    Steps over elements call it from C, so nobody notes the record; but the function's frame holds
    it still. What was given to the function that we called is shown, unless that is an iterator:
    then the first function that it has called in turn.
    """
    with suppress(BaseException):  # it runs __repr__ and more of the user's classes
        for frame in _called_by_us(exception):
            shown = _arguments(frame)
            if shown is not None:
                return shown
    return ""


def _called_by_us(exception: BaseException) -> list[FrameType]:
    """Return the user's frames that follow the innermost one of ours, outermost first."""
    frames = [frame for frame, _ in traceback.walk_tb(exception.__traceback__)]
    start = 0
    for position, frame in enumerate(frames):
        if _is_ours(frame.f_code.co_filename):
            start = position + 1
    return frames[start:]


def _arguments(frame: FrameType) -> str | None:
    """Show a function's positional arguments; None if it has none, or is given an iterator."""
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount]
    values = frame.f_locals
    given = [values[name] for name in names if name in values and name not in ("self", "cls")]
    if not given or any(hasattr(type(value), "__next__") for value in given):
        return None
    return ", ".join(map(_Shown().repr, given[:_ARGUMENTS_MAX]))[:RECORD_CHARS_MAX]


class _Shown(reprlib.Repr):
    """A repr that is short, and made without the long one as far as can be."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = RECORD_CHARS_MAX
        self.maxlevel = 4
        self.maxlong = 80
        self.maxtuple = self.maxlist = self.maxarray = self.maxdict = 10
        self.maxset = self.maxfrozenset = self.maxdeque = 10

    def repr_bytes(self, value: bytes | bytearray, level: int) -> str:
        return self.repr_str(value[:RECORD_CHARS_MAX], level)  # type: ignore[arg-type] # sliced

    repr_bytearray = repr_bytes
