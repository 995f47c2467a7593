"""The interactive shell: Python's own prompt with a Spark context in it.

`minimesos shell` starts the user's interpreter with `shell_startup` as its PYTHONSTARTUP, so
history, completion and whatever else the prompt does work as always, also those of IPython and
Jupyter, and functions typed there live in `__main__`, where cloudpickle sends them along by value.
Ctrl-C cancels the running job and keeps the prompt.
"""

from __future__ import annotations

import atexit
import os
import platform
import sys
from types import CodeType
from typing import NoReturn

import minimesos
from minimesos.errors import MinimesosError
from minimesos.spark import SparkConf, SparkContext
from minimesos.spark.compat.real import is_real_loaded
from minimesos.spark.launch import OLD_STARTUP_VARIABLE, SHELL_STARTUP
from minimesos.spark.settings.application import APP_NAME, MASTER

_EXIT_FAILED = 1
_EXIT_INTERRUPTED = 130

_BANNER = r"""
Welcome to
      __  __ _       _ __  __
     |  \/  (_)_ _  (_)  \/  |___ ___ ___ ___
     | |\/| | | ' \ | | |\/| / -_|_-</ _ (_-<
     |_|  |_|_|_||_||_|_|  |_\___/__/\___/__/   version {version}

Using Python version {python} ({build}, {date})
Spark context available as sc (master = {master}, app id = {app_id})."""
_OF_REAL_SPARK = "It is PySpark's own, version {version}."


def start() -> SparkContext:
    """Make the shell's context and greet; ends the process if no context can be had."""
    conf = SparkConf()
    conf.setIfMissing(APP_NAME.name, "PySparkShell").setIfMissing(MASTER.name, "local[*]")
    try:
        context = SparkContext(conf=conf)
    except (MinimesosError, ValueError) as error:
        _give_up(f"minimesos shell: {error}", _EXIT_FAILED)
    except KeyboardInterrupt:
        _give_up("", _EXIT_INTERRUPTED)
    atexit.register(context.stop)
    build, date = platform.python_build()
    print(
        _BANNER.format(
            version=minimesos.__version__,
            python=platform.python_version(),
            build=build,
            date=date,
            master=context.master,
            app_id=context.applicationId,
        ),
        flush=True,
    )
    if is_real_loaded():
        print(_OF_REAL_SPARK.format(version=context.version), flush=True)
    return context


def _give_up(message: str, code: int) -> NoReturn:
    print(message, file=sys.stderr, flush=True)
    os._exit(code)  # under `python -i` SystemExit would lead to a prompt without a context


def users_startup() -> CodeType:
    """Return the code of the user's own PYTHONSTARTUP, which ours has displaced.

    From here on the variable has the user's value again, for what is started from the shell.
    """
    path = os.environ.pop(OLD_STARTUP_VARIABLE, "")
    if os.environ.get("PYTHONSTARTUP") == SHELL_STARTUP:
        del os.environ["PYTHONSTARTUP"]
    if not path:
        return compile("", SHELL_STARTUP, "exec")
    os.environ["PYTHONSTARTUP"] = path
    try:
        with open(path, encoding="utf-8") as file:
            return compile(file.read(), path, "exec")
    except OSError as error:
        print(f"Could not open PYTHONSTARTUP\n{error}", file=sys.stderr)
        return compile("", path, "exec")
