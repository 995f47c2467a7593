"""Fetching for containers, with real processes, users and a web server."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler

import pytest

from minimesos.agent.containerizer.fetcher import Fetcher
from minimesos.agent.containerizer.fetcher_cache import FetcherCache
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.testing.lines import DEADLINE_S

from .conftest import Containers

pytestmark = pytest.mark.integration

LAUNCH_FAILED = mesos_pb2.TaskStatus.REASON_CONTAINER_LAUNCH_FAILED


async def test_uris_are_in_the_sandbox_before_the_command_starts(containers, tmp_path):
    (tmp_path / "run.sh").write_text("#!/bin/sh\necho ran\n")
    command = mesos_pb2.CommandInfo(value="./run.sh")
    command.uris.add(value=f" file://localhost{tmp_path}/run.sh", executable=True)
    sandbox = containers.launch(command)
    assert (await containers.exited()).status == 0
    assert (sandbox / "stdout").read_text() == "ran\n"
    assert "Fetched" in (sandbox / "stderr").read_text()


async def test_a_uri_that_cannot_be_fetched_is_a_failed_launch_that_names_it(containers):
    command = mesos_pb2.CommandInfo(value="true")
    command.uris.add(value="hdfs://namenode/app.bin")
    containers.launch(command)
    exited = await containers.exited()
    assert exited.reason == LAUNCH_FAILED
    assert exited.message == (
        "Failed to fetch 'hdfs://namenode/app.bin':"
        " 'hdfs' is not supported; known are http://, https://, file:// and paths"
    )


async def test_a_page_that_is_not_there_is_a_failed_launch_that_says_so(containers, web):
    command = mesos_pb2.CommandInfo(value="true")
    command.uris.add(value=web.url("/app.tgz"))
    containers.launch(command)
    exited = await containers.exited()
    assert exited.reason == LAUNCH_FAILED
    assert exited.message == (
        f"Failed to fetch '{web.url('/app.tgz')}': the server answered 404 Not Found"
    )


@pytest.fixture
def caching(make_containers, open_directory) -> Containers:
    """A containerizer whose fetcher has a cache."""
    cache = FetcherCache(open_directory / "fetch", 2**20)
    return make_containers(open_directory, fetcher=Fetcher(cache=cache))


async def test_many_tasks_need_one_download_if_they_want_it_cached(caching, web):
    command = mesos_pb2.CommandInfo(value="cat words app")
    command.uris.add(value=web.page("/words.gz", gzip.compress(b"words ")), cache=True)
    command.uris.add(value=" " + web.page("/app", b"app"), cache=True)
    sandboxes = [caching.launch(command, name) for name in ("c1", "c2", "c3")]
    for sandbox in sandboxes:
        assert (await caching.exited(sandbox.name)).status == 0
        assert (sandbox / "stdout").read_text() == "words app"
    assert sorted(web.requests) == ["/app", "/words.gz"]


async def test_what_is_too_large_for_the_cache_is_fetched_without_it(caching, web):
    command = mesos_pb2.CommandInfo(value="wc -c < large")
    command.uris.add(value=web.page("/large", b"x" * (2**20 + 1)), cache=True)
    sandbox = caching.launch(command)
    assert (await caching.exited()).status == 0
    assert (sandbox / "stdout").read_text() == f"{2**20 + 1}\n"


async def test_a_container_that_is_destroyed_waits_for_no_download(caching, web):
    command = mesos_pb2.CommandInfo(value="true")
    asked, over = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def answer(request: BaseHTTPRequestHandler) -> None:
        loop.call_soon_threadsafe(asked.set)
        over.wait(DEADLINE_S)

    command.uris.add(value=web.answer("/f", answer), cache=True)
    caching.launch(command)
    try:
        await asked.wait()
        caching.destroy()
        assert (await caching.exited()).reason is None
    finally:
        over.set()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_uris_are_fetched_with_the_rights_of_the_user(make_containers, open_directory):
    containers = make_containers(open_directory)
    command = mesos_pb2.CommandInfo(value="true")
    command.uris.add(value="/etc/passwd", output_file="fetched/users")
    command.uris.add(value="/etc/shadow")
    sandbox = containers.launch(command, user="nobody")
    assert "Permission denied: '/etc/shadow'" in (await containers.exited()).message
    assert (sandbox / "fetched" / "users").owner() == "nobody"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("cache", [False, True])
async def test_a_user_who_cannot_read_this_python_gets_everything_unpacked(caching, web, cache):
    command = mesos_pb2.CommandInfo(value="id -un; cat gz zip tar xz bz2")
    archives = {"gz.gz": gzip.compress(b"gz "), "zip.zip": io.BytesIO(), "tar.tar": io.BytesIO(),
                "xz.tar.xz": io.BytesIO(), "bz2.tar.bz2": io.BytesIO()}  # fmt: skip
    with zipfile.ZipFile(archives["zip.zip"], "w") as zipped:
        zipped.writestr("zip", "zip ")
        zipped.writestr(zipfile.ZipInfo("\xe9"), "")
    for name, mode in (("tar.tar", "w"), ("xz.tar.xz", "w:xz"), ("bz2.tar.bz2", "w:bz2")):
        with tarfile.open(fileobj=archives[name], mode=mode) as tar:
            member = tarfile.TarInfo(name.partition(".")[0])
            data = f"{member.name} ".encode()
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    for name, archive in archives.items():
        body = archive if isinstance(archive, bytes) else archive.getvalue()
        url = web.page(f"/{name}", body).replace("127.0.0.1", "localhost")
        command.uris.add(value=url, cache=cache)
    sandbox = caching.launch(command, user="nobody")
    assert (await caching.exited()).message == ""
    assert (sandbox / "stdout").read_text() == "nobody\ngz zip tar xz bz2 "
