"""`/metrics/snapshot` and `/system/stats.json`: flat numbers for dashboards.

Computed, when asked, from the same state that `/state` shows. So counters of ended tasks count what
is still remembered; they fall when the history is full.

Source: Mesos documentation "Monitoring"; names are Mesos's, with its old word slave.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from typing import Any

import psutil

Json = dict[str, Any]

_RESOURCES = ("cpus", "gpus", "mem", "disk")
_LIVE_STATES = ("staging", "starting", "running", "killing")
_ENDED_STATES = ("finished", "failed", "killed", "lost", "error", "dropped", "gone")


def system_stats() -> Json:
    """Return load and memory of this machine, as `/system/stats.json` has them."""
    load = os.getloadavg()
    memory = psutil.virtual_memory()
    return {
        "avg_load_1min": load[0],
        "avg_load_5min": load[1],
        "avg_load_15min": load[2],
        "cpus_total": psutil.cpu_count() or 1,
        "mem_total_bytes": memory.total,
        "mem_free_bytes": memory.available,
    }


def system_metrics() -> Json:
    """Return the same under their names among the metrics."""
    stats = system_stats()
    return {
        "system/cpus_total": stats["cpus_total"],
        "system/load_1min": stats["avg_load_1min"],
        "system/load_5min": stats["avg_load_5min"],
        "system/load_15min": stats["avg_load_15min"],
        "system/mem_total_bytes": stats["mem_total_bytes"],
        "system/mem_free_bytes": stats["mem_free_bytes"],
    }


def master_metrics(state: Json, now: float) -> Json:
    """Return the metrics of a master whose `/state` is `state`."""
    agents, frameworks = state["slaves"], state["frameworks"]
    everybody = frameworks + state["completed_frameworks"]
    tasks = [task for framework in everybody for task in _tasks_of(framework)]
    active = int(state["activated_slaves"])
    connected_frameworks = sum(1 for framework in frameworks if framework["connected"])
    active_frameworks = sum(1 for framework in frameworks if framework["active"])
    return {
        "master/uptime_secs": now - state["start_time"],
        "master/elected": 1,
        "master/slaves_active": active,
        "master/slaves_inactive": int(state["deactivated_slaves"]),
        "master/slaves_connected": active,
        "master/slaves_disconnected": len(agents) - active,
        "master/slaves_unreachable": int(state["unreachable_slaves"]),
        "master/frameworks_connected": connected_frameworks,
        "master/frameworks_disconnected": len(frameworks) - connected_frameworks,
        "master/frameworks_active": active_frameworks,
        "master/frameworks_inactive": len(frameworks) - active_frameworks,
        "master/outstanding_offers": sum(len(framework["offers"]) for framework in frameworks),
        **_resources(
            "master",
            _sum(agent["resources"] for agent in agents),
            _sum(agent["used_resources"] for agent in agents),
        ),
        **_task_counts("master", tasks),
        **system_metrics(),
    }


def agent_metrics(state: Json, now: float, registered: bool) -> Json:
    """Return the metrics of an agent whose `/state` is `state`."""
    everybody = state["frameworks"] + state["completed_frameworks"]
    executors = [one for framework in state["frameworks"] for one in framework["executors"]]
    ended = [one for framework in everybody for one in framework["completed_executors"]]
    tasks = [
        task for one in executors + ended for task in one["tasks"] + one.get("completed_tasks", [])
    ]
    return {
        "slave/uptime_secs": now - state["start_time"],
        "slave/registered": int(registered),
        "slave/frameworks_active": len(state["frameworks"]),
        "slave/executors_running": len(executors),
        "slave/executors_terminated": len(ended),
        **_resources(
            "slave", state["resources"], _sum(executor["resources"] for executor in executors)
        ),
        **_task_counts("slave", tasks),
        **system_metrics(),
    }


def _tasks_of(framework: Json) -> list[Json]:
    return [*framework["tasks"], *framework["unreachable_tasks"], *framework["completed_tasks"]]


def _task_counts(prefix: str, tasks: list[Json]) -> Json:
    counts = Counter(task["state"] for task in tasks)
    return {
        f"{prefix}/tasks_{name}": counts[f"TASK_{name.upper()}"]
        for name in (*_LIVE_STATES, *_ENDED_STATES, "unreachable")
    }


def _sum(amounts: Iterable[Json]) -> Json:
    total = dict.fromkeys(_RESOURCES, 0.0)
    for amount in amounts:
        for name in _RESOURCES:
            total[name] += amount.get(name, 0.0)
    return total


def _resources(prefix: str, total: Json, used: Json) -> Json:
    metrics = {}
    for name in _RESOURCES:
        metrics[f"{prefix}/{name}_total"] = total.get(name, 0.0)
        metrics[f"{prefix}/{name}_used"] = used[name]
        share = used[name] / total[name] if total.get(name) else 0.0
        metrics[f"{prefix}/{name}_percent"] = share
    return metrics
