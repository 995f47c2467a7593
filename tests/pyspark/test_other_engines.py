"""Masters of the real PySpark build its context, with and without the alias in its place."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from minimesos.spark.compat.names import MODULES

from .engines import Engine, Returned, environment


def python(tmp_path: Path, program: str, *options: str) -> list[str]:
    """Run a program in an interpreter of its own; returns the lines that it printed."""
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(program))
    clean = {k: v for k, v in environment().items() if k != "PYSPARK_SUBMIT_ARGS"}
    done = subprocess.run(
        [sys.executable, *options, str(script)],
        cwd=tmp_path,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_script_goes_up_to_real_spark_by_its_master_alone(tmp_path: Path) -> None:
    program = """
        from pyspark import SparkContext, StorageLevel
        sc = SparkContext(appName="up")
        print(type(sc).__module__, sc.master, sc.appName)
        print(sc.parallelize(range(4), 2).persist(StorageLevel.MEMORY_ONLY).sum())
        print([key for key, _ in sc.getConf().getAll() if "minimesos" in key])
    """
    options = ["--conf", "spark.ui.enabled=false", "--conf", "spark.minimesos.debug.record=false"]

    printed = python(
        tmp_path, program, "-m", "minimesos", "submit", "--master", "spark+local[2]", *options
    )

    assert printed == ["pyspark.context local[2] up", "6", "[]"]


def test_the_alias_makes_way_for_real_spark(tmp_path: Path) -> None:
    program = """
        from minimesos.spark.compat import install_as_pyspark, is_installed
        install_as_pyspark()
        import pyspark
        from pyspark import SparkConf, SparkContext
        from pyspark.sql import SparkSession
        conf = SparkConf().set("spark.ui.enabled", "false").set("spark.minimesos.x", "y")
        sc = SparkContext("spark+local[2]", "way", conf=conf)
        print(type(sc).__module__, sc.master, sc.appName)
        print(sc.getConf().contains("spark.minimesos.x"))
        print(SparkContext.getOrCreate() is sc, pyspark.SparkContext is type(sc), is_installed())
        def use(n):
            from pyspark import TaskContext
            return n, TaskContext.__module__, TaskContext.get().partitionId()
        print(sc.parallelize([1, 2], 2).map(use).collect())
        sc.stop()
        spark = SparkSession.builder.master("spark+local[1]").config(conf=conf).getOrCreate()
        print(type(spark).__module__, spark.sparkContext.master, spark.range(3).count())
        spark.stop()
        with SparkContext("local[1]", "ours") as ours:
            print(type(ours).__module__, ours.range(3).count())
    """

    printed = python(tmp_path, program)

    assert printed == [
        "pyspark.context local[2] way",
        "False",
        "True True False",
        "[(1, 'pyspark.taskcontext', 0), (2, 'pyspark.taskcontext', 1)]",
        "pyspark.sql.session local[1] 3",
        "minimesos.spark.context 3",
    ]


def unknown_names(sc: object, modules: dict[str, tuple[str, ...]]) -> list[str]:
    """Return those names that the engine does not have where they are looked for."""
    from importlib import import_module

    return [
        f"{module}.{name}"
        for module, names in modules.items()
        for name in names
        if not hasattr(import_module(module), name)
    ]


def public_names(sc: object, modules: list[str]) -> list[str]:
    """Return the names that modules say are public."""
    from importlib import import_module

    loaded = [(module, import_module(module)) for module in modules]
    return [f"{name}.{each}" for name, module in loaded for each in getattr(module, "__all__", ())]


def test_every_name_of_the_alias_is_one_of_pyspark(real: Engine) -> None:
    assert real.run(unknown_names, dict(MODULES)) == Returned([])


def test_every_public_name_of_these_modules_of_pyspark_is_one_of_the_alias(real: Engine) -> None:
    modules = [name for name in MODULES if name != "pyspark.sql"]
    told = real.run(public_names, modules)
    assert isinstance(told, Returned)
    ours = {f"{module}.{name}" for module, names in MODULES.items() for name in names}
    missing = sorted(set(told.value) - ours)
    of_sql = [name for name in missing if name.endswith("Exception")]
    assert [name for name in missing if name not in of_sql] == []
    assert all(name.startswith("pyspark.errors.") for name in of_sql)
