"""The version of PySpark whose RDD API this is."""

__version__ = "3.5.7"
