"""Keeps strangers out of the gRPC servers of driver and executors before they can say anything.

gRPC's limit on the size of a message holds for all clients of a server, and there is none between
peers that know the application's secret. So every call carries a *knock* in its metadata, a proof
over a fresh nonce; a call without one is refused before a byte of its messages is read. The
server's *answer* lets a client do the same. The handshake that follows on the stream, and the
proofs of block transfer, do not rely on this.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

from minimesos.log import get_logger
from minimesos.spark.backends.proofs import (
    ANSWER,
    KNOCK,
    NONCE_BYTES,
    is_proven,
    new_nonce,
    prove,
)

ATTACH = "/minimesos.spark.Driver/Attach"
"""The stream by which an executor joins its driver."""

MESSAGE_BYTES_UNLIMITED = -1  # between peers that have proven themselves

# Generous, because isolation may suspend an executor for a while.
OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_UNLIMITED),
    ("grpc.max_send_message_length", MESSAGE_BYTES_UNLIMITED),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.so_reuseport", 0),
)

WARY_OPTIONS = (
    *((name, value) for name, value in OPTIONS if name != "grpc.max_receive_message_length"),
    # Who asks waits between his attempts himself.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)
"""With peers that have not proven themselves: gRPC's own limit on what they can send, 4 MiB."""

_KNOCK_KEY = "minimesos-knock-bin"
_ANSWER_KEY = "minimesos-answer-bin"

Metadata = tuple[tuple[str, bytes], ...]

_log = get_logger(__name__)


class Doorkeeper(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Refuses calls whose client does not prove the secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        # A streaming handler, because a unary one is only called after its request was read.
        self._refusal = grpc.stream_stream_rpc_method_handler(_refuse)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        details: grpc.HandlerCallDetails,
    ) -> Any:
        knock = dict(details.invocation_metadata or ()).get(_KNOCK_KEY)
        if isinstance(knock, bytes):
            nonce, proof = knock[:NONCE_BYTES], knock[NONCE_BYTES:]
            if is_proven(proof, self._secret, KNOCK, nonce):
                return await continuation(details)
        _log.warning("stranger refused", method=details.method)
        return self._refusal


def knock(secret: bytes) -> tuple[bytes, Metadata]:
    """Return a nonce, and the metadata of a call that proves the secret with it."""
    nonce = new_nonce()
    return nonce, ((_KNOCK_KEY, nonce + prove(secret, KNOCK, nonce)),)


def answer(secret: bytes, metadata: Any) -> Metadata:
    """Return the server's initial metadata for a call with this metadata, which has knocked."""
    nonce = dict(metadata)[_KNOCK_KEY][:NONCE_BYTES]
    return ((_ANSWER_KEY, prove(secret, ANSWER, nonce)),)


def has_answered(secret: bytes, nonce: bytes, metadata: Any) -> bool:
    """Say whether the server's initial metadata proves that it knows the secret."""
    proof = dict(metadata).get(_ANSWER_KEY, b"")
    return is_proven(proof, secret, ANSWER, nonce)


async def _refuse(_: object, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the application's secret is not proven")
