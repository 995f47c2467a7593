"""Flags of a program: one frozen dataclass whose fields carry default, unit and help, once.

    @dataclass(frozen=True, slots=True)
    class MasterFlags:
        port: int = integer(5050, help="Port to listen on.")
        allocation_interval: float = duration("1secs", help="Time between allocations.")

        def problems(self) -> Iterable[str]:      # optional: rules about several fields
            ...

    flags = load_or_exit(MasterFlags, "minimesos master")

From it come the command line, `MESOS_*` variables, help, `/flags`, the line logged at startup and
the reference in the documentation. All problems are reported at once. Only `load_or_exit` touches
the process.

Source: Mesos documentation "Configuration"; rules as in Mesos 1.11, except that bad flags exit with
2.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Any, TypeVar

import minimesos
from minimesos.errors import InvalidFlags, InvalidValue
from minimesos.units import format_duration, format_size, parse_duration, parse_size

F = TypeVar("F")

ENVIRONMENT_PREFIX = "MESOS_"
EXIT_BAD_FLAGS = 2
PORT_MAX = 65535
_FILE = "file://"
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Spec:
    """All there is to know about one flag. `check` returns why a value is refused, or None."""

    help: str
    unit: str
    parse: Callable[[str], Any]
    format: Callable[[Any], str]
    check: Callable[[Any], str | None] | None
    required: bool
    deprecated: tuple[str, ...]

    @property
    def is_boolean(self) -> bool:
        return self.parse is _parse_boolean

    @property
    def is_path(self) -> bool:
        return self.parse is _parse_path


def _flag(parse: Callable[[str], Any], show: Callable[[Any], str], unit: str) -> Callable[..., Any]:
    def declare(
        default: Any = None,
        *,
        help: str,
        check: Callable[[Any], str | None] | None = None,
        required: bool = False,
        deprecated: tuple[str, ...] = (),
    ) -> Any:
        """Declare a field. A default may be text; None means the flag has no value unless given."""
        value = parse(default) if isinstance(default, str) else default
        spec = Spec(help, unit, parse, show, check, required, deprecated)
        return dataclasses.field(default=value, metadata={"flag": spec})

    return declare


def _parse_boolean(text: str) -> bool:
    if text not in _BOOLEANS:
        raise InvalidValue(f"expecting true or false, got '{text}'")
    return _BOOLEANS[text]


def _parse_integer(text: str) -> int:
    digits = text[1:] if text.startswith("-") else text
    if not (digits.isascii() and digits.isdigit()):
        raise InvalidValue(f"expecting a whole number, got '{text}'")
    return int(text)


def _parse_number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise InvalidValue(f"expecting a number, got '{text}'") from None
    if number - number != 0:
        raise InvalidValue(f"expecting a finite number, got '{text}'")
    return number


def _parse_path(text: str) -> Path:
    name = text.removeprefix(_FILE)
    if not name:  # to Path, nothing is the current directory
        raise InvalidValue("expecting a path, got nothing")
    return Path(name)


def _parse_port(text: str) -> int:
    port = _parse_integer(text)
    if not 0 <= port <= PORT_MAX:
        raise InvalidValue(f"expecting a port from 0 to {PORT_MAX}, got {text}")
    return port


def _parse_ip(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except AddressValueError:
        raise InvalidValue(f"expecting an IPv4 address like 127.0.0.1, got '{text}'") from None


boolean = _flag(_parse_boolean, lambda value: "true" if value else "false", "")
integer = _flag(_parse_integer, str, "a whole number")
number = _flag(_parse_number, lambda value: f"{value:g}", "a number")
text = _flag(str, str, "")
path = _flag(_parse_path, str, "a path")
ip_address = _flag(_parse_ip, str, "an IPv4 address")
port_number = _flag(_parse_port, str, "a port")
duration = _flag(parse_duration, format_duration, "a duration like 10secs; held in seconds")
size = _flag(parse_size, format_size, "a size like 512MB; held in bytes")


def one_of(*choices: str) -> Callable[[str], str | None]:
    """Return a check that admits only these choices."""

    def check(value: str) -> str | None:
        return None if value in choices else f"expecting one of {', '.join(choices)}"

    return check


def read_by(reader: Callable[[str], object]) -> Callable[[str], str | None]:
    """Make a flag's `check` of the function that reads its text later and raises InvalidValue."""

    def check(value: str) -> str | None:
        try:
            reader(value)
        except InvalidValue as error:
            return str(error)
        return None

    return check


def specs(flags: Any) -> dict[str, Spec]:
    """Return the flags of a dataclass, or of an instance of it, by name in alphabetical order."""
    fields = dataclasses.fields(flags)
    return {field.name: field.metadata["flag"] for field in sorted(fields, key=lambda f: f.name)}


def load(
    cls: type[F],
    arguments: Sequence[str],
    environment: Mapping[str, str],
    read_file: Callable[[str], str] = lambda name: Path(name).read_text(encoding="utf-8"),
) -> tuple[F, list[str]]:
    """Return the flags and warnings about deprecated names. The command line wins over MESOS_*.

    Arguments that are no flags are skipped, `--` ends the flags, and a value `file://NAME` stands
    for the contents of that file. Raises InvalidFlags with all problems.
    """
    loader = _Loader(specs(cls), read_file)
    given = loader.from_environment(environment) | loader.from_arguments(arguments)
    values = {name: loader.value(name, raw) for name, raw in given.items()}
    loader.problems += [
        f"Missing required option '--{name}'"
        for name, spec in loader.specs.items()
        if spec.required and name not in values
    ]
    if loader.problems:
        raise InvalidFlags(loader.problems)
    flags = cls(**values)
    problems = list(getattr(flags, "problems", tuple)())
    if problems:
        raise InvalidFlags(problems)
    return flags, loader.warnings


