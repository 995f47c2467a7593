"""`minimesos submit` and `minimesos shell`: what they refuse, and what a script and a user see."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner, Result

import minimesos
from minimesos.cli.main import main

PATIENCE_S = 30.0
VARIABLES = ("MASTER", "DEPLOY_MODE", "IPYTHON", "IPYTHON_OPTS", "PYTHONSTARTUP")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without settings that the tests' caller may have."""
    for name in list(os.environ):
        if name.startswith(("SPARK_", "PYSPARK_")) or name in VARIABLES:
            monkeypatch.delenv(name)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


# -- what ends before a script starts -------------------------------------------------------------


@pytest.mark.parametrize("command", ["submit", "shell"])
def test_help_and_version_are_told_also_behind_other_options(command: str) -> None:
    told = run(command, "--master", "local", "--help")
    assert told.exit_code == 0
    assert "--total-executor-cores   spark.cores.max" in told.output
    told = run(command, "--version")
    assert told.exit_code == 0
    assert told.output.startswith(f"minimesos {minimesos.__version__}, Python 3.")


def test_without_a_script_the_usage_is_shown_and_the_exit_code_says_so() -> None:
    told = run("submit")
    assert told.exit_code == 2
    assert "Usage: minimesos submit [OPTIONS] SCRIPT" in told.output


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--nonsense", "x.py"], "Unrecognized option: --nonsense"),
        (["--conf", "spark.x", "x.py"], "Spark config without '=': spark.x"),
        (["no-such-script.py"], "no such script: no-such-script.py"),
        (["--class", "Main", "job.jar"], "job.jar: only Python scripts run here"),
        (["--deploy-mode", "cluster", "x.py"], "--deploy-mode must be client, not cluster"),
        (["--conf", "spark.submit.deployMode=cluster", "x"], "must be client, not cluster"),
        (["--kill", "d1", "--status", "d2"], "only one of --kill and --status can be asked for"),
        (["--kill", "d1", "--master", "mesos://h:1"], "--kill d1: drivers are managed by a disp"),
        (["--status", "d1", "--master", "local"], "--status needs a master at mesos://host:port"),
        (["--properties-file", "none.conf", "x.py"], "none.conf: No such file or directory"),
    ],
)
def test_what_cannot_be_submitted_is_refused_with_the_reason(
    arguments: list[str], problem: str
) -> None:
    told = run("submit", *arguments)
    assert told.exit_code == 2
    assert problem in told.output
    assert "See 'minimesos submit --help'" in told.output


def test_the_shell_runs_no_scripts_and_no_removed_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = run("shell", "x.py")
    assert told.exit_code == 2
    assert "runs no scripts: use minimesos submit x.py" in told.output
    monkeypatch.setenv("IPYTHON", "1")
    told = run("shell")
    assert told.exit_code == 2
    assert "IPYTHON must not be set any more" in told.output


# -- what a script sees ---------------------------------------------------------------------------


