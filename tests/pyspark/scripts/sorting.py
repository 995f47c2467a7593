"""What is in which order, and in which partition."""

from pyspark import SparkContext
from pyspark.rdd import portable_hash

sc = SparkContext("local[2]", "Sorting")
words = "pear fig apple plum kiwi lime date nut pea bean corn rice".split()
rdd = sc.parallelize(words, 4)
print(rdd.glom().collect())
print(rdd.sortBy(len).collect())
print(rdd.sortBy(lambda word: word, ascending=False, numPartitions=3).glom().collect())
pairs = rdd.map(lambda word: (len(word), word))
print(pairs.sortByKey().keys().collect())
print(pairs.sortByKey(False, 2, keyfunc=lambda key: -key).keys().collect())
numbers = sc.parallelize([(n * 7 % 10, n) for n in range(20)], 3)
by_key = numbers.repartitionAndSortWithinPartitions(2, lambda key: key % 2)
print(by_key.keys().glom().collect())
print([portable_hash(key) for key in (None, 1, -1, 2.5, "a", (1, 2), (None, 1), (), True)])
print(rdd.map(lambda word: (word, 1)).partitionBy(5).keys().map(str.upper).glom().collect())
print(numbers.coalesce(2).glom().map(len).collect(), numbers.repartition(4).count())
print(numbers.max(), numbers.min(key=lambda pair: (-pair[1], pair[0])), numbers.first())
print(rdd.take(5), rdd.takeOrdered(2), rdd.top(2, key=len), rdd.isEmpty())
print(sc.parallelize([], 3).isEmpty(), sc.emptyRDD().collect(), sc.parallelize([1]).sum())
print(list(rdd.toLocalIterator())[:2], rdd.repartition(1).getNumPartitions())
sc.stop()
