"""Placement groups: reserved together or not at all, used by their names, removed with what runs in them."""

from __future__ import annotations

import os
import time
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from ..helpers import wait_until
from ..registry import NOT_SIMULATED, program

WIDGETS = {"widget": 2}


def groups_of(ray: ModuleType) -> Any:
    """The module of placement groups."""
    return import_module(f"{ray.__name__}.util.placement_group")


def within(ray: ModuleType, group: Any, index: int = -1, captures: bool | None = None) -> Any:
    """The option that puts a task or actor into a group."""
    strategies = import_module(f"{ray.__name__}.util.scheduling_strategies")
    return strategies.PlacementGroupSchedulingStrategy(group, index, captures)


def free_of(ray: ModuleType, name: str) -> float:
    """How much of a resource is free."""
    return float(ray.available_resources().get(name, 0.0))


def remove(ray: ModuleType, *groups: Any) -> None:
    """Removes groups and waits until all CPUs are free: real Ray's next program must find its session idle."""
    for group in groups:
        ray.util.remove_placement_group(group)
    wait_until(lambda: free_of(ray, "CPU") == ray.cluster_resources()["CPU"], "all CPUs are free again")


def make_placed(ray: ModuleType, **options: object) -> Any:
    """A remote function that tells what it knows of its group."""

    def placed() -> tuple[dict[str, float], str | None, bool]:
        context = ray.get_runtime_context()
        captures = context.should_capture_child_tasks_in_placement_group
        return context.get_assigned_resources(), context.get_placement_group_id(), captures

    return ray.remote(**options)(placed) if options else ray.remote(placed)


@program(num_cpus=4, resources=WIDGETS)
def a_group_takes_its_resources_at_once_and_gives_them_back(ray: ModuleType) -> None:
    """PG1, surface 6: what a group reserves is not available, and is there under names of the group's own."""
    group = ray.util.placement_group([{"CPU": 1, "widget": 1}, {"CPU": 1.5}])
    assert ray.get(group.ready(), timeout=30) == group
    assert group.wait(5) is True
    identity = group.id.hex()
    expected = {
        "CPU": 1.5,
        "widget": 1.0,
        f"CPU_group_{identity}": 2.5,
        f"CPU_group_0_{identity}": 1.0,
        f"CPU_group_1_{identity}": 1.5,
        f"widget_group_{identity}": 1.0,
        f"widget_group_0_{identity}": 1.0,
        f"bundle_group_{identity}": 2000.0,
        f"bundle_group_0_{identity}": 1000.0,
        f"bundle_group_1_{identity}": 1000.0,
    }

    def found() -> dict[str, float]:
        available = ray.available_resources()
        return {name: units for name, units in available.items() if name in expected or "_group_" in name}

    wait_until(lambda: found() == expected, "the group's resources are taken")
    total = ray.cluster_resources()
    assert (total["CPU"], total[f"CPU_group_{identity}"]) == (4.0, 2.5)
    (node,) = ray.nodes()
    assert node["Resources"]["CPU"] == 4.0 and not [name for name in node["Resources"] if identity in name]
    remove(ray, group)
    wait_until(lambda: found() == {"CPU": 4.0, "widget": 2.0}, "the group's resources are back")
    assert not [name for name in ray.cluster_resources() if identity in name]


@program(num_cpus=2)
def a_handle_tells_what_was_asked_for(ray: ModuleType) -> None:
    """PG1, surface 6: bundle_specs, bundle_count, is_empty; equality and hash by id; it travels."""
    group = ray.util.placement_group([{"CPU": 1}, {"CPU": 0.5}])
    assert group.bundle_specs == [{"CPU": 1.0}, {"CPU": 0.5}]
    assert (group.bundle_count, group.is_empty) == (2, False)
    empty = type(group).empty()
    assert empty.is_empty and empty != group and empty.wait(0) is False
    assert ray.get(empty.ready()) == empty
    known_by_id = type(group)(group.id)
    assert known_by_id == group and hash(known_by_id) == hash(group)
    assert known_by_id.bundle_specs == group.bundle_specs

    @ray.remote(num_cpus=0)
    def count(group: Any) -> int:
        return group.bundle_count

    assert ray.get(count.remote(group)) == 2
    remove(ray, group)


