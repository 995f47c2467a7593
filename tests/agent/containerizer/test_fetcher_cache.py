"""The fetcher's cache: one download for all, room for what is in use, nothing half."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from minimesos.agent.containerizer.fetcher_cache import CannotUseCache, FetcherCache, Reserve
from minimesos.agent.containerizer.posix import CannotLaunch, Identity

CAPACITY = 100


class Downloads:
    """Downloads of a size, which can be held up, or fail halfway."""

    def __init__(self, size: int = 10, failure: Exception | None = None) -> None:
        self.count = 0
        self.size = size
        self.failure = failure
        self.half_done = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.ended = asyncio.Event()

    async def __call__(self, reserve: Reserve) -> None:
        self.count += 1
        path = await reserve(self.size)
        if path is None:
            return
        Path(path).write_bytes(b"x" * (self.size // 2))
        self.half_done.set()
        try:
            await self.may_end.wait()
        finally:
            self.ended.set()
        if self.failure is not None:
            raise self.failure
        Path(path).write_bytes(b"x" * self.size)


@pytest.fixture
async def cache(tmp_path):
    cache = FetcherCache(tmp_path / "fetch", CAPACITY)
    yield cache
    await cache.close()


@pytest.fixture
def files(tmp_path):
    """Return the sizes of all files in the cache."""

    def files() -> list[int]:
        return sorted(
            path.stat().st_size for path in (tmp_path / "fetch").rglob("c[0-9]*") if path.is_file()
        )

    return files


async def use(cache, uri, download):
    """Use a URI's file for a moment; returns its path."""
    async with cache.use(uri, None, download) as path:
        return path


async def test_what_was_downloaded_once_is_there_for_the_next(cache):
    download = Downloads()
    first = await use(cache, "u", download)
    assert os.path.getsize(first) == 10
    assert await use(cache, "u", download) == first
    assert download.count == 1


async def test_who_comes_during_a_download_waits_for_it(cache):
    download = Downloads()
    download.may_end.clear()
    users = [asyncio.ensure_future(use(cache, "u", download)) for _ in range(5)]
    await download.half_done.wait()
    assert not any(user.done() for user in users)
    download.may_end.set()
    assert len(set(await asyncio.gather(*users))) == 1
    assert download.count == 1


async def test_users_do_not_share(cache):
    download = Downloads()
    me = Identity(os.geteuid(), os.getegid(), ())
    async with cache.use("u", None, download) as agents, cache.use("u", me, download) as mine:
        assert agents != mine
        assert os.stat(os.path.dirname(mine)).st_mode & 0o777 == 0o700


async def test_the_least_recently_used_goes_when_there_is_no_room(cache, files):
    download = Downloads(size=40)
    first, second = await use(cache, "1", download), await use(cache, "2", download)
    await use(cache, "1", download)
    third = await use(cache, "3", download)
    assert [os.path.exists(path) for path in (first, second, third)] == [True, False, True]
    assert files() == [40, 40]


async def test_several_go_if_need_be(cache, files):
    for uri in "123":
        await use(cache, uri, Downloads(size=30))
    await use(cache, "4", Downloads(size=90))
    assert files() == [90]


async def test_what_is_in_use_stays_and_nothing_goes_in_vain(cache, files):
    async with AsyncExitStack() as held:
        await held.enter_async_context(cache.use("held", None, Downloads(size=60)))
        await use(cache, "idle", Downloads(size=20))
        assert await use(cache, "large", Downloads(size=50)) is None
        assert files() == [20, 60]
        assert await use(cache, "fits", Downloads(size=40)) is not None
    assert await use(cache, "large", Downloads(size=50)) is not None


async def test_room_is_taken_from_when_a_download_begins(cache):
    download = Downloads(size=60)
    download.may_end.clear()
    first = asyncio.ensure_future(use(cache, "1", download))
    await download.half_done.wait()
    assert await use(cache, "2", Downloads(size=60)) is None
    download.may_end.set()
    assert await first is not None


async def test_what_does_not_fit_is_tried_again_and_forgotten(cache):
    download = Downloads(size=CAPACITY + 1)
    assert [await use(cache, "u", download) for _ in range(2)] == [None, None]
    assert download.count == 2
    assert cache.used_bytes == 0


async def test_a_download_that_breaks_is_told_to_all_and_leaves_nothing(cache, files):
    download = Downloads(failure=CannotLaunch("404"))
    download.may_end.clear()
    users = [asyncio.ensure_future(use(cache, "u", download)) for _ in range(3)]
    await download.half_done.wait()
    assert files() == [5]
    download.may_end.set()
    results = await asyncio.gather(*users, return_exceptions=True)
    assert [str(result) for result in results] == ["404"] * 3
    assert (files(), cache.used_bytes, download.count) == ([], 0, 1)
    assert await use(cache, "u", Downloads()) is not None


async def test_a_download_ends_with_the_last_who_waits_for_it(cache, files):
    download = Downloads()
    download.may_end.clear()
    first, second = (asyncio.ensure_future(use(cache, "u", download)) for _ in range(2))
    await download.half_done.wait()
    first.cancel()
    await asyncio.wait([first])
    assert not download.ended.is_set()
    second.cancel()
    third = asyncio.ensure_future(use(cache, "u", Downloads(size=7)))
    await download.ended.wait()
    assert await third is not None
    assert files() == [7]
    assert cache.used_bytes == 7


async def test_a_file_that_somebody_removed_is_downloaded_again(cache):
    download = Downloads()
    os.unlink(await use(cache, "u", download))
    assert os.path.exists(await use(cache, "u", download))
    assert (download.count, cache.used_bytes) == (2, 10)


async def test_agents_with_one_directory_do_not_touch_each_others_files(cache, tmp_path):
    async with cache.use("u", None, Downloads()) as path:
        other = FetcherCache(tmp_path / "fetch", CAPACITY)
        assert await use(other, "u", Downloads()) != path
        await other.close()
        assert os.path.exists(path)


async def test_a_directory_that_cannot_be_used_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotUseCache, match=r"Not a directory; .*--fetcher_cache_dir"):
        FetcherCache(tmp_path / "file" / "fetch", CAPACITY)