def submit(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "minimesos", "submit", *arguments],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.mark.integration
def test_a_script_gets_its_arguments_and_its_exit_code_is_submits(tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text(
        "import os, sys\n"
        "from minimesos.spark import SparkConf\n"
        "conf = SparkConf().setIfMissing('spark.cores.max', '9').set('spark.task.cpus', '1')\n"
        "print(sys.argv[1:], os.environ['PYTHONHASHSEED'], sys.path[0] == sys.argv[0][:-7])\n"
        "for name in ('master', 'app.name', 'cores.max', 'task.cpus', 'executor.memory'):\n"
        "    print(conf.get(f'spark.{name}'))\n"
        "sys.exit(7)\n"
    )
    (tmp_path / "spark-defaults.conf").write_text("spark.executor.memory 3g\ncolor blue\n")
    (tmp_path / "spark-env.sh").write_text("MASTER=local[3]\n")
    done = submit(
        *("--conf", "spark.task.cpus=5", "-c", "shape=round", "--supervise"),
        *(str(script), "--master", "x"),
        SPARK_CONF_DIR=str(tmp_path),
    )
    assert done.returncode == 7
    assert done.stdout.splitlines() == [
        "['--master', 'x'] 0 True", "local[3]", "job", "9", "1", "3g",
    ]  # fmt: skip
    assert [line.partition("warning: ")[2] for line in done.stderr.splitlines()] == [
        "Ignoring non-spark config property: shape=round",
        "option --supervise has no effect: only a dispatcher restarts drivers",
        f"{tmp_path}/spark-defaults.conf: Ignoring non-spark config property: color=blue",
    ]


@pytest.mark.integration
def test_verbose_shows_what_is_started_without_secrets(tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text("")
    done = submit("-v", "-c", "spark.mesos.secret=abc", "--executor-cores", "2", str(script))
    assert f"Command: {sys.executable} {script}" in done.stderr
    assert "  spark.executor.cores=2\n" in done.stderr
    assert "  spark.master=local[*]\n" in done.stderr
    assert "abc" not in done.stderr


@pytest.mark.integration
def test_modules_can_be_imported_before_the_context_and_in_tasks(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "shipped_by_submit.py").write_text("def double(x):\n    return 2 * x\n")
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.writestr("zipped_by_submit.py", "def triple(x):\n    return 3 * x\n")
    script = tmp_path / "job.py"
    script.write_text(
        "import os\n"
        "import shipped_by_submit, zipped_by_submit\n"
        "from minimesos.spark import SparkContext\n"
        "os.chdir('/')\n"
        "with SparkContext() as sc:\n"
        "    rdd = sc.parallelize([21]).map(shipped_by_submit.double)\n"
        "    print(rdd.map(zipped_by_submit.triple).collect())\n"
    )
    done = submit(
        *("--master", "local[1]"),
        *("--py-files", f"{tmp_path}/lib/shipped_by_submit.py,{tmp_path}/more.zip"),
        str(script),
    )
    assert (done.returncode, done.stdout) == (0, "[126]\n"), done.stderr


@pytest.mark.integration
def test_another_interpreter_may_be_chosen(tmp_path: Path) -> None:
    python = tmp_path / "my-python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -X my_option "$@"\n')
    python.chmod(0o755)
    script = tmp_path / "job.py"
    script.write_text("import sys\nprint(sys._xoptions)\n")
    done = submit(str(script), PYSPARK_DRIVER_PYTHON=str(python))
    assert done.stdout == "{'my_option': True}\n"


@pytest.mark.integration
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_script_and_leave_no_process_behind(
    signum: signal.Signals, tmp_path: Path
) -> None:
    script = tmp_path / "job.py"
    script.write_text(
        "import time\n"
        "from minimesos.spark import SparkContext\n"
        "def wait(x):\n"
        "    print('runs', flush=True)\n"
        "    time.sleep(60)\n"
        "SparkContext().parallelize([1], 1).foreach(wait)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "minimesos", "submit", "--master", "local[1]", str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().endswith(" runs\n")
        tree = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signum)  # as a terminal does
        assert process.wait(PATIENCE_S) == -signum
    assert len(tree) >= 2
    assert psutil.wait_procs(tree, PATIENCE_S)[1] == []


@pytest.mark.parametrize("command", ["submit", "shell"])
def test_a_master_of_real_spark_is_refused_where_that_is_not_installed(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minimesos.spark.compat.real.Distribution.discover", lambda name: iter(()))
    script = tmp_path / "script.py"
    script.touch()
    scripts = [str(script)] if command == "submit" else []
    told = run(command, "--master", "yarn", "--queue", "q", *scripts)
    assert told.exit_code == 2
    assert "pip install 'minimesos[spark]'" in told.output
    assert "warning" not in told.output, "what real Spark understands is not warned of"


# -- what a user of the shell sees ----------------------------------------------------------------


ON_ITS_TERMINAL = (
    "import fcntl, os, sys, termios\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "os.execv(sys.executable, [sys.executable, '-m', 'minimesos', 'shell', *sys.argv[1:]])\n"
)


class Terminal:
    """A `minimesos shell` and its user."""

    def __init__(self, *arguments: str) -> None:
        self._terminal, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", ON_ITS_TERMINAL, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def expect(self, text: str) -> None:
        """Wait until this is shown, behind what was expected before."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.shown:
            left_s = deadline - time.monotonic()
            assert select.select([self._terminal], [], [], max(left_s, 0))[0], self.shown
            try:
                self.shown += os.read(self._terminal, 2**16).decode(errors="replace")
            except OSError:
                raise AssertionError(f"the shell has ended: {self.shown}") from None
        self.shown = self.shown.partition(text)[2]

    def ended(self) -> int:
        """Wait for its end; returns the exit code. All that it has shown is in `shown`."""
        try:
            while data := os.read(self._terminal, 2**16):
                self.shown += data.decode(errors="replace")
        except OSError:
            pass  # how a terminal ends
        return self._process.wait(PATIENCE_S)

    def close(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE_S)
        os.close(self._terminal)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


@pytest.mark.integration
def test_a_user_works_in_the_shell(
    terminals: list[Terminal], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    startup = tmp_path / "startup.py"
    startup.write_text("mine = sc.master\n")
    monkeypatch.setenv("PYTHONSTARTUP", str(startup))
    monkeypatch.setenv("HOME", str(tmp_path))  # where the history is
    shell = Terminal("--master", "local[2]")
    terminals.append(shell)
    shell.expect("Spark context available as sc (master = local[2], app id = local-")
    shell.expect(">>> ")
    shell.type("mine, sc.appName, sc.parallelize(range(11), 8).count()\n")
    shell.expect("('local[2]', 'PySparkShell', 11)")
    shell.expect(">>> ")
    shell.type("'same', spark.sparkContext is sc\n")
    shell.expect("('same', True)")
    shell.expect(">>> ")
    shell.type("import time; sc.parallelize([1], 1).foreach(lambda x: time.sleep(60))\n")
    shell.expect("[Stage 1:")  # the bar says that it runs
    shell.type("\x03")
    shell.expect("KeyboardInterrupt")
    shell.expect(">>> ")
    shell.type("__import__('os').environ['PYTHONSTARTUP']\n")
    shell.expect(str(startup))
    shell.expect(">>> ")
    shell.type("exit(3)\n")
    assert shell.ended() == 3


@pytest.mark.integration
def test_a_shell_that_gets_no_context_ends_with_the_reason(terminals: list[Terminal]) -> None:
    shell = Terminal("--master", "nonsense")
    terminals.append(shell)
    assert shell.ended() == 1
    assert "minimesos shell: Could not parse Master URL: 'nonsense'" in shell.shown
    assert "Traceback" not in shell.shown