@program(num_cpus=2)
def a_group_without_room_waits_as_a_whole(ray: ModuleType) -> None:
    """PG1, PG2, surface 6: all or nothing; wait says False in time, get of ready() times out; room freed later is taken."""
    first = ray.util.placement_group([{"CPU": 1}])
    assert first.wait(30)
    second = ray.util.placement_group([{"CPU": 1}, {"CPU": 1}], strategy="SPREAD")
    assert second.wait(0.3) is False
    assert second.wait(0) is False and second.wait(-1) is False
    with pytest.raises(ray.exceptions.GetTimeoutError):
        ray.get(second.ready(), timeout=0.1)
    assert free_of(ray, "CPU") == 1.0
    table = ray.util.placement_group_table(second)
    assert (table["state"], table["bundles_to_node_id"]) == ("PENDING", {0: "", 1: ""})
    ray.util.remove_placement_group(first)
    assert second.wait(30) is True
    remove(ray, second)


@program(num_cpus=2)
def on_one_node_bundles_cannot_be_apart(ray: ModuleType) -> None:
    """PG2, surface 6: STRICT_SPREAD of two bundles waits on one node; the other strategies do not."""
    apart = ray.util.placement_group([{"CPU": 1}, {"CPU": 1}], strategy="STRICT_SPREAD")
    assert apart.wait(0.5) is False
    for strategy in ("PACK", "SPREAD", "STRICT_PACK"):
        group = ray.util.placement_group([{"CPU": 1}, {"CPU": 1}], strategy=strategy)
        assert group.wait(30), strategy
        assert ray.util.placement_group_table(group)["strategy"] == strategy
        remove(ray, group)
    remove(ray, apart)


@program(num_cpus=4, resources=WIDGETS, num_gpus=2)
def tasks_run_within_their_bundle(ray: ModuleType) -> None:
    """PG4, surface 6: index -1 is any bundle, others are that bundle; the context tells the group and plain resources."""
    group = ray.util.placement_group([{"CPU": 1, "widget": 1}, {"CPU": 1.5, "GPU": 1}])
    placed = make_placed(ray)
    identity = group.id.hex()

    def run(index: int = -1, **options: object) -> object:
        return ray.get(placed.options(scheduling_strategy=within(ray, group, index), **options).remote(), timeout=30)

    assert run() == ({"CPU": 1.0}, identity, False)
    assert run(0, num_cpus=0.5, resources={"widget": 0.5}) == ({"CPU": 0.5, "widget": 0.5}, identity, False)
    assert run(1, num_gpus=0.5) == ({"CPU": 1.0, "GPU": 0.5}, identity, False)
    assert run(num_cpus=0) == ({}, identity, False)
    assert ray.get(placed.remote()) == ({"CPU": 1.0}, None, False)
    outside = ray.get_runtime_context()
    assert outside.get_placement_group_id() is None
    assert outside.should_capture_child_tasks_in_placement_group is False
    assert ray.util.get_current_placement_group() is None
    remove(ray, group)


@program(num_cpus=4, num_gpus=2)
def the_devices_of_a_bundle_are_its_tasks_devices(ray: ModuleType) -> None:
    """PG4, surface 6: each GPU is in one bundle; tasks get those of their bundle."""
    group = ray.util.placement_group([{"CPU": 1, "GPU": 1}, {"CPU": 1, "GPU": 1}])

    @ray.remote(num_gpus=1)
    def devices() -> list[int]:
        return list(ray.get_gpu_ids())

    found = [
        ray.get(devices.options(scheduling_strategy=within(ray, group, index)).remote(), timeout=30)
        for index in (0, 1, 0, 1)
    ]
    assert found[0] == found[2] and found[1] == found[3]
    assert sorted(str(device) for each in found[:2] for device in each) == ["0", "1"]
    remove(ray, group)


@program(num_cpus=4)
def a_bundle_is_a_limit(ray: ModuleType) -> None:
    """PG4, surface 6: what does not fit into its bundle waits, though the node has CPUs and the group another bundle."""
    group = ray.util.placement_group([{"CPU": 1}, {"CPU": 1}])
    placed = make_placed(ray)

    @ray.remote(num_cpus=1)
    class Holder:
        def ready(self) -> bool:
            return True

    holder = Holder.options(scheduling_strategy=within(ray, group, 0)).remote()
    assert ray.get(holder.ready.remote(), timeout=30)
    behind = placed.options(scheduling_strategy=within(ray, group, 0)).remote()
    beside = placed.options(scheduling_strategy=within(ray, group, 1)).remote()
    anywhere = placed.options(scheduling_strategy=within(ray, group)).remote()
    ray.get([beside, anywhere], timeout=30)
    assert ray.wait([behind], timeout=0.2)[0] == []
    ray.kill(holder)
    assert ray.get(behind, timeout=30)[1] == group.id.hex()
    remove(ray, group)


