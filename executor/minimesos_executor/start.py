"""Starts an executor from its package: `python start.py KIND ...`, run by the package's launcher.

Like `python -P -m minimesos_executor`, with the package ahead of all else that can be imported. It
first makes sure of what the package does not hold: a Python that is new enough, and the native
libraries. Old Pythons must be able to read this file, even 2.7.
"""

import sys

if not getattr(sys.flags, "safe_path", False):
    del sys.path[0]  # this folder, whose modules are not to be imported by their last names

import os

OLDEST = (3, 11)
IS_NEW_ENOUGH = "import sys; sys.exit(sys.version_info < %r)" % (OLDEST,)
OTHER_NAMES = ("python3.14", "python3.13", "python3.12", "python3.11")

if sys.version_info < OLDEST:
    import subprocess

    chosen = os.environ.get("PYSPARK_PYTHON")
    for name in () if chosen else OTHER_NAMES:
        try:
            if subprocess.call([name, "-c", IS_NEW_ENOUGH], stderr=subprocess.DEVNULL) == 0:
                os.execvp(name, [name] + sys.argv)
        except OSError:
            pass  # there is none of that name
    what = "PYSPARK_PYTHON=" + chosen if chosen else sys.executable
    advice = "" if chosen else "; say where a newer one is with PYSPARK_PYTHON"
    found = what, sys.version_info[0], sys.version_info[1], advice
    sys.exit("this executor needs Python >= 3.11, %s is %d.%d%s" % found)

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from minimesos_executor.__main__ import main  # noqa: E402
from minimesos_executor.needs import complaint  # noqa: E402

sys.exit(complaint() or main(sys.argv[1:]))
