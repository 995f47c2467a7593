"""The containerizer with real processes: how containers start, and that nothing outlives them."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import stat
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from minimesos.errors import InvalidValue
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources
from minimesos.testing.lines import ended

pytestmark = pytest.mark.integration

LAUNCH_FAILED = mesos_pb2.TaskStatus.REASON_CONTAINER_LAUNCH_FAILED
NextLine = Callable[[], Awaitable[str]]


def program(source: str, *arguments: str) -> mesos_pb2.CommandInfo:
    """A command that runs Python source, without a shell in between."""
    argv = [sys.executable, "-c", source, *arguments]
    return mesos_pb2.CommandInfo(shell=False, value=sys.executable, arguments=argv)


# -- start ----------------------------------------------------------------------------------------


async def test_the_environment_is_exactly_what_was_given(containers):
    os.environ["LEAKED"] = "from the agent"
    try:
        command = mesos_pb2.CommandInfo(shell=False, value="env", arguments=["env"])
        sandbox = containers.launch(command, MESOS_EXECUTOR_ID="e1", EMPTY="")
        await containers.exited()
    finally:
        del os.environ["LEAKED"]
    lines = (sandbox / "stdout").read_text().splitlines()
    assert sorted(lines) == sorted([f"PATH={os.environ['PATH']}", "MESOS_EXECUTOR_ID=e1", "EMPTY="])


async def test_a_process_starts_in_its_sandbox_and_session_with_nothing_open_but_its_outputs(
    containers,
):
    source = (
        "import os, sys; print(os.getcwd(), os.getsid(0) == os.getpgid(0) == os.getpid(),"
        " sorted(os.listdir('/proc/self/fd'))[:-1], os.umask(0)); print('oops', file=sys.stderr);"
        " print(sys.stdin.read() == '')"
    )
    sandbox = containers.launch(program(source))
    exited = await containers.exited()
    assert (exited.status, exited.reason, exited.message) == (0, None, "")
    assert (sandbox / "stdout").read_text() == f"{sandbox} True ['0', '1', '2'] 18\nTrue\n"
    assert (sandbox / "stderr").read_text() == "oops\n"


async def test_the_sandbox_is_private_and_latest_points_to_the_newest_run(containers):
    first = containers.launch("true", "c1")
    await containers.exited("c1")
    assert stat.S_IMODE(first.stat().st_mode) == 0o750
    assert (containers.runs / "latest").resolve() == first
    second = containers.launch("true", "c2")
    await containers.exited("c2")
    assert (containers.runs / "latest").resolve() == second
    assert sorted(os.listdir(containers.runs)) == ["c1", "c2", "latest"]


async def test_a_shell_runs_the_value_and_ignores_the_arguments(containers):
    command = mesos_pb2.CommandInfo(value="echo $0 $#", arguments=["ignored", "too"])
    sandbox = containers.launch(command)
    await containers.exited()
    assert (sandbox / "stdout").read_text() == "sh 0\n"


async def test_without_a_shell_the_arguments_are_the_whole_argv(containers):
    command = mesos_pb2.CommandInfo(
        shell=False, value="sh", arguments=["zero", "-c", "echo $0", "a b"]
    )
    sandbox = containers.launch(command)
    await containers.exited()
    assert (sandbox / "stdout").read_text() == "a b\n"


async def test_the_launch_names_the_process_and_the_exit_its_status(containers, told, tmp_path):
    containers.launch("echo $$ > $FIFO; read line < $GO; exit 3", FIFO=str(tmp_path / "fifo"),
                      GO=str(_fifo(tmp_path / "go")))  # fmt: skip
    launched = await containers.launched()
    assert launched.pid == int(await told())
    (tmp_path / "go").write_text("on\n")
    exited = await containers.exited()
    assert exited.status is not None
    assert os.waitstatus_to_exitcode(exited.status) == 3


def _fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            mesos_pb2.CommandInfo(shell=False, value="no-such-program"),
            "[Errno 2] No such file or directory: 'no-such-program'",
        ),
        (
            mesos_pb2.CommandInfo(shell=False, value="/etc/passwd"),
            "[Errno 13] Permission denied: '/etc/passwd'",
        ),
        (
            mesos_pb2.CommandInfo(shell=False, value="a\0b"),
            "the command or its environment holds a NUL character",
        ),
        (mesos_pb2.CommandInfo(), "the command has no value"),
    ],
)
async def test_a_command_that_cannot_be_executed_is_a_failed_launch(containers, command, message):
    containers.launch(command)
    exited = await containers.exited()
    assert (exited.status, exited.reason) == (None, LAUNCH_FAILED)
    assert exited.message == message


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("echo why >&2; exit 3", "why"),
        ("echo fine >&2", ""),
        ("ln -sf /etc/passwd stderr; exit 3", ""),
        ("echo secret > other; ln -f other stderr; exit 3", ""),
        ("rm stderr; exit 3", ""),
        ("rm stderr; mkfifo stderr; exit 3", ""),
    ],
)
async def test_a_container_that_fails_tells_its_last_words(containers, command, message):
    containers.launch(command)
    assert (await containers.exited()).message == message


async def test_of_a_container_that_was_destroyed_no_last_words_are_needed(
    containers, told, tmp_path
):
    containers.launch("echo why >&2; echo > $FIFO; sleep 60", FIFO=str(tmp_path / "fifo"))
    await told()
    containers.destroy()
    assert (await containers.exited()).message == ""


async def test_a_sandbox_that_cannot_be_made_is_a_failed_launch(make_containers, tmp_path):
    (tmp_path / "file").write_text("")
    containers = make_containers(tmp_path / "file")
    containers.launch("true")
    exited = await containers.exited()
    assert exited.reason == LAUNCH_FAILED
    assert str(tmp_path / "file") in exited.message


async def test_an_unknown_user_is_a_failed_launch(containers):
    containers.launch("true", user="nobody-of-that-name")
    exited = await containers.exited()
    assert exited.reason == LAUNCH_FAILED
    assert "no user 'nobody-of-that-name' on this machine" in exited.message


async def test_without_switch_user_the_user_is_not_even_looked_up(make_containers):
    containers = make_containers(switch_user=False)
    containers.launch("true", user="nobody-of-that-name")
    assert (await containers.exited()).status == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_a_task_runs_as_its_user_who_owns_the_sandbox(make_containers, open_directory):
    containers = make_containers(open_directory)
    sandbox = containers.launch("id -un; id -G; echo mine > mine", user="nobody")
    assert (await containers.exited()).status == 0
    groups = " ".join(map(str, os.getgrouplist("nobody", pwd.getpwnam("nobody").pw_gid)))
    assert (sandbox / "stdout").read_text() == f"nobody\n{groups}\n"
    assert {path.owner() for path in (sandbox, *sandbox.rglob("*"))} == {"nobody"}


async def test_an_unknown_isolation_is_refused_with_those_that_exist(make_containers):
    with pytest.raises(
        InvalidValue,
        match=r"unknown isolation 'gpu/nvidia', expecting some of posix/cpu, posix/mem",
    ):
        make_containers(isolation=("posix/cpu", "gpu/nvidia"))


# -- end ------------------------------------------------------------------------------------------

ESCAPEE = """
import os, sys
if os.fork():
    os.wait()
    open(os.environ["GO"]).read()
    sys.exit()
