"""How `import pyspark.x` finds minimesos: modules that look up each name when it is first used."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from minimesos.spark.compat.names import MODULES, absence, home_of


class NotInMinimesos(ModuleNotFoundError):
    """A module or name of PySpark that minimesos does not have; the text says what to do."""


class AliasModule(ModuleType):
    """One module of PySpark."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") and name not in MODULES[self.__name__]:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        submodule = f"{self.__name__}.{name}"
        if submodule in MODULES:
            return import_module(submodule)
        home = home_of(self.__name__, name)
        if home is None:
            raise NotInMinimesos(absence(submodule), name=submodule)
        value = getattr(import_module(home), name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *MODULES[self.__name__]})


class AliasFinder(MetaPathFinder, Loader):
    """Finds and loads `pyspark` and what is below it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the alias of a module of PySpark; raises NotInMinimesos if there is none."""
        if fullname in MODULES:
            return ModuleSpec(fullname, self, is_package=True)
        if fullname.startswith("pyspark."):
            raise NotInMinimesos(absence(fullname), name=fullname)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Make an empty module."""
        return AliasModule(spec.name, f"minimesos in the place of {spec.name}.")

    def exec_module(self, module: ModuleType) -> None:
        """Say what `from module import *` gives."""
        module.__all__ = list(MODULES[module.__name__])  # type: ignore[attr-defined]
