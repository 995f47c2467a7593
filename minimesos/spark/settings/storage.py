"""Bytes that are kept or sent: whether and how they are compressed, and broadcasts.

Source: Spark's "Configuration" page.
"""

from __future__ import annotations

from collections.abc import Iterator

from minimesos.spark.setting_kinds import Setting, Texts, flag, size_bytes, text

_CODECS = ("lz4", "lzf", "snappy", "zstd", "zlib")


def _parse_codec(text: str) -> str:
    # Spark's own names of classes do, too: org.apache.spark.io.ZStdCompressionCodec.
    name = text.strip().rpartition(".")[2].lower().removesuffix("compressioncodec")
    if name not in _CODECS:
        raise ValueError(f"is none of {', '.join(_CODECS)}")
    return name


IO_COMPRESSION_CODEC = Setting(
    "spark.io.compression.codec",
    "lz4",
    "lz4",
    _parse_codec,
    " or ".join(_CODECS),
    "How blocks are compressed; lzf and snappy mean lz4. Where it is not installed they are not "
    "compressed.",
)
SHUFFLE_COMPRESS = flag(
    "spark.shuffle.compress", True, "Whether what map tasks write is compressed."
)
SHUFFLE_SPILL_COMPRESS = flag(
    "spark.shuffle.spill.compress",
    True,
    "Whether data is compressed that is spilled while records are merged or sorted.",
)
RDD_COMPRESS = flag(
    "spark.rdd.compress",
    False,
    "Whether cached partitions on disk are compressed; contexts set it, as PySpark's do.",
)
CHECKPOINT_DIR = text(
    "spark.checkpoint.dir", None, "Where checkpoints are written; `setCheckpointDir` wins."
)
CHECKPOINT_COMPRESS = flag(
    "spark.checkpoint.compress", False, "Whether checkpoints are compressed."
)
CLEAN_GARBAGE = flag(
    "spark.cleaner.referenceTracking",
    True,
    "Whether broadcasts, shuffles and cached partitions are removed everywhere once nobody refers "
    "to them any more; else they stay until the end, or `destroy` and `unpersist`.",
)
CLEAN_CHECKPOINTS = flag(
    "spark.cleaner.referenceTracking.cleanCheckpoints",
    False,
    "Whether the files of a checkpoint are removed once nobody refers to its RDD any more.",
)
CACHE_SERIALIZED = flag(
    "spark.minimesos.cache.serialized",
    False,
    "Whether cached partitions are kept in memory as bytes, as PySpark does with all levels but "
    "MEMORY_AND_DISK_DESER: smaller, but slower to read than live objects.",
)
BROADCAST_COMPRESS = flag("spark.broadcast.compress", True, "Whether broadcasts are compressed.")
BROADCAST_BLOCK_SIZE = size_bytes(
    "spark.broadcast.blockSize",
    "4m",
    "Pieces in which broadcasts are compressed and checked.",
    unit="k",
)
BROADCAST_CHECKSUM = flag(
    "spark.broadcast.checksum", True, "Whether workers check that a broadcast came undamaged."
)
CLOSURE_COMPRESSION_THRESHOLD = size_bytes(
    "spark.broadcast.UDFCompressionThreshold",
    "1m",
    "Closures of stages, with the functions in them, are compressed above this.",
)


def disagreements(conf: Texts) -> Iterator[str]:
    """Yield what is wrong though it is well-formed."""
    if not BROADCAST_BLOCK_SIZE.read(conf):
        yield f"{BROADCAST_BLOCK_SIZE.shown(conf)} must be above 0"