@program(num_cpus=4)
def actors_in_a_group(ray: ModuleType) -> None:
    """PG4, surface 6: a default actor holds nothing of its bundle, one with CPUs holds them for life."""
    group = ray.util.placement_group([{"CPU": 2}])

    @ray.remote
    class Placed:
        def where(self) -> tuple[dict[str, float], str | None]:
            context = ray.get_runtime_context()
            return context.get_assigned_resources(), context.get_placement_group_id()

    identity = group.id.hex()
    option = within(ray, group)
    plain = Placed.options(scheduling_strategy=option).remote()
    assert ray.get(plain.where.remote(), timeout=30) == ({}, identity)
    owner = Placed.options(scheduling_strategy=option, num_cpus=1).remote()
    assert ray.get(owner.where.remote(), timeout=30) == ({"CPU": 1.0}, identity)
    wait_until(lambda: free_of(ray, f"CPU_group_{identity}") == 1.0, "the actor holds one of the group's CPUs")
    ray.kill(owner)
    wait_until(lambda: free_of(ray, f"CPU_group_{identity}") == 2.0, "it is back with the group")
    del plain
    remove(ray, group)


@program(num_cpus=4)
def children_are_captured_when_asked(ray: ModuleType) -> None:
    """PG5, surface 6: a child runs in its parent's group only with placement_group_capture_child_tasks, and so on downwards."""
    group = ray.util.placement_group([{"CPU": 2}])
    placed = make_placed(ray)

    @ray.remote(num_cpus=1)
    def parent(child: Any) -> Any:
        return ray.get(child.remote())

    @ray.remote(num_cpus=1)
    class Parent:
        def ask(self, child: Any) -> Any:
            return ray.get(child.remote())

    identity = group.id.hex()

    def ask(captures: bool | None) -> Any:
        option = within(ray, group, -1, captures)
        actor = Parent.options(scheduling_strategy=option).remote()
        by_actor = ray.get(actor.ask.remote(placed), timeout=30)[1:]
        ray.kill(actor)
        return by_actor, ray.get(parent.options(scheduling_strategy=option).remote(placed), timeout=30)[1:]

    assert ask(True) == ((identity, True), (identity, True))
    assert ask(None) == ((None, False), (None, False))
    # One and the same function, asked from within and from without, in one process.
    assert ray.get(placed.remote())[1] is None
    remove(ray, group)


@program(num_cpus=4)
def a_captured_child_can_leave_its_group(ray: ModuleType) -> None:
    """PG5, surface 6: a strategy of its own, or a group of None, takes a child out."""
    group = ray.util.placement_group([{"CPU": 2}])
    placed = make_placed(ray)
    inside = within(ray, group, 0, True)
    without = within(ray, None)

    @ray.remote(num_cpus=1)
    def parent(*options: Any) -> list[Any]:
        function = ray.remote(placed._function)
        children = [function.remote(), *(function.options(scheduling_strategy=each).remote() for each in options)]
        current = ray.util.get_current_placement_group()
        return [current.id.hex(), *(each[1] for each in ray.get(children))]

    found = ray.get(parent.options(scheduling_strategy=inside).remote("DEFAULT", without), timeout=30)
    assert found == [group.id.hex(), group.id.hex(), None, None]
    remove(ray, group)


