"""Every `spark.*` setting that minimesos reads: its name, kind, default and meaning, once.

A module for each subject declares them; driver, backends, executors and workers read them as
`EXECUTOR_CORES.read(conf)`. A context calls `check` before it launches anything, so that all
malformed settings are reported at once; docs/configuration/spark.md is written from here. Other
settings are kept, and sent to executors, without being looked at; `unknown` tells of those that may
be slips of the pen.

Source: Spark's "Configuration" and "Running Spark on Mesos" pages; defaults as in Spark 3.5 and, of
`spark.mesos.*`, in Spark 3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from types import ModuleType
from typing import Any

from minimesos.errors import InvalidValue
from minimesos.spark.setting_kinds import Setting, Texts
from minimesos.spark.settings import (
    allocation,
    application,
    containers,
    executors,
    files,
    mesos,
    mishaps,
    scheduling,
    shuffle,
    storage,
    workers,
)
from minimesos.spark.settings.files import FILE_SYSTEM_PREFIX
from minimesos.spark.settings.known import has_known_prefix, known_names

EXECUTOR_ENV_PREFIX = "spark.executorEnv."
"""What follows is the name of an environment variable of executors."""

_REDACTED = "*********(redacted)"
_NEAR = 0.85
"""How much alike names must be for one to be a slip of the other."""

_SUBJECTS = (
    allocation,
    application,
    containers,
    executors,
    files,
    mesos,
    mishaps,
    scheduling,
    shuffle,
    storage,
    workers,
)


def _declared(subjects: Iterable[ModuleType]) -> list[Setting[Any]]:
    values = chain.from_iterable(vars(subject).values() for subject in subjects)
    # A subject may import a setting of another: each counts once.
    return list({id(value): value for value in values if isinstance(value, Setting)}.values())


SETTINGS: tuple[Setting[Any], ...] = tuple(
    sorted(_declared(_SUBJECTS), key=lambda setting: setting.name)
)
"""All of the above, by name."""

_NAMES = frozenset(setting.name for setting in SETTINGS)


_DISAGREEMENTS: tuple[Callable[[Texts], Iterable[str]], ...] = (
    allocation.disagreements,
    containers.disagreements,
    executors.disagreements,
    mishaps.disagreements,
    scheduling.disagreements,
    shuffle.disagreements,
    storage.disagreements,
)
"""Each says what is wrong between settings that are well-formed by themselves."""


def check(conf: Texts) -> None:
    """Raise InvalidValue that lists every malformed setting, a line each, if there is one.

    Those that do not go together are named after the malformed ones.
    """
    problems = []
    for setting in SETTINGS:
        if conf.get(setting.name) is not None:
            try:
                setting.read(conf)
            except InvalidValue as error:
                problems.append(str(error))
    for find in _DISAGREEMENTS:
        try:
            problems += find(conf)
        except InvalidValue:
            continue  # it was named above
    if problems:
        raise InvalidValue("\n".join(problems))


_KEPT_BY_THE_DRIVER = frozenset({mesos.MESOS_SECRET.name, shuffle.AUTHENTICATE_SECRET.name})


def for_executors(conf: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that executors are sent: without secrets, as user code sees them."""
    return {key: value for key, value in conf.items() if key not in _KEPT_BY_THE_DRIVER}


def redacted(conf: Mapping[str, str]) -> dict[str, str]:
    """Return the settings for people, without values that the names say are secret."""
    secret = application.REDACTION_REGEX.read(conf)
    return {
        key: _REDACTED if secret.search(key) or key.startswith(FILE_SYSTEM_PREFIX) else value
        for key, value in conf.items()
    }


def unknown(names: Iterable[str]) -> str | None:
    """Say in one line which of these settings nobody knows, and what may be meant; None if none.

    What is known but without effect here is in `known`.
    """
    known = known_names().union(_NAMES)
    strangers = sorted(set(names) - known)
    strangers = [name for name in strangers if not has_known_prefix(name)]
    if not strangers:
        return None
    from difflib import get_close_matches

    near = [get_close_matches(name, known, n=1, cutoff=_NEAR) for name in strangers]
    if len(strangers) == 1:
        hint = f"; did you mean {near[0][0]}?" if near[0] else ""
        return f"{strangers[0]} is not a setting that minimesos knows{hint}"
    told = (
        f"{name} (did you mean {alike[0]}?)" if alike else name
        for name, alike in zip(strangers, near, strict=True)
    )
    return f"{', '.join(told)} are not settings that minimesos knows"


def executor_environment(conf: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that the application sets for its executors."""
    return {
        key.removeprefix(EXECUTOR_ENV_PREFIX): value
        for key, value in conf.items()
        if key.startswith(EXECUTOR_ENV_PREFIX)
    }
