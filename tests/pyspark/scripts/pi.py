"""Darts at a circle, from a generator seeded for each partition."""

from operator import add
from random import Random

from pyspark import SparkContext

sc = SparkContext(appName="Pi")
PARTITIONS, DARTS = 4, 2000


def inside(index, numbers):
    generator = Random(index)
    for _ in numbers:
        yield int(generator.random() ** 2 + generator.random() ** 2 <= 1)


hits = sc.parallelize(range(PARTITIONS * DARTS), PARTITIONS).mapPartitionsWithIndex(inside)
print("Pi is roughly", 4.0 * hits.reduce(add) / (PARTITIONS * DARTS))
print(hits.glom().map(len).collect(), hits.mean(), hits.stats())
print(sc.range(10, 0, -3).collect(), sc.range(7, numSlices=3).glom().collect())
sc.stop()
