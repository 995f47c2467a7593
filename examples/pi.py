"""Estimate pi by throwing darts: an ordinary PySpark-style script.

Run:     minimesos submit --master mesos://127.0.0.1:5050 examples/pi.py 100
Prints:  Pi is roughly 3.14... (the argument is the number of partitions; 2 without one)
"""

import sys
from operator import add
from random import random

from minimesos.spark import SparkContext

DARTS_PER_PARTITION = 100_000


def dart(_: int) -> int:
    x, y = random() * 2 - 1, random() * 2 - 1
    return 1 if x * x + y * y <= 1 else 0


with SparkContext(appName="pi") as sc:
    partitions = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    darts = DARTS_PER_PARTITION * partitions
    hits = sc.parallelize(range(darts), partitions).map(dart).reduce(add)
    print(f"Pi is roughly {4.0 * hits / darts:f}")
