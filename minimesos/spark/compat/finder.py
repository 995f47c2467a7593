"""How `import pyspark.x` finds minimesos: modules that look up each name when it is first used."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from minimesos.spark.compat.names import MODULES, absence, home_of


class NotInMinimesos(ModuleNotFoundError):
    """A module or name of PySpark that minimesos does not have; the text says what to do."""


class AliasFinder(MetaPathFinder, Loader):
    """Finds and loads `pyspark` and what is below it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the alias of a module of PySpark; raises NotInMinimesos if there is none.

        All are packages, so that this is asked, too, for a name that `from module import` misses.
        """
        if fullname in MODULES:
            return ModuleSpec(fullname, self, is_package=True)
        if fullname.startswith("pyspark."):
            raise NotInMinimesos(absence(fullname))  # with a `name`, the text would not be shown
        return None

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to Python: of what is no plain module, cloudpickle would send the contents."""

    def exec_module(self, module: ModuleType) -> None:
        """Have names looked up."""
        names = MODULES[module.__name__]
        module.__doc__ = f"minimesos in the place of {module.__name__}."
        contents: dict[str, Any] = vars(module)
        contents["__all__"] = list(names)
        contents["__dir__"] = partial(sorted, {*contents, *names})
        contents["__getattr__"] = partial(_look_up, module)


def _look_up(module: ModuleType, name: str) -> Any:
    """Return what a name of a module stands for. Raises AttributeError."""
    full_name = f"{module.__name__}.{name}"
    if full_name in MODULES:
        return import_module(full_name)
    home = home_of(module.__name__, name)
    if home is None:
        raise AttributeError(absence(full_name))
    value = getattr(import_module(home), name)
    setattr(module, name, value)
    return value