os.setsid()
if os.fork():
    os._exit(0)
os.execve(sys.executable, [sys.executable, "-c", sys.argv[1], os.environ["FIFO"]], {})
"""
DAEMON = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
with open(sys.argv[1], "w") as fifo:
    print(os.getpid(), "MESOS_EXECUTOR_ID" in os.environ, file=fifo, flush=True)
time.sleep(60)
"""


async def launch_escapee(containers, told: NextLine, tmp_path: Path) -> int:
    """Start a daemon: forked twice, own session, no environment; returns its pid."""
    go = str(_fifo(tmp_path / "go"))
    environment = {"MESOS_EXECUTOR_ID": "e1", "FIFO": str(tmp_path / "fifo"), "GO": go}
    containers.launch(program(ESCAPEE, DAEMON), **environment)
    pid, has_environment = (await told()).split()
    assert has_environment == "False"
    return int(pid)


async def test_a_daemon_without_session_parent_and_environment_dies_with_its_container(
    containers, told, tmp_path
):
    pid = await launch_escapee(containers, told, tmp_path)
    containers.destroy()
    await containers.exited()
    assert not os.path.exists(f"/proc/{pid}")


async def test_a_daemon_dies_when_the_first_process_has_ended_by_itself(containers, told, tmp_path):
    pid = await launch_escapee(containers, told, tmp_path)
    (tmp_path / "go").write_text("")
    assert (await containers.exited()).status == 0
    assert not os.path.exists(f"/proc/{pid}")


async def test_a_container_that_forks_without_end_is_destroyed(containers, told, tmp_path):
    bomb = """
import os
if os.fork() == 0:
    os.execlp("sh", "sh", "-c", "echo forking > $FIFO; exec sleep 60")
while True:
    if os.fork() == 0:
        if os.fork():
            os._exit(0)
        os.setsid()
        for _ in range(3):
            if os.fork() == 0:
                os._exit(0)
        os._exit(0)
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0): pass
    except ChildProcessError: pass
"""
    containers.launch(program(bomb), FIFO=str(tmp_path / "fifo"))
    await told()
    containers.destroy()
    exited = await containers.exited()
    assert exited.status is not None
    assert os.waitstatus_to_exitcode(exited.status) == -signal.SIGKILL


