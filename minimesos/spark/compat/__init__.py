"""`import pyspark` gives minimesos: what is written for PySpark's RDD API runs unchanged.

`install_as_pyspark` makes it so for this process and for the tasks of its contexts, `pyspark_alias`
for a while. `minimesos submit` and `minimesos shell` need neither: they put `compat/path` on the
module search path, where a module `pyspark` installs the alias once it is imported. Tasks find it
in the same way. Which names there are is in `names`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from minimesos.spark.errors import PySparkRuntimeError
from minimesos.spark.settings.application import MASTER

SEARCH_PATH = os.path.join(os.path.dirname(__file__), "path")
"""A directory with a module `pyspark` that installs the alias."""


def install_as_pyspark() -> None:
    """Make `import pyspark` give minimesos, here and in tasks of contexts that start from now on.

    Does nothing if that is so already, nor where `spark.master`, as `minimesos submit` or a
    properties file sets it, asks for the real PySpark. Raises PySparkRuntimeError if that one has
    been imported.
    """
    if is_installed():
        return
    from minimesos.spark.compat.real import asks_for_real, is_real_loaded
    from minimesos.spark.submit import default_properties

    if asks_for_real(default_properties().get(MASTER.name)):
        return
    if is_real_loaded():
        raise PySparkRuntimeError(
            "PySpark itself has been imported in this process already; call install_as_pyspark() "
            "before anything imports pyspark, or run the script with minimesos submit"
        )
    from minimesos.spark.compat.finder import AliasFinder

    forget_modules()
    sys.meta_path.insert(0, AliasFinder())


def uninstall() -> None:
    """Undo `install_as_pyspark`. What has been imported from the alias stays usable."""
    if is_installed():
        from minimesos.spark.compat.finder import AliasFinder

        sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, AliasFinder)]


def is_installed() -> bool:
    """Say whether `import pyspark` gives minimesos."""
    module = sys.modules.get("minimesos.spark.compat.finder")
    return module is not None and any(
        isinstance(each, module.AliasFinder) for each in sys.meta_path
    )


@contextmanager
def pyspark_alias() -> Iterator[None]:
    """Install the alias for a `with` block; after it all is as before.

    Raises PySparkRuntimeError as `install_as_pyspark` does.
    """
    was_installed = is_installed()
    install_as_pyspark()
    try:
        yield
    finally:
        if not was_installed:
            uninstall()
            forget_modules()


def forget_modules() -> dict[str, ModuleType]:
    """Have the next import of PySpark's modules find them anew; returns those that there were."""
    names = [name for name in sys.modules if name.partition(".")[0] == "pyspark"]
    return {name: sys.modules.pop(name) for name in names}
