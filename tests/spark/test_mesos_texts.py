"""Texts of the settings of Mesos tasks."""

from __future__ import annotations

import pytest

from minimesos.spark.mesos_texts import (
    PortMapText,
    VolumeText,
    archive_base,
    parse_archive_uri,
    parse_labels,
    parse_parameter,
    parse_port_map,
    parse_role,
    parse_volume,
)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", ()),
        ("key:value", (("key", "value"),)),
        ("a:1,b:2", (("a", "1"), ("b", "2"))),
        (r"key:value\:value", (("key", "value:value"),)),
        (r"key:value\,value", (("key", "value,value"),)),
    ],
)
def test_labels(text: str, labels: object) -> None:
    assert parse_labels(text) == labels


@pytest.mark.parametrize("text", ["key", "key:", ":value", "a:b:c", "a:1,", "a:1,b"])
def test_a_malformed_label_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="has a malformed label"):
        parse_labels(text)


@pytest.mark.parametrize(
    ("text", "volume"),
    [
        ("/a", VolumeText("/a", "", False)),
        ("/b:/b", VolumeText("/b", "/b", False)),
        ("/c:/c:rw", VolumeText("/c", "/c", False)),
        ("/d:ro", VolumeText("/d", "", True)),
        ("/e:/f:ro", VolumeText("/f", "/e", True)),
        ("", None),
        (":ro", None),
        ("/a:/b:rx", None),
        ("/a:/b:ro:x", None),
    ],
)
def test_volumes(text: str, volume: VolumeText | None) -> None:
    assert parse_volume(text) == volume


@pytest.mark.parametrize(
    ("text", "mapping"),
    [
        ("8080:80:tcp", PortMapText(8080, 80, "tcp")),
        ("53:53:udp", PortMapText(53, 53, "udp")),
        ("8080:80", PortMapText(8080, 80, "tcp")),
        ("8080", None),
        ("http:80", None),
        ("8080:80:icmp", None),
        ("8080:65536", None),
        ("1:2:tcp:x", None),
    ],
)
def test_port_mappings(text: str, mapping: PortMapText | None) -> None:
    assert parse_port_map(text) == mapping


def test_a_parameter_is_split_at_its_first_equals_sign() -> None:
    assert parse_parameter("env=A=1") == ("env", "A=1")
    assert parse_parameter("a") is None
    assert parse_parameter("=a") is None


@pytest.mark.parametrize(
    ("uri", "base"),
    [
        ("hdfs:///test-app-1.0.0.tgz", "test-app-1"),
        ("/opt/spark.tar.gz", "spark"),
        ("spark", "spark"),
    ],
)
def test_the_directory_in_an_archive_begins_like_its_file(uri: str, base: str) -> None:
    assert archive_base(uri) == base


@pytest.mark.parametrize("uri", ["", "http://host/", "/opt/.hidden"])
def test_a_uri_that_names_no_file_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="names no file"):
        parse_archive_uri(uri)


def test_a_role_that_no_master_accepts_is_refused() -> None:
    assert [parse_role(role) for role in ("*", "eng/web")] == ["*", "eng/web"]
    for malformed in ("", "a b", "a/../b", "-a", "a/"):
        with pytest.raises(ValueError, match=r"^is no role: role"):
            parse_role(malformed)
