"""The master's program: operator calls reach the core and come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import grpc.aio
import pytest

from minimesos.master.flags import MasterFlags
from minimesos.master.server import MasterServer
from minimesos.proto.mesos.v1 import master_pb2
from minimesos.proto.minimesos import cluster_pb2_grpc

pytestmark = pytest.mark.integration


@pytest.fixture
async def master() -> AsyncIterator[cluster_pb2_grpc.MasterStub]:
    server = MasterServer(MasterFlags(ip="127.0.0.1", port=0))
    await server.start()
    running = asyncio.ensure_future(server.run())
    async with grpc.aio.insecure_channel(server.address) as channel:
        yield cluster_pb2_grpc.MasterStub(channel)
    server.stop("the test is over")
    assert await running == 0


async def test_an_operator_asks_the_core(master: cluster_pb2_grpc.MasterStub) -> None:
    response = await master.Operator(master_pb2.Call(type=master_pb2.Call.GET_MASTER))
    assert response.type == master_pb2.Response.GET_MASTER
    assert response.get_master.master_info.port > 0


async def test_a_refusal_is_a_status_with_mesoss_text(
    master: cluster_pb2_grpc.MasterStub,
) -> None:
    call = master_pb2.Call(type=master_pb2.Call.TEARDOWN)
    call.teardown.framework_id.value = "nobody"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await master.Operator(call)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "No framework found with ID 'nobody'"
