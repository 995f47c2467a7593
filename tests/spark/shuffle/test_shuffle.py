"""Writing map outputs and reading reduce partitions back."""

from __future__ import annotations

import errno
import os
import shutil
from array import array
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from minimesos.spark.dependency import Aggregator, ShuffleDependency, identity
from minimesos.spark.env import Location, WorkerEnv
from minimesos.spark.partitioner import Dealer, Partitioner, portable_hash
from minimesos.spark.shuffle import files, reader, writer
from minimesos.spark.shuffle.files import (
    DiskFull,
    SegmentWriter,
    SpillFile,
    output_name,
    read_segment,
)
from minimesos.spark.shuffle.locations import encode_outputs, payload_key
from minimesos.spark.taskcontext import TaskContext
from minimesos.testing.spark_executors import DirectFetch

ADD = Aggregator(identity, lambda a, b: a + b, lambda a, b: a + b)
GROUP = Aggregator(lambda v: [v], lambda c, v: [*c, v], lambda a, b: a + b)
SHUFFLE = 5


@pytest.fixture(autouse=True)
def _seeded_hashes(monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "0")


def task_of(env, task_id):
    return TaskContext(env=env, task_attempt_id=task_id)


class Hosts:
    """Executors on one host or several; writes map outputs, reads reduce partitions."""

    def __init__(self, directory, hosts=("h0",), conf=None):
        self.directory = directory
        self.fetched = []
        self.envs = []
        self.locations = []
        for number, host in enumerate(hosts):
            root = directory / f"executor-{number}"
            root.mkdir()
            self.locations.append(Location(str(number), host, f"{host}:1", str(root)))
            env = WorkerEnv(str(number), host, str(root), conf or {}, None, None, self.begin_fetch)
            self.envs.append(env)
        self.outputs = []

    def begin_fetch(self, location, ranges):
        self.fetched.append((location.executor_id, [each.path for each in ranges]))
        return DirectFetch(location, ranges, self.directory / f"copy-{len(self.fetched)}")

    def write(self, dependency, records, executor=0):
        index = len(self.outputs)
        output = writer.write(dependency, records, task_of(self.envs[executor], 100 + index), index)
        self.outputs.append((executor, output))
        return output

    def read(self, dependency, index, executor=0):
        return list(reader.read(dependency, index, self.reading(dependency, index, executor)))

    def read_items(self, dependency, index):
        blocks = reader.read_blocks(dependency, index, self.reading(dependency, index))
        return [item for _, (items,) in blocks for item in items]

    def reading(self, dependency, index, executor=0):
        owners = array("H", [owner for owner, _ in self.outputs])
        task_ids = array("Q", range(100, 100 + len(self.outputs)))
        starts = array("Q", [output.offsets[index] for _, output in self.outputs])
        ends = [output.offsets[index + 1] for _, output in self.outputs]
        lengths = array("Q", [end - start for start, end in zip(starts, ends, strict=True)])
        shared = encode_outputs(self.locations, owners, task_ids)
        payload = {payload_key(SHUFFLE, index): (shared, starts.tobytes(), lengths.tobytes())}
        return TaskContext(env=self.envs[executor], payload=payload)


def dependency(partitions=3, aggregator=None, combine=False, function=portable_hash):
    parent = SimpleNamespace(num_partitions=2)
    return ShuffleDependency(
        parent, Partitioner(partitions, function), SHUFFLE, aggregator, combine
    )


def word_pairs(count):
    return [(f"word-{number % 700}", 1) for number in range(count)]


@pytest.mark.parametrize("combine", [True, False])
def test_each_key_is_read_once_from_the_partition_it_belongs_to(tmp_path, combine):
    hosts = Hosts(tmp_path)
    by_word = dependency(3, ADD, combine)
    hosts.write(by_word, iter(word_pairs(5_000)))
    hosts.write(by_word, iter(word_pairs(3_000)))
    found = {}
    for index in range(3):
        for key, value in hosts.read(by_word, index):
            assert portable_hash(key) % 3 == index
            assert key not in found
            found[key] = value
    assert found == Counter(key for key, _ in word_pairs(5_000) + word_pairs(3_000))


