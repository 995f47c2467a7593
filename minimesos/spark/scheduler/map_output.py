"""The driver's record of map outputs: which task's file on which executor, and its offsets.

An epoch rises whenever outputs are lost. A failure to fetch speaks only about outputs that were
there when the failing stage attempt began, so late failures cannot drop what has been computed
again meanwhile.

Belongs to the DAG scheduler. Knows nothing of stages or jobs.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Container, Iterable, Sequence
from itertools import pairwise

from minimesos.spark.env import Location
from minimesos.spark.shuffle.locations import Encoded, encode_outputs

NEAR_SHARE = 0.2
"""From this share of a reduce partition's data on, its tasks are better off on that host."""
NEAR_BELOW = 1000
"""Map tasks and reduce partitions, from which on nobody looks: it takes long, and finds little."""


class MapOutputTracker:
    """Map outputs of all shuffles of an application."""

    def __init__(self) -> None:
        self.epoch = 0
        self._shuffles: dict[int, _Shuffle] = {}

    def register(
        self,
        shuffle_id: int,
        num_maps: int,
        map_index: int,
        location: Location,
        task_id: int,
        offsets: array[int],
    ) -> None:
        """A map task has written its output. A later one for the same index takes its place."""
        shuffle = self._shuffles.get(shuffle_id)
        if shuffle is None:
            shuffle = self._shuffles[shuffle_id] = _Shuffle(num_maps)
        if shuffle.outputs[map_index] is None:
            shuffle.missing -= 1
        shuffle.outputs[map_index] = _Output(location, task_id, offsets, self.epoch)
        shuffle.holders.add(location.executor_id)
        shuffle.encoded = shuffle.near = None

    def is_known(self, shuffle_id: int) -> bool:
        """Say whether there is any map output, or was."""
        return shuffle_id in self._shuffles

    def is_complete(self, shuffle_id: int) -> bool:
        """Say whether all map outputs are there."""
        shuffle = self._shuffles.get(shuffle_id)
        return shuffle is not None and shuffle.missing == 0

    def missing(self, shuffle_id: int, num_maps: int) -> list[int]:
        """Return the map indexes whose outputs are not there."""
        shuffle = self._shuffles.get(shuffle_id)
        if shuffle is None:
            return list(range(num_maps))
        return [index for index, output in enumerate(shuffle.outputs) if output is None]

    def holders(self, shuffle_ids: Container[int] | None = None) -> set[str]:
        """Return the executors that hold outputs, of all shuffles or of these."""
        return set().union(
            *(
                shuffle.holders
                for shuffle_id, shuffle in self._shuffles.items()
                if shuffle_ids is None or shuffle_id in shuffle_ids
            )
        )

    def segments(self, shuffle_id: int, partition: int) -> Encoded | None:
        """Return where a reduce partition's data is, encoded; None unless all outputs are there."""
        shuffle = self._shuffles.get(shuffle_id)
        if shuffle is None or shuffle.missing:
            return None
        starts, lengths = array("Q"), array("Q")
        for output in shuffle.outputs:
            assert output is not None
            start, end = output.offsets[partition : partition + 2]
            starts.append(start)
            lengths.append(end - start)
        if shuffle.encoded is None:
            shuffle.encoded = shuffle.encode()
        return shuffle.encoded, starts.tobytes(), lengths.tobytes()

    def near(self, shuffle_id: int) -> Sequence[Collection[str]]:
        """Return, by reduce partition, the hosts that hold a good part of its data.

        Empty unless all outputs are there, and of a shuffle that is too large to look.
        """
        shuffle = self._shuffles.get(shuffle_id)
        if shuffle is None or shuffle.missing:
            return ()
        if shuffle.near is None:
            shuffle.near = shuffle.find_near()
        return shuffle.near

    def unregister(self, shuffle_id: int, map_index: int, executor_id: str, epoch: int) -> None:
        """One output could not be read by a stage attempt that began in `epoch`."""
        shuffle = self._shuffles.get(shuffle_id)
        output = shuffle.outputs[map_index] if shuffle is not None else None
        if shuffle is None or output is None:
            return
        if output.location.executor_id == executor_id and output.epoch <= epoch:
            shuffle.drop([map_index])
            self.epoch += 1

    def on_host_of(self, executor_id: str) -> set[str]:
        """Return the executors with outputs on the same host as one of them, that one included."""
        locations = {
            output.location
            for shuffle in self._shuffles.values()
            for output in shuffle.outputs
            if output is not None
        }
        hosts = {each.host for each in locations if each.executor_id == executor_id}
        return {each.executor_id for each in locations if each.host in hosts} | {executor_id}

    def executors_lost(self, executor_ids: Collection[str], epoch: int | None = None) -> set[int]:
        """Drop executors' outputs, of `epoch` and before; return the shuffles concerned."""
        concerned: set[int] = set()
        for shuffle_id, shuffle in self._shuffles.items():
            lost = [
                index
                for index, output in enumerate(shuffle.outputs)
                if output is not None
                and output.location.executor_id in executor_ids
                and (epoch is None or output.epoch <= epoch)
            ]
            if lost:
                shuffle.drop(lost)
                concerned.add(shuffle_id)
        if concerned:
            self.epoch += 1
        return concerned

    def forget(self, shuffle_ids: Iterable[int]) -> None:
        """Nobody can ask for these shuffles any more."""
        for shuffle_id in shuffle_ids:
            self._shuffles.pop(shuffle_id, None)


class _Output:
    __slots__ = ("epoch", "location", "offsets", "task_id")

    def __init__(self, location: Location, task_id: int, offsets: array[int], epoch: int) -> None:
        self.location = location
        self.task_id = task_id
        self.offsets = offsets
        self.epoch = epoch


class _Shuffle:
    __slots__ = ("encoded", "holders", "missing", "near", "outputs")

    def __init__(self, num_maps: int) -> None:
        self.outputs: list[_Output | None] = [None] * num_maps
        self.missing = num_maps
        self.encoded: bytes | None = None
        self.near: list[list[str]] | None = None
        self.holders: set[str] = set()
        """Executors with outputs; also of such as were written again elsewhere."""

    def drop(self, indexes: list[int]) -> None:
        for index in indexes:
            self.outputs[index] = None
        self.missing += len(indexes)
        self.encoded = self.near = None
        self.holders = {each.location.executor_id for each in self.outputs if each is not None}

    def encode(self) -> bytes:
        numbers: dict[Location, int] = {}
        owners, task_ids = array("H"), array("Q")
        for output in self.outputs:
            assert output is not None
            owners.append(numbers.setdefault(output.location, len(numbers)))
            task_ids.append(output.task_id)
        return encode_outputs(list(numbers), owners, task_ids)

    def find_near(self) -> list[list[str]]:
        if len(self.outputs) >= NEAR_BELOW:
            return []
        by_host: dict[str, list[array[int]]] = {}
        for output in self.outputs:
            assert output is not None
            if len(output.offsets) > NEAR_BELOW:
                return []
            by_host.setdefault(output.location.host, []).append(output.offsets)
        sizes = [
            [end - start for start, end in pairwise(map(sum, zip(*offsets, strict=True)))]
            for offsets in by_host.values()
        ]
        return [
            [host for host, size in zip(by_host, column, strict=True) if size >= least > 0]
            for column in zip(*sizes, strict=True)
            for least in (NEAR_SHARE * sum(column),)
        ]
