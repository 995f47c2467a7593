"""Where an actor's records go before anything that depends on them leaves the process.

Called by `ActorLoop` with all records of one batch. What is in a store is read back by the shell
that builds the actor, not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from google.protobuf.message import Message


class Store(Protocol):
    """Durable, ordered and append-only."""

    async def append(self, records: Sequence[Message]) -> None:
        """Return once all `records` are durable, in order.

        Raises MinimesosError if they are not; the program must then stop.
        """
        ...


class NullStore:
    """`--registry=in_memory`: nothing outlives the process."""

    async def append(self, records: Sequence[Message]) -> None:
        return None