def test_map_side_combine_sends_each_key_once(tmp_path):
    combined = Hosts(tmp_path).write(dependency(3, ADD, True), word_pairs(50_000))
    assert combined.records == 50_000
    (tmp_path / "other").mkdir()
    plain = Hosts(tmp_path / "other").write(dependency(3, ADD, False), word_pairs(50_000))
    assert combined.offsets[-1] < plain.offsets[-1] / 3


def test_without_an_aggregator_all_pairs_arrive(tmp_path):
    hosts = Hosts(tmp_path)
    plain = dependency(4, function=lambda key: key)
    hosts.write(plain, [(number % 8, number) for number in range(10_000)])
    parts = [hosts.read(plain, index) for index in range(4)]
    assert parts[1] == [(n % 8, n) for n in range(10_000) if n % 4 == 1]
    assert sum(map(len, parts)) == 10_000


def test_keys_that_hash_unlike_themselves_go_by_portable_hash(tmp_path):
    hosts = Hosts(tmp_path)
    plain = dependency(7)
    keys = [None, ("a", None), 3, "x"] * 20
    hosts.write(plain, [(key, 1) for key in keys])
    for index in range(7):
        for key, _ in hosts.read(plain, index):
            assert portable_hash(key) % 7 == index


def test_a_partition_function_that_goes_below_zero_still_names_a_partition(tmp_path):
    hosts = Hosts(tmp_path)
    plain = dependency(3, function=lambda key: -key)
    hosts.write(plain, [(1, "a"), (2, "b")])
    assert [hosts.read(plain, index) for index in range(3)] == [[], [(2, "b")], [(1, "a")]]


def test_records_above_the_memory_limit_are_written_in_parts(tmp_path):
    hosts = Hosts(tmp_path, conf={"spark.python.worker.memory": "1m"})
    grouped = dependency(2, GROUP, True)
    pairs = [(number % 3, number) for number in range(30_000)]
    output = hosts.write(grouped, pairs)
    found = {key: sorted(values) for i in range(2) for key, values in hosts.read(grouped, i)}
    assert found == {key: list(range(key, 30_000, 3)) for key in range(3)}
    assert output.records == 30_000
    with open(os.path.join(hosts.envs[0].local_dir, output_name(SHUFFLE, 0, 100)), "rb") as file:
        blocks = list(read_segment(file.fileno(), 0, output.offsets[1]))
    assert len(blocks) > 1  # the dict was emptied more than once
    assert all(name.startswith("shuffle_") for name in os.listdir(hosts.envs[0].local_dir))


def test_files_on_the_same_host_are_read_in_place_and_others_are_fetched(tmp_path):
    hosts = Hosts(tmp_path, hosts=("h0", "h0", "h1"))
    plain = dependency(1)
    for executor in range(3):
        hosts.write(plain, [(executor, executor)], executor)
    assert hosts.read(plain, 0) == [(0, 0), (1, 1), (2, 2)]
    assert hosts.fetched == [("2", [output_name(SHUFFLE, 2, 102)])]
    assert not [name for name in os.listdir(tmp_path) if name.startswith("copy")]


def test_all_that_one_peer_has_is_fetched_at_once_and_read_in_the_order_of_map_tasks(tmp_path):
    hosts = Hosts(tmp_path, hosts=("h0", "h1", "h2"))
    plain = dependency(1)
    for index in range(9):
        hosts.write(plain, [(index, index)], index % 3)
    assert hosts.read(plain, 0) == [(index, index) for index in range(9)]
    assert hosts.fetched == [
        (str(owner), [output_name(SHUFFLE, index, 100 + index) for index in range(owner, 9, 3)])
        for owner in (1, 2)
    ]


