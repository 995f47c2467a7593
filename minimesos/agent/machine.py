"""What this machine has to offer, for the names that `--resources` does not give.

Used once, by the agent's server.

Source: Mesos documentation "Attributes and Resources"; the margins left to the operating system are
Mesos 1.11's.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil

from minimesos.resources import Resources
from minimesos.units import parse_size

_MB = parse_size("1MB")
_GB = parse_size("1GB")
_DISK_FALLBACK_MB = 10 * 1024
PORTS = "[31000-32000]"


def machine_resources(given: str, default_role: str, work_dir: Path) -> Resources:
    """Return the resources in `given`, and what is found for cpus, mem, disk and ports if missing.

    `work_dir` exists and tells which disk is meant. Raises InvalidResources.
    """
    named = Resources.names_in(given)
    found = {
        "cpus": str(psutil.cpu_count() or 1),
        "mem": str(_memory_mb()),
        "disk": str(_disk_mb(work_dir)),
        "ports": PORTS,
    }
    missing = ";".join(f"{name}:{value}" for name, value in found.items() if name not in named)
    return Resources.parse(given, default_role) + Resources.parse(missing, default_role)


def _memory_mb() -> int:
    """All but 1 GB, or half of it on a machine with less than 2 GB."""
    return _all_but(psutil.virtual_memory().total, keep=_GB, at_least=2 * _GB)


def _disk_mb(work_dir: Path) -> int:
    """All but 5 GB of the file system, or half of it if it has less than 10 GB."""
    try:
        size = shutil.disk_usage(work_dir).total
    except OSError:
        return _DISK_FALLBACK_MB
    return _all_but(size, keep=5 * _GB, at_least=10 * _GB)


def _all_but(size: int, keep: int, at_least: int) -> int:
    return (size - keep if size >= at_least else size // 2) // _MB
