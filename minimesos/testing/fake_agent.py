"""An agent that only speaks: the real executor HTTP API, with a core that a test plays.

For tests of executors. It launches nothing and reports to no master: the test starts the executor
with `environment()`, sends it events and reads its statuses.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from minimesos.actor import Close, Disconnected, Effect, Received, Send, Stimulus
from minimesos.agent.executor_api import ExecutorApi
from minimesos.agent.flags import AgentFlags
from minimesos.agent.state import AgentState, Executor, Framework
from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2
from minimesos.resources import Resources
from minimesos.runtime.loop import ActorLoop
from minimesos.runtime.streams import Peers

DEADLINE_S = 20.0
Event = executor_pb2.Event
Call = executor_pb2.Call


class FakeAgent:
    """Answers SUBSCRIBE of executor `e1` of framework `f1`, and acknowledges unless told not to."""

    def __init__(self, *capabilities: mesos_pb2.FrameworkInfo.Capability.Type) -> None:
        self.framework_info = mesos_pb2.FrameworkInfo(user="me", name="f")
        self.framework_info.id.value = "f1"
        for capability in capabilities:
            self.framework_info.capabilities.add(type=capability)
        self.executor = Executor(
            info=mesos_pb2.ExecutorInfo(executor_id=mesos_pb2.ExecutorID(value="e1")),
            framework_id="f1",
            container_id="c1",
            sandbox="/",
            resources=Resources.EMPTY,
            shutdown_grace_s=5.0,
            for_command=True,
        )
        framework = Framework(self.framework_info, deque(), {"e1": self.executor})
        info = mesos_pb2.AgentInfo(hostname="agent.example")
        flags = AgentFlags(master="127.0.0.1:5050", work_dir=Path("/"))
        self.state = AgentState(flags, info, "", frameworks={"f1": framework})
        self.acknowledges = True
        self.subscriptions: asyncio.Queue[Call] = asyncio.Queue()
        self.updates: asyncio.Queue[mesos_pb2.TaskStatus] = asyncio.Queue()
        self.disconnections: asyncio.Queue[str] = asyncio.Queue()

    # -- the world --------------------------------------------------------------------------------

    async def __aenter__(self) -> FakeAgent:
        self.host = ActorLoop(self)
        self.peers = Peers(self.host)
        self.api = ExecutorApi(self.peers, self.state)
        self._running = asyncio.ensure_future(self.host.run())
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self.api.protocol, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.peers.close_all()
        self._server.close()
        await self.api.stop()
        self.host.stop()
        await self._running

    def environment(self, **more: str) -> dict[str, str]:
        """Return what an executor needs to find this agent, and `more`."""
        return {
            "MESOS_AGENT_ENDPOINT": self.address,
            "MESOS_FRAMEWORK_ID": "f1",
            "MESOS_EXECUTOR_ID": "e1",
            **more,
        }

    def send(self, event: Event) -> None:
        """Send an event to the executor that has subscribed."""
        self.host.post(lambda now: [Send(self.executor.peer or "", event)])

    def hang_up(self) -> None:
        """End the subscription."""
        self.host.post(lambda now: [Close(self.executor.peer or "")])

    async def next_update(self) -> mesos_pb2.TaskStatus:
        """Return the next status that arrived or arrives. Raises TimeoutError."""
        async with asyncio.timeout(DEADLINE_S):
            return await self.updates.get()

    # -- the core ---------------------------------------------------------------------------------

    def start(self, now: float) -> Sequence[Effect]:
        return ()

    def handle(self, stimulus: Stimulus, now: float) -> Sequence[Effect]:
        if isinstance(stimulus, Disconnected):
            self.disconnections.put_nowait(stimulus.peer)
            self.executor.peer = None
        if not isinstance(stimulus, Received):
            return ()
        call = stimulus.message
        assert isinstance(call, Call)
        if call.type == Call.SUBSCRIBE:
            self.executor.peer = stimulus.peer
            self.subscriptions.put_nowait(call)
            subscribed = Event.Subscribed(
                executor_info=self.executor.info,
                framework_info=self.framework_info,
                agent_info=self.state.info,
            )
            return [Send(stimulus.peer, Event(type=Event.SUBSCRIBED, subscribed=subscribed))]
        if call.type == Call.UPDATE:
            status = call.update.status
            self.updates.put_nowait(status)
            if self.acknowledges:
                return [Send(stimulus.peer, acknowledged(status))]
        return ()


def acknowledged(status: mesos_pb2.TaskStatus) -> Event:
    """Return the event that confirms a status."""
    confirmation = Event.Acknowledged(task_id=status.task_id, uuid=status.uuid)
    return Event(type=Event.ACKNOWLEDGED, acknowledged=confirmation)


def launch(task: mesos_pb2.TaskInfo) -> Event:
    """Return the event that gives an executor a task."""
    return Event(type=Event.LAUNCH, launch=Event.Launch(task=task))


def kill(task_id: str, grace_s: float | None = None) -> Event:
    """Return the event that asks for a task's end, with a kill policy if `grace_s` is given."""
    body = Event.Kill(task_id=mesos_pb2.TaskID(value=task_id))
    if grace_s is not None:
        body.kill_policy.grace_period.nanoseconds = int(grace_s * 1e9)
    return Event(type=Event.KILL, kill=body)
