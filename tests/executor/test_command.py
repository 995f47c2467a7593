"""The command executor as a process, against the agent's executor API."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2
from minimesos.testing.fake_agent import DEADLINE_S, Event, FakeAgent, acknowledged, kill, launch
from minimesos.testing.lines import Lines, ended

pytestmark = pytest.mark.integration

KILLING = mesos_pb2.FrameworkInfo.Capability.TASK_KILLING_STATE
STARTING, RUNNING = mesos_pb2.TASK_STARTING, mesos_pb2.TASK_RUNNING
Start = Callable[..., Awaitable[asyncio.subprocess.Process]]


@contextmanager
def _outputs(sandbox: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    with open(sandbox / "stdout", "wb") as out, open(sandbox / "stderr", "wb") as err:
        yield out, err


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start command executors of an agent; they are killed after the test."""
    started: list[asyncio.subprocess.Process] = []

    async def start(agent: FakeAgent, **environment: str) -> asyncio.subprocess.Process:
        with _outputs(tmp_path) as (out, err):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "minimesos_executor", "command"),
                env={"PATH": os.environ["PATH"], **agent.environment(**environment)},
                cwd=tmp_path,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


def command_task(value: str, task_id: str = "t1", **fields: object) -> mesos_pb2.TaskInfo:
    task = mesos_pb2.TaskInfo(name="task", **fields)
    task.task_id.value = task_id
    task.agent_id.value = "a1"
    task.command.value = value
    return task


async def exit_code(process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(DEADLINE_S):
        return await process.wait()


async def run(start: Start, task: mesos_pb2.TaskInfo, **environment: str) -> list[tuple[int, str]]:
    """Run a task to its end; returns (state, message) of all its statuses."""
    async with FakeAgent() as agent:
        process = await start(agent, **environment)
        await agent.subscriptions.get()
        agent.send(launch(task))
        assert await exit_code(process) == 0
        statuses = [agent.updates.get_nowait() for _ in range(agent.updates.qsize())]
    return [(status.state, status.message) for status in statuses]


# -- results --------------------------------------------------------------------------------------


async def test_a_command_that_succeeds_is_finished_and_its_output_is_in_the_sandbox(
    start, tmp_path
):
    statuses = await run(start, command_task("pwd; echo oops >&2"))
    assert statuses == [
        (STARTING, ""),
        (RUNNING, ""),
        (mesos_pb2.TASK_FINISHED, "Command exited with status 0"),
    ]
    assert (tmp_path / "stdout").read_text() == f"{tmp_path}\n"
    log = (tmp_path / "stderr").read_text()
    for phrase in ("Subscribed executor on agent.example", "Starting task t1",
                   "Forked command at", "oops", "Command exited with status 0 (pid:"):  # fmt: skip
        assert phrase in log


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("exit 7", "Command exited with status 7"),
        ("kill -KILL $$", "Command terminated with signal Killed"),
        ("echo one >&2; echo why >&2; exit 7", "Command exited with status 7: why"),
    ],
)
async def test_a_command_that_fails_says_how_and_its_last_words(start, command, message):
    assert (await run(start, command_task(command)))[-1] == (mesos_pb2.TASK_FAILED, message)


async def test_a_command_that_cannot_be_started_has_failed(start):
    task = command_task("no-such-program")
    task.command.shell = False
    assert await run(start, task) == [
        (STARTING, ""),
        (
            mesos_pb2.TASK_FAILED,
            "Failed to launch the command: 'no-such-program' is not in PATH",
        ),
    ]


async def test_without_a_shell_the_arguments_are_the_argv(start, tmp_path):
    task = command_task("printf")
    task.command.shell = False
    task.command.arguments.extend(["printf", "%s|", "a b", "$HOME"])
    assert (await run(start, task))[-1][0] == mesos_pb2.TASK_FINISHED
    assert (tmp_path / "stdout").read_text() == "a b|$HOME|"


async def test_a_task_sees_the_executors_environment_its_role_and_its_own(start, tmp_path):
    task = command_task("echo $MESOS_EXECUTOR_ID $MESOS_ALLOCATION_ROLE $A $B $S")
    task.resources.add(name="cpus", type=mesos_pb2.Value.SCALAR).allocation_info.role = "eng/dev"
    task.command.environment.variables.add(name="A", value="own")
    secret = task.command.environment.variables.add(name="S")
    secret.type = mesos_pb2.Environment.Variable.SECRET
    secret.secret.type = mesos_pb2.Secret.VALUE
    secret.secret.value.data = b"hush"
    await run(start, task, A="executor's", B="both")
    assert (tmp_path / "stdout").read_text() == "e1 eng/dev own both hush\n"


