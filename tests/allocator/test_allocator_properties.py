"""Whatever happens, the allocator keeps count, gives nothing twice, and follows its seed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from minimesos.allocator.allocator import AllocatorConfig, OfferGrant, parse_alternatives
from minimesos.allocator.hierarchical import HierarchicalAllocator
from minimesos.allocator.sorter import ClusterTotal, Sorter
from minimesos.resources import Resources

ROLES = ("*", "eng", "eng/web", "sales")
STEPS = ("give", "take", "activate", "deactivate", "remove", "total", "weight")


class Story:
    """Drives an allocator by random events and keeps its own books."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.allocator = HierarchicalAllocator(AllocatorConfig(), Random(seed))
        self.totals: dict[str, Resources] = {}
        self.inactive: set[str] = set()
        self.frameworks: dict[str, tuple[str, ...]] = {}
        self.held: list[OfferGrant] = []
        self.now = 0.0
        self.transcript: list[OfferGrant] = []
        self._names = 0

    def steps(self, count: int) -> None:
        events: list[Callable[[], None]] = [
            self.add_agent, self.add_framework, self.add_framework, self.allocate, self.allocate,
            self.allocate, self.give_back, self.give_back, self.give_back, self.remove_agent,
            self.remove_framework, self.revive, self.suppress, self.toggle_agent,
        ]  # fmt: skip
        for _ in range(count):
            self.now += self.random.random()
            self.random.choice(events)()
            self.check()

    def name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    def add_agent(self) -> None:
        cpus, mem = self.random.randint(1, 8), self.random.randint(32, 999)
        total = Resources.parse(f"cpus:{cpus};mem:{mem};mem(eng):{mem};ports:[1-{cpus}]")
        name = self.name("S")
        self.allocator.add_agent(name, name, total, {})
        self.totals[name] = total

    def remove_agent(self) -> None:
        if self.totals:
            agent = self.random.choice(sorted(self.totals))
            self.allocator.remove_agent(agent)
            del self.totals[agent]
            self.inactive.discard(agent)

    def toggle_agent(self) -> None:
        for agent in sorted(self.totals)[:1]:
            if agent in self.inactive:
                self.allocator.activate_agent(agent)
                self.inactive.discard(agent)
            else:
                self.allocator.deactivate_agent(agent)
                self.inactive.add(agent)

    def add_framework(self) -> None:
        roles = tuple(self.random.sample(ROLES, self.random.randint(1, 3)))
        name = self.name("F")
        least = self.random.choice(("", "cpus:1", "cpus:2;mem:64|cpus:1"))
        minimum = dict.fromkeys(roles, parse_alternatives(least)) if least else None
        self.allocator.add_framework(name, roles, (), (), self.now, min_allocatable=minimum)
        self.frameworks[name] = roles

    def remove_framework(self) -> None:
        if self.frameworks:
            name = self.random.choice(sorted(self.frameworks))
            self.allocator.remove_framework(name)
            del self.frameworks[name]

    def revive(self) -> None:
        for name in sorted(self.frameworks)[:1]:
            self.allocator.revive(name, self.frameworks[name][:1], self.now)

    def suppress(self) -> None:
        for name in sorted(self.frameworks)[-1:]:
            self.allocator.suppress(name, self.frameworks[name][:1])

    def allocate(self) -> None:
        periodic = self.random.random() < 0.7
        granted = self.allocator.allocate(self.now, periodic=periodic)
        if (
            periodic
        ):  # it looked only at what changed, but nobody would take what it did not look at
            assert all(self.allocator.why_no_offers(name) for name in self.frameworks)
        for grant in granted:
            assert grant.agent_id not in self.inactive
            assert grant.role in self.frameworks[grant.framework_id]
        self.held += granted
        self.transcript += granted

    def give_back(self) -> None:
        if not self.held:
            return
        grant = self.held.pop(self.random.randrange(len(self.held)))
        part = grant.resources
        if self.random.random() < 0.5 and part.contains(
            one := Resources.of(cpus=1, allocated=grant.role)
        ):
            part -= one
            self.held.append(OfferGrant(grant.framework_id, grant.role, grant.agent_id, one))
        refuse = self.random.choice((None, 0, 0.1, 5, 60))
        self.allocator.recover_resources(grant.framework_id, grant.agent_id, part, refuse, self.now)

    def check(self) -> None:
        self.held = [grant for grant in self.held if grant.agent_id in self.totals]
        free = dict(self.totals)
        for grant in self.held:
            free[grant.agent_id] -= grant.resources.unallocated()  # raises if given twice
        by_role: dict[str, int] = {}
        for grant in self.held:
            by_role[grant.role] = by_role.get(grant.role, 0) + grant.resources.scalar("cpus")
        roles = self.allocator._roles
        assert {role: n for role, n in by_role.items() if n} == {
            role: n for role in roles.clients() if (n := roles.allocation(role).get("cpus", 0))
        }
        assert free == {name: a.available for name, a in self.allocator._agents.items()}


@given(st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_resources_are_conserved_and_never_given_twice(seed: int) -> None:
    Story(seed).steps(120)


@given(st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_the_same_seed_gives_the_same_grants(seed: int) -> None:
    first, second = Story(seed), Story(seed)
    first.steps(80)
    second.steps(80)
    assert first.transcript == second.transcript


@given(st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_when_all_is_given_back_nobody_holds_anything_and_all_is_offered_again(seed: int) -> None:
    story = Story(seed)
    story.steps(60)
    for grant in story.held:
        story.allocator.recover_resources(
            grant.framework_id, grant.agent_id, grant.resources, None, story.now
        )
    story.held = []
    story.check()
    for agent in sorted(story.inactive):
        story.allocator.activate_agent(agent)
    story.allocator.add_framework("all", ["eng/web"], (), (), story.now)
    granted = story.allocator.allocate(story.now, periodic=True)
    offered = dict.fromkeys(story.totals, Resources.EMPTY)
    for grant in granted:
        offered[grant.agent_id] += grant.resources.unallocated()
    assert offered == story.totals


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("a", "a/b", "a/c", "b", "b/d", "c/e/f")),
            st.integers(0, 5),
            st.integers(0, 5),
            st.sampled_from(
                ("give", "take", "activate", "deactivate", "remove", "total", "weight")
            ),
        ),
        max_size=60,
    )
)
@settings(max_examples=50, deadline=None)
def test_the_order_kept_step_by_step_is_the_order_sorted_at_the_end(
    steps: list[tuple[str, int, int, str]],
) -> None:
    total = ClusterTotal()
    total.add({"cpus": 100, "mem": 70})
    sorter = Sorter(total)
    for client, cpus, mem, step in steps:
        if step == "total":
            total.add({"cpus": cpus, "mem": mem})
        elif step == "weight":
            sorter.update_weight(client, total.dominant({"cpus": cpus + 1})[1])
        elif client not in sorter:
            sorter.add(client)
        elif step == "give":
            sorter.allocated(client, {"cpus": cpus, "mem": mem})
        elif step == "take":
            sorter.unallocated(client, dict(sorter.allocation(client)))
        else:
            getattr(sorter, step)(client)
        step_by_step = list(sorter.sort())
    if steps:
        for node in sorter._inner_nodes():
            sorter._rescale(node)
        assert list(sorter.sort()) == step_by_step
