"""Runs an actor in the real world: one asyncio loop owns it, and the loop is the lock.

`ActorLoop` takes stimuli from an inbox, lets the actor handle a batch of them, makes the batch's
records durable and only then performs its other effects. Transports and containerizers register
what they perform by effect type. `LoopThread` is for programs whose main thread belongs to the
user, such as a Spark driver script: the process's one loop runs in a daemon thread.

It knows nothing of gRPC, HTTP or any particular actor.
"""

from __future__ import annotations

import asyncio
import os
import reprlib
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar, cast

from minimesos.actor import (
    Actor,
    CancelTimer,
    Effect,
    EffectFailed,
    Persist,
    SetTimer,
    Stimulus,
    Stop,
    TimerFired,
)
from minimesos.errors import MinimesosError
from minimesos.log import get_logger, lines_together
from minimesos.runtime.clock import Clock
from minimesos.runtime.stores import NullStore, Store

EXIT_BUG = os.EX_SOFTWARE
EXIT_STORE_FAILED = os.EX_IOERR
BATCH_MAX = 1000  # stimuli handled between two turns of the event loop
INBOX_HIGH = 10_000  # stimuli waiting; readers of streams wait while there are more

# Early by less than this and the float of an epoch time may still compare as "before".
_TIMER_SLACK_S = 1e-6

Intent = Callable[[float], Sequence[Effect]]
"""Something to do with the actor between two stimuli; takes `now`, returns effects to perform."""

E = TypeVar("E", bound=Effect)
T = TypeVar("T")

_log = get_logger(__name__)
_state_repr = reprlib.Repr()
_state_repr.maxother = _state_repr.maxstring = 2000
_state_repr.maxdict = _state_repr.maxlist = 50


class ActorLoop:
    """Hosts one actor on the running asyncio loop. Construct it there."""

    def __init__(self, actor: Actor, *, clock: Clock | None = None, store: Store | None = None):
        self.actor = actor
        self.clock = clock or Clock()
        self._store: Store = store or NullStore()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._inbox: deque[Stimulus | Intent | _DueTimer] = deque()
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._timers: dict[str, _DueTimer] = {}
        self._performers: dict[type[Effect], Callable[[Any], None]] = {}
        self._stop: Stop | None = None

    def perform(self, effect_type: type[E], performer: Callable[[E], None]) -> None:
        """Register who performs effects of exactly this type.

        Performers run on the loop and must not block. One that raises OSError or MinimesosError
        is answered with `EffectFailed`; anything else that it raises is our bug.
        """
        self._performers[effect_type] = performer

    def post(self, item: Stimulus | Intent) -> None:
        """Queue a stimulus, or an intent to run between stimuli. Callable from any thread."""
        if threading.get_ident() == self._thread:
            self._put(item)
        else:
            self._loop.call_soon_threadsafe(self._put, item)

    def stop(self, exit_code: int = 0, reason: str = "asked to stop") -> None:
        """Make `run` return after the current batch. Callable from any thread."""
        self.post(lambda now: [Stop(exit_code, reason)])

    async def room(self) -> None:
        """Wait while the inbox is too full; whoever feeds it from outside calls this first."""
        await self._room.wait()

    async def run(self) -> int:
        """Run the actor until it stops; returns the exit code for its program."""
        try:
            await self._finish_batch(list(self.actor.start(self.clock.now())))
            while self._stop is None:
                await self._arrived.wait()
                with lines_together():
                    effects = self._handle_batch()
                await self._finish_batch(effects)
                await asyncio.sleep(0)
        except MinimesosError as error:
            _log.fatal("Stopping because records cannot be made durable", error=error)
            return EXIT_STORE_FAILED
        except Exception:  # noqa: BLE001 (whatever it is: the actor's state is not to be trusted)
            _log.exception("A bug", actor=type(self.actor).__name__, state=_state_of(self.actor))
            _log.fatal("Stopping because of a bug", exit_code=EXIT_BUG)
            return EXIT_BUG
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self._timers.clear()
        say = _log.error if self._stop.exit_code else _log.info
        say("Stopping", reason=self._stop.reason, exit_code=self._stop.exit_code)
        return self._stop.exit_code

    def _put(self, item: Stimulus | Intent | _DueTimer) -> None:
        self._inbox.append(item)
        self._arrived.set()
        if len(self._inbox) > INBOX_HIGH:
            self._room.clear()

    def _handle_batch(self) -> list[Effect]:
        effects: list[Effect] = []
        for _ in range(BATCH_MAX):
            if not self._inbox:
                break
            item = self._inbox.popleft()
            for effect in self._react(item):
                # A timer that an earlier stimulus of this batch cancels must not fire later in it.
                if isinstance(effect, SetTimer):
                    self._set_timer(effect)
                elif isinstance(effect, CancelTimer):
                    self._cancel_timer(effect)
                else:
                    effects.append(effect)
        if not self._inbox:
            self._arrived.clear()
        if len(self._inbox) <= INBOX_HIGH:
            self._room.set()
        return effects

    def _react(self, item: Stimulus | Intent | _DueTimer) -> Sequence[Effect]:
        now = self.clock.now()
        if isinstance(item, Stimulus):
            return self.actor.handle(item, now)
        if isinstance(item, _DueTimer):
            if self._timers.get(item.name) is not item:
                return ()
            del self._timers[item.name]
            return self.actor.handle(TimerFired(item.name), max(now, item.at_s))
        return item(now)

    async def _finish_batch(self, effects: Sequence[Effect]) -> None:
        """Persist first, then act."""
        records = [effect.record for effect in effects if isinstance(effect, Persist)]
        if records:
            await self._store.append(records)
        for effect in effects:
            if isinstance(effect, Stop):
                self._stop = self._stop or effect
            elif isinstance(effect, SetTimer):
                self._set_timer(effect)
            elif isinstance(effect, CancelTimer):
                self._cancel_timer(effect)
            elif not isinstance(effect, Persist):
                self._perform_one(effect)

    def _perform_one(self, effect: Effect) -> None:
        try:
            self._performers[type(effect)](effect)
        except (OSError, MinimesosError) as error:
            self._put(EffectFailed(effect, str(error)))

    def _set_timer(self, effect: SetTimer) -> None:
        self._cancel_timer(CancelTimer(effect.name))
        timer = self._timers[effect.name] = _DueTimer(effect.name, effect.at_s)
        if effect.at_s <= self.clock.now():
            self._put(timer)  # behind what waits already, and no later
        else:
            timer.handle = self._loop.call_at(
                self.clock.monotonic_at(effect.at_s) + _TIMER_SLACK_S, self._put, timer
            )

    def _cancel_timer(self, effect: CancelTimer) -> None:
        timer = self._timers.pop(effect.name, None)
        if timer is not None:
            timer.cancel()


