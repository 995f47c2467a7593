"""What is not given is found; what is given is not touched, not even a zero."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from minimesos.agent.machine import machine_resources
from minimesos.resources import Resources

GB = 2**30


def found(
    monkeypatch: pytest.MonkeyPatch, given: str = "", *, memory: int = 8 * GB, disk: int = 100 * GB
) -> Resources:
    monkeypatch.setattr(psutil, "cpu_count", lambda: 6)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=memory))
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(total=disk))
    return machine_resources(given, "*", Path("/"))


def test_everything_is_found_with_a_margin_for_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = "cpus:6;mem:7168;disk:97280;ports:[31000-32000]"
    assert found(monkeypatch) == Resources.parse(expected)


def test_a_small_machine_offers_half(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = "cpus:6;mem:512;disk:4096;ports:[31000-32000]"
    assert found(monkeypatch, memory=GB, disk=8 * GB) == Resources.parse(expected)


def test_what_is_given_is_not_detected_whatever_its_role(monkeypatch: pytest.MonkeyPatch) -> None:
    given = "cpus(dev):2;mem:100;disk:0"
    expected = "cpus(dev):2;mem:100;ports:[31000-32000]"
    assert found(monkeypatch, given) == Resources.parse(expected)


def test_a_disk_that_cannot_be_asked_counts_as_ten_gigabytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert machine_resources("", "*", Path("/no/such/directory")).scalar("disk") == 10_240_000
