"""The operator endpoints of master and agent: health, version, flags, state and what follows of it.

The servers give functions that take a snapshot; the handlers here shape it as Mesos's clients
expect. The agent's `/files` are in `files`, the console's pages in `minimesos.console`.

Source: Mesos documentation "HTTP Endpoints".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

import minimesos
from minimesos.http import metrics
from minimesos.http.routing import Answer, Handler

Json = dict[str, Any]
Snapshot = Callable[[], Json]

TASKS_LIMIT = 100  # of one answer of /tasks unless the query says otherwise
_COUNTED = ("STAGING", "STARTING", "RUNNING", "KILLING", "FINISHED", "KILLED", "FAILED", "LOST",
            "ERROR", "UNREACHABLE")  # fmt: skip


def common_routes(
    process: str, flags: Mapping[str, str], state: Snapshot, numbers: Snapshot
) -> dict[str, Handler]:
    """Return what a master (`process` is "master") and an agent ("slave(1)") both serve."""

    async def health(request: web.Request, rest: str) -> Answer:
        return web.Response()

    async def version(request: web.Request, rest: str) -> Answer:
        return {"version": minimesos.__version__}

    async def show_flags(request: web.Request, rest: str) -> Answer:
        return {"flags": dict(flags)}

    async def show_state(request: web.Request, rest: str) -> Answer:
        return state()

    async def show_metrics(request: web.Request, rest: str) -> Answer:
        return numbers()

    async def stats(request: web.Request, rest: str) -> Answer:
        return metrics.system_stats()

    return {
        f"/{process}/health": health,
        f"/{process}/flags": show_flags,
        f"/{process}/state": show_state,
        "/version": version,
        "/metrics/snapshot": show_metrics,
        "/system/stats.json": stats,
    }


def master_routes(state: Snapshot, roles: Snapshot) -> dict[str, Handler]:
    """Return what only a master serves; `roles` is the answer of `/roles`."""

    async def redirect(request: web.Request, rest: str) -> Answer:
        raise web.HTTPTemporaryRedirect("//" + state()["pid"].partition("@")[2])

    async def show_roles(request: web.Request, rest: str) -> Answer:
        return roles()

    async def summary(request: web.Request, rest: str) -> Answer:
        return state_summary(state())

    async def agents(request: web.Request, rest: str) -> Answer:
        now = state()
        wanted = request.query.get("slave_id")
        return {
            "slaves": [one for one in now["slaves"] if wanted in (None, one["id"])],
            "recovered_slaves": now["recovered_slaves"],
        }

    async def frameworks(request: web.Request, rest: str) -> Answer:
        now = state()
        wanted = request.query.get("framework_id")
        kinds = ("frameworks", "completed_frameworks", "unregistered_frameworks")
        return {kind: [one for one in now[kind] if wanted in (None, one["id"])] for kind in kinds}

    async def tasks(request: web.Request, rest: str) -> Answer:
        return {"tasks": select_tasks(state(), request.query)}

    return {
        "/master/redirect": redirect,
        "/master/roles": show_roles,
        "/master/state-summary": summary,
        "/master/slaves": agents,
        "/master/frameworks": frameworks,
        "/master/tasks": tasks,
    }


def agent_routes(statistics: Callable[[], list[object]]) -> dict[str, Handler]:
    """Return what only an agent serves; `statistics` has an entry for each live container."""

    async def monitor(request: web.Request, rest: str) -> Answer:
        return [entry for entry in statistics() if "statistics" in _object(entry)]

    async def containers(request: web.Request, rest: str) -> Answer:
        query = request.query
        keys = ("container_id", "framework_id", "executor_id")
        wanted = {key: query[key] for key in keys if key in query}
        if ("container_id" in wanted and len(wanted) > 1) or set(wanted) == {"executor_id"}:
            raise web.HTTPBadRequest(
                text="Expecting container_id, or framework_id with or without executor_id."
            )
        return [entry for entry in statistics() if wanted.items() <= _object(entry).items()]

    return {"/slave(1)/monitor/statistics": monitor, "/slave(1)/containers": containers}


def _object(entry: object) -> Json:
    assert isinstance(entry, dict)
    return entry


# ---- what follows of a master's state ----------------------------------------------------------


def _tasks_of(framework: Json) -> list[Json]:
    return [*framework["tasks"], *framework["unreachable_tasks"], *framework["completed_tasks"]]


def select_tasks(state: Json, query: Mapping[str, str]) -> list[Json]:
    """Return all tasks that the query of `/tasks` asks for, in its order.

    Raises HTTPBadRequest for a limit or an offset that is no number.
    """
    limit = _integer(query, "limit", TASKS_LIMIT)
    offset = max(0, _integer(query, "offset", 0))
    found = [
        task
        for framework in state["frameworks"] + state["completed_frameworks"]
        if query.get("framework_id") in (None, framework["id"])
        for task in _tasks_of(framework)
        if query.get("task_id") in (None, task["id"])
    ]
    found.sort(
        key=lambda task: task["statuses"][0]["timestamp"] if task["statuses"] else 0.0,
        reverse=query.get("order") != "asc",
    )
    return found[offset:] if limit < 0 else found[offset : offset + limit]


def _integer(query: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(query.get(name, default))
    except ValueError:
        raise web.HTTPBadRequest(text=f"Failed to parse '{name}': not a number.") from None


def state_summary(state: Json) -> Json:
    """Return the state with task counts in place of the tasks, as `/state-summary` has it."""
    on_agent: dict[str, Counter[str]] = {}
    frameworks_on: dict[str, dict[str, None]] = {}
    frameworks = []
    for framework in state["frameworks"] + state["completed_frameworks"]:
        tasks = _tasks_of(framework)
        for task in tasks:
            on_agent.setdefault(task["slave_id"], Counter())[task["state"]] += 1
            frameworks_on.setdefault(task["slave_id"], {})[framework["id"]] = None
        if framework in state["frameworks"]:
            frameworks.append(_framework_summary(framework, tasks))
    agents = [
        {
            **agent,
            **_counts(on_agent.get(agent["id"], Counter())),
            "framework_ids": list(frameworks_on.get(agent["id"], {})),
        }
        for agent in state["slaves"]
    ]
    head: Json = {key: state[key] for key in ("hostname", "cluster") if key in state}
    return {**head, "slaves": agents, "frameworks": frameworks}


def _framework_summary(framework: Json, tasks: list[Json]) -> Json:
    keys = ("id", "name", "pid", "used_resources", "offered_resources", "capabilities", "hostname",
            "webui_url", "active", "connected", "recovered")  # fmt: skip
    return {
        **{key: framework[key] for key in keys if key in framework},
        **_counts(Counter(task["state"] for task in tasks)),
        "slave_ids": list(dict.fromkeys(task["slave_id"] for task in tasks)),
    }


def _counts(states: Counter[str]) -> Json:
    return {f"TASK_{name}": states[f"TASK_{name}"] for name in _COUNTED}
