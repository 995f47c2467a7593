"""The alias: which names of PySpark are here, what tells where others are, how it is undone."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from minimesos.spark import SparkContext
from minimesos.spark.compat import (
    SEARCH_PATH,
    install_as_pyspark,
    is_installed,
    pyspark_alias,
    uninstall,
)
from minimesos.spark.compat.names import MODULES
from minimesos.spark.errors import PySparkRuntimeError, SparkException

from .conftest import StartContext

WAY_OUT = "pip install 'minimesos[spark]'"


@pytest.fixture(autouse=True)
def _none_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYSPARK_SUBMIT_ARGS", raising=False)
    monkeypatch.delenv("MASTER", raising=False)


@pytest.fixture
def alias() -> Iterator[ModuleType]:
    with pyspark_alias():
        yield import_module("pyspark")


def python(tmp_path: Path, program: str, *options: str) -> str:
    """Run a program in an interpreter of its own; returns what it printed."""
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(program))
    command = [sys.executable, *(options or ()), str(script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in MODULES.items() for name in names]
)
def test_every_name_of_the_table_is_there(alias: ModuleType, module: str, name: str) -> None:
    assert getattr(import_module(module), name) is not None


def test_a_star_imports_all_that_is_there(alias: ModuleType) -> None:
    found: dict[str, object] = {}
    exec("from pyspark import *", found)
    assert found["SparkContext"] is SparkContext


def test_classes_are_those_of_minimesos(alias: ModuleType) -> None:
    assert alias.SparkContext is SparkContext
    assert alias.rdd.RDD is import_module("pyspark.rdd").RDD is import_module("minimesos.spark").RDD
    assert alias.__version__ == "3.5.7"
    assert "SparkContext" in dir(alias)
    assert not hasattr(alias, "__wrapped__")


@pytest.mark.parametrize(
    "statement",
    [
        "import pyspark.sql.functions",
        "from pyspark.sql import DataFrame",
        "from pyspark.sql.types import StringType",
        "import pyspark.streaming",
        "import pyspark.ml.feature",
        "import pyspark.pandas",
        "from pyspark import SQLContext",
    ],
)
def test_what_is_not_here_says_where_it_is(alias: ModuleType, statement: str) -> None:
    with pytest.raises(ImportError) as raised:
        exec(statement)
    assert WAY_OUT in str(raised.value)
    assert "spark+local[2]" in str(raised.value)


def test_after_the_block_nothing_is_left() -> None:
    before = list(sys.meta_path)
    with pyspark_alias():
        assert is_installed()
        import_module("pyspark.rdd")
        with pyspark_alias():
            pass
        assert is_installed(), "an inner block undoes nothing of an outer one"
    assert sys.meta_path == before
    assert not [name for name in sys.modules if name.startswith("pyspark")]


def test_installing_twice_is_installing_once() -> None:
    before = list(sys.meta_path)
    install_as_pyspark()
    install_as_pyspark()
    uninstall()
    assert sys.meta_path == before


def test_it_refuses_where_pyspark_itself_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyspark.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    import_module("pyspark")
    with pytest.raises(PySparkRuntimeError, match="before anything imports pyspark"):
        install_as_pyspark()
    del sys.modules["pyspark"]


def test_a_master_of_the_real_one_leaves_the_name_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--master spark://h:7077 pyspark-shell")
    install_as_pyspark()
    assert not is_installed()


def test_a_session_is_a_way_to_a_context(alias: ModuleType, start_context: StartContext) -> None:
    session_class = import_module("pyspark.sql").SparkSession
    builder = session_class.builder.master("local[3]").appName("named")
    with builder.config("spark.a", 1).config(map={"spark.b": "2"}).getOrCreate() as spark:
        sc = spark.sparkContext
        assert (sc.master, sc.appName) == ("local[3]", "named")
        assert sc.getConf().get("spark.a") == spark.conf.get("spark.a") == "1"
        assert spark.conf.get("spark.b") == "2"
        assert spark.version == "3.5.7"
        assert session_class.builder.getOrCreate().sparkContext is sc
        assert session_class.getActiveSession().sparkContext is sc
        with pytest.raises(NotImplementedError, match=r"SparkSession\.createDataFrame"):
            spark.createDataFrame([])
        assert not hasattr(spark, "_jsparkSession")
    assert SparkContext._active_spark_context is None
    assert session_class.getActiveSession() is None


@pytest.mark.usefixtures("start_context")
def test_contexts_have_pysparks_master_and_name_by_default(alias: ModuleType) -> None:
    from minimesos.spark.application import application_settings

    settings = application_settings(None, None, None, None, None)
    assert (settings.get("spark.master"), settings.get("spark.app.name")) == (
        "local[*]",
        "pyspark-shell",
    )


@pytest.mark.parametrize("master", ["spark://h:7077", "yarn", "k8s://https://h", "spark+local[2]"])
def test_without_the_real_one_its_masters_say_how_to_get_it(
    master: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(SparkException) as raised:
        SparkContext(master, "name")
    assert WAY_OUT in str(raised.value)
    with pyspark_alias():
        with pytest.raises(SparkException):
            SparkContext.getOrCreate(import_module("pyspark").SparkConf().setMaster(master))
        assert is_installed()


@pytest.mark.integration
def test_tasks_and_modules_shipped_to_them_import_it_too(tmp_path: Path) -> None:
    (tmp_path / "shipped.py").write_text(
        "import pyspark.rdd\nhash_of = pyspark.rdd.portable_hash\n"
    )
    program = """
        from minimesos.spark.compat import install_as_pyspark
        install_as_pyspark()
        import pyspark

        def use(n):
            import shipped
            from pyspark import TaskContext
            return n, shipped.hash_of(None), TaskContext.get().partitionId(), pyspark.__name__

        with pyspark.SparkContext("local[1]") as sc:
            sc.addPyFile("shipped.py")
            print(sc.parallelize([7], 1).map(use).collect())
    """
    assert python(tmp_path, program) == "[(7, 0, 0, 'pyspark')]\n"


@pytest.mark.integration
@pytest.mark.parametrize(("options", "is_ours"), [((), True), (("false",), False)])
def test_submitted_scripts_find_it_unless_told_otherwise(
    options: tuple[str, ...], is_ours: bool, tmp_path: Path
) -> None:
    flags = [f"--conf=spark.minimesos.pyspark.alias={value}" for value in options]
    program = """
        try:
            from pyspark import SparkContext
            print(SparkContext.__module__.startswith("minimesos"))
        except ImportError:
            print(False)
    """
    assert python(tmp_path, program, "-m", "minimesos", "submit", *flags) == f"{is_ours}\n"


def test_the_fixture_installs_it(pyspark_alias: None) -> None:
    assert import_module("pyspark").SparkContext is SparkContext


def test_the_search_path_has_nothing_else(tmp_path: Path) -> None:
    assert [path.name for path in Path(SEARCH_PATH).glob("*.py")] == ["pyspark.py"]