@program(num_cpus=4)
def removal_ends_what_runs_and_what_waits(ray: ModuleType) -> None:
    """PG6, surface 6: running task without retries: WorkerCrashedError; waiting: TaskPlacementGroupRemoved; actors die."""
    group = ray.util.placement_group([{"CPU": 1}, {"CPU": 1}, {"CPU": 1}])
    assert group.wait(30)

    @ray.remote(max_retries=0)
    def sleep() -> None:
        time.sleep(1000)

    @ray.remote
    class Sleeper:
        def sleep(self) -> None:
            time.sleep(1000)

        def ready(self) -> bool:
            return True

    running = sleep.options(scheduling_strategy=within(ray, group, 0)).remote()
    waiting = sleep.options(scheduling_strategy=within(ray, group, 0)).remote()
    actor = Sleeper.options(scheduling_strategy=within(ray, group, 1), num_cpus=1).remote()
    assert ray.get(actor.ready.remote(), timeout=30)
    called = actor.sleep.remote()
    unplaced = Sleeper.options(scheduling_strategy=within(ray, group, 1), num_cpus=1).remote()
    asked = unplaced.ready.remote()
    used = f"CPU_group_{group.id.hex()}"
    wait_until(lambda: free_of(ray, used) == 1.0, "the task and the actor hold their bundles")
    remove(ray, group)
    with pytest.raises(ray.exceptions.WorkerCrashedError):
        ray.get(running, timeout=30)
    with pytest.raises(ray.exceptions.TaskPlacementGroupRemoved):
        ray.get(waiting, timeout=30)
    for call in (called, actor.ready.remote()):
        with pytest.raises(ray.exceptions.ActorDiedError, match="placement group"):
            ray.get(call, timeout=30)
    with pytest.raises(ray.exceptions.ActorUnschedulableError, match="associated placement group was removed"):
        ray.get(asked, timeout=30)


@program(num_cpus=2)
def a_removed_group_is_known_as_such(ray: ModuleType) -> None:
    """PG6, surface 6: removal twice is fine; the table tells; ready() and wait() raise, a name is free again."""
    group = ray.util.placement_group([{"CPU": 1}], name="short-lived")
    before = group.ready()
    assert ray.get(before, timeout=30) == group
    remove(ray, group, group)
    assert ray.util.placement_group_table(group)["state"] == "REMOVED"
    assert ray.util.placement_group_table()[group.id.hex()]["state"] == "REMOVED"
    assert ray.get(before) == group
    with pytest.raises(ray.exceptions.TaskPlacementGroupRemoved):
        ray.get(group.ready(), timeout=30)
    with pytest.raises(Exception, match="does not exist"):
        group.wait(5)
    with pytest.raises(ValueError, match="Failed to look up placement group with name: short-lived"):
        ray.util.get_placement_group("short-lived")
    pending = ray.util.placement_group([{"CPU": 100}])
    ready = pending.ready()
    ray.util.remove_placement_group(pending)
    with pytest.raises(ray.exceptions.TaskPlacementGroupRemoved):
        ray.get(ready, timeout=30)


@program(num_cpus=2)
def groups_have_names(ray: ModuleType) -> None:
    """PG7, surface 6: found by name with all they are; a taken name is refused; a missing or empty one is a ValueError."""
    group = ray.util.placement_group([{"CPU": 1}], name="g")
    found = ray.util.get_placement_group("g")
    assert found == group and found.bundle_specs == [{"CPU": 1.0}]
    with pytest.raises(ray.exceptions.RaySystemError, match="because name 'g' already exists"):
        ray.util.placement_group([{"CPU": 1}], name="g")
    with pytest.raises(ValueError, match="Failed to look up placement group with name: missing"):
        ray.util.get_placement_group("missing")
    with pytest.raises(ValueError, match="non-empty"):
        ray.util.get_placement_group("")
    ray.util.remove_placement_group(group)
    again = ray.util.placement_group([{"CPU": 1}], name="g", lifetime="detached")
    assert again.wait(30)
    remove(ray, again)


@program(num_cpus=2)
def the_table_describes_a_group(ray: ModuleType) -> None:
    """PG7, surface 6: id, name, bundles, nodes, strategy, state and figures."""
    group = ray.util.placement_group([{"CPU": 1}, {"CPU": 0.5}], name="described")
    assert group.wait(30)
    table = ray.util.placement_group_table(group)
    node_id = ray.get_runtime_context().get_node_id()
    stats = table.pop("stats")
    assert table == {
        "placement_group_id": group.id.hex(),
        "name": "described",
        "bundles": {0: {"CPU": 1.0}, 1: {"CPU": 0.5}},
        "bundles_to_node_id": {0: node_id, 1: node_id},
        "strategy": "PACK",
        "state": "CREATED",
    }
    assert (stats["scheduling_attempt"], stats["scheduling_state"]) == (1, "FINISHED")
    assert set(stats) == {
        "end_to_end_creation_latency_ms",
        "scheduling_latency_ms",
        "scheduling_attempt",
        "highest_retry_delay_ms",
        "scheduling_state",
    }
    assert ray.util.placement_group_table(type(group).empty()) == {}
    remove(ray, group)


