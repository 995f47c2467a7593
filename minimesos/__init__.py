"""minimesos: a pure-Python mini Mesos and a Spark-style engine that runs on it."""

__version__ = "0.1.0"
