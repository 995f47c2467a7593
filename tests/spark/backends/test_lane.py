"""The short way between driver and executor: who may take it, and who is turned away."""

from __future__ import annotations

import asyncio

import pytest

from minimesos.spark.backends import lane
from minimesos.spark.backends.lane import PROOF_BYTES, Lanes, take_lane

pytestmark = pytest.mark.integration

PROOF = b"p" * PROOF_BYTES
OTHER = b"o" * PROOF_BYTES


@pytest.fixture
async def lanes():
    lanes = Lanes()
    yield lanes
    lanes.close()


async def is_closed(connection) -> bool:
    """Wait for the other side to close."""
    async with asyncio.timeout(5):
        try:
            return await asyncio.get_running_loop().sock_recv(connection, 1) == b""
        except ConnectionResetError:
            return True


async def test_who_greets_with_the_expected_proof_is_connected(lanes):
    loop = asyncio.get_running_loop()
    with lanes.expected(PROOF) as arrival:
        theirs = await take_lane(lanes.name, PROOF)
        ours = await arrival.take()
    with ours, theirs:
        await loop.sock_sendall(ours, b"there")
        assert await loop.sock_recv(theirs, 99) == b"there"
        await loop.sock_sendall(theirs, b"and back")
        assert await loop.sock_recv(ours, 99) == b"and back"


async def test_a_proof_serves_once(lanes):
    with lanes.expected(PROOF) as arrival, await take_lane(lanes.name, PROOF):
        ours = await arrival.take()
        with ours, await take_lane(lanes.name, PROOF) as second:
            assert await is_closed(second)


@pytest.mark.parametrize("greeting", [OTHER, b"short"])
async def test_a_stranger_is_turned_away(lanes, greeting, monkeypatch):
    monkeypatch.setattr(lane, "GREETING_TIMEOUT_S", 0.05)
    with lanes.expected(PROOF), await take_lane(lanes.name, greeting) as stranger:
        assert await is_closed(stranger)


async def test_who_is_not_expected_any_more_is_turned_away(lanes):
    with lanes.expected(PROOF):
        pass
    with await take_lane(lanes.name, PROOF) as late:
        assert await is_closed(late)


async def test_who_was_not_taken_is_turned_away(lanes):
    with lanes.expected(PROOF):
        unwanted = await take_lane(lanes.name, PROOF)
        with await take_lane(lanes.name, OTHER) as stranger:
            assert await is_closed(stranger)  # so the other one's greeting has been read too
    with unwanted:
        assert await is_closed(unwanted)


async def test_a_lane_of_another_host_is_not_there():
    assert await take_lane("minimesos-of-another-host", PROOF) is None
    assert await take_lane("", PROOF) is None


async def test_a_closed_lane_takes_nobody():
    lanes = Lanes()
    lanes.close()
    assert await take_lane(lanes.name, PROOF) is None
