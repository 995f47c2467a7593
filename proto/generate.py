"""Writes the Python code of every `.proto` file in this folder into `minimesos/proto`.

Called by `make proto`; with `--check` nothing is written and stale files are named. The sources
are mounted under the virtual path `minimesos/proto`, so generated modules import one another by
their full package name. It does not install grpcio-tools: the dev dependencies pin that.
"""

from __future__ import annotations

import argparse
import importlib.resources
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from grpc_tools import protoc  # type: ignore[import-untyped]

SOURCES = Path(__file__).resolve().parent
ROOT = SOURCES.parent
TARGET = Path("minimesos", "proto")


def arguments_of_protoc(source: Path, out: Path) -> list[str]:
    """The command line for one source; only files that declare a service get gRPC stubs."""
    arguments = [
        "protoc",
        f"--proto_path={TARGET.as_posix()}={SOURCES}",
        f"--proto_path={importlib.resources.files('grpc_tools') / '_proto'}",
        f"--python_out={out}",
        f"--pyi_out={out}",
    ]
    if "\nservice " in source.read_text():
        arguments.append(f"--grpc_python_out={out}")
    return [*arguments, (TARGET / source.relative_to(SOURCES)).as_posix()]


def generate(out: Path) -> None:
    """Generates everything below `out`; raises SystemExit if protoc refuses a source."""
    for source in sorted(SOURCES.rglob("*.proto")):
        if protoc.main(arguments_of_protoc(source, out)) != 0:
            raise SystemExit(f"protoc refused {source.relative_to(SOURCES)}")


def generated(out: Path) -> dict[str, str]:
    """Text of each generated file below `out`, by its path relative to `out`."""
    files: Iterable[Path] = (out / TARGET).rglob("*_pb2*.py*")
    return {
        file.relative_to(out).as_posix(): file.read_text()
        for file in files
        if file.suffix in (".py", ".pyi")
    }


def stale_files() -> list[str]:
    """Committed files that differ from what the sources give now, are missing, or are left over."""
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        wanted = generated(Path(scratch))
    present = generated(ROOT)
    return sorted(name for name in wanted | present if wanted.get(name) != present.get(name))


def main(arguments: list[str] | None = None) -> int:
    """Regenerates, or with `--check` prints the stale files and returns 1 if there are any."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, name stale files")
    if not parser.parse_args(arguments).check:
        generate(ROOT)
        return 0
    stale = stale_files()
    for name in stale:
        print(f"{name} is stale: run `python proto/generate.py`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
