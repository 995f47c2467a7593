"""Errors that a driver script sees: PySpark's names and `[ERROR_CLASS] message` texts, and ours.

The PySpark ones derive from the built-in kinds, so `except ValueError` works as it does there.
"""

from __future__ import annotations

from minimesos.errors import MinimesosError

STOP_ITERATION = "Caught StopIteration thrown from user's code; failing the task"


class PySparkException(Exception):
    """Base of errors with an error class; `str(e)` is `[ERROR_CLASS] message`."""

    def __init__(self, message: str, error_class: str | None = None) -> None:
        super().__init__(message, error_class)
        self.message = message
        self.error_class = error_class

    def getErrorClass(self) -> str | None:
        """Return the error class, such as CONTEXT_ONLY_VALID_ON_DRIVER."""
        return self.error_class

    def __str__(self) -> str:
        return f"[{self.error_class}] {self.message}" if self.error_class else self.message


class PySparkRuntimeError(PySparkException, RuntimeError):
    """Something is not possible here or now."""


class PySparkNotImplementedError(PySparkException, NotImplementedError):
    """PySpark has it, and minimesos does not."""


class PySparkValueError(PySparkException, ValueError):
    """An argument has the right type and a wrong value."""


class PySparkAttributeError(PySparkException, AttributeError):
    """There is no such attribute."""


class PySparkAssertionError(PySparkException, AssertionError):
    """What a test of the user's found is not what it should be."""


class PySparkTypeError(PySparkException, TypeError):
    """An argument has the wrong type."""


class SparkException(MinimesosError):
    """A job failed, was cancelled, or the engine could not run it; says which task and why.

    What Spark reports as `Py4JJavaError` around an `org.apache.spark.SparkException`.
    """


class IllegalArgumentException(SparkException, ValueError):
    """An argument or setting that the engine refuses."""