def test_only_ones_own_files_are_read_in_place_if_the_hosts_disk_is_not_to_be_read(tmp_path):
    conf = {"spark.shuffle.readHostLocalDisk": "false"}
    hosts = Hosts(tmp_path, hosts=("h0", "h0"), conf=conf)
    plain = dependency(1)
    for executor in range(2):
        hosts.write(plain, [(executor, executor)], executor)
    assert hosts.read(plain, 0) == [(0, 0), (1, 1)]
    assert hosts.fetched == [("1", [output_name(SHUFFLE, 1, 101)])]


@pytest.mark.parametrize("lost", [1, 2])
def test_a_lost_file_is_reported_with_its_map_index_and_owner(tmp_path, lost):
    hosts = Hosts(tmp_path, hosts=("h0", "h0", "h1"))
    plain = dependency(1)
    for executor in range(3):
        hosts.write(plain, [(executor, executor)], executor)
    shutil.rmtree(hosts.locations[lost].root)
    with pytest.raises(reader.ShuffleFetchFailed) as caught:
        hosts.read(plain, 0)
    failure = caught.value
    assert (failure.shuffle_id, failure.map_index) == (SHUFFLE, lost)
    assert failure.location.executor_id == str(lost)


def test_a_truncated_file_is_a_fetch_failure(tmp_path):
    hosts = Hosts(tmp_path)
    plain = dependency(1)
    hosts.write(plain, word_pairs(1000))
    os.truncate(os.path.join(hosts.locations[0].root, output_name(SHUFFLE, 0, 100)), 100)
    with pytest.raises(reader.ShuffleFetchFailed, match="ends inside"):
        hosts.read(plain, 0)


