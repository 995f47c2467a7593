"""Samples by seed, histograms and sums of all kinds."""

from operator import add

from pyspark import SparkContext
from pyspark.statcounter import StatCounter

sc = SparkContext(appName="Numbers")
rdd = sc.parallelize(range(100), 4)
print(rdd.sample(False, 0.1, 2).collect(), rdd.sample(True, 0.1, 5).collect())
print(rdd.takeSample(False, 5, 1), rdd.takeSample(True, 3, 7))
print([part.count() for part in rdd.randomSplit([2, 3], 17)])
pairs = rdd.map(lambda n: (n % 3, n))
print(sorted(pairs.sampleByKey(False, {0: 0.1, 1: 0.2, 2: 0.05}, 3).collect()))
print(rdd.histogram(4), rdd.histogram([0, 10, 50, 99]))
print(sc.parallelize(["ab", "ac", "b", "bd", "ef"], 2).histogram(("a", "b", "c")))
print(sc.parallelize([1.5, 2.5, 9.0]).histogram(3))
print(rdd.sum(), rdd.mean(), rdd.variance(), rdd.stdev(), rdd.sampleStdev(), rdd.sampleVariance())
print(rdd.stats().asDict(), StatCounter([1.0, 2.0]).merge(4.0))
count_each = lambda a, n: (a[0] + n, a[1] + 1)
print(rdd.aggregate((0, 0), count_each, lambda a, b: (a[0] + b[0], a[1] + b[1])))
print(rdd.fold(0, add), rdd.reduce(max), rdd.treeReduce(add, 3), rdd.treeAggregate(0, add, add, 2))
print(sorted(pairs.aggregateByKey(0, max, add).collect()))
print(sorted(pairs.foldByKey(0, add).collect()))
print(sorted(pairs.combineByKey(lambda n: [n], lambda a, n: a + [n], add).mapValues(len).collect()))
print(pairs.groupByKey(2).mapValues(lambda group: sum(group)).glom().map(sorted).collect())
print(sorted(rdd.groupBy(lambda n: n // 40).mapValues(len).collect()))
print(rdd.countApproxDistinct(0.1) > 80, rdd.countApprox(10000), rdd.sumApprox(10000))
print(rdd.filter(lambda n: n % 7 == 0).map(float).collect(), rdd.distinct().count())
print(rdd.getNumPartitions(), rdd.name(), rdd.setName("hundred").name(), rdd.id() >= 0)
print(pairs.values().countByValue()[3], pairs.flatMapValues(lambda n: [n, -n]).take(3))
try:
    rdd.map(lambda n: 1 // (n - 50)).collect()
except Exception as error:
    print("ZeroDivisionError" in str(error), "Job aborted due to stage failure" in str(error))
try:
    sc.parallelize([]).reduce(add)
except ValueError as error:
    print(error)
sc.stop()
