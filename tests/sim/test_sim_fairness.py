"""Nobody waits for ever and nobody waits long for the others: depths of nesting, classes that ask for different things,
actors and groups among tasks, on whatever cluster."""

from __future__ import annotations

from types import ModuleType

import pytest
from feasibility import is_possible
from hypothesis import given, settings
from hypothesis import strategies as st

from localray import sim
from localray.sim.session import running

Node = sim.SimulatedNode


def run(program: object, seed: int = 1, **options: object) -> sim.Report:
    report = sim.run(program, seed=seed, **options)  # type: ignore[arg-type]
    if report.error is not None:
        raise report.error
    return report


@pytest.mark.parametrize(("cpus", "stalled"), [(1, 0), (1, 2), (3, 1)])
def test_a_chain_without_end_keeps_out_neither_the_shallow_nor_what_the_stalled_wait_for(cpus: int, stalled: int) -> None:
    """Of tasks that all ask for the same: one chain of ever deeper ones for each CPU, some that wait for children of
    their own, some that wait for something that takes as long as all of it, and the driver's, submitted last."""
    seen = sim.Shared(links=0, done=0)

    def program(ray: ModuleType) -> None:
        import time

        @ray.remote
        def link(number: int) -> None:
            seen.links += 1
            time.sleep(0.01)
            if seen.done < 12 + stalled and number < 4000:
                link.remote(number + 1)

        @ray.remote(num_cpus=0)
        def until_the_end() -> None:
            while seen.done < 12:
                time.sleep(1)

        @ray.remote
        def waits_for_the_end() -> None:
            ray.get(until_the_end.remote())
            seen.done += 1

        @ray.remote
        def leaf() -> None:
            time.sleep(0.01)

        @ray.remote
        def with_children() -> None:
            ray.get([leaf.remote() for _ in range(3)])
            seen.done += 1

        @ray.remote
        def shallow() -> None:
            seen.done += 1

        waiting = [waits_for_the_end.remote() for _ in range(stalled)]
        time.sleep(1)
        for number in range(cpus):
            link.remote(number)
        time.sleep(1)
        mine = [task.remote() for _ in range(6) for task in (shallow, with_children)]
        before = seen.links
        ray.get(mine)
        # Each of these 30 tasks has waited for seven others for each of the three depths that had something to do, and
        # twice or four times as long for each that is stalled beyond the CPUs.
        assert seen.links - before <= 30 * 8 * 3 * 4
        ray.get(waiting)

    run(program, num_cpus=cpus, step_limit=100_000, check_invariants=False)