def test_a_damaged_file_is_a_fetch_failure(tmp_path):
    hosts = Hosts(tmp_path)
    plain = dependency(1)
    hosts.write(plain, word_pairs(1000))
    path = Path(hosts.locations[0].root, output_name(SHUFFLE, 0, 100))
    path.write_bytes(b"junk" * (path.stat().st_size // 4 + 1))
    with pytest.raises(reader.ShuffleFetchFailed, match="damaged"):
        hosts.read(plain, 0)


def test_outputs_that_are_not_known_are_a_fetch_failure_without_an_owner(tmp_path):
    env = Hosts(tmp_path).envs[0]
    with pytest.raises(reader.ShuffleFetchFailed) as caught:
        reader.read(dependency(), 0, TaskContext(env=env))
    assert caught.value.location is None
    assert caught.value.map_index == reader.ANY_MAP


def test_records_that_are_no_pairs_fail_the_task_and_leave_no_file(tmp_path):
    hosts = Hosts(tmp_path)
    with pytest.raises((TypeError, ValueError)):
        hosts.write(dependency(), [("a", 1), 7])
    assert os.listdir(hosts.envs[0].local_dir) == []


def test_an_error_while_reading_a_users_iterator_leaves_no_file(tmp_path):
    hosts = Hosts(tmp_path)

    def records():
        yield "a", 1
        raise RuntimeError("user's")

    with pytest.raises(RuntimeError, match="user's"):
        hosts.write(dependency(2, ADD, True), records())
    assert os.listdir(hosts.envs[0].local_dir) == []


def test_attempts_of_one_task_write_files_of_their_own(tmp_path):
    env = Hosts(tmp_path).envs[0]
    for task_id in (1, 2):
        writer.write(dependency(1), [("a", task_id)], task_of(env, task_id), 0)
    assert sorted(os.listdir(env.local_dir)) == ["shuffle_5_0_1.data", "shuffle_5_0_2.data"]


def test_segments_spilled_by_a_writer_keep_their_order(tmp_path):
    from minimesos.spark.shuffle.blocks import encode

    segments = SegmentWriter(2, str(tmp_path), buffered_bytes_max=50)
    for number in range(20):
        segments.add(number % 2, encode(([number],)))
    path = tmp_path / "data"
    offsets = segments.commit(str(path))
    descriptor = os.open(path, os.O_RDONLY)
    odd = [n for (c,) in read_segment(descriptor, offsets[1], offsets[2] - offsets[1]) for n in c]
    os.close(descriptor)
    assert odd == list(range(1, 20, 2))
    assert segments.spilled_bytes > 0
    assert os.listdir(tmp_path) == ["data"]


@pytest.mark.parametrize("combine", [True, False])
def test_map_outputs_are_compressed_as_is_set(tmp_path, combine):
    records = [(f"a rather long word {number}", 1) for number in range(20_000)]
    sizes = []
    for switch in ("true", "false"):
        (tmp_path / switch).mkdir()
        hosts = Hosts(tmp_path / switch, conf={"spark.shuffle.compress": switch})
        shuffle = dependency(2, ADD, combine)
        sizes.append(hosts.write(shuffle, records).offsets[-1])
        assert sorted(hosts.read(shuffle, 0) + hosts.read(shuffle, 1)) == sorted(records)
    assert sizes[0] < sizes[1] / 2


@pytest.mark.parametrize("combine", [True, False])
def test_a_full_disk_is_named_with_its_room_and_leaves_no_file(tmp_path, monkeypatch, combine):
    hosts = Hosts(tmp_path)

    def no_room(self, file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SegmentWriter, "_write_segments", no_room)
    with pytest.raises(DiskFull) as caught:
        hosts.write(dependency(2, ADD, combine), word_pairs(100))
    assert hosts.envs[0].local_dir in str(caught.value)
    assert "bytes are free" in str(caught.value)
    assert "spark.local.dir" in str(caught.value)
    assert os.listdir(hosts.envs[0].local_dir) == []


def test_a_spill_that_finds_no_room_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(
        files, "anonymous_file", lambda _: os.fdopen(os.open("/dev/full", os.O_WRONLY), "wb", 1024)
    )
    spills = SpillFile(str(tmp_path))
    with pytest.raises(DiskFull, match="No space left on device"):
        spills.append([bytes(4096)])
    spills.close()


def test_records_are_dealt_evenly_and_in_order_whatever_they_are(tmp_path):
    hosts = Hosts(tmp_path)
    dealt = ShuffleDependency(SimpleNamespace(num_partitions=2), Dealer(8), SHUFFLE, None, False)
    records = [{"not": "hashable"}, "no pair", *range(2_995)]
    output = hosts.write(dealt, records)
    assert output.records == len(records)
    parts = [hosts.read_items(dealt, index) for index in range(8)]
    assert {len(part) for part in parts} <= {len(records) // 8, len(records) // 8 + 1}
    numbers = [[item for item in part if type(item) is int] for part in parts]
    assert all(part == sorted(part) for part in numbers)
    assert sorted(item for part in numbers for item in part) == list(range(2_995))


def test_many_partitions_take_no_more_memory_than_few(tmp_path):
    hosts = Hosts(tmp_path)
    wide = dependency(20_000, function=lambda key: key)
    hosts.write(wide, [(number, "x") for number in range(60_000)])
    assert hosts.read(wide, 7) == [(7, "x"), (20_007, "x"), (40_007, "x")]


def test_what_a_task_reads_and_spills_is_counted(tmp_path):
    hosts = Hosts(tmp_path, conf={"spark.python.worker.memory": "1m"})
    plain = dependency(1)
    output = hosts.write(plain, [(number, number) for number in range(5_000)])
    task = hosts.reading(plain, 0)
    assert len(list(reader.read(plain, 0, task))) == 5_000
    assert task.counters.read_records == 5_000
    assert task.counters.read_bytes == output.offsets[-1]
    combined = dependency(1, GROUP, False)
    task = hosts.reading(combined, 0)
    assert len(list(reader.read(combined, 0, task))) == 5_000
    assert task.counters.disk_spilled_bytes > 0
