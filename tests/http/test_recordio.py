"""RecordIO: lengths, newlines and whatever borders the transport makes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesos.http.recordio import RECORD_BYTES_MAX, Decoder, MalformedStream, encode


def test_a_record_is_its_length_a_newline_and_its_bytes():
    assert encode(b'{"type":"HEARTBEAT"}') == b'20\n{"type":"HEARTBEAT"}'


@given(records=st.lists(st.binary(max_size=300)), cuts=st.lists(st.integers(1, 50)))
def test_records_come_out_as_they_went_in_however_the_stream_is_cut(records, cuts):
    stream = b"".join(map(encode, records))
    decoder = Decoder()
    found: list[bytes] = []
    for size in cuts:
        found += decoder.feed(stream[:size])
        stream = stream[size:]
    found += decoder.feed(stream)
    assert found == records


@pytest.mark.parametrize(
    "stream",
    [b"abc\n", b"-1\n", b" 5\nhello", b"5\r\nhello", b"\nx", b"1" * 30, b"x" * 30,
     b"%d\n" % (RECORD_BYTES_MAX + 1)],
)  # fmt: skip
def test_what_does_not_start_with_a_sensible_length_is_refused(stream):
    with pytest.raises(MalformedStream):
        Decoder().feed(stream)
