"""Values sent to tasks once, and sums that tasks send back."""

from pyspark import AccumulatorParam, SparkContext, SparkFiles, TaskContext

sc = SparkContext(appName="Shared")


class Longest(AccumulatorParam):
    def zero(self, value):
        return ""

    def addInPlace(self, one, other):
        return max(one, other, key=lambda word: (len(word), word))


table = sc.broadcast({"a": 1, "b": 2})
unknown = sc.accumulator(0)
longest = sc.accumulator("", Longest())
total = sc.accumulator(0.5)


def look_up(word):
    global unknown, total
    if word not in table.value:
        unknown += 1
    longest.add(word)
    total += len(word)
    return table.value.get(word, 0)


words = sc.parallelize(["a", "b", "xyz", "b", "zz"], 3)
print(words.map(look_up).collect(), unknown.value, longest.value, total)
print(repr(table.value), unknown, table.value["b"])


def where(items):
    context = TaskContext.get()
    yield context.partitionId(), context.attemptNumber(), sum(1 for _ in items)


print(words.mapPartitions(where).collect(), TaskContext.get())
with open("data.txt", "w") as out:
    out.write("42\n")
sc.addFile("data.txt")
print(words.map(lambda _: int(open(SparkFiles.get("data.txt")).read())).distinct().collect())
with open("shipped_module.py", "w") as out:
    out.write("from pyspark import StorageLevel\nimport pyspark.statcounter\n")
    out.write("def level(): return str(StorageLevel.DISK_ONLY)\n")
    out.write("def mean(values): return pyspark.statcounter.StatCounter(values).mean()\n")
sc.addPyFile("shipped_module.py")


def use(numbers):
    import shipped_module

    return [(shipped_module.level(), shipped_module.mean(list(numbers)))]


print(sc.parallelize(range(6), 2).mapPartitions(use).collect())
table.unpersist()
table.destroy()
sc.setLocalProperty("who", "me")
print(words.map(lambda _: TaskContext.get().getLocalProperty("who")).first())
sc.stop()
