"""The loop that owns an actor: order, durability, timers, bugs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from google.protobuf.message import Message

from minimesos.actor import (
    CancelTimer,
    Effect,
    EffectFailed,
    Persist,
    Received,
    Send,
    SetTimer,
    Stimulus,
    Stop,
    TimerFired,
)
from minimesos.errors import MinimesosError
from minimesos.proto.minimesos import cluster_pb2
from minimesos.runtime.loop import EXIT_BUG, EXIT_STORE_FAILED, ActorLoop, LoopThread

PING = cluster_pb2.Ping(connected=True)


class Scripted:
    """Answers each kind of stimulus with the effects that the test gave."""

    def __init__(self, start: Sequence[Effect] = (), **answers: Sequence[Effect]) -> None:
        self._start = start
        self._answers = answers
        self.seen: list[tuple[Stimulus, float]] = []

    def start(self, now: float) -> Sequence[Effect]:
        return self._start

    def handle(self, stimulus: Stimulus, now: float) -> Sequence[Effect]:
        self.seen.append((stimulus, now))
        name = stimulus.name if isinstance(stimulus, TimerFired) else type(stimulus).__name__
        return self._answers.get(name, ())


class Fails:
    def start(self, now: float) -> Sequence[Effect]:
        return ()

    def handle(self, stimulus: Stimulus, now: float) -> Sequence[Effect]:
        raise ZeroDivisionError


class Journal:
    """Writes down in one list what became durable and what was sent."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    async def append(self, records: Sequence[Message]) -> None:
        await asyncio.sleep(0)
        self.entries.append(f"stored {len(records)}")

    def send(self, effect: Send) -> None:
        self.entries.append(f"sent to {effect.peer}")


class FullDisk:
    async def append(self, records: Sequence[Message]) -> None:
        raise MinimesosError("no space left")


DONE = Stop(0, "test is over")


async def test_records_are_durable_before_anything_of_their_batch_is_sent() -> None:
    journal = Journal()
    host = ActorLoop(Scripted([Send("a", PING), Persist(PING), Persist(PING), DONE]), store=journal)
    host.perform(Send, journal.send)

    assert await host.run() == 0
    assert journal.entries == ["stored 2", "sent to a"]


async def test_a_store_that_fails_stops_the_program_before_it_sends() -> None:
    journal = Journal()
    host = ActorLoop(Scripted([Send("a", PING), Persist(PING)]), store=FullDisk())
    host.perform(Send, journal.send)

    assert await host.run() == EXIT_STORE_FAILED
    assert journal.entries == []


async def test_timers_fire_once_in_order_of_their_time_and_never_early() -> None:
    now = ActorLoop(Scripted()).clock.now()
    actor = Scripted([SetTimer("late", now + 0.02), SetTimer("soon", now + 0.01)], late=[DONE])

    await ActorLoop(actor).run()

    assert [stimulus for stimulus, _ in actor.seen] == [TimerFired("soon"), TimerFired("late")]
    assert actor.seen[0][1] >= now + 0.01
    assert actor.seen[1][1] >= now + 0.02


async def test_a_timer_set_again_replaces_the_older_one_and_a_cancelled_one_is_silent() -> None:
    actor = Scripted(
        [
            SetTimer("again", 0.0),
            SetTimer("again", 1.0),
            SetTimer("never", 0.0),
            CancelTimer("never"),
            CancelTimer("unknown"),
            SetTimer("end", 2.0),
        ],
        end=[DONE],
    )

    await ActorLoop(actor).run()

    assert [stimulus for stimulus, _ in actor.seen] == [TimerFired("again"), TimerFired("end")]


async def test_a_timer_cancelled_while_it_waits_in_the_inbox_does_not_fire() -> None:
    actor = Scripted(
        [SetTimer("first", 0.0), SetTimer("second", 0.0)],
        first=[CancelTimer("second"), SetTimer("end", 0.0)],
        end=[DONE],
    )

    await ActorLoop(actor).run()

    assert TimerFired("second") not in [stimulus for stimulus, _ in actor.seen]


async def test_a_timer_that_is_due_already_fires_behind_what_waits_and_no_later() -> None:
    actor = Scripted(
        Received=[SetTimer("now", 0.0)], now=[SetTimer("later", 0.0)], later=[Stop(0, "done")]
    )
    host = ActorLoop(actor)
    for _ in range(3):
        host.post(Received("peer", PING))
    assert await host.run() == 0
    names = [getattr(stimulus, "name", "message") for stimulus, _ in actor.seen]
    assert names == ["message"] * 3 + ["now", "later"]


async def test_an_effect_that_the_world_refuses_comes_back_as_a_stimulus() -> None:
    def refuse(effect: Send) -> None:
        raise OSError("no route")

    actor = Scripted([Send("a", PING)], EffectFailed=[DONE])
    host = ActorLoop(actor)
    host.perform(Send, refuse)

    assert await host.run() == 0
    assert [stimulus for stimulus, _ in actor.seen] == [EffectFailed(Send("a", PING), "no route")]


async def test_an_exception_in_the_actor_stops_it_with_its_state_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    host = ActorLoop(Fails())
    host.post(TimerFired("x"))

    assert await host.run() == EXIT_BUG
    assert "ZeroDivisionError" in caplog.text


async def test_intents_from_other_threads_run_between_stimuli_and_their_effects_are_performed() -> (
    None
):
    journal = Journal()
    host = ActorLoop(Scripted())
    host.perform(Send, journal.send)
    thread = threading.Thread(target=lambda: host.post(lambda now: [Send("a", PING), DONE]))
    thread.start()

    assert await host.run() == 0
    thread.join()
    assert journal.entries == ["sent to a"]


async def test_stop_makes_run_return_the_given_exit_code() -> None:
    host = ActorLoop(Scripted())
    host.stop(3, "asked to")

    assert await host.run() == 3


def test_a_loop_thread_runs_coroutines_for_other_threads_and_cancels_what_is_left() -> None:
    thread = LoopThread()
    thread.start()

    async def name() -> str:
        return threading.current_thread().name

    async def forever() -> None:
        await asyncio.Event().wait()

    left = thread.submit(forever())
    assert thread.call(name()) == "minimesos-loop"
    with pytest.raises(TimeoutError):
        thread.call(forever(), timeout_s=0.001)
    thread.stop()
    assert left.cancelled()
