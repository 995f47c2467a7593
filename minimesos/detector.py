"""Where the master is: reads `--master=host:port` and the master URLs of frameworks.

Used by the flags of agents and by the scheduler drivers. Only the standalone form is known, which
always names the same master; finding the leader among several is not built yet.

Source: Mesos documentation "High-Availability Mode", the forms of a master's address.
"""

from __future__ import annotations

from minimesos.errors import InvalidValue
from minimesos.flags import PORT_MAX

DEFAULT_PORT = 5050


def master_address(text: str) -> str:
    """Return `host:port` for `host`, `host:port` or `mesos://host:port`; raises InvalidValue."""
    given = text.strip()
    if given.removeprefix("mesos://").startswith("zk://"):
        raise InvalidValue(
            f"'{text}': finding a master through ZooKeeper needs the extra 'zk', which is not "
            "available yet; give the master's host:port"
        )
    given = given.removeprefix("mesos://")
    host, colon, port = given.rpartition(":")
    if not colon:
        host, port = given, str(DEFAULT_PORT)
    if not host or any(character in host for character in "/@ "):
        raise InvalidValue(f"'{text}' is not the address of a master like 10.0.0.1:5050")
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= PORT_MAX):
        raise InvalidValue(f"'{text}': '{port}' is not a port")
    return f"{host}:{port}"
