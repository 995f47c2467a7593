"""Shuffles, and the service that keeps their files when executors go.

Source: Spark's "Configuration" page.
"""

from __future__ import annotations

from minimesos.spark.setting_kinds import flag, whole

SHUFFLE_SERVICE_ENABLED = flag(
    "spark.shuffle.service.enabled",
    False,
    "Whether the shuffle service of an agent's host serves the files of executors, also after "
    "their end.",
)
SHUFFLE_SERVICE_PORT = whole(
    "spark.shuffle.service.port", 7337, "Port of the shuffle service on every host.", minimum=1
)
