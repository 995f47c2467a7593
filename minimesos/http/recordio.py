"""RecordIO: how Mesos cuts a stream of messages into records; a length, a newline, the bytes.

Used by the HTTP APIs on both ends. Standard library only, because executors that must start quickly
import it.

Source: Mesos documentation "Scheduler HTTP API", RecordIO response format.
"""

from __future__ import annotations

RECORD_BYTES_MAX = 64 * 2**20
_LENGTH_DIGITS_MAX = 20


class MalformedStream(ValueError):
    """The bytes are no records, or one is longer than we take."""


def encode(record: bytes) -> bytes:
    """Return one record, framed."""
    return b"%d\n%s" % (len(record), record)


class Decoder:
    """Cuts a byte stream into records."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the records that are complete now. Raises MalformedStream."""
        self._buffer += data
        records: list[bytes] = []
        while (end := self._buffer.find(b"\n", 0, _LENGTH_DIGITS_MAX + 1)) >= 0:
            digits = bytes(self._buffer[:end])
            if not digits.isdigit() or int(digits) > RECORD_BYTES_MAX:
                raise MalformedStream(f"{digits!r} is not the length of a record")
            stop = end + 1 + int(digits)
            if len(self._buffer) < stop:
                return records
            records.append(bytes(self._buffer[end + 1 : stop]))
            del self._buffer[:stop]
        if len(self._buffer) > _LENGTH_DIGITS_MAX:
            raise MalformedStream(f"{bytes(self._buffer[:32])!r} does not start with a length")
        return records
