"""A Python that says it is too old, for executor packages to find out."""

from __future__ import annotations

import sys

OLD_PYTHON = f"""#!/bin/sh
case $1 in -c) exit 1 ;; esac
exec {sys.executable} -c '
import sys
sys.version_info = (3, 9, 18)
sys.argv = sys.argv[1:]
exec(open(sys.argv[0]).read(), dict(__name__="__main__", __file__=sys.argv[0]))
' "$@"
"""
"""A program for a shell. A script that it runs sees another version, and all else as it is."""