@program(num_cpus=2)
def wrong_groups_are_refused(ray: ModuleType) -> None:
    """PG3, surface 6: bundles, strategy, lifetime, target and labels are checked at once."""
    one = [{"CPU": 1}]
    cases: list[tuple[str, Any, dict[str, Any]]] = [
        ("Got empty list instead", [], {}),
        ("must be a list, got <class 'dict'>", {"CPU": 1}, {}),
        ("empty dictionary or resources with only 0 values", [{}], {}),
        ("empty dictionary or resources with only 0 values", [{"CPU": 0}], {}),
        ("non-empty list of resource dictionaries", [{"CPU": "1"}], {}),
        ("non-empty list of resource dictionaries", [{1: 1}], {}),
        ("Invalid placement group strategy FOO", one, {"strategy": "FOO"}),
        ("`None` or 'detached'. Got forever", one, {"lifetime": "forever"}),
        ("only works with STRICT_PACK but got PACK", one, {"_soft_target_node_id": "ab"}),
        ("Invalid hex ID", one, {"_soft_target_node_id": "ff" * 28, "strategy": "STRICT_PACK"}),
        ("should equal the length of `bundles`", one, {"bundle_label_selector": []}),
        ("list of string dictionary", one, {"bundle_label_selector": [{"zone": 1}]}),
        ("cannot both be specified", one, {"strategy": "PACK", "topology_strategy": {}}),
        ("only 'STRICT_PACK' is supported", one, {"topology_strategy": {"rack": "SPREAD"}}),
    ]
    for match, bundles, options in cases:
        with pytest.raises(ValueError, match=match):
            ray.util.placement_group(bundles, **options)
    with pytest.raises(ray.exceptions.RaySystemError, match="bundle is a system reserved resource"):
        ray.util.placement_group([{"bundle": 1}])
    with pytest.raises(TypeError):
        ray.util.placement_group(one).wait("soon")
    for identity in ray.util.placement_group_table():
        groups = groups_of(ray)
        ray.util.remove_placement_group(groups.PlacementGroup(ray.PlacementGroupID.from_hex(identity)))
    wait_until(lambda: free_of(ray, "CPU") == 2.0, "all CPUs are free again")


@program(num_cpus=4, resources=WIDGETS)
def what_fits_no_bundle_is_refused_at_submission(ray: ModuleType) -> None:
    """PG3, surface 6: index out of range, demand larger than every bundle, default actor without a bundle that has a CPU."""
    group = ray.util.placement_group([{"CPU": 1, "widget": 1}, {"CPU": 1.5}])
    widget_only = ray.util.placement_group([{"widget": 1}])
    placed = make_placed(ray)

    @ray.remote
    class Actor:
        pass

    def refused(match: str, target: Any, strategy: Any, **options: object) -> None:
        with pytest.raises(ValueError, match=match):
            target.options(scheduling_strategy=strategy, **options).remote()

    refused("bundle index 2 is invalid. Valid placement group indexes: 0-2", placed, within(ray, group, 2))
    refused("bundle index -2 is invalid", placed, within(ray, group, -2))
    refused("the value of bundle index must be -1", placed, within(ray, None, 1))
    refused("resource request {'CPU': 2} cannot fit into any bundles", placed, within(ray, group), num_cpus=2)
    refused("Cannot schedule .*Actor with the placement group", Actor, within(ray, group), num_cpus=2)
    refused("the actor requires 1 CPU for creation", Actor, within(ray, widget_only))
    with pytest.raises(AssertionError):
        placed.options(scheduling_strategy=within(ray, "x")).remote()
    assert ray.get(placed.options(scheduling_strategy=within(ray, None)).remote())[1] is None
    remove(ray, group, widget_only)


@program(num_cpus=2)
def the_older_options_still_work(ray: ModuleType) -> None:
    """Surface 6: Surface: placement_group= and its companions, deprecated; not beside scheduling_strategy."""
    group = ray.util.placement_group([{"CPU": 1}])
    placed = make_placed(ray)
    with pytest.warns(DeprecationWarning, match="placement_group parameter is deprecated"):
        found = placed.options(placement_group=group, placement_group_bundle_index=0).remote()
    assert ray.get(found, timeout=30)[1] == group.id.hex()
    with pytest.raises(ValueError, match="via the scheduling_strategy option"):
        placed.options(placement_group=group, scheduling_strategy="SPREAD")
    with pytest.raises(ValueError, match="the value of bundle index must be -1"):
        placed.options(placement_group_bundle_index=0).remote()
    with pytest.raises(AssertionError):
        placed.options(placement_group="x").remote()
    remove(ray, group)


