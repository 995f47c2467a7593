"""Where the map outputs of one reduce partition are: made by the driver, read by the reduce task.

The part that all reduce tasks of a shuffle share (executors, and per map task its executor and the
name of its file) is encoded once and its bytes are put into every task's payload; a task's own part
is one offset and one length per map task.
"""

from __future__ import annotations

import pickle
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from minimesos.spark.env import Location
from minimesos.spark.shuffle.files import output_name

PayloadKey = tuple[str, int, int]
Encoded = tuple[bytes, bytes, bytes]


def payload_key(shuffle_id: int, partition: int) -> PayloadKey:
    """Return the key of a reduce partition's locations in a task's payload."""
    return ("shuffle", shuffle_id, partition)


@dataclass(frozen=True, slots=True)
class Segment:
    """One map task's contribution to one reduce partition."""

    map_index: int
    location: Location
    name: str
    offset: int
    length: int


def encode_outputs(
    locations: Sequence[Location], owners: array[int], task_ids: array[int]
) -> bytes:
    """Encode what all reduce tasks share: map task i is in locations[owners[i]]."""
    return pickle.dumps((tuple(locations), owners.tobytes(), task_ids.tobytes()), 5)


def segments(shuffle_id: int, encoded: Encoded) -> Iterator[Segment]:
    """Yield the segments that are not empty, by map index."""
    shared, offset_bytes, length_bytes = encoded
    locations, owner_bytes, task_id_bytes = pickle.loads(shared)
    columns = zip(
        array("H", owner_bytes),
        array("Q", task_id_bytes),
        array("Q", offset_bytes),
        array("Q", length_bytes),
        strict=True,
    )
    for map_index, (owner, task_id, offset, length) in enumerate(columns):
        if length:
            name = output_name(shuffle_id, map_index, task_id)
            yield Segment(map_index, locations[owner], name, offset, length)
