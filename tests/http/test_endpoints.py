"""Endpoints that follow from a state, and the shapes that Mesos's clients expect of them."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from minimesos.http import metrics
from minimesos.http.endpoints import (
    agent_routes,
    build_facts,
    common_routes,
    master_routes,
    select_tasks,
    state_summary,
)
from minimesos.http.routing import Router

from ..state_layout import VERSION, problems

Json = dict[str, Any]


def resources(cpus: float, mem: float) -> Json:
    return {"cpus": cpus, "gpus": 0.0, "mem": mem, "disk": 0.0}


def task(id: str, state: str, at: float, agent: str = "S0") -> Json:
    return {"id": id, "state": state, "slave_id": agent, "statuses": [{"timestamp": at}]}


def framework(id: str, active: bool = True, **tasks: list[Json]) -> Json:
    lists = {"tasks": [], "unreachable_tasks": [], "completed_tasks": [], **tasks}
    return {"id": id, "name": id, "active": active, "connected": active, "offers": [1], **lists}


STATE: Json = {
    "pid": "master@127.0.0.1:5050",
    "hostname": "localhost",
    "cluster": "lab",
    "start_time": 100.0,
    "activated_slaves": 1.0,
    "deactivated_slaves": 0.0,
    "unreachable_slaves": 0.0,
    "recovered_slaves": [],
    "slaves": [
        {"id": "S0", "resources": resources(4, 1024), "used_resources": resources(1, 256)},
        {"id": "S1", "resources": resources(4, 1024), "used_resources": resources(0, 0)},
    ],
    "frameworks": [
        framework("F0", tasks=[task("a", "TASK_RUNNING", 3.0)]),
        framework("F1", active=False, completed_tasks=[task("b", "TASK_LOST", 1.0, "S1")]),
    ],
    "completed_frameworks": [
        framework("F2", active=False, completed_tasks=[task("c", "TASK_FINISHED", 2.0)])
    ],
    "unregistered_frameworks": [],
}


async def ask(path: str, routes: Json) -> Any:
    request = make_mocked_request("GET", path)
    found = Router("master", routes).find(request.path)
    assert found is not None
    return await found[0](request, found[1])


MASTER = master_routes(
    lambda: STATE,
    lambda: {"roles": []},
    lambda: {"slaves": STATE["slaves"], "recovered_slaves": []},
)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({}, ["a", "c", "b"]),
        ({"order": "asc"}, ["b", "c", "a"]),
        ({"limit": "1"}, ["a"]),
        ({"limit": "-1", "offset": "1"}, ["c", "b"]),
        ({"framework_id": "F2"}, ["c"]),
        ({"task_id": "b"}, ["b"]),
        ({"framework_id": "F0", "task_id": "b"}, []),
    ],
)
def test_tasks_are_selected_and_ordered_by_the_query(query: dict[str, str], ids: list[str]) -> None:
    assert [found["id"] for found in select_tasks(STATE, query)] == ids


def test_a_limit_that_is_no_number_is_refused() -> None:
    with pytest.raises(web.HTTPBadRequest):
        select_tasks(STATE, {"limit": "many"})


def test_the_summary_counts_tasks_by_agent_and_framework_and_has_no_tasks() -> None:
    summary = state_summary(STATE)

    assert summary["cluster"] == "lab"
    assert [agent["TASK_RUNNING"] for agent in summary["slaves"]] == [1, 0]
    assert [agent["framework_ids"] for agent in summary["slaves"]] == [["F0"], ["F1"]]
    assert [one["slave_ids"] for one in summary["frameworks"]] == [["S0"], ["S1"]]
    assert summary["frameworks"][1]["TASK_LOST"] == 1
    assert "tasks" not in summary["frameworks"][0]


async def test_agents_and_frameworks_are_filtered_by_id() -> None:
    agents = await ask("/slaves?slave_id=S1", MASTER)
    frameworks = await ask("/master/frameworks/?framework_id=F2", MASTER)

    assert [agent["id"] for agent in agents["slaves"]] == ["S1"]
    assert frameworks["frameworks"] == frameworks["unregistered_frameworks"] == []
    assert [one["id"] for one in frameworks["completed_frameworks"]] == ["F2"]


async def test_redirect_names_the_leader() -> None:
    with pytest.raises(web.HTTPTemporaryRedirect) as answer:
        await ask("/redirect", MASTER)
    assert answer.value.location == "//127.0.0.1:5050"


async def test_what_both_serve_is_found_under_its_process_and_alone() -> None:
    routes = common_routes("master", {"port": "5050"}, lambda: STATE, lambda: {"x": 1})

    assert (await ask("/health", routes)).status == 200
    assert await ask("/master/flags", routes) == {"flags": {"port": "5050"}}
    assert (await ask("/state", routes)).items() >= STATE.items()
    assert await ask("/metrics/snapshot", routes) == {"x": 1}
    assert list(problems(await ask("/version", routes), VERSION)) == []
    assert (await ask("/state/", routes)).items() >= build_facts().items()
    assert (await ask("/system/stats.json", routes))["cpus_total"] >= 1


def test_metrics_of_a_master_add_up_what_its_state_shows() -> None:
    numbers = metrics.master_metrics(STATE, now=160.0)

    assert numbers["master/uptime_secs"] == 60.0
    assert numbers["master/cpus_total"] == 8.0
    assert numbers["master/cpus_percent"] == 0.125
    assert numbers["master/slaves_disconnected"] == 1
    assert numbers["master/frameworks_inactive"] == 1
    assert numbers["master/tasks_running"] == 1
    assert numbers["master/tasks_lost"] == 1
    assert all(isinstance(number, int | float) for number in numbers.values())


CONTAINERS: list[object] = [
    {"framework_id": "F0", "executor_id": "e", "container_id": "1", "statistics": {"timestamp": 1}},
    {"framework_id": "F0", "executor_id": "f", "container_id": "2"},
]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", ["1", "2"]),
        ("?container_id=2", ["2"]),
        ("?framework_id=F0&executor_id=e", ["1"]),
        ("?framework_id=F1", []),
    ],
)
async def test_containers_are_filtered(query: str, ids: list[str]) -> None:
    router = Router("slave(1)", agent_routes(lambda: CONTAINERS))
    found = router.find("/containers")
    assert found is not None
    answer = await found[0](make_mocked_request("GET", f"/containers{query}"), "")
    assert isinstance(answer, list)
    assert [one["container_id"] for one in answer if isinstance(one, dict)] == ids


async def test_statistics_leave_out_containers_that_have_none() -> None:
    handler = agent_routes(lambda: CONTAINERS)["/slave(1)/monitor/statistics"]
    assert await handler(make_mocked_request("GET", "/"), "") == CONTAINERS[:1]


async def test_an_executor_without_its_framework_is_an_unclear_question() -> None:
    handler = agent_routes(lambda: CONTAINERS)["/slave(1)/containers"]
    with pytest.raises(web.HTTPBadRequest):
        await handler(make_mocked_request("GET", "/containers?executor_id=e"), "")