@program(num_cpus=1)
def a_task_can_make_a_group_out_of_the_cpu_it_lends(ray: ModuleType) -> None:
    """PG1, T7, surface 6: get of ready() is a get like any other: it lends the task's CPU."""

    @ray.remote
    def outer() -> bool:
        group = ray.util.placement_group([{"CPU": 1}])
        same = ray.get(group.ready()) == group
        ray.util.remove_placement_group(group)
        return same

    assert ray.get(outer.remote(), timeout=30) is True
    wait_until(lambda: free_of(ray, "CPU") == 1.0, "the CPU is free again")


@program(num_cpus=1)
def a_task_that_waits_for_a_group_keeps_its_cpu(ray: ModuleType) -> None:
    """PG1, T7, surface 6: wait() is no get: what the task itself holds never becomes free."""

    @ray.remote
    def outer() -> bool:
        group = ray.util.placement_group([{"CPU": 1}])
        came = group.wait(1)
        ray.util.remove_placement_group(group)
        return came

    assert ray.get(outer.remote(), timeout=30) is False
    wait_until(lambda: free_of(ray, "CPU") == 1.0, "the CPU is free again")


@program(num_cpus=2)
def what_a_group_runs_is_retried_there(ray: ModuleType) -> None:
    """PG4, surface 6: a task whose error is to be retried runs again in its bundle."""
    group = ray.util.placement_group([{"CPU": 1}])

    @ray.remote(num_cpus=0)
    class Tries:
        def __init__(self) -> None:
            self.count = 0

        def next(self) -> int:
            self.count += 1
            return self.count

    tries = Tries.remote()

    @ray.remote(max_retries=2, retry_exceptions=True)
    def fragile(tries: Any) -> str | None:
        if ray.get(tries.next.remote()) == 1:
            raise ValueError("the first try")
        return ray.get_runtime_context().get_placement_group_id()

    found = fragile.options(scheduling_strategy=within(ray, group, 0)).remote(tries)
    assert ray.get(found, timeout=30) == group.id.hex()
    del tries
    remove(ray, group)


@program(num_cpus=2, engines=NOT_SIMULATED, reason="two sessions, one after the other", starts_session=False)
def a_group_goes_with_its_driver(ray: ModuleType) -> None:
    """PG7, surface 6: the next session knows nothing of it, not even of a detached one."""
    ray.init(num_cpus=2)
    ray.util.placement_group([{"CPU": 2}], name="gone", lifetime="detached").wait(30)
    ray.shutdown()
    ray.init(num_cpus=2)
    with pytest.raises(ValueError, match="Failed to look up"):
        ray.util.get_placement_group("gone")
    assert free_of(ray, "CPU") == 2.0
    ray.shutdown()


@program(num_cpus=4, num_gpus=2, engines=NOT_SIMULATED, reason="virtual workers share one environment")
def what_a_group_sets_in_the_environment(ray: ModuleType) -> None:
    """PG4, T13: a task or actor in a group sees its GPU in CUDA_VISIBLE_DEVICES, and as many threads as it has CPUs, as
    outside of one."""
    groups = [ray.util.placement_group([{"CPU": 2, "GPU": 1}]) for _ in range(2)]
    ray.get([group.ready() for group in groups])

    def told():
        names = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
        return [str(each) for each in ray.get_gpu_ids()], [os.environ.get(name) for name in names]

    @ray.remote(num_cpus=2, num_gpus=1)
    def task():
        return told()

    @ray.remote(num_cpus=2, num_gpus=0.5)
    class Actor:
        def call(self):
            return told()

    seen = []
    for group in groups:
        for index in (-1, 0):
            options = {"scheduling_strategy": within(ray, group, index)}
            [device], variables = ray.get(task.options(**options).remote(), timeout=30)
            assert variables == [device, "2"]
            seen.append(device)
    assert seen[0] == seen[1] != seen[2] == seen[3]
    actor = Actor.options(scheduling_strategy=within(ray, groups[0], 0)).remote()
    [device], variables = ray.get(actor.call.remote(), timeout=30)
    assert (device, variables) == (seen[0], [device, "2"])
    ray.kill(actor)
    remove(ray, *groups)
