"""A context by way of a session, as newer scripts make it."""

import pyspark
from pyspark.sql import SparkSession

spark = SparkSession.builder.appName("Session").config("spark.some.key", "some-value").getOrCreate()
sc = spark.sparkContext
print(sc.appName, sc.master, spark.conf.get("spark.some.key"), sc.defaultParallelism)
print(sc.parallelize(range(5)).map(lambda n: n * n).collect(), pyspark.SparkContext is type(sc))
again = SparkSession.builder.getOrCreate()
print(again.sparkContext is sc, pyspark.SparkContext.getOrCreate() is sc)
print(spark.version.split(".")[:2], pyspark.__version__.split(".")[:2])
print(sc.getConf().get("spark.app.name"), spark.conf.get("spark.no.such.key", "none"))
spark.stop()
