"""Text, pairs and bytes, out and in again."""

import os

from pyspark import SparkContext

sc = SparkContext(appName="Files")
lines = sc.parallelize([f"line {n} äöü" for n in range(20)], 3)
lines.saveAsTextFile("plain")
lines.saveAsTextFile("packed", "org.apache.hadoop.io.compress.GzipCodec")
print(sorted(name for name in os.listdir("plain") if not name.startswith(".")))
print(sorted(name for name in os.listdir("packed") if not name.startswith(".")))
print(open("plain/part-00001", encoding="utf-8").read())
print(
    sorted(sc.textFile("plain").collect()) == sorted(lines.collect()), sc.textFile("packed").count()
)
print(sc.textFile("plain/part-0000[01]").count(), sc.textFile("plain,packed").count())
print(min(sc.textFile("plain", use_unicode=False).collect()))
whole = sc.wholeTextFiles("plain").map(lambda pair: (os.path.basename(pair[0]), len(pair[1])))
print(sorted(whole.collect()))
sc.parallelize([1, "two", (3, [4])], 2).saveAsPickleFile("pickled")
print(sorted(sc.pickleFile("pickled").map(str).collect()))
with open("records.bin", "wb") as out:
    out.write(bytes(range(12)))
print(sc.binaryRecords("records.bin", 4).collect())
print([(os.path.basename(k), bytes(v)) for k, v in sc.binaryFiles("records.bin").collect()])
with open("ends.txt", "wb") as out:
    out.write(b"one\r\ntwo\rthree\n\nfour")
print(sc.textFile("ends.txt").collect())
print(sc.parallelize(["b", "a", "c"], 1).pipe("sort").collect())
try:
    lines.saveAsTextFile("plain")
except Exception as error:
    print("already exists" in str(error))
try:
    sc.textFile("nowhere").count()
except Exception as error:
    print("Input path does not exist" in str(error))
sc.stop()