class _Loader:
    """Collects raw values and all problems on the way."""

    def __init__(self, specs: dict[str, Spec], read_file: Callable[[str], str]) -> None:
        self.specs = specs
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self._read_file = read_file
        self._current = {old: name for name, spec in specs.items() for old in spec.deprecated}

    def from_arguments(self, arguments: Sequence[str]) -> dict[str, str]:
        given: dict[str, str] = {}
        for argument in arguments:
            if argument == "--":
                break
            if not argument.startswith("--"):
                continue
            raw_name, equals, value = argument[2:].partition("=")
            name, raw = self._resolve(raw_name.strip().lower(), value if equals else None)
            if raw is None:
                continue
            if name in given:
                self.problems.append(f"Flag '{name}' is already loaded via another argument")
            given[name] = raw
        return given

    def from_environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        given: dict[str, str] = {}
        for variable, value in environment.items():
            if not variable.startswith(ENVIRONMENT_PREFIX):
                continue
            name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
            positive = name.removeprefix("no_")
            if self._current.get(name, name) in self.specs:
                name, raw = self._resolve(name, value)
            elif positive in self.specs and self.specs[positive].is_boolean:
                name, raw = positive, "false"
            else:
                continue  # not ours: other programs use the prefix too
            if name in given:
                self.problems.append(f"Flag '{name}' is already loaded via another variable")
            if raw is not None:
                given[name] = raw
        return given

    def _resolve(self, name: str, value: str | None) -> tuple[str, str | None]:
        """Return the flag's name and its text; None as text if there is a problem."""
        negated = name.startswith("no-")
        plain = name.removeprefix("no-") if negated else name
        if plain in self._current:
            self.warnings.append(f"Flag '{plain}' is deprecated, use '{self._current[plain]}'")
            plain = self._current[plain]
        spec = self.specs.get(plain)
        if spec is None or (negated and not spec.is_boolean):
            close = difflib.get_close_matches(name.replace("-", "_"), self.specs, n=1)
            hint = f" (did you mean '--{close[0]}'?)" if close else ""
            self.problems.append(f"Failed to load unknown flag '{name}'{hint}")
            return plain, None
        if negated and value is not None:
            self.problems.append(f"Failed to load boolean flag '{plain}': '--{name}' has a value")
            return plain, None
        if value is None and not spec.is_boolean:
            self.problems.append(f"Failed to load flag '{plain}': missing value, use --{plain}=...")
            return plain, None
        if value is None:
            return plain, "false" if negated else "true"
        return plain, value

    def value(self, name: str, raw: str) -> Any:
        spec = self.specs[name]
        try:
            if raw.startswith(_FILE) and not spec.is_path:
                raw = self._read_file(raw.removeprefix(_FILE)).rstrip("\n")
            value = spec.parse(raw)
        except (ValueError, OSError) as error:
            self.problems.append(f"Failed to load flag '{name}': {error}")
            return None
        refusal = spec.check(value) if spec.check is not None else None
        if refusal is not None:
            self.problems.append(f"Failed to load flag '{name}': {refusal}")
        return value


def to_json(flags: Any) -> dict[str, str]:
    """Return every flag that has a value, as text, the way `/flags` and `/state` show them."""
    return {
        name: spec.format(getattr(flags, name))
        for name, spec in specs(flags).items()
        if getattr(flags, name) is not None
    }


def flags_at_startup(flags: Any) -> str:
    """Return the line that a program logs once its log is set up."""
    pairs = (f'--{name}="{value}"' for name, value in to_json(flags).items())
    return "Flags at startup: " + " ".join(pairs)


def usage(cls: type[Any], program: str) -> str:
    """Return the help text: every flag with its unit, help and default."""
    defaults = {field.name: field.default for field in dataclasses.fields(cls)}
    lines = [f"Usage: {program} [--flag=value ...]", ""]
    for name, spec in specs(cls).items():
        default = defaults[name]
        form = f"--[no-]{name}" if spec.is_boolean else f"--{name}=VALUE"
        notes = [spec.unit] if spec.unit else []
        if spec.required:
            notes.append("required")
        elif default is not None:
            notes.append(f"default: {spec.format(default)}")
        lines += [f"  {form}", f"      {spec.help}" + (f" ({'; '.join(notes)})" if notes else "")]
    lines += ["  --help", "      Print this text.", "  --version", "      Print the version.", ""]
    lines.append(f"Each flag can also be set by a variable {ENVIRONMENT_PREFIX}<FLAG>.")
    return "\n".join(lines)


def load_or_exit(
    cls: type[F],
    program: str,
    arguments: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[F, list[str]]:
    """Load the process's own flags; answer `--help` and `--version`, and exit 2 on any problem."""
    arguments = sys.argv[1:] if arguments is None else arguments
    asked = set(_flags_only(arguments))
    if asked & {"--help", "-h"}:
        print(usage(cls, program))
        raise SystemExit(0)
    if "--version" in asked:
        print(f"minimesos {minimesos.__version__}")
        raise SystemExit(0)
    try:
        return load(cls, arguments, os.environ if environment is None else environment)
    except InvalidFlags as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        print(f"See '{program} --help'", file=sys.stderr)
        raise SystemExit(EXIT_BAD_FLAGS) from None


def _flags_only(arguments: Sequence[str]) -> Iterable[str]:
    for argument in arguments:
        if argument == "--":
            return
        yield argument