@pytest.mark.parametrize(("width", "depth"), [(30, 2), (8, 3)])
def test_wide_trees_of_waiting_tasks_take_few_workers(width: int, depth: int) -> None:
    """At each depth about as many tasks are begun and wait as there are CPUs, however wide the tree is."""
    cpus, seen = 2, sim.Shared(workers=0)

    def program(ray: ModuleType) -> None:
        import time

        kernel = running().host.kernel

        @ray.remote
        def branch(depth: int) -> int:
            seen.workers = max(seen.workers, len(kernel.tables.workers))
            time.sleep(0.01)
            return 1 + sum(ray.get([branch.remote(depth - 1) for _ in range(width if depth else 0)]))

        expected = sum(width**level for level in range(1, depth + 1))
        assert sum(ray.get([branch.remote(depth - 1) for _ in range(width)])) == expected

    run(program, num_cpus=cpus, check_invariants=False)
    assert seen.workers <= (depth + 1) * (cpus + 1)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(5, 15), st.sampled_from([0.01, 0.1])), min_size=2, max_size=4),
    st.integers(0, 9),
)
def test_classes_that_want_the_same_have_the_same(cpus: int, classes: list[tuple[int, float]], seed: int) -> None:
    """While several classes have tasks waiting, none has been given many more than another."""
    seen = sim.Shared(given=dict.fromkeys(range(len(classes)), 0), ahead=0)

    def program(ray: ModuleType) -> None:
        import time

        @ray.remote
        def work(number: int, took_s: float) -> None:
            given_to = seen.given
            given_to[number] += 1
            waiting = [given_to[other] for other, (count, _) in enumerate(classes) if given_to[other] < count]
            if waiting:
                seen.ahead = max(seen.ahead, given_to[number] - min(waiting))
            time.sleep(took_s)

        references = []
        for number, (count, took_s) in enumerate(classes):
            # A resource of its own makes it a class of its own.
            kind = work.options(num_cpus=1, resources={f"r{number}": 0.001})
            references += [kind.remote(number, took_s) for _ in range(count)]
        ray.get(references)

    run(program, seed, num_cpus=cpus, resources={f"r{number}": 1 for number in range(len(classes))})
    assert seen.ahead <= 2 * cpus + 2


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(2, 4), min_size=1, max_size=3),
    st.sampled_from([0.05, 0.3, 2.0, 5.0]),
    st.booleans(),
    st.integers(0, 9),
)
def test_who_asks_for_more_is_not_overtaken_for_ever(
    nodes: list[int], took_s: float, is_actor: bool, seed: int
) -> None:
    """Small tasks come without end, each CPU that is given back is enough for one of them; a task or an actor that needs
    all CPUs of the largest node at once runs all the same, and so does whatever it has kept waiting."""
    seen = sim.Shared(small=0, done=False)

    def program(ray: ModuleType) -> None:
        import time

        @ray.remote
        def small(number: int) -> None:
            seen.small += 1
            # Not all at once: there is never a moment at which everything is free.
            time.sleep(took_s * (1 + number % 3) / 2)

        @ray.remote
        class Large:
            def answer(self) -> str:
                return "large"

        @ray.remote
        def large() -> str:
            return "large"

        width = 2 * sum(nodes)
        waiting = [small.remote(number) for number in range(width)]
        if is_actor:
            wanted = Large.options(num_cpus=max(nodes)).remote().answer.remote()
        else:
            wanted = large.options(num_cpus=max(nodes)).remote()
        submitted, began_s = width, time.monotonic()
        while not ray.wait([wanted], timeout=0)[0]:
            _, waiting = ray.wait(waiting)
            waiting.append(small.remote(submitted))
            submitted += 1
            # It is kept room for after 1 s, for 1, 2, 4, ... s, and as long not: somewhere the longest task ends in time.
            assert time.monotonic() - began_s < 60
        assert ray.get(wanted) == "large"
        del wanted
        ray.get(waiting)
        assert seen.small == submitted

    run(program, seed, nodes=[Node(num_cpus=count) for count in nodes], step_limit=100_000, check_invariants=False)


@pytest.mark.parametrize("what", ["an actor stays", "a parent waits"])
def test_what_cannot_be_made_free_keeps_nobody_out_for_long(what: str) -> None:
    """Where an actor has a CPU for good, nothing is kept for a task that needs that one too. Where a task has what is
    not lent out while it waits for a child, the child is kept out for a while and then has its turn."""
    seen = sim.Shared(small=0)

    def program(ray: ModuleType) -> None:
        import time

        @ray.remote
        def small() -> None:
            seen.small += 1
            time.sleep(0.1)

        @ray.remote(num_cpus=0, resources={"special": 1})
        def parent() -> None:
            for _ in range(100):
                ray.get(small.remote())

        @ray.remote(num_cpus=1)
        class Actor:
            def ready(self) -> None:
                """It is there."""

        @ray.remote(num_cpus=2, resources={"special": 1})
        def large() -> str:
            return "large"

        began_s = time.monotonic()
        if what == "an actor stays":
            actor = Actor.remote()
            ray.get(actor.ready.remote())
            wanted = large.remote()
            for _ in range(100):
                ray.get(small.remote())
            # A hundred of them take ten seconds: none has waited for the impossible.
            assert time.monotonic() - began_s < 11
            ray.kill(actor)
        else:
            first = parent.remote()
            time.sleep(0.05)
            wanted = large.remote()
            ray.get(first)
            # Half of the time nothing is kept, so that it takes twice as long, and what was begun is waited for.
            assert time.monotonic() - began_s < 40
        assert ray.get(wanted) == "large"
        assert seen.small == 100

    run(program, num_cpus=2, resources={"special": 1}, step_limit=100_000, check_invariants=False)


