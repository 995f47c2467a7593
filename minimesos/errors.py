"""The kinds of failure: the world's (`MinimesosError`), and our own (`InvariantViolated`).

Every package raises these; transports map foreign exceptions to them once, at the edge. A peer's
fault is mostly no exception at all but a reason that validation returns. `InvariantViolated` is
deliberately not a `MinimesosError`: whoever handles failures of the world must not swallow our bugs
with them.
"""

from __future__ import annotations

from collections.abc import Sequence


class MinimesosError(Exception):
    """Something outside this program went wrong; says what, where and what to do next."""


class InvariantViolated(AssertionError):
    """The program has lost count of something: a bug of ours.

    The process logs its state, stops, and recovers from its records.
    """


class InvalidValue(MinimesosError, ValueError):
    """A text or message does not denote a value of the expected kind."""


class InvalidResources(InvalidValue):
    """Resources, as text, JSON or messages, break a rule of Mesos."""


class InvalidAttributes(InvalidValue):
    """Agent attributes are malformed."""


class InvalidId(InvalidValue):
    """An identifier or a role name that Mesos would refuse."""


class CannotUnpack(MinimesosError):
    """A file is no archive, is broken, or would be unpacked to where it must not; says why."""


class InvalidFlags(InvalidValue):
    """Flags that could not be loaded. `problems` lists every one of them, not only the first."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
