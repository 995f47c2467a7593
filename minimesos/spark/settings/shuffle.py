"""Shuffles, and the service that keeps their files when executors go.

Source: Spark's "Configuration" page.
"""

from __future__ import annotations

from collections.abc import Iterator

from minimesos.spark.setting_kinds import Texts, flag, port, seconds, size_bytes, text, whole

SHUFFLE_SERVICE_ENABLED = flag(
    "spark.shuffle.service.enabled",
    False,
    "Whether the shuffle service of an agent's host serves the files of executors, also after "
    "their end.",
)
SHUFFLE_SERVICE_PORT = port(
    "spark.shuffle.service.port",
    7337,
    "Port of the shuffle service on every host, unless the agent there runs one at another.",
    minimum=1,
)
SHUFFLE_SERVICE_PORT_VARIABLE = "MINIMESOS_SHUFFLE_SERVICE_PORT"
"""By this variable an agent tells its executors where its own shuffle service listens."""
SHUFFLE_SERVICE_REMOVE_SHUFFLE = flag(
    "spark.shuffle.service.removeShuffle",
    True,
    "Whether shuffle services delete the files of shuffles that no job can ask for any more, "
    "before the application ends.",
)
SHUFFLE_REGISTRATION_TIMEOUT = seconds(
    "spark.shuffle.registration.timeout",
    "5s",
    "How long an executor waits for an answer of its host's shuffle service.",
    unit="ms",
)
SHUFFLE_REGISTRATION_MAX_ATTEMPTS = whole(
    "spark.shuffle.registration.maxAttempts",
    3,
    "How often it asks before it gives up.",
    minimum=1,
)
SHUFFLE_IO_MAX_RETRIES = whole(
    "spark.shuffle.io.maxRetries",
    3,
    "How often reading from a peer that does not answer is tried again before the map output "
    "counts as lost.",
    minimum=0,
)
SHUFFLE_IO_RETRY_WAIT = seconds("spark.shuffle.io.retryWait", "5s", "Time before such a retry.")
REDUCE_LOCALITY = flag(
    "spark.shuffle.reduceLocality.enabled",
    True,
    "Whether tasks that read a shuffle prefer hosts that hold a good part of their input.",
)
READ_HOST_LOCAL_DISK = flag(
    "spark.shuffle.readHostLocalDisk",
    True,
    "Whether map outputs of other executors on the same host are read from disk; if not, they "
    "come over the network.",
)
REDUCER_MAX_SIZE_IN_FLIGHT = size_bytes(
    "spark.reducer.maxSizeInFlight",
    "48m",
    "Map outputs that a reduce task has asked other hosts for at once.",
    unit="m",
)
FETCH_FAILURE_UNREGISTER_OUTPUT_ON_HOST = flag(
    "spark.files.fetchFailure.unRegisterOutputOnHost",
    False,
    "Whether a failure to read one executor's map outputs from a shuffle service counts for all of "
    "its host.",
)
AUTHENTICATE = flag(
    "spark.authenticate",
    False,
    "Whether shuffle services are shown that the application knows their secret. What driver and "
    "executors say to each other is always authenticated, by a secret of the application's own.",
)
AUTHENTICATE_SECRET = text(
    "spark.authenticate.secret",
    None,
    "That secret, which only the driver and the shuffle services know.",
)


def disagreements(conf: Texts) -> Iterator[str]:
    """Yield what is wrong between settings that are well-formed each."""
    if (
        SHUFFLE_SERVICE_ENABLED.read(conf)
        and AUTHENTICATE.read(conf)
        and not AUTHENTICATE_SECRET.read(conf)
    ):
        yield (
            f"{AUTHENTICATE.shown(conf)} with {SHUFFLE_SERVICE_ENABLED.shown(conf)} needs "
            f"{AUTHENTICATE_SECRET.name}, the secret that the shuffle services know"
        )