async def test_a_process_that_heeds_sigterm_ends_within_the_grace_by_itself(
    containers, told, tmp_path
):
    script = "trap 'exit 7' TERM; echo ready > $FIFO; while :; do sleep 60 & wait $!; done"
    containers.launch(script, FIFO=str(tmp_path / "fifo"))
    await told()
    containers.destroy(grace_s=60.0)
    exited = await containers.exited()
    assert exited.status is not None
    assert os.waitstatus_to_exitcode(exited.status) == 7


async def test_a_process_that_ignores_sigterm_is_killed_after_the_grace(containers, told, tmp_path):
    containers.launch("trap '' TERM; echo ready > $FIFO; sleep 60", FIFO=str(tmp_path / "fifo"))
    await told()
    started = asyncio.get_running_loop().time()
    containers.destroy(grace_s=0.3)
    exited = await containers.exited()
    assert exited.status is not None
    assert os.waitstatus_to_exitcode(exited.status) == -signal.SIGKILL
    assert asyncio.get_running_loop().time() - started >= 0.3


async def test_a_second_destroy_shortens_the_grace(containers, told, tmp_path):
    containers.launch("trap '' TERM; echo ready > $FIFO; sleep 60", FIFO=str(tmp_path / "fifo"))
    await told()
    containers.destroy(grace_s=60.0)
    containers.destroy(grace_s=0.0)
    assert (await containers.exited()).status == signal.SIGKILL


async def test_destroying_what_is_unknown_or_gone_is_harmless(containers):
    containers.destroy("never-launched")
    containers.launch("true")
    await containers.exited()
    containers.destroy()


async def test_a_container_that_is_destroyed_before_it_started_never_starts(containers):
    command = mesos_pb2.CommandInfo(value="true")
    command.uris.add(value="/etc/passwd")
    containers.launch(command)
    containers.destroy()
    exited = await containers.exited()
    assert (exited.status, exited.reason) == (None, None)


async def test_stopping_the_containerizer_destroys_everything(containers, told, tmp_path):
    containers.launch("echo $$ > $FIFO; sleep 60", FIFO=str(tmp_path / "fifo"))
    pid = int(await told())
    await containers.containerizer.stop()
    assert not os.path.exists(f"/proc/{pid}")


AGENT = """
import asyncio, sys
from minimesos.agent.containerizer.containerizer import PosixContainerizer
from minimesos.agent.containers import LaunchContainer
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources
async def main():
    containerizer = PosixContainerizer(lambda stimulus: None)
    command = mesos_pb2.CommandInfo(value=f"echo $$ > {sys.argv[2]}; sleep 60 & wait")
    sandbox = sys.argv[1] + "/runs/c1"
    containerizer.perform(
        LaunchContainer("c1", "f1", "e1", command, {}, Resources.EMPTY, sandbox, ""))
    await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_nothing_outlives_an_agent_that_was_killed(told, tmp_path):
    agent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", AGENT, str(tmp_path), str(tmp_path / "fifo"))
    )
    pid = int(await told())
    agent.kill()
    await agent.wait()
    assert await ended(pid)


async def test_killing_the_supervisor_kills_the_container(containers, told, tmp_path):
    pid = await launch_escapee(containers, told, tmp_path)
    first = (await containers.launched()).pid
    supervisor = int(Path(f"/proc/{first}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(supervisor, signal.SIGKILL)
    exited = await containers.exited()
    assert (exited.status, exited.message) == (None, "The container's supervisor was killed")
    assert not os.path.exists(f"/proc/{first}")
    assert not os.path.exists(f"/proc/{pid}")


async def test_a_killed_launcher_is_replaced_and_what_it_launched_lives_on(
    containers, told, tmp_path
):
    containers.launch("read line < $GO; exit 5", GO=str(_fifo(tmp_path / "go")))
    await containers.launched()
    launcher = containers.containerizer._launcher._process
    launcher.kill()
    launcher.wait()
    containers.launch("exit 4", "c2")
    assert (await containers.exited("c2")).status == 4 << 8
    (tmp_path / "go").write_text("on\n")
    assert (await containers.exited("c1")).status == 5 << 8


async def test_statistics_count_what_has_ended_as_well(containers, told, tmp_path):
    burn = f"{sys.executable} -c 'import time\nwhile time.process_time() < 0.3: pass'"
    containers.launch(
        f"{burn}; echo burnt > $FIFO; sleep 60",
        resources=Resources.of(cpus=1, mem=256),
        FIFO=str(tmp_path / "fifo"),
    )
    await told()
    async with asyncio.timeout(20):
        while True:
            usage = containers.containerizer.usage("c1")
            if usage and usage.cpus_user_time_secs + usage.cpus_system_time_secs >= 0.25:
                break
            await asyncio.sleep(0)
    assert usage.cpus_limit == 1.0
    assert usage.mem_limit_bytes == 256 << 20
    assert usage.mem_rss_bytes > 0
    assert usage.processes == usage.threads == 2
