"""Resources: totals, what is free, limits that hold, fractions, custom ones, GPUs, default rules."""

from __future__ import annotations

import os
import time
from types import ModuleType

from ..helpers import make_gate, make_recorder, make_waiter, wait_until
from ..registry import NOT_SIMULATED, program

WIDGETS = {"widget": 2}


def most_at_once(intervals: list[tuple[float, float]]) -> int:
    """Returns the largest number of (start, end) intervals that overlap at one moment; ends come before starts."""
    changes = sorted([(start, 1) for start, _ in intervals] + [(end, -1) for _, end in intervals])
    inside = most = 0
    for _, change in changes:
        inside += change
        most = max(most, inside)
    return most


def make_timed(ray: ModuleType, **options: object):
    """Returns a remote function that naps and returns when it began and ended.

    It must not report to an actor: a task that waits for an answer lends its CPU to another.
    """

    def timed():
        start = time.monotonic()
        time.sleep(0.05)
        return start, time.monotonic()

    return ray.remote(**options)(timed)


@program(num_cpus=2, resources=WIDGETS, num_gpus=2)
def cluster_resources_are_what_init_was_given(ray: ModuleType) -> None:
    """T7: totals as floats."""
    total = ray.cluster_resources()
    assert {name: total[name] for name in ("CPU", "GPU", "widget")} == {"CPU": 2.0, "GPU": 2.0, "widget": 2.0}
    assert all(isinstance(amount, float) for amount in total.values())


@program(num_cpus=2, resources=WIDGETS, num_gpus=2)
def nodes_describe_the_one_node(ray: ModuleType) -> None:
    """L: one living node with the resources of init and the id the context gives."""
    (node,) = ray.nodes()
    assert node["Alive"] is True
    assert node["NodeID"] == ray.get_runtime_context().get_node_id()
    assert (node["Resources"]["CPU"], node["Resources"]["widget"]) == (2.0, 2.0)


@program(num_cpus=2, resources=WIDGETS, num_gpus=2)
def available_resources_follow_what_actors_hold(ray: ModuleType) -> None:
    """T7, AC20: an actor's explicit resources are taken while it lives and come back when it is killed."""

    @ray.remote(num_cpus=1, num_gpus=1, resources={"widget": 0.5})
    class Holder:
        def ready(self):
            return True

    def free():
        available = ray.available_resources()
        return [available.get(name, 0) for name in ("CPU", "GPU", "widget")]

    wait_until(lambda: free() == [2, 2, 2], "everything is free")
    holder = Holder.remote()
    assert ray.get(holder.ready.remote())
    wait_until(lambda: free() == [1, 1, 1.5], "the actor's share is taken")
    ray.kill(holder)
    wait_until(lambda: free() == [2, 2, 2], "the actor's share is back")


@program()
def the_cpu_limit_is_never_exceeded(ray: ModuleType) -> None:
    """T7: of ten tasks never more than two run at once on two CPUs, and one by one with num_cpus=2."""
    singles, doubles = make_timed(ray, num_cpus=1), make_timed(ray, num_cpus=2)
    assert most_at_once(ray.get([singles.remote() for _ in range(10)])) <= 2
    assert most_at_once(ray.get([doubles.remote() for _ in range(5)])) == 1


@program(num_cpus=1)
def one_cpu_runs_one_task_at_a_time(ray: ModuleType) -> None:
    """T7: on one CPU tasks never overlap."""
    timed = make_timed(ray, num_cpus=1)
    assert most_at_once(ray.get([timed.remote() for _ in range(6)])) == 1


@program()
def mixed_demands_respect_the_sum(ray: ModuleType) -> None:
    """T7: demands of 0.5, 1 and 2 CPUs together never exceed two CPUs."""
    demands = [0.5, 1, 2, 0.5, 1, 0.5, 2, 1, 0.5, 0.5]
    timed = make_timed(ray, num_cpus=1)
    intervals = ray.get([timed.options(num_cpus=demand).remote() for demand in demands])
    for start, _ in intervals:
        running = sum(need for need, (begin, end) in zip(demands, intervals, strict=True) if begin <= start < end)
        assert running <= 2


@program(num_cpus=2, resources=WIDGETS, num_gpus=2)
def custom_resources_limit_tasks(ray: ModuleType) -> None:
    """T7: tasks that need one of two widgets run two at a time; without CPUs only the widgets count."""
    timed = make_timed(ray, num_cpus=0, resources={"widget": 1})
    assert most_at_once(ray.get([timed.remote() for _ in range(6)])) <= 2
    whole = make_timed(ray, num_cpus=0, resources={"widget": 2})
    assert most_at_once(ray.get([whole.remote() for _ in range(3)])) == 1


