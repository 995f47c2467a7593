"""Attributes as text, both ways, and as `/state` shows them."""

from __future__ import annotations

import pytest

from minimesos.attributes import attributes_json, format_attributes, parse_attributes
from minimesos.errors import InvalidAttributes


def test_each_attribute_is_split_at_its_first_colon() -> None:
    attributes = parse_attributes("rack:r1,r2;speed:2.5;ports:[1-3];a:foo:bar;")
    assert attributes_json(attributes) == {
        "rack": "r1,r2",
        "speed": 2.5,
        "ports": "[1-3]",
        "a": "foo:bar",
    }


def test_printed_attributes_are_read_back() -> None:
    text = "rack:r1; speed:2.5; ports:[1-3, 5-9]; rack:r2"
    assert format_attributes(parse_attributes(text)) == text


@pytest.mark.parametrize("text", ["rack", ":r1", "rack:", "rack:{a,b}", "ports:[1-", "ports:[x]"])
def test_malformed_attributes_are_refused(text: str) -> None:
    with pytest.raises(InvalidAttributes, match="bad attribute"):
        parse_attributes(text)
