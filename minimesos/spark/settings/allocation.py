"""Executors by need: dynamic allocation.

Source: Spark's "Configuration" page.
"""

from __future__ import annotations

from minimesos.spark.setting_kinds import flag

DYNAMIC_ALLOCATION_ENABLED = flag(
    "spark.dynamicAllocation.enabled",
    False,
    "Whether executors are asked for while tasks wait, and given back when idle.",
)
