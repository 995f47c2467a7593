"""A master's address is read in the forms that operators and drivers write it."""

from __future__ import annotations

import pytest

from minimesos.detector import master_address
from minimesos.errors import InvalidValue


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:5050", "127.0.0.1:5050"),
        ("mesos://127.0.0.1:7000", "127.0.0.1:7000"),
        ("node1", "node1:5050"),
        ("[::1]:5050", "[::1]:5050"),
    ],
)
def test_address_of_a_standalone_master(text: str, address: str) -> None:
    assert master_address(text) == address


@pytest.mark.parametrize("text", ["", "mesos://", ":5050", "a:b", "a:0", "a:65536", "a b:1", "a/b"])
def test_text_that_names_no_master_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        master_address(text)


@pytest.mark.parametrize("text", ["zk://a:2181/mesos", "mesos://zk://a:2181/mesos"])
def test_zookeeper_is_refused_with_the_extra_that_it_will_need(text: str) -> None:
    with pytest.raises(InvalidValue, match="extra 'zk'"):
        master_address(text)
