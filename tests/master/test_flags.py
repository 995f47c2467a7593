"""The flags of the master: defaults that work, and errors that name the flag."""

from __future__ import annotations

import pytest

from minimesos.errors import InvalidFlags
from minimesos.flags import load
from minimesos.master.flags import MasterFlags


def flags(*arguments):
    return load(MasterFlags, arguments, {})[0]


def test_the_defaults_are_valid_and_mesoss():
    defaults = flags()
    assert defaults.port == 5050
    assert defaults.total_ping_timeout_s == 75
    assert defaults.agent_reregister_timeout == 600
    assert defaults.allowed_roles is None


def test_roles_and_weights_are_read():
    given = flags("--roles=prod,dev", "--weights=prod=2,dev=0.5")
    assert given.allowed_roles == {"prod", "dev", "*"}
    assert given.weight_of_role == {"prod": 2, "dev": 0.5}


@pytest.mark.parametrize(
    "argument",
    [
        "--port=65536",
        "--ip=::1",
        "--ip=master.example",
        "--advertise_ip=1.2.3",
        "--registry=etcd",
        "--allocator=random",
        "--allocation_interval=0secs",
        "--min_allocatable_resources=cpus:0.01|",
        "--offer_timeout=0secs",
        "--roles=a b",
        "--weights=a",
        "--weights=a=0",
        "--weights=a=nan",
        "--agent_ping_timeout=999ms",
        "--max_agent_ping_timeouts=0",
        "--agent_reregister_timeout=9mins",
        "--max_completed_frameworks=-1",
        "--logging_level=LOUD",
    ],
)
def test_a_bad_value_is_refused_by_name(argument):
    with pytest.raises(InvalidFlags) as refusal:
        flags(argument)
    assert argument[2:].partition("=")[0] in str(refusal.value)


def test_weights_of_roles_that_are_not_allowed_are_refused():
    with pytest.raises(InvalidFlags, match="--weights names roles that --roles does not: dev"):
        flags("--roles=prod", "--weights=dev=2")


def test_the_old_names_still_work():
    assert flags("--slave_reregister_timeout=20mins").agent_reregister_timeout == 1200
