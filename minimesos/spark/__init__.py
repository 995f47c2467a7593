"""The Spark-style engine: RDDs, the scheduler that runs them, and the backends that host it."""
