"""Mesos's rules of paths and of JSON answers, without a socket."""

from __future__ import annotations

import json

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from minimesos.http.routing import Answer, Router, json_response


async def handler(request: web.Request, rest: str) -> Answer:
    return {}


ROUTER = Router(
    "slave(1)",
    {"/": handler, "/slave(1)/state": handler, "/slave(1)/quota": handler, "/files/read": handler},
)


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        ("/", ""),
        ("/state", ""),
        ("/state/", ""),
        ("/slave(1)/state", ""),
        ("/slave(1)/state/", ""),
        ("/files/read", ""),
        ("/quota/eng/web", "eng/web"),
    ],
)
def test_a_path_finds_its_handler_and_what_is_left_of_it(path: str, rest: str) -> None:
    assert ROUTER.find(path) == (handler, rest)


@pytest.mark.parametrize(
    "path", ["/state.json", "/slave(2)/state", "/files", "/files/../state", "/slave(1)/files/read"]
)
def test_other_paths_are_not_found(path: str) -> None:
    assert ROUTER.find(path) is None


def test_json_is_wrapped_in_the_callback_that_was_asked_for() -> None:
    request = make_mocked_request("GET", "/state?jsonp=angular.callbacks._0")
    response = json_response(request, {"a": 1})

    assert response.text == 'angular.callbacks._0({"a":1})'
    assert response.content_type == "text/javascript"


def test_plain_json_has_its_own_content_type() -> None:
    response = json_response(make_mocked_request("GET", "/state"), {"a": [1.0, "x"]})

    assert json.loads(response.text or "") == {"a": [1.0, "x"]}
    assert response.content_type == "application/json"


def test_a_callback_that_is_code_is_refused() -> None:
    request = make_mocked_request("GET", "/state?jsonp=alert(1)//")
    with pytest.raises(web.HTTPBadRequest):
        json_response(request, {})


def test_a_number_that_json_has_no_word_for_is_told_as_text() -> None:
    value: list[object] = [{"mem": float("inf")}, [float("-inf"), float("nan")], 1.5]

    response = json_response(make_mocked_request("GET", "/state"), value)

    assert response.text == '[{"mem":"Infinity"},["-Infinity","NaN"],1.5]'
