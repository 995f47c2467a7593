"""Found as `pyspark` where `minimesos submit` or a worker wants it: puts the alias in its place."""

import importlib

from minimesos.spark.compat import install_as_pyspark, is_installed, real

install_as_pyspark()
if is_installed():
    importlib.import_module("pyspark")
else:
    real.load_pyspark()
