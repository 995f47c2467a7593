"""What programs read of a real master and agent: under every path that Mesos's clients use."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from minimesos.testing.processes import ProcessCluster

from ..state_layout import (
    AGENT_STATE,
    BUILD,
    MASTER_STATE,
    ROLES,
    SLAVES,
    SUMMARY,
    VERSION,
    problems,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def cluster() -> Iterator[ProcessCluster]:
    with ProcessCluster(agents=1, agent_flags=["--attributes=rack:r1;speed:2.5"]) as running:
        yield running


def get(address: str, path: str) -> tuple[str, str]:
    """Return the content type and the text."""
    with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
        return answer.headers.get_content_type(), answer.read().decode()


def agent_address(cluster: ProcessCluster) -> str:
    (agent,) = json.loads(get(cluster.address, "/state")[1])["slaves"]
    return f"127.0.0.1:{agent['pid'].rpartition(':')[2]}"


@pytest.mark.parametrize("form", ["/{}", "/{}/", "/master/{}", "/master/{}/"])
@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("state", MASTER_STATE | BUILD),
        ("state-summary", SUMMARY),
        ("slaves", SLAVES),
        ("roles", ROLES),
    ],
)
def test_a_master_answers_in_mesoss_layout(
    cluster: ProcessCluster, form: str, name: str, layout: Any
) -> None:
    kind, text = get(cluster.address, form.format(name))

    assert kind == "application/json"
    assert list(problems(json.loads(text), layout)) == []


@pytest.mark.parametrize("path", ["/state", "/slave(1)/state", "/slave%281%29/state/"])
def test_an_agent_answers_in_mesoss_layout(cluster: ProcessCluster, path: str) -> None:
    state = json.loads(get(agent_address(cluster), path)[1])

    assert list(problems(state, AGENT_STATE | BUILD)) == []
    assert state["attributes"] == {"rack": "r1", "speed": 2.5}


@pytest.mark.parametrize("path", ["/master/state", "/roles", "/master/slaves/", "/version"])
def test_jsonp_wraps_the_same_json_in_a_call(cluster: ProcessCluster, path: str) -> None:
    kind, text = get(cluster.address, f"{path}?jsonp=angular.callbacks._7")

    assert kind == "text/javascript"
    call = re.fullmatch(r"angular\.callbacks\._7\((.*)\)", text)
    assert call is not None
    assert json.loads(call[1]).keys() == json.loads(get(cluster.address, path)[1]).keys()


def test_the_version_is_dotted_integers(cluster: ProcessCluster) -> None:
    version = json.loads(get(cluster.address, "/version")[1])

    assert list(problems(version, VERSION)) == []
    assert re.fullmatch(r"\d+\.\d+\.\d+", version["version"])