async def test_a_task_sees_no_variable_that_nobody_gave_it(start, tmp_path):
    task = command_task("env")
    task.command.shell = False  # a shell sets variables of its own
    async with FakeAgent() as agent:
        given = {"PATH": os.environ["PATH"], **agent.environment()}
    await run(start, task)
    seen = dict(line.split("=", 1) for line in (tmp_path / "stdout").read_text().splitlines())
    assert seen.keys() == given.keys()


async def test_a_status_is_complete(start):
    async with FakeAgent() as agent:
        await start(agent)
        await agent.subscriptions.get()
        agent.send(launch(command_task("true")))
        statuses = [await agent.next_update() for _ in range(3)]
    assert len({status.uuid for status in statuses}) == 3
    for status in statuses:
        assert len(status.uuid) == 16
        assert status.timestamp > 0
        assert status.source == mesos_pb2.TaskStatus.SOURCE_EXECUTOR
        assert (status.task_id.value, status.executor_id.value) == ("t1", "e1")


async def test_a_second_task_fails_and_leaves_the_first_alone(start):
    async with FakeAgent() as agent:
        await start(agent)
        await agent.subscriptions.get()
        agent.send(launch(command_task("sleep 60", "t1")))
        agent.send(launch(command_task("true", "t2")))
        statuses = [await agent.next_update() for _ in range(3)]
        second = [status for status in statuses if status.task_id.value == "t2"]
        assert [(status.state, status.message) for status in second] == [
            (
                mesos_pb2.TASK_FAILED,
                'Attempted to run multiple tasks using a "command" executor',
            )
        ]
        agent.send(kill("t1"))
        assert (await agent.next_update()).state == mesos_pb2.TASK_KILLED


# -- kill -----------------------------------------------------------------------------------------

IGNORES_SIGTERM = "trap '' TERM; echo $$ > lines; while :; do sleep 0.01; done"


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Lines]:
    """What tasks write to the pipe `lines` in their sandbox."""
    lines = Lines(tmp_path / "lines")
    yield lines
    lines.close()


async def running(agent: FakeAgent, task: mesos_pb2.TaskInfo) -> None:
    """Launch a task, and wait until it is reported to run."""
    await agent.subscriptions.get()
    agent.send(launch(task))
    while (await agent.next_update()).state != RUNNING:
        pass


async def test_a_kill_is_announced_to_frameworks_that_want_it(start):
    async with FakeAgent(KILLING) as agent:
        process = await start(agent)
        await running(agent, command_task("sleep 60"))
        agent.send(kill("t1", grace_s=60))
        states = [await agent.next_update() for _ in range(2)]
        assert [status.state for status in states] == [
            mesos_pb2.TASK_KILLING,
            mesos_pb2.TASK_KILLED,
        ]
        assert states[1].message == "Command terminated with signal Terminated"
        assert await exit_code(process) == 0


async def test_a_killed_task_is_killed_even_if_it_exits_with_0(start, lines):
    async with FakeAgent() as agent:
        await start(agent)
        script = "trap 'exit 0' TERM; echo ready > lines; while :; do sleep 0.01; done"
        await running(agent, command_task(script))
        await lines.next()
        agent.send(kill("t1"))
        status = await agent.next_update()
    assert (status.state, status.message) == (
        mesos_pb2.TASK_KILLED,
        "Command exited with status 0",
    )


@pytest.mark.parametrize("by", ["call", "task"])
async def test_after_the_grace_period_the_whole_tree_gets_sigkill(start, lines, by):
    async with FakeAgent() as agent:
        await start(agent)
        policy = mesos_pb2.KillPolicy()
        policy.grace_period.nanoseconds = int(0.2e9) if by == "task" else int(60e9)
        in_own_session = IGNORES_SIGTERM.replace("$", "\\$")
        script = f'setsid sh -c "{in_own_session}" & {IGNORES_SIGTERM}'
        await running(agent, command_task(script, kill_policy=policy))
        pids = [int(await lines.next()) for _ in range(2)]
        loop = asyncio.get_running_loop()
        killed_at = loop.time()
        agent.send(kill("t1", grace_s=0.2 if by == "call" else None))
        status = await agent.next_update()
        assert loop.time() - killed_at >= 0.2
        assert status.message == "Command terminated with signal Killed"
        assert [await ended(pid) for pid in pids] == [True, True]


