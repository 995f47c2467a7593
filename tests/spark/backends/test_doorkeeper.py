"""The options of gRPC connections; knocks are tried in `test_server` and `test_blocks`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from minimesos.runtime import rpc
from minimesos.spark.backends import doorkeeper


@pytest.mark.parametrize("options", [rpc.OPTIONS, doorkeeper.OPTIONS, doorkeeper.WARY_OPTIONS])
def test_grpc_knows_the_options_which_it_would_ignore_if_misspelt(
    options: tuple[tuple[str, int], ...],
) -> None:
    grpc = find_spec("grpc._cython.cygrpc")
    assert grpc is not None
    assert grpc.origin is not None
    library = Path(grpc.origin).read_bytes()
    assert [name for name, _ in options if f"{name}\0".encode() not in library] == []


@pytest.mark.parametrize("options", [rpc.OPTIONS, doorkeeper.OPTIONS, doorkeeper.WARY_OPTIONS])
def test_servers_bear_the_pings_of_their_clients_while_nothing_is_sent(
    options: tuple[tuple[str, int], ...],
) -> None:
    said = dict(options)
    between_pings_ms = said["grpc.keepalive_time_ms"]
    assert said["grpc.http2.min_ping_interval_without_data_ms"] < between_pings_ms
