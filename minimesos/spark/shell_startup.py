"""What the interactive shell's interpreter runs first, as its PYTHONSTARTUP, in `__main__`.

The names that are left here are those that the user finds.
"""

from minimesos.spark import SparkConf, SparkContext  # noqa: F401
from minimesos.spark.compat.session import SparkSession
from minimesos.spark.shell import start, users_startup

sc = start()
spark = SparkSession.builder.getOrCreate()
exec(users_startup())
del start, users_startup
