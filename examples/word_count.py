"""Count the words of real text: by default every .py file of Python's standard library.

Run:     minimesos submit --master mesos://127.0.0.1:5050 examples/word_count.py [PATH ...]
Prints:  the 20 most frequent words with their counts, how much was read, how long it took
"""

import sys
import sysconfig
import time
from operator import add
from pathlib import Path

from minimesos.spark import SparkContext


def files_of(paths: list[str]) -> list[Path]:
    roots = [Path(path) for path in paths] or [Path(sysconfig.get_path("stdlib"))]
    return [
        file
        for root in roots
        for file in ([root] if root.is_file() else sorted(root.rglob("*.py")))
        if "site-packages" not in file.parts
    ]


with SparkContext(appName="word count") as sc:
    files = files_of(sys.argv[1:])
    size_mb = sum(file.stat().st_size for file in files) / 1e6
    start = time.perf_counter()
    counts = (
        sc.textFile(",".join(map(str, files)))  # at least one partition per file: too many,
        .coalesce(2 * sc.defaultParallelism)  # so several files share one
        .flatMap(str.split)
        .map(lambda word: (word, 1))
        .reduceByKey(add)
    )
    top = counts.takeOrdered(20, key=lambda pair: (-pair[1], pair[0]))
    seconds = time.perf_counter() - start
    for word, count in top:
        print(f"{count:>9,}  {word}")
    print(f"{len(files):,} files, {size_mb:.1f} MB in {seconds:.1f} s")
