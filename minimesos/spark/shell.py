"""The interactive shell: Python's own prompt with a Spark context in it.

`minimesos shell` runs `python -i -m minimesos.spark.shell`, so history, completion and whatever
else the user's Python prompt does work as always, and functions typed there live in `__main__`,
where cloudpickle sends them along by value. Ctrl-C cancels the running job and keeps the prompt.
"""

from __future__ import annotations

import atexit
import os
import platform
import sys

import minimesos
from minimesos.errors import MinimesosError
from minimesos.spark import SparkConf, SparkContext
from minimesos.spark.settings.application import APP_NAME, MASTER

_BANNER = r"""
Welcome to
      __  __ _       _ __  __
     |  \/  (_)_ _  (_)  \/  |___ ___ ___ ___
     | |\/| | | ' \ | | |\/| / -_|_-</ _ (_-<
     |_|  |_|_|_||_||_|_|  |_\___/__/\___/__/   version {version}

Using Python version {python} ({build}, {date})
Spark context available as sc (master = {master}, app id = {app_id})."""


def start() -> SparkContext:
    """Make the shell's context and greet; ends the process with 1 if no context can be had."""
    conf = SparkConf().setIfMissing(APP_NAME.name, "PySparkShell")
    conf.setIfMissing(MASTER.name, "local[*]")
    try:
        context = SparkContext(conf=conf)
    except (MinimesosError, ValueError) as error:
        print(f"minimesos shell: {error}", file=sys.stderr, flush=True)
        os._exit(1)  # under `python -i` SystemExit would lead to a prompt without a context
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
    return context


if __name__ == "__main__":
    sc = start()
