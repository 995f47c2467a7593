"""Words of a text, counted and put in order of how often there are."""

import sys
from operator import add

from pyspark import SparkConf, SparkContext

TEXT = """the quick brown fox jumps over the lazy dog
the dog sleeps, the fox does not

Grüße an den Fuchs, and to the dog"""

if __name__ == "__main__":
    with open("text.txt", "w", encoding="utf-8") as out:
        out.write(TEXT)
    sc = SparkContext(conf=SparkConf().setAppName("WordCount"))
    lines = sc.textFile("text.txt", 3)
    words = lines.flatMap(lambda line: line.lower().replace(",", " ").split())
    counts = words.map(lambda word: (word, 1)).reduceByKey(add)
    for word, count in counts.sortBy(lambda pair: (-pair[1], pair[0])).collect():
        print(f"{word}: {count}")
    print(lines.getNumPartitions(), lines.filter(lambda line: not line).count(), words.count())
    print(sorted(words.countByValue().items())[:3], counts.lookup("fox"))
    print(counts.takeOrdered(3, key=lambda pair: -len(pair[0])), counts.top(2))
    print(sys.argv[1:])
    sc.stop()