async def test_a_second_kill_can_only_shorten_the_grace(start, lines):
    async with FakeAgent(KILLING) as agent:
        await start(agent)
        await running(agent, command_task(IGNORES_SIGTERM))
        await lines.next()
        for grace_s in (60, 120, 0):
            agent.send(kill("t1", grace_s=grace_s))
        states = [(await agent.next_update()).state for _ in range(2)]
        assert states == [mesos_pb2.TASK_KILLING, mesos_pb2.TASK_KILLED]


async def test_a_kill_of_another_task_is_ignored(start, tmp_path):
    async with FakeAgent() as agent:
        await start(agent)
        await running(agent, command_task("sleep 60"))
        agent.send(kill("t2"))
        agent.send(kill("t1"))
        assert (await agent.next_update()).task_id.value == "t1"
    assert "Ignored the kill of an unknown task" in (tmp_path / "stderr").read_text()


async def test_a_task_that_takes_longer_than_it_may_has_failed_for_that_reason(start):
    task = command_task("trap '' TERM; while :; do sleep 0.01; done")
    task.max_completion_time.nanoseconds = int(0.1e9)
    async with FakeAgent(KILLING) as agent:
        await start(agent)
        await agent.subscriptions.get()
        agent.send(launch(task))
        statuses = [await agent.next_update() for _ in range(3)]
    assert statuses[2].state == mesos_pb2.TASK_FAILED
    assert statuses[2].reason == mesos_pb2.TaskStatus.REASON_MAX_COMPLETION_TIME_REACHED


# -- end ------------------------------------------------------------------------------------------


async def test_it_stays_until_the_last_status_is_acknowledged(start):
    async with FakeAgent() as agent:
        agent.acknowledges = False
        process = await start(agent)
        await agent.subscriptions.get()
        agent.send(launch(command_task("true")))
        statuses = [await agent.next_update() for _ in range(3)]
        agent.send(acknowledged(statuses[0]))
        agent.send(acknowledged(statuses[1]))
        assert process.returncode is None
        agent.send(acknowledged(statuses[2]))
        assert await exit_code(process) == 0


async def test_a_shutdown_kills_the_task_in_time_before_the_agent_would(start, lines):
    async with FakeAgent() as agent:
        process = await start(agent, MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD="2200ms")
        await running(agent, command_task(IGNORES_SIGTERM))
        await lines.next()
        loop = asyncio.get_running_loop()
        told_at = loop.time()
        agent.send(Event(type=Event.SHUTDOWN))
        status = await agent.next_update()
        assert 0.2 <= loop.time() - told_at < 2.0
        assert status.state == mesos_pb2.TASK_KILLED
        assert await exit_code(process) == 0


async def test_sigterm_is_a_shutdown(start):
    async with FakeAgent() as agent:
        process = await start(agent)
        await running(agent, command_task("sleep 60"))
        process.send_signal(signal.SIGTERM)
        assert (await agent.next_update()).state == mesos_pb2.TASK_KILLED
        assert await exit_code(process) == 0


async def test_a_shutdown_without_a_task_ends_it_at_once(start):
    async with FakeAgent() as agent:
        process = await start(agent)
        await agent.subscriptions.get()
        agent.send(Event(type=Event.SHUTDOWN))
        assert await exit_code(process) == 0


async def test_when_the_agent_is_gone_the_task_is_killed(start, lines):
    async with FakeAgent() as agent:
        process = await start(agent, MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD="2100ms")
        await running(agent, command_task(IGNORES_SIGTERM))
        pid = int(await lines.next())
        agent.hang_up()
        assert await exit_code(process) == 1
    assert await ended(pid)


async def test_an_error_of_the_agent_ends_it(start, tmp_path):
    async with FakeAgent() as agent:
        process = await start(agent)
        await agent.subscriptions.get()
        error = executor_pb2.Event.Error(message="no such thing")
        agent.send(Event(type=Event.ERROR, error=error))
        assert await exit_code(process) == 1
    assert "no such thing" in (tmp_path / "stderr").read_text()


async def test_an_agent_that_does_not_know_it_is_named_in_the_log(start, tmp_path):
    async with FakeAgent() as agent:
        process = await start(agent, MESOS_EXECUTOR_ID="e2")
        assert await exit_code(process) == 1
    assert "Executor cannot be found" in (tmp_path / "stderr").read_text()


async def test_without_an_agent_it_says_what_is_missing(start, tmp_path):
    async with FakeAgent() as agent:
        process = await start(agent, MESOS_FRAMEWORK_ID="")
        assert await exit_code(process) == 2
    assert "MESOS_FRAMEWORK_ID" in (tmp_path / "stderr").read_text()
