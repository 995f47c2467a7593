"""What an offer holds, and taking from it: scalars, GPUs and ports, with their roles.

Used by the backends that answer offers. Everything works on `remaining`, the list of what is left
of one offer, which taking changes. What is taken is a piece of the offered resource and keeps its
role and reservation; the order of the offer decides, reserved resources are not preferred.

Source: Spark's "Running Spark on Mesos" page.
"""

from __future__ import annotations

from collections.abc import Sequence

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.executors import BLOCK_MANAGER_PORT
from minimesos.values import THOUSANDTHS, thousandths

Remaining = list[mesos_pb2.Resource]

_GPUS, _PORTS = "gpus", "ports"


def amount(resources: Sequence[mesos_pb2.Resource], name: str) -> int:
    """Sum a scalar over all roles, in thousandths."""
    return sum(thousandths(each.scalar.value) for each in resources if each.name == name)


def take(remaining: Remaining, name: str, wanted: int) -> list[mesos_pb2.Resource]:
    """Move `wanted` thousandths of a scalar out of `remaining`, which must hold them."""
    taken: list[mesos_pb2.Resource] = []
    kept: list[mesos_pb2.Resource] = []
    for resource in remaining:
        have = thousandths(resource.scalar.value) if resource.name == name else 0
        piece = min(wanted, have)
        if not piece:
            kept.append(resource)
            continue
        wanted -= piece
        taken.append(_with_amount(resource, piece))
        if have > piece:
            kept.append(_with_amount(resource, have - piece))
    assert wanted == 0, f"{wanted} thousandths of {name} are missing"
    remaining[:] = kept
    return taken


def take_gpus(remaining: Remaining, most: int) -> list[mesos_pb2.Resource]:
    """Move whole GPUs out of `remaining`: all there are, but `most` of them at most."""
    gpus = max(0, min(most, amount(remaining, _GPUS) // THOUSANDTHS))
    return take(remaining, _GPUS, gpus * THOUSANDTHS)


def wanted_ports(conf: Texts) -> tuple[int, ...]:
    """Return the ports that each executor has to have; none unless the user has fixed them."""
    port = BLOCK_MANAGER_PORT.read(conf)
    return (port,) if port else ()


def has_ports(remaining: Remaining, ports: Sequence[int]) -> bool:
    """Say whether all of some ports are left."""
    return all(_holder(remaining, port) is not None for port in ports)


def take_ports(remaining: Remaining, ports: Sequence[int]) -> list[mesos_pb2.Resource]:
    """Move ports out of `remaining`, which must hold them; all other ports in it are dropped.

    So an offer has ports for one executor. Nothing happens if no ports are wanted.
    """
    taken: list[mesos_pb2.Resource] = []
    for port in ports:
        holder = _holder(remaining, port)
        assert holder is not None, f"port {port} is missing"
        resource = mesos_pb2.Resource()
        resource.CopyFrom(holder)
        del resource.ranges.range[:]
        resource.ranges.range.add(begin=port, end=port)
        taken.append(resource)
    if ports:
        remaining[:] = [each for each in remaining if each.name != _PORTS]
    return taken


def _holder(remaining: Remaining, port: int) -> mesos_pb2.Resource | None:
    for resource in remaining:
        ranges = resource.ranges.range if resource.name == _PORTS else ()
        if any(each.begin <= port <= each.end for each in ranges):
            return resource
    return None


def _with_amount(resource: mesos_pb2.Resource, amount_thousandths: int) -> mesos_pb2.Resource:
    copy = mesos_pb2.Resource()
    copy.CopyFrom(resource)
    copy.scalar.value = amount_thousandths / THOUSANDTHS
    return copy
