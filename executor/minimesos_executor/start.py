"""Starts an executor from its package: `python start.py KIND ...`, run by the package's launcher.

Like `python -P -m minimesos_executor`, with the package ahead of all else that can be imported. It
first makes sure of what the package does not hold: a Python of the driver's minor version, or where
there is no driver one that is new enough, and the native libraries. Old Pythons must be able to
read this file, even 2.7.
"""

import sys

if not getattr(sys.flags, "safe_path", False):
    del sys.path[0]  # this folder, whose modules are not to be imported by their last names

import os

OLDEST = (3, 11)
OTHER_NAMES = ["python3.14", "python3.13", "python3.12", "python3.11"]
VERSION = sys.version_info[:2]

driver_python = os.environ.get("MINIMESOS_DRIVER_PYTHON")  # like 3.12; none for who has no driver
if driver_python:
    is_right = driver_python == "%d.%d" % VERSION
    check = "import sys; sys.exit('%%d.%%d' %% sys.version_info[:2] != %r)" % driver_python
    names, needed, better = ["python" + driver_python], driver_python + " as its driver", "one"
else:
    is_right = VERSION >= OLDEST
    check = "import sys; sys.exit(sys.version_info < %r)" % (OLDEST,)
    names, needed, better = OTHER_NAMES, ">= 3.11", "a newer one"

if not is_right:
    import subprocess

    chosen = os.environ.get("PYSPARK_PYTHON")
    for name in () if chosen else names:
        try:
            if subprocess.call([name, "-c", check], stderr=subprocess.DEVNULL) == 0:
                os.execvp(name, [name] + sys.argv)
        except OSError:
            pass  # there is none of that name
    what = "PYSPARK_PYTHON=" + chosen if chosen else sys.executable
    advice = "" if chosen else "; say where %s is with PYSPARK_PYTHON" % better
    found = (needed, what) + VERSION + (advice,)
    sys.exit("this executor needs Python %s, %s is %d.%d%s" % found)

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from minimesos_executor.__main__ import main  # noqa: E402
from minimesos_executor.needs import complaint  # noqa: E402

sys.exit(complaint() or main(sys.argv[1:]))
