"""Ranks of pages by who links to them; the links are cached."""

from operator import add

from pyspark import SparkContext
from pyspark.storagelevel import StorageLevel

LINKS = """a b
a c
b c
c a
d c
d a
d b"""


def contributions(urls, rank):
    for url in urls:
        yield url, rank / len(urls)


with SparkContext(appName="PageRank") as sc:
    pairs = sc.parallelize(LINKS.splitlines(), 2).map(lambda line: tuple(line.split())).distinct()
    links = pairs.groupByKey(3).mapValues(sorted).persist(StorageLevel.MEMORY_ONLY)
    ranks = links.mapValues(lambda _: 1.0)
    for _ in range(6):
        shares = links.join(ranks).flatMap(lambda page: contributions(*page[1]))
        ranks = shares.reduceByKey(add).mapValues(lambda rank: rank * 0.85 + 0.15)
    for page, rank in sorted(ranks.collect()):
        print(f"{page} has rank {rank:.6f}")
    print(links.is_cached, links.getStorageLevel(), ranks.getNumPartitions())
    links.unpersist()
    print(links.is_cached)
