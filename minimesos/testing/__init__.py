"""A simulated cluster in virtual time, and builders of valid messages, for tests of frameworks."""

from minimesos.testing.cluster import SimCluster

__all__ = ["SimCluster"]
