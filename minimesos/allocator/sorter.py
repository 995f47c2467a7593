"""The DRF sorter: puts clients (roles, or the frameworks of a role) in the order of who is next.

Theory of operation. Clients are paths like `eng/web`; they form a tree. Each node has a share: the
largest of its allocated/total ratios over resource names, divided by the weight of its path.
Siblings are ordered by share, then by how often they were given something, then by path; the order
of clients is the pre-order walk. A path that is a client and has clients below it keeps its own
state in a virtual leaf named `.`.

What Mesos does and we do not: it divides doubles, so that two shares which are equal may differ in
the last bit and a tie is broken by rounding instead of by count and name. We compare exactly.
Siblings' shares are brought to a common denominator once (it changes when the cluster's total or a
weight changes), and after that a share is one integer. A change of one client moves that client and
its ancestors among their siblings, O(depth * log(siblings)), and is done when somebody next asks
for the order.

Used by `hierarchical`, once for roles and once per role for its frameworks. It knows nothing of
agents.

Source: Ghodsi et al., "Dominant Resource Fairness", NSDI 2011, section 4; tree, weights and
tie-breaks as in the sorter of Mesos 1.11.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm

from minimesos.errors import InvariantViolated

Quantities = Mapping[str, int]
"""Scalars by resource name, in thousandths."""

_VIRTUAL_LEAF = "."
_ONE = Fraction(1)
_FEW = 8
"""Children are moved one by one if they are fewer than one in so many, else sorted all together."""

Key = tuple[int, int, str, "_Node"]
"""Scaled share, allocation count, path; the node itself is never compared, for paths differ."""


class ClusterTotal:
    """The scalars of all agents, against which all sorters of a cluster measure shares.

    Names in `excluded` never dominate, nor do names of which the cluster has nothing.
    """

    def __init__(self, excluded: Collection[str] = ()) -> None:
        self.version = 0
        self._excluded = frozenset(excluded)
        self._quantities: dict[str, int] = {}
        self._scale: dict[str, int] = {}
        self._scale_version = 0

    def add(self, quantities: Quantities) -> None:
        """Count in an agent."""
        _add(self._quantities, quantities)
        self.version += 1

    def subtract(self, quantities: Quantities) -> None:
        """Count out an agent; raises InvariantViolated if it was never counted in."""
        _subtract(self._quantities, quantities)
        self.version += 1

    def quantities(self) -> Quantities:
        """Return the total by name."""
        return self._quantities

    def scale(self) -> Mapping[str, int]:
        """Return, by name, what to multiply an amount with so that ratios to the total compare."""
        if self._scale_version != self.version:
            fair = {n: total for n, total in self._quantities.items() if n not in self._excluded}
            common = lcm(*fair.values())
            self._scale = {name: common // total for name, total in fair.items()}
            self._scale_version = self.version
        return self._scale

    def dominant(self, allocated: Quantities) -> tuple[str | None, Fraction]:
        """Return the name with the largest ratio to the total and that ratio; None if all are 0."""
        ratios = (
            (Fraction(amount, self._quantities[name]), name)
            for name, amount in allocated.items()
            if name in self.scale()
        )
        share, name = max(ratios, default=(Fraction(0), None))
        return name, share


@dataclass(slots=True, eq=False)
class _Node:
    """A place in the tree; `order` has the keys of children with active leaves, sorted."""

    path: str
    parent: _Node | None
    client: str | None = None
    children: dict[str, _Node] = field(default_factory=dict)
    allocated: dict[str, int] = field(default_factory=dict)
    count: int = 0
    active: int = 0
    weight: Fraction = _ONE
    key: Key | None = None
    order: list[Key] = field(default_factory=list)
    moved: dict[str, _Node] = field(default_factory=dict)
    weight_scale: int = 1


class Sorter:
    """Keeps clients in the order of who is next; see the module for the rules."""

    def __init__(self, total: ClusterTotal) -> None:
        self._total = total
        self._total_version = total.version
        self._root = _Node(path="", parent=None)
        self._clients: dict[str, _Node] = {}
        self._weights: dict[str, Fraction] = {}
        self._touched: dict[str, _Node] = {}

    # -- clients ----------------------------------------------------------------------------------

    def add(self, client: str) -> None:
        """Add a client, inactive and with nothing."""
        if client in self._clients:
            raise InvariantViolated(f"client {client} is already in the sorter")
        node = self._root
        for part in client.split("/"):
            if node.client is not None:
                self._split(node)
            node = node.children.get(part) or self._grow(node, part)
        if node.children:
            node = self._grow(node, _VIRTUAL_LEAF)
        node.client = client
        self._clients[client] = node

    def remove(self, client: str) -> None:
        """Remove a client, and what it holds from its ancestors."""
        node = self._node(client)
        self.deactivate(client)
        if node.allocated:
            self.unallocated(client, dict(node.allocated))
        del self._clients[client]
        node.client = None
        self._prune(node)

    def __contains__(self, client: str) -> bool:
        return client in self._clients

    def __len__(self) -> int:
        return len(self._clients)

    def clients(self) -> Iterator[str]:
        """Return all clients, active or not, in no particular order."""
        return iter(self._clients)

    def activate(self, client: str) -> None:
        """Let a client take part; its allocation count is what it was."""
        node = self._node(client)
        if not node.active:
            self._count_active(node, 1)

    def deactivate(self, client: str) -> None:
        """Leave a client out of the order; what it holds still weighs on its ancestors."""
        node = self._node(client)
        if node.active:
            self._count_active(node, -1)

    @property
    def has_active(self) -> bool:
        """Whether any client takes part."""
        return self._root.active > 0

    def update_weight(self, path: str, weight: Fraction) -> None:
        """Set the weight, above zero, of a client or inner node that is there now or will be."""
        self._weights[path] = weight
        for node in self._inner_nodes():
            for child in node.children.values():
                if child.path == path:
                    child.weight = weight
                    self._rescale(node)

    # -- allocations ------------------------------------------------------------------------------

    def allocated(self, client: str, quantities: Quantities) -> None:
        """Charge a client; counts as one allocation, whatever the amount."""
        node: _Node | None = self._node(client)
        while node is not None:
            _add(node.allocated, quantities)
            node.count += 1
            self._touch(node)
            node = node.parent

    def unallocated(self, client: str, quantities: Quantities) -> None:
        """Give back; raises InvariantViolated if the client does not hold as much."""
        node: _Node | None = self._node(client)
        while node is not None:
            _subtract(node.allocated, quantities)
            self._touch(node)
            node = node.parent

    def allocation(self, client: str) -> Quantities:
        """Return what a client itself holds, without those below it."""
        return self._node(client).allocated

    def dominant(self, client: str) -> tuple[str | None, Fraction]:
        """Return the dominant resource of a client itself and its share, not divided by weight."""
        return self._total.dominant(self._node(client).allocated)

    # -- order ------------------------------------------------------------------------------------

    def sort(self) -> Iterator[str]:
        """Return the active clients, the one that is next first.

        The order is that of the call: clients may be charged while it is walked, without effect on
        the walk. It must be walked or dropped before the next call.
        """
        if self._total_version != self._total.version:
            self._total_version = self._total.version
            for node in self._inner_nodes():
                self._rescale(node)
        for node in self._touched.values():
            self._refresh(node)
        self._touched.clear()
        return self._walk(self._root)

    def _walk(self, node: _Node) -> Iterator[str]:
        for _, _, _, child in node.order:
            if child.client is not None:
                yield child.client
            else:
                yield from self._walk(child)

    def _refresh(self, node: _Node) -> None:
        """Put those children of a node that moved back in order."""
        few = len(node.moved) * _FEW < len(node.children)
        for child in node.moved.values():
            if few and child.key is not None:
                del node.order[bisect_left(node.order, child.key)]
            child.key = self._key(child, node.weight_scale) if child.active else None
            if few and child.key is not None:
                insort(node.order, child.key)
        if not few:
            keys = (child.key for child in node.children.values())
            node.order = sorted(key for key in keys if key is not None)
        node.moved.clear()

    def _key(self, node: _Node, weight_scale: int) -> Key:
        scale = self._total.scale()
        share = max((n * scale[r] for r, n in node.allocated.items() if r in scale), default=0)
        weight = node.weight
        by_weight = share * weight.denominator * (weight_scale // weight.numerator)
        return by_weight, node.count, node.path, node

    def _rescale(self, node: _Node) -> None:
        """Bring the children of a node to a common denominator anew."""
        node.weight_scale = lcm(*(child.weight.numerator for child in node.children.values()))
        node.order.clear()
        for child in node.children.values():
            child.key = None
            self._touch(child)

    def _touch(self, node: _Node) -> None:
        parent = node.parent
        if parent is not None:
            parent.moved[node.path] = node
            self._touched[parent.path] = parent

    # -- tree -------------------------------------------------------------------------------------

    def _node(self, client: str) -> _Node:
        try:
            return self._clients[client]
        except KeyError:
            raise InvariantViolated(f"client {client} is not in the sorter") from None

    def _inner_nodes(self) -> Iterator[_Node]:
        pending = [self._root]
        while pending:
            node = pending.pop()
            if node.children:
                yield node
                pending += node.children.values()

    def _grow(self, parent: _Node, part: str) -> _Node:
        path = f"{parent.path}/{part}" if parent.path else part
        node = _Node(path=path, parent=parent, weight=self._weights.get(path, _ONE))
        self._attach(parent, part, node)
        return node

    def _attach(self, parent: _Node, part: str, node: _Node) -> None:
        parent.children[part] = node
        if parent.weight_scale % node.weight.numerator:
            self._rescale(parent)
        self._touch(node)

    def _split(self, leaf: _Node) -> None:
        """Turn a leaf into an inner node, its own state in a virtual leaf below it."""
        own = self._grow(leaf, _VIRTUAL_LEAF)
        own.client, own.allocated = leaf.client, dict(leaf.allocated)
        own.count, own.active = leaf.count, leaf.active
        leaf.client = None
        self._clients[str(own.client)] = own

    def _prune(self, node: _Node) -> None:
        """Remove a leaf that is no client any more, and what it leaves behind without purpose."""
        while node.parent is not None and node.client is None and not node.children:
            parent = node.parent
            self._detach(node)
            node = parent
        if node.parent is not None and list(node.children) == [_VIRTUAL_LEAF]:
            self._join(node)

    def _join(self, node: _Node) -> None:
        """Undo `_split`: only the virtual leaf is left below an inner node.

        What the two hold is the same now; the count stays the subtree's, for counts never fall.
        """
        own = node.children[_VIRTUAL_LEAF]
        self._detach(own)
        node.client = own.client
        self._clients[str(node.client)] = node

    def _detach(self, node: _Node) -> None:
        parent = node.parent
        assert parent is not None
        del parent.children[node.path.rpartition("/")[2]]
        if node.key is not None:
            del parent.order[bisect_left(parent.order, node.key)]
            node.key = None
        parent.moved.pop(node.path, None)
        self._touched.pop(node.path, None)

    def _count_active(self, node: _Node, change: int) -> None:
        ancestor: _Node | None = node
        while ancestor is not None:
            ancestor.active += change
            self._touch(ancestor)
            ancestor = ancestor.parent


def _add(quantities: dict[str, int], more: Quantities) -> None:
    for name, amount in more.items():
        quantities[name] = quantities.get(name, 0) + amount


def _subtract(quantities: dict[str, int], less: Quantities) -> None:
    for name, amount in less.items():
        left = quantities.get(name, 0) - amount
        if left < 0:
            raise InvariantViolated(f"{name} would fall to {left} thousandths")
        if left:
            quantities[name] = left
        else:
            quantities.pop(name, None)