class _DueTimer:
    """A timer that waits for its time, or in the inbox for its turn."""

    __slots__ = ("at_s", "handle", "name")

    def __init__(self, name: str, at_s: float) -> None:
        self.name = name
        self.at_s = at_s
        self.handle: asyncio.TimerHandle | None = None

    def cancel(self) -> None:
        """Keep it from coming to the inbox; what is there already is ignored."""
        if self.handle is not None:
            self.handle.cancel()


def _state_of(actor: Actor) -> str:
    return _state_repr.repr(getattr(actor, "__dict__", actor))


class LoopThread:
    """An asyncio loop in a daemon thread, for programs whose main thread is the user's.

    gRPC's asyncio API works best with one loop per process, so whoever needs one takes `shared()`.
    """

    _shared: LoopThread | None = None
    _shared_lock = threading.Lock()

    def __init__(self, name: str = "minimesos-loop") -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @classmethod
    def shared(cls) -> LoopThread:
        """Return the process's running loop thread; starts it on first use. It is never stopped."""
        with cls._shared_lock:
            if cls._shared is None:
                cls._shared = cls()
                cls._shared.start()
            return cls._shared

    def start(self) -> None:
        self._thread.start()

    def call(self, coroutine: Coroutine[Any, Any, T], timeout_s: float | None = None) -> T:
        """Run `coroutine` on the loop and wait for its result; not from the loop's own thread.

        Raises what it raises, and TimeoutError, with the coroutine cancelled, after `timeout_s`.
        An interrupt (Ctrl-C) while waiting cancels it too.
        """
        assert threading.current_thread() is not self._thread, "would wait for itself"
        future = self.submit(coroutine)
        try:
            return future.result(timeout_s)
        except BaseException:
            future.cancel()
            raise

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start `coroutine` on the loop and return at once."""
        return cast("Future[T]", asyncio.run_coroutine_threadsafe(coroutine, self.loop))

    def stop(self) -> None:
        """Cancel what still runs on the loop, stop it and wait for the thread to end."""
        if self.loop.is_closed():
            return
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            tasks = asyncio.all_tasks(self.loop)
            for task in tasks:
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()
