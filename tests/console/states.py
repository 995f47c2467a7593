"""States of made-up masters, in the layout of `/state` and `/roles`, as large as a test wants."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

MASTER = "8f1c0e3a-5f5e-4a53-9d3a-0b7d4c2f9e11"
NOW = 1_700_000_000.0
"""When these states are from; pages are shown as seen a minute later."""


def amounts(cpus: float = 0, mem: float = 0, disk: float = 0, gpus: float = 0) -> Json:
    return {"cpus": cpus, "gpus": gpus, "mem": mem, "disk": disk}


def plus(*given: Json) -> Json:
    return {name: sum(each[name] for each in given) for name in amounts()}


def agent(number: int, total: Json | None = None, **fields: Any) -> Json:
    return {
        "id": f"{MASTER}-S{number}",
        "hostname": f"node{number}",
        "port": 5051,
        "pid": f"slave(1)@10.0.0.{number}:5051",
        "attributes": {"rack": f"r{number % 4}"},
        "registered_time": NOW - 86400 - number,
        "resources": total or amounts(8, 16384, 100_000),
        "used_resources": amounts(),
        "offered_resources": amounts(),
        "unreserved_resources": total or amounts(8, 16384, 100_000),
        "reserved_resources": {},
        "active": True,
        "deactivated": False,
        "version": "0.1.0",
        "capabilities": [],
        **fields,
    }


def status(state: str, at: float, **fields: Any) -> Json:
    return {"state": state, "timestamp": at, **fields}


def task(id: str, on: Json, state: str = "TASK_RUNNING", **fields: Any) -> Json:
    ended = state not in ("TASK_RUNNING", "TASK_STAGING", "TASK_STARTING", "TASK_KILLING")
    statuses = [status("TASK_RUNNING", NOW - 300)]
    if ended:
        told = {name: fields.pop(name) for name in ("reason", "message") if name in fields}
        statuses.append(status(state, NOW - 100, **told))
    return {
        "id": id,
        "name": id,
        "framework_id": "",  # `framework` fills it in
        "executor_id": "",
        "slave_id": on["id"],
        "state": state,
        "resources": amounts(1, 512),
        "role": "*",
        "statuses": statuses,
        **fields,
    }


def framework(number: int, name: str, role: str = "*", **lists: Any) -> Json:
    """Return a framework with `tasks`, `offers`, ...; its sums follow of them."""
    id = f"{MASTER}-{number:04}"
    entry: Json = {
        "id": id,
        "name": name,
        "user": "ada",
        "hostname": "driver1",
        "webui_url": "",
        "role": role,
        "active": True,
        "connected": True,
        "recovered": False,
        "checkpoint": False,
        "failover_timeout": 0.0,
        "registered_time": NOW - 600 - number,
        "unregistered_time": 0.0,
        "capabilities": [],
        "tasks": [],
        "unreachable_tasks": [],
        "completed_tasks": [],
        "offers": [],
        "executors": [],
        "offer_constraints": {},
        **lists,
    }
    for key in ("tasks", "unreachable_tasks", "completed_tasks", "offers", "executors"):
        for each in entry[key]:
            each["framework_id"] = id
    for each in entry["tasks"] + entry["unreachable_tasks"] + entry["completed_tasks"]:
        each["role"] = role
    for each in entry["offers"]:
        each["allocation_info"] = {"role": role}
    entry["used_resources"] = plus(
        amounts(), *(each["resources"] for each in entry["tasks"] + entry["executors"])
    )
    entry["offered_resources"] = plus(amounts(), *(offer["resources"] for offer in entry["offers"]))
    entry["resources"] = plus(entry["used_resources"], entry["offered_resources"])
    return entry


def executor(id: str, on: Json, **fields: Any) -> Json:
    return {
        "executor_id": id,
        "name": f"{id}'s name",
        "framework_id": "",
        "slave_id": on["id"],
        "command": {"shell": True, "value": "run", "argv": [], "uris": []},
        "resources": amounts(0.1, 32),
        "role": "*",
        **fields,
    }


def offer(number: int, on: Json, resources: Json) -> Json:
    return {
        "id": f"{MASTER}-O{number}",
        "framework_id": "",
        "slave_id": on["id"],
        "resources": resources,
    }


def state(agents: list[Json], frameworks: list[Json], completed: list[Json] | None = None) -> Json:
    """Return a master's state; what agents have in use follows of the frameworks."""
    by_id = {each["id"]: each for each in agents}
    for owner in frameworks:
        for kind, key in (
            ("tasks", "used_resources"),
            ("executors", "used_resources"),
            ("offers", "offered_resources"),
        ):
            for each in owner[kind]:
                on = by_id.get(each["slave_id"])
                if on is not None:
                    on[key] = plus(on[key], each["resources"])
    active = sum(each["active"] for each in agents)
    return {
        "version": "0.1.0",
        "build_date": "2023-11-14 22:13:20",
        "build_time": NOW,
        "build_user": "ada",
        "start_time": NOW - 90_000,
        "elected_time": NOW - 90_000,
        "id": MASTER,
        "pid": "master@10.0.0.100:5050",
        "hostname": "control",
        "capabilities": [],
        "activated_slaves": float(active),
        "deactivated_slaves": float(len(agents) - active),
        "unreachable_slaves": 0.0,
        "leader": "master@10.0.0.100:5050",
        "cluster": "lab",
        "flags": {},
        "slaves": agents,
        "recovered_slaves": [],
        "frameworks": frameworks,
        "completed_frameworks": completed or [],
        "orphan_tasks": [],
        "unregistered_frameworks": [],
    }