@program(num_cpus=2, resources=WIDGETS, num_gpus=2)
def fractions_of_a_resource_run_together(ray: ModuleType) -> None:
    """T7: four tasks of half a widget meet inside; a fifth starts only when one has left."""
    recorder, gate = make_recorder(ray), make_gate(ray)

    @ray.remote(num_cpus=0, resources={"widget": 0.5})
    def meet(recorder, gate, number):
        ray.get(recorder.add.remote(number))
        while not ray.get(gate.is_open.remote()):
            time.sleep(0.01)
        return number

    refs = [meet.remote(recorder, gate, number) for number in range(5)]
    wait_until(lambda: ray.get(recorder.count.remote()) == 4, "four tasks are inside at once")
    assert ray.wait(refs, num_returns=5, timeout=0.3) == ([], refs)
    assert ray.get(recorder.count.remote()) == 4
    ray.get(gate.open.remote())
    assert ray.get(refs) == [0, 1, 2, 3, 4]


@program(num_cpus=1)
def ten_tenths_of_a_cpu_fit(ray: ModuleType) -> None:
    """T7: ten actors of 0.1 CPU live on one CPU without rounding trouble; an eleventh waits for a place."""

    @ray.remote(num_cpus=0.1)
    class Tenth:
        def ping(self):
            return 1

    tenths = [Tenth.remote() for _ in range(10)]
    assert ray.get([tenth.ping.remote() for tenth in tenths]) == [1] * 10
    wait_until(lambda: ray.available_resources().get("CPU", 0) == 0, "the CPU is used up")
    eleventh = Tenth.remote()
    answer = eleventh.ping.remote()
    assert ray.wait([answer], timeout=0.5) == ([], [answer])
    ray.kill(tenths[0])
    assert ray.get(answer, timeout=60) == 1


@program(num_cpus=1)
def default_actors_hold_no_cpu(ray: ModuleType) -> None:
    """AC20: four of them live on one CPU, and tasks still run."""

    @ray.remote
    class Default:
        def assigned(self):
            return ray.get_runtime_context().get_assigned_resources()

    actors = [Default.remote() for _ in range(4)]
    assert ray.get([actor.assigned.remote() for actor in actors]) == [{}] * 4

    @ray.remote
    def task():
        return "ran"

    assert ray.get(task.remote(), timeout=60) == "ran"


@program(num_cpus=1)
def a_default_actor_needs_a_cpu_to_be_placed(ray: ModuleType) -> None:
    """AC20: while another actor holds the only CPU it is not created; num_cpus=0 is at once."""

    @ray.remote
    class Plain:
        def ping(self):
            return "pong"

    holder = Plain.options(num_cpus=1).remote()
    assert ray.get(holder.ping.remote()) == "pong"
    zero, default = Plain.options(num_cpus=0).remote(), Plain.remote()
    assert ray.get(zero.ping.remote(), timeout=60) == "pong"
    answer = default.ping.remote()
    assert ray.wait([answer], timeout=0.5) == ([], [answer])
    ray.kill(holder)
    assert ray.get(answer, timeout=60) == "pong"


@program(num_cpus=2, resources=WIDGETS, num_gpus=2)
def an_explicit_resource_makes_an_actor_hold_a_cpu(ray: ModuleType) -> None:
    """AC20: any explicit resource means the default of one CPU is held for life as well."""

    @ray.remote(resources={"widget": 1})
    class Holder:
        def assigned(self):
            return ray.get_runtime_context().get_assigned_resources()

    assert ray.get(Holder.remote().assigned.remote()) == {"CPU": 1.0, "widget": 1.0}
    assert ray.get(Holder.options(num_cpus=0).remote().assigned.remote()) == {"widget": 1.0}


@program()
def zero_cpu_tasks_need_no_place(ray: ModuleType) -> None:
    """T7: num_cpus=0 runs although every CPU is taken."""

    @ray.remote(num_cpus=2)
    class Whole:
        def ping(self):
            return 1

    whole = Whole.remote()
    ray.get(whole.ping.remote())

    @ray.remote(num_cpus=0)
    def free():
        return "free"

    @ray.remote
    def normal():
        return "normal"

    waiting = normal.remote()
    assert ray.get(free.remote(), timeout=60) == "free"
    assert ray.wait([waiting], timeout=0.3) == ([], [waiting])
    ray.kill(whole)
    assert ray.get(waiting, timeout=60) == "normal"


