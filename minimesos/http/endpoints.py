"""The operator endpoints of master and agent: health, version, flags, state and what follows of it.

The servers give functions that take a snapshot; the handlers here shape it as Mesos's clients
expect. The agent's `/files` are in `files`, the console's pages in `minimesos.console`.

Source: Mesos documentation "HTTP Endpoints".
"""

from __future__ import annotations

import pwd
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
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
        return {"version": minimesos.__version__, **build_facts()}

    async def show_flags(request: web.Request, rest: str) -> Answer:
        return {"flags": dict(flags)}

    async def show_state(request: web.Request, rest: str) -> Answer:
        return {**build_facts(), **state()}

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


@cache
def build_facts() -> Json:
    """Return when, and by whom, this copy of minimesos was put here: we have no other build."""
    facts = Path(minimesos.__file__).stat()
    try:
        user = pwd.getpwuid(facts.st_uid).pw_name
    except KeyError:
        user = str(facts.st_uid)
    return {
        "build_date": f"{datetime.fromtimestamp(int(facts.st_mtime), UTC):%Y-%m-%d %H:%M:%S}",
        "build_time": float(int(facts.st_mtime)),
        "build_user": user,
    }


def master_routes(state: Snapshot, roles: Snapshot, agents: Snapshot) -> dict[str, Handler]:
    """Return what only a master serves; `roles` and `agents` answer `/roles` and `/slaves`."""

    async def redirect(request: web.Request, rest: str) -> Answer:
        raise web.HTTPTemporaryRedirect("//" + state()["pid"].partition("@")[2])

    async def show_roles(request: web.Request, rest: str) -> Answer:
        return roles()

    async def summary(request: web.Request, rest: str) -> Answer:
        return state_summary(state())

    async def show_agents(request: web.Request, rest: str) -> Answer:
        now = agents()
        wanted = request.query.get("slave_id")
        return {
            kind: [one for one in now[kind] if wanted in (None, one["id"])]
            for kind in ("slaves", "recovered_slaves")
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
        "/master/slaves": show_agents,
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
    for framework in state["frameworks"]:
        for task in _tasks_of(framework):
            on_agent.setdefault(task["slave_id"], Counter())[task["state"]] += 1
            frameworks_on.setdefault(task["slave_id"], {})[framework["id"]] = None
    agents = [
        {
            **agent,
            **_counts(on_agent.get(agent["id"], Counter())),
            "framework_ids": list(frameworks_on.get(agent["id"], {})),
        }
        for agent in state["slaves"]
    ]
    head: Json = {key: state[key] for key in ("hostname", "cluster") if key in state}
    frameworks = [_framework_summary(framework) for framework in state["frameworks"]]
    return {**head, "slaves": agents, "frameworks": frameworks}


def _framework_summary(framework: Json) -> Json:
    tasks = _tasks_of(framework)
    keys = ("id", "name", "pid", "used_resources", "offered_resources", "capabilities", "hostname",
            "webui_url", "active", "connected", "recovered")  # fmt: skip
    return {
        **{key: framework[key] for key in keys if key in framework},
        **_counts(Counter(task["state"] for task in tasks)),
        "slave_ids": list(dict.fromkeys(task["slave_id"] for task in tasks)),
    }


def _counts(states: Counter[str]) -> Json:
    return {f"TASK_{name}": states[f"TASK_{name}"] for name in _COUNTED}
