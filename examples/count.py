"""Count eleven numbers in eight partitions: the smallest job that uses a whole cluster.

Run:     minimesos submit --master mesos://127.0.0.1:5050 examples/count.py
   or    minimesos submit --master 'local[2]' examples/count.py
Prints:  11
"""

from minimesos.spark import SparkContext

with SparkContext(appName="count") as sc:
    print(sc.parallelize(range(0, 11), 8).count())