@program()
def a_big_task_waits_for_enough(ray: ModuleType) -> None:
    """T7: a task of two CPUs starts when both are free, though one is free all along."""

    @ray.remote(num_cpus=1)
    class Half:
        def ping(self):
            return 1

    half = Half.remote()
    ray.get(half.ping.remote())

    @ray.remote(num_cpus=2)
    def big():
        return "big"

    waiting = big.remote()
    assert ray.wait([waiting], timeout=0.3) == ([], [waiting])
    ray.kill(half)
    assert ray.get(waiting, timeout=60) == "big"


@program(num_cpus=2, resources=WIDGETS, num_gpus=2)
def whole_gpus_are_exclusive(ray: ModuleType) -> None:
    """T13: two tasks that hold a GPU each at the same time see different ids."""
    gate = make_gate(ray)

    @ray.remote(num_gpus=1)
    def ids(gate, recorder):
        mine = ray.get_gpu_ids()
        ray.get(recorder.add.remote(mine[0]))
        while not ray.get(gate.is_open.remote()):
            time.sleep(0.01)
        return mine, ray.get_runtime_context().get_accelerator_ids()["GPU"]

    recorder = make_recorder(ray)
    refs = [ids.remote(gate, recorder) for _ in range(2)]
    wait_until(lambda: ray.get(recorder.count.remote()) == 2, "both tasks hold their GPU")
    ray.get(gate.open.remote())
    answers = sorted(ray.get(refs))
    assert answers == [([0], ["0"]), ([1], ["1"])]


@program(num_cpus=2, resources=WIDGETS, num_gpus=2)
def fractions_of_gpus_are_packed(ray: ModuleType) -> None:
    """T13: two actors of half a GPU share one, the next one gets the other; two GPUs are both."""

    @ray.remote(num_cpus=0)
    class User:
        def ids(self):
            return ray.get_gpu_ids()

    halves = [User.options(num_gpus=0.5).remote() for _ in range(2)]
    first, second = ray.get([half.ids.remote() for half in halves])
    assert first == second
    whole = User.options(num_gpus=1).remote()
    assert sorted(first + ray.get(whole.ids.remote())) == [0, 1]
    for actor in (*halves, whole):
        ray.kill(actor)
    both = User.options(num_gpus=2).remote()
    assert sorted(ray.get(both.ids.remote(), timeout=60)) == [0, 1]


@program(num_cpus=2, resources=WIDGETS, num_gpus=2)
def no_gpus_are_seen_where_none_were_asked_for(ray: ModuleType) -> None:
    """T13: get_gpu_ids is empty in the driver and in tasks without GPUs."""

    @ray.remote
    def ids():
        return ray.get_gpu_ids(), ray.get_runtime_context().get_accelerator_ids()["GPU"]

    assert ray.get_gpu_ids() == []
    assert ray.get(ids.remote()) == ([], [])


@program(
    num_cpus=2,
    resources=WIDGETS,
    num_gpus=2,
    engines=NOT_SIMULATED,
    reason="reads the environment of its worker process",
)
def cuda_visible_devices_names_the_gpus(ray: ModuleType) -> None:
    """T13: the worker's environment agrees with get_gpu_ids."""

    @ray.remote(num_gpus=1)
    def one():
        return ray.get_gpu_ids(), os.environ.get("CUDA_VISIBLE_DEVICES")

    ids, visible = ray.get(one.remote())
    assert visible == str(ids[0])


@program(engines=NOT_SIMULATED, reason="reads the environment of its worker process")
def omp_num_threads_is_the_number_of_cpus(ray: ModuleType) -> None:
    """T12: one thread by default, as many as num_cpus says otherwise; actors hold none and get one."""

    @ray.remote
    def threads():
        return os.environ.get("OMP_NUM_THREADS")

    @ray.remote
    class Thing:
        def threads(self):
            return os.environ.get("OMP_NUM_THREADS")

    assert ray.get(threads.remote()) == "1"
    assert ray.get(threads.options(num_cpus=2).remote()) == "2"
    assert ray.get(Thing.remote().threads.remote()) == "1"


@program()
def a_blocked_task_lends_its_cpu_and_takes_it_back(ray: ModuleType) -> None:
    """T6: while a task that has all CPUs waits for a gate, another runs."""
    gate = make_gate(ray)

    @ray.remote(num_cpus=2)
    def blocked(gate_ref):
        return ray.get(gate_ref[0])

    @ray.remote(num_cpus=2)
    def other():
        return "ran meanwhile"

    slow = make_waiter(ray, num_cpus=0).remote(gate, "released")
    waiting = blocked.remote([slow])
    assert ray.get(other.remote(), timeout=60) == "ran meanwhile"
    ray.get(gate.open.remote())
    assert ray.get(waiting) == "released"
