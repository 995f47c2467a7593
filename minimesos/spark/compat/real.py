"""The real PySpark, which some masters ask for: the way up for who outgrows minimesos.

`spark://...`, `yarn`, `k8s://...` and `spark+URL` (`spark+local[2]` is `local[2]` of Spark) are its
masters. It is imported in the place of the alias, if that is installed: there is one `pyspark` in a
process, as closures and workers refer to it by name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import Distribution
from typing import Any

from minimesos.spark.conf import SparkConf
from minimesos.spark.errors import SparkException
from minimesos.spark.settings.application import MASTER

_PREFIX = "spark+"
_SCHEMES = (_PREFIX, "spark://", "k8s://", "yarn")
_OURS = "spark.minimesos."
"""Begins the names of settings that nobody else knows."""

_made: list[Any] = []
"""The latest context that `real_context` has made, if any."""


def asks_for_real(master: str | None) -> bool:
    """Say whether a master URL is one of the real PySpark."""
    return master is not None and master.startswith(_SCHEMES)


def is_real_loaded() -> bool:
    """Say whether `pyspark` in this process is the real one."""
    module = sys.modules.get("pyspark")
    spec = getattr(module, "__spec__", None)
    # The alias comes from no file; the module that installs it is ours.
    return (
        spec is not None and spec.origin is not None and not spec.origin.startswith(_search_path())
    )


def real_settings(settings: Mapping[str, str]) -> dict[str, str]:
    """Return what the real PySpark is told of settings."""
    told = {name: value for name, value in settings.items() if not name.startswith(_OURS)}
    if MASTER.name in told:
        told[MASTER.name] = told[MASTER.name].removeprefix(_PREFIX)
    return told


def require_pyspark() -> None:
    """Raise SparkException that says how to install PySpark, if it is not."""
    if not is_real_loaded() and not any(Distribution.discover(name="pyspark")):
        raise _not_installed()


def real_context(
    master: str | None = None,
    appName: str | None = None,
    sparkHome: str | None = None,
    pyFiles: list[str] | None = None,
    environment: Mapping[str, Any] | None = None,
    batchSize: int = 0,
    serializer: Any = None,
    conf: SparkConf | None = None,
    *_jvm: Any,
    **_profilers: Any,
) -> Any | None:
    """Return a SparkContext of the real PySpark if these arguments of ours ask for one, else None.

    Raises what that raises, and SparkException if there is no PySpark.
    """
    settings = conf.copy() if conf is not None else SparkConf()
    if master:
        settings.setMaster(master)
    if not asks_for_real(settings.get(MASTER.name)):
        return None
    given = {
        "appName": appName,
        "sparkHome": sparkHome,
        "pyFiles": pyFiles,
        "environment": environment,
        "batchSize": batchSize,
        "serializer": serializer,
    }
    options = {name: value for name, value in given.items() if value}
    _made[:] = [load_pyspark().SparkContext(conf=real_conf(settings), **options)]
    return _made[0]


def active_context(conf: SparkConf) -> Any | None:
    """Return the live context of `real_context`, or what the real PySpark's getOrCreate gives.

    None where a configuration asks for a context of ours and `real_context` has made none.
    """
    if _made and type(_made[0])._active_spark_context is _made[0]:
        return _made[0]
    if not asks_for_real(conf.get(MASTER.name)):
        return None
    return load_pyspark().SparkContext.getOrCreate(real_conf(conf))


def load_pyspark() -> Any:
    """Return the real PySpark's module `pyspark`; from here on, it is that in this process.

    Raises SparkException that says how to install it.
    """
    if is_real_loaded():
        return sys.modules["pyspark"]
    from minimesos.spark.compat import forget_modules, install_as_pyspark, is_installed, uninstall

    was_installed = is_installed()
    uninstall()
    aliases = forget_modules()
    _forget_search_path()
    try:
        pyspark = import_module("pyspark")
    except ModuleNotFoundError as error:
        if was_installed:
            install_as_pyspark()
        raise _not_installed() from error
    for name, alias in aliases.items():  # who holds a module of the alias, has the real one now
        vars(alias).update(vars(import_module(name)))
    return pyspark


def real_conf(conf: SparkConf) -> Any:
    """Return a configuration as the real PySpark's, which is loaded, without what is ours only."""
    return (
        load_pyspark()
        .SparkConf(loadDefaults=False)
        .setAll(real_settings(conf.as_mapping()).items())
    )


def _not_installed() -> SparkException:
    return SparkException(
        "this master asks for PySpark itself, which is not installed here: "
        "pip install 'minimesos[spark]'"
    )


def _forget_search_path() -> None:
    """Leave the module that installs the alias to nobody: neither to us nor to Spark's workers."""
    path = _search_path()
    sys.path[:] = [each for each in sys.path if each != path]
    left = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each != path]
    os.environ["PYTHONPATH"] = os.pathsep.join(left)


def _search_path() -> str:
    from minimesos.spark.compat import SEARCH_PATH

    return SEARCH_PATH