clusters = st.lists(
    st.builds(Node, num_cpus=st.integers(0, 3), num_gpus=st.integers(0, 2)), min_size=1, max_size=4
).filter(lambda nodes: any(node.num_cpus for node in nodes))
tasks = st.tuples(
    st.just("task"), st.sampled_from([0, 0.5, 1, 2, 3]), st.sampled_from([0, 0, 0.5, 1]), st.sampled_from([0.0, 0.01, 1.0])
)
actors = st.tuples(st.just("actor"), st.sampled_from([0, 1, 2]), st.sampled_from([0, 0, 1]), st.integers(1, 3))
groups = st.tuples(
    st.just("group"),
    st.sampled_from(["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"]),
    st.lists(st.sampled_from([{"CPU": 1}, {"CPU": 2}, {"GPU": 1}, {"CPU": 1, "GPU": 0.5}]), min_size=1, max_size=3),
)


@settings(max_examples=30, deadline=None)
@given(clusters, st.lists(st.one_of(tasks, tasks, actors, groups), min_size=1, max_size=14), st.integers(0, 9))
def test_tasks_actors_and_groups_all_have_their_turn_and_all_comes_back(
    nodes: list[sim.SimulatedNode], work: list[tuple[object, ...]], seed: int
) -> None:
    """The kernel's invariants, checked after every step, say that nothing is oversubscribed and that a group has all of
    its bundles or none."""

    def could(cpus: float, gpus: float) -> bool:
        return any(node.num_cpus >= cpus and node.num_gpus >= gpus for node in nodes)

    def program(ray: ModuleType) -> None:
        import time

        @ray.remote
        class Actor:
            def answer(self, number: int) -> int:
                return number

        @ray.remote
        def spend(took_s: float) -> str:
            time.sleep(took_s)
            return "spent"

        total = ray.cluster_resources()
        references, asked, wanted, shapes = [], [], [], []
        for kind, *row in work:
            if kind == "task" and could(row[0], row[1]):  # type: ignore[arg-type]
                references.append(spend.options(num_cpus=row[0], num_gpus=row[1]).remote(row[2]))
            elif kind == "actor" and could(row[0], row[1]):  # type: ignore[arg-type]
                # It holds what it has until its handle is gone: nobody waits for two of them at once.
                actor = Actor.options(num_cpus=row[0], num_gpus=row[1]).remote()
                asked.append([actor.answer.remote(number) for number in range(row[2])])  # type: ignore[call-overload]
                del actor
            elif kind == "group":
                shapes.append((str(row[0]), row[1]))
                wanted.append(ray.util.placement_group(row[1], strategy=row[0]))
        # Every group is there some time, all of it, where there is any way to place it.
        waiting = {group.ready(): (group, shape) for group, shape in zip(wanted, shapes, strict=True)}
        while waiting:
            ready, _ = ray.wait(list(waiting), timeout=60)
            if not ready:
                break
            ray.util.remove_placement_group(waiting.pop(ready[0])[0])
        for group, (strategy, bundles) in waiting.values():
            assert not is_possible(strategy, bundles, nodes)
            ray.util.remove_placement_group(group)
        waiting.clear()
        assert ray.get(references) == ["spent"] * len(references)
        assert [ray.get(answers) for answers in asked] == [list(range(len(answers))) for answers in asked]
        del references, asked
        deadline_s = time.monotonic() + 60
        while ray.available_resources() != total:
            assert time.monotonic() < deadline_s, f"{ray.available_resources()} of {total} came back"
            time.sleep(0.01)

    run(program, seed, nodes=nodes, step_limit=50_000)
