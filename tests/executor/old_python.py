"""A Python that says it is of another version, for executor packages to find out."""

from __future__ import annotations

import sys


def of_version(major: int, minor: int) -> str:
    """A program for a shell. A script that it runs sees that version, and all else as it is."""
    return f"""#!/bin/sh
case $1 in -c) exit 1 ;; esac
exec {sys.executable} -c '
import sys
sys.version_info = ({major}, {minor}, 0)
sys.argv = sys.argv[1:]
exec(open(sys.argv[0]).read(), dict(__name__="__main__", __file__=sys.argv[0]))
' "$@"
"""


OLD_PYTHON = of_version(3, 9)
