"""Pairs brought together in every way there is."""

from pyspark import SparkContext

sc = SparkContext(appName="Joins")
people = sc.parallelize([(1, "ann"), (2, "bob"), (3, "cyd"), (2, "bea")], 2)
towns = sc.parallelize([(2, "ulm"), (3, "bonn"), (4, "jena")], 2)
for name in ("join", "leftOuterJoin", "rightOuterJoin", "fullOuterJoin"):
    print(name, sorted(getattr(people, name)(towns, 3).collect()))
grouped = people.cogroup(towns)
print([(key, sorted(left), sorted(right)) for key, (left, right) in sorted(grouped.collect())])
with_three = people.groupWith(towns, towns.mapValues(len))
print(sorted((key, [sorted(part) for part in parts]) for key, parts in with_three.collect()))
print(sorted(people.subtractByKey(towns).collect()))
print(sorted(people.keys().intersection(towns.keys()).collect()))
print(sorted(people.subtract(people.filter(lambda pair: pair[0] == 2)).collect()))
print(people.union(towns).getNumPartitions(), sc.union([people, towns, people]).count())
print(people.cartesian(towns).count(), sorted(people.keys().cartesian(towns.keys()).collect())[:3])
print(people.zip(towns.union(sc.parallelize([(5, "e")], 1)).repartition(2)) is not None)
print(sc.parallelize("abcd", 2).zip(sc.parallelize(range(4), 2)).collect())
print(sc.parallelize("abcde", 3).zipWithIndex().collect())
print(sc.parallelize("abcde", 3).zipWithUniqueId().collect())
keyed = sc.parallelize(range(10), 3).keyBy(lambda n: n % 3).partitionBy(2, lambda key: key)
print(keyed.glom().collect(), keyed.partitioner is not None)
print(keyed.mapValues(lambda n: n + 1).reduceByKeyLocally(max), keyed.countByKey())
print(sorted(keyed.collectAsMap().items()), sorted(keyed.lookup(1)))
sc.stop()
