"""What the two callback drivers share: a status, a session on the process's loop, one thread.

The session runs on the process's asyncio loop; its news are queued, and one thread calls the user's
callbacks, one at a time and in order, so a callback may block as long as it likes. Calls of the
driver may come from any thread, callbacks included.

Source: the drivers of Mesos 0.28 to 1.11, `MesosSchedulerDriver` and `MesosExecutorDriver`.
"""

from __future__ import annotations

import asyncio
import queue
import threading

from minimesos.actor import Actor, Effect, Stimulus
from minimesos.drivers.session import Arrived, Failed, Leave, Subscribed, Unsubscribed
from minimesos.errors import MinimesosError
from minimesos.log import get_logger
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.runtime.frames import StreamKind
from minimesos.runtime.loop import ActorLoop, LoopThread
from minimesos.runtime.rpc import RpcClient
from minimesos.runtime.streams import Peers

NOT_STARTED = mesos_pb2.DRIVER_NOT_STARTED
RUNNING = mesos_pb2.DRIVER_RUNNING
ABORTED = mesos_pb2.DRIVER_ABORTED
STOPPED = mesos_pb2.DRIVER_STOPPED

END_TIMEOUT_S = 10.0
"""How long `stop` and `abort` wait for what was sent before to leave."""

NEWS = (Subscribed, Unsubscribed, Arrived, Failed)

log = get_logger(__name__)


class Driver:
    """NOT_STARTED, then RUNNING, then STOPPED or ABORTED; calls do nothing unless RUNNING."""

    def __init__(self, kind: StreamKind, name: str) -> None:
        self._kind = kind
        self._status: mesos_pb2.Status = NOT_STARTED
        self._changed = threading.Condition(threading.RLock())
        # Bounded by what the other side leaves unanswered: offers, unacknowledged updates.
        self._news: queue.SimpleQueue[Effect | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._call_back, name=name, daemon=True)
        self._host: ActorLoop | None = None
        self._ended = threading.Event()
        self._ended.set()

    # -- for the drivers --------------------------------------------------------------------------

    def _session(self) -> Actor:
        """Make the session; raises MinimesosError if what the user gave makes none possible."""
        raise NotImplementedError

    def _tell(self, news: Effect) -> None:
        """Call the callback for these news. Runs in the callback thread."""
        raise NotImplementedError

    def _failed(self, message: str) -> None:
        """Call the `error` callback. The driver has been aborted."""
        raise NotImplementedError

    def _submit(self, stimulus: Stimulus) -> mesos_pb2.Status:
        """Give the session a stimulus if the driver runs; returns the status."""
        with self._changed:
            if self._status == RUNNING and self._host is not None:
                self._host.post(stimulus)
            return self._status

    # -- the drivers' common face -----------------------------------------------------------------

    def start(self) -> mesos_pb2.Status:
        """Begin; does nothing if the driver was started before."""
        with self._changed:  # until there is a session to leave: nobody may miss it
            if self._status != NOT_STARTED:
                return self._status
            self._status = RUNNING
            self._thread.start()
            try:
                session = self._session()
            except MinimesosError as error:
                self._news.put(Failed(str(error)))
            else:
                self._ended.clear()
                LoopThread.shared().call(self._open(session))
            return self._status

    def abort(self) -> mesos_pb2.Status:
        """Leave without a word; no callback is called any more once this returns."""
        status = self._leave(ABORTED, Leave(failover=True))
        self._await_callbacks()
        return status

    def join(self) -> mesos_pb2.Status:
        """Wait until the driver does not run any more, and for the callback that is called now."""
        with self._changed:
            self._changed.wait_for(lambda: self._status != RUNNING)
        self._await_callbacks()
        return self._status

    def run(self) -> mesos_pb2.Status:
        """Start, and wait until the driver does not run any more."""
        self.start()
        return self.join()

    # -- inside -----------------------------------------------------------------------------------

    def _leave(self, status: mesos_pb2.Status, farewell: Stimulus) -> mesos_pb2.Status:
        """Stop running, as `status`; returns ABORTED if the driver had been aborted before."""
        with self._changed:
            if self._status != RUNNING:
                return self._status
            self._end(status, farewell)
        # A process that ends right after must not take with it what was sent.
        self._ended.wait(END_TIMEOUT_S)
        return status

    def _end(self, status: mesos_pb2.Status, farewell: Stimulus) -> None:
        self._status = status
        if self._host is not None:
            self._host.post(farewell)
        self._news.put(None)
        self._changed.notify_all()

    def _await_callbacks(self) -> None:
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(END_TIMEOUT_S)

    async def _open(self, session: Actor) -> None:
        host = ActorLoop(session)
        client = RpcClient(self._kind, Peers(host))
        for news in NEWS:
            host.perform(news, self._news.put)
        self._host = host
        self._running = asyncio.create_task(self._host_session(host, client))

    async def _host_session(self, host: ActorLoop, client: RpcClient) -> None:
        try:
            exit_code = await host.run()
            if exit_code:
                self._news.put(Failed("the session has ended; its log says why"))
            await client.stop()
        finally:
            self._ended.set()

    def _call_back(self) -> None:
        while (news := self._news.get()) is not None:
            if self._status != RUNNING:
                return
            try:
                if isinstance(news, Failed):
                    self._abort_from_inside()
                    self._failed(news.message)
                    return
                self._tell(news)
            except Exception:  # the user's code may raise anything
                log.exception("A callback raised; the driver is aborted")
                self._abort_from_inside()
                return

    def _abort_from_inside(self) -> None:
        with self._changed:
            if self._status == RUNNING:
                self._end(ABORTED, Leave(failover=True))
