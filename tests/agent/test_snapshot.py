"""`/state` of an agent shows what runs and has run, under Mesos's names."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from minimesos.agent.snapshot import state_json
from minimesos.proto.mesos.v1 import mesos_pb2

from ..state_layout import AGENT_STATE, problems


def test_agent_describes_itself(bench: Any) -> None:
    state = state_json(bench.agent.state)

    assert state["id"] == "M-S0"
    assert state["pid"] == "slave(1)@10.0.0.2:5051"
    assert state["hostname"] == "node1"
    assert state["start_time"] == 1000.0
    assert state["resources"] == {"cpus": 4.0, "gpus": 0.0, "mem": 1024.0, "disk": 0.0}
    assert state["flags"]["master"] == "10.0.0.1:5050"
    assert state["frameworks"] == []
    assert state["master_hostname"] == "10.0.0.1"
    cpus, mem = state["unreserved_resources_full"]
    assert cpus == {"name": "cpus", "type": "SCALAR", "role": "*", "scalar": {"value": 4.0}}
    assert mem["scalar"] == {"value": 1024.0}


def test_every_field_has_mesoss_name_and_type(bench: Any) -> None:
    bench.running_task("t1")
    bench.acknowledge(bench.update(mesos_pb2.TASK_FAILED, message="no", healthy=True))
    bench.run_task("t2")
    bench.run_task("t3", executor=None)
    bench.run_task("t4", executor="e2", framework="G")
    bench.shutdown_framework("G")

    state = json.loads(json.dumps(state_json(bench.agent.state)))

    assert list(problems(state, AGENT_STATE)) == []
    executors = [each for framework in state["frameworks"] for each in framework["executors"]]
    lists = ("tasks", "completed_tasks", "queued_tasks")
    assert all(any(executor[name] for executor in executors) for name in lists)


def test_agent_without_an_id_shows_an_empty_one(make_bench: Callable[..., Any]) -> None:
    assert state_json(make_bench().agent.state)["id"] == ""


def test_task_moves_from_queued_to_running_to_completed(bench: Any) -> None:
    def executor() -> Any:
        ((found,),) = (f["executors"] for f in state_json(bench.agent.state)["frameworks"])
        return found

    bench.run_task("t1", executor="e1", cpus=1)
    (queued,) = executor()["queued_tasks"]
    assert (queued["id"], queued["role"], queued["executor_id"]) == ("t1", "dev", "e1")
    assert executor()["directory"].endswith(f"runs/{executor()['container']}")

    bench.subscribe()
    bench.update(mesos_pb2.TASK_RUNNING)
    (task,) = executor()["tasks"]
    assert (task["id"], task["state"]) == ("t1", "TASK_RUNNING")
    assert [status["state"] for status in task["statuses"]] == ["TASK_RUNNING"]
    assert executor()["resources"]["cpus"] == 1.5

    bench.update(mesos_pb2.TASK_FINISHED)
    (task,) = executor()["completed_tasks"]
    assert task["state"] == "TASK_FINISHED"
    assert executor()["resources"]["cpus"] == 0.5


def test_completed_framework_uses_nothing(bench: Any) -> None:
    bench.running_task("t1")
    bench.shutdown_framework()
    bench.exit_container(0)

    state = state_json(bench.agent.state)

    assert state["frameworks"] == []
    ((executor,),) = (f["completed_executors"] for f in state["completed_frameworks"])
    assert executor["resources"]["cpus"] == 0.0
    assert state["unreserved_resources_allocated"]["cpus"] == 0.0


def test_no_command_and_no_environment_is_shown_and_it_is_json(bench: Any) -> None:
    message = bench.run_message("t1", executor=None, command="echo swordfish")
    message.task.command.environment.variables.add(name="TOKEN", value="hunter2")
    bench.from_master(message)
    bench.run_task("t2", executor="e2")

    text = json.dumps(state_json(bench.agent.state))

    assert "hunter2" not in text
    assert "./run" not in text
