"""Files that users name: how they are listed and reached.

Source: Spark's "Configuration" page, and Hadoop's FileInputFormat.
"""

from __future__ import annotations

from minimesos.spark.setting_kinds import flag, seconds, size_bytes

FILE_SYSTEM_PREFIX = "spark.minimesos.fs."
"""What follows is a scheme and the name of an option of fsspec's file system for it."""

INPUT_DIR_RECURSIVE = flag(
    "spark.hadoop.mapreduce.input.fileinputformat.input.dir.recursive",
    False,
    "Whether input directories are read with the directories in them.",
)
FILES_MAX_PARTITION_BYTES = size_bytes(
    "spark.files.maxPartitionBytes",
    "128m",
    "Bytes of files that `binaryFiles` packs into one partition at most.",
)
FILES_OPEN_COST = size_bytes(
    "spark.files.openCostInBytes",
    "4m",
    "What opening a file costs, in bytes read, where `binaryFiles` packs files.",
)
FILES_FETCH_TIMEOUT = seconds(
    "spark.files.fetchTimeout",
    "60s",
    "How long `addFile` waits for a server that sends nothing.",
)