def roles(state: Json, weights: dict[str, float] | None = None) -> Json:
    """Return the answer of `/roles` that goes with a state."""
    weights = weights or {}
    names = {each["role"] for each in state["frameworks"]} | set(weights) | {"*"}
    names |= {name.partition("/")[0] for name in names}
    entries = []
    for name in sorted(names):
        mine = [
            each
            for each in state["frameworks"]
            if each["role"] == name or each["role"].startswith(f"{name}/")
        ]
        sums = {
            key: plus(amounts(), *(each[from_key] for each in mine))
            for key, from_key in (
                ("resources", "resources"),
                ("allocated", "used_resources"),
                ("offered", "offered_resources"),
            )
        }
        entries.append(
            {
                "name": name,
                "weight": weights.get(name, 1.0),
                "quota": {"role": name, "guarantee": {}, "limit": {}, "consumed": {}},
                **sums,
                "reserved": {},
                "frameworks": [each["id"] for each in mine if each["role"] == name],
            }
        )
    return {"roles": entries}


TRACEBACK = """Traceback (most recent call last):
  File "/srv/jobs/nightly.py", line 88, in <module>
    main()
  File "/srv/jobs/nightly.py", line 61, in main
    rows = load(table)
ValueError: table 'events' has no column 'user_id'"""


def busy(agents: int = 20, tasks: int = 60) -> Json:
    """Return a cluster at work: three frameworks of two roles, failures, an offer."""
    nodes = [agent(number) for number in range(agents)]
    if agents > 4:
        nodes[3]["active"] = False
        nodes[4]["resources"] = amounts(16, 65536, 400_000, 4)

    def on(number: int) -> Json:
        return nodes[number % agents]

    third = tasks // 3
    spark = framework(
        1, "nightly report", "analytics",
        webui_url="http://driver1:4040",
        tasks=[
            task(str(n), on(n), resources=amounts(2, 2048), executor_id=f"exec-{n % agents}")
            for n in range(third)
        ],
        executors=[
            executor(f"exec-{n}", on(n), role="analytics") for n in range(min(third, agents))
        ],
        completed_tasks=[
            task(
                "900", on(2), "TASK_FAILED", executor_id="exec-2",
                reason="REASON_CONTAINER_LIMITATION_MEMORY",
                message="Memory limit exceeded: peak 2.3 GB, limit 2 GB",
            ),
            task("901", on(5), "TASK_FAILED", reason="REASON_COMMAND_EXECUTOR_FAILED",
                 message=TRACEBACK),
            *(task(f"done-{n}", on(n), "TASK_FINISHED") for n in range(third)),
        ],
    )  # fmt: skip
    services = framework(
        2, "services", "web/frontend",
        tasks=[task(f"web-{n}", on(n + 7), resources=amounts(0.5, 256)) for n in range(third)],
        unreachable_tasks=[task("web-lost", agent(99), "TASK_UNREACHABLE",
                                reason="REASON_AGENT_REMOVED", message="agent is gone")],
        offers=[offer(7, on(1), amounts(3, 8192, 50_000))],
    )  # fmt: skip
    batch = framework(
        3, "batch", "analytics",
        connected=False, active=False,
        tasks=[
            task(f"batch-{n}", on(n + 11), "TASK_STAGING" if n % 5 == 0 else "TASK_RUNNING",
                 resources=amounts(1, 1024))
            for n in range(tasks - 2 * third)
        ],
    )  # fmt: skip
    ended = framework(
        0, "yesterday", "analytics", active=False, connected=False,
        unregistered_time=NOW - 3600,
        completed_tasks=[task("0", on(0), "TASK_KILLED"), task("1", on(1), "TASK_FINISHED")],
    )  # fmt: skip
    return state(nodes, [spark, services, batch], [ended])
