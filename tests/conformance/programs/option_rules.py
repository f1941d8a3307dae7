"""Surface 4.1: single rules of options that the table of errors in `options` does not go through."""

from __future__ import annotations

import os
import threading
from types import ModuleType

import pytest

from ..helpers import make_gate, make_recorder, make_waiter, wait_until
from ..registry import NOT_SIMULATED, program


def _plain():
    """A function and a class, made here so that they travel by value."""

    def function(value=1):
        return value

    class Thing:
        def method(self):
            return 1

    return function, Thing


@program()
def reserved_resources_are_refused_at_submission(ray: ModuleType) -> None:
    """Surface 4.1: `memory`, `object_store_memory` and `bundle` in resources= are ValueErrors of .remote()."""
    function, Thing = _plain()
    for name in ("memory", "object_store_memory", "bundle"):
        task, actor = ray.remote(resources={name: 1})(function), ray.remote(resources={name: 1})(Thing)
        for submit in (task.remote, actor.remote):
            with pytest.raises(ValueError, match=name):
                submit()


@program()
def object_store_memory_is_for_nobody(ray: ModuleType) -> None:
    """Surface 4.1: of a task object_store_memory is a ValueError, of an actor deprecated, and not to be negative."""
    function, Thing = _plain()
    for amount in (0, 10**8):
        with pytest.raises(ValueError, match="object_store_memory"):
            ray.remote(object_store_memory=amount)(function)
    with pytest.raises(ValueError, match="object_store_memory"):
        ray.remote(object_store_memory=-1)(Thing)
    with pytest.warns(DeprecationWarning, match="object_store_memory"):
        actor = ray.remote(object_store_memory=10**8, num_cpus=0)(Thing).remote()
    assert ray.get(actor.method.remote()) == 1


@program()
def truths_are_numbers_too(ray: ModuleType) -> None:
    """Surface 4.1: bool passes where int is expected."""
    function, Thing = _plain()
    assert ray.get(ray.remote(num_cpus=True, max_retries=True, num_returns=True, max_calls=False)(function).remote(5)) == 5
    actor = ray.remote(num_cpus=True, max_restarts=False, max_concurrency=True)(Thing).remote()
    assert ray.get(actor.method.remote()) == 1


@program()
def static_methods_are_not_functions(ray: ModuleType) -> None:
    """Surface 4.1: a staticmethod object is a TypeError of the decorator, and a lambda is a function."""
    function, _ = _plain()
    with pytest.raises(TypeError, match="function or a class"):
        ray.remote(staticmethod(function))
    assert ray.get(ray.remote(lambda: 3).remote()) == 3


@program()
def a_number_of_returns_is_a_number_or_one_of_two_words(ray: ModuleType) -> None:
    """Surface 4.1: another text as num_returns is a TypeError, at the decorator and in options()."""
    function, _ = _plain()
    for wrong in ("other", "", "1", 1.5):
        with pytest.raises(TypeError):
            ray.remote(num_returns=wrong)(function)
        with pytest.raises(TypeError):
            ray.remote(function).options(num_returns=wrong)


@program()
def no_concurrency_is_the_default(ray: ModuleType) -> None:
    """Surface 4.1: max_concurrency=0 and None mean the default, one call at a time."""
    for nothing in (0, None):

        @ray.remote(max_concurrency=nothing, num_cpus=0)
        class Counter:
            def __init__(self):
                self.inside = self.most = 0

            def enter(self):
                import time

                self.inside += 1
                self.most = max(self.most, self.inside)
                time.sleep(0.02)
                self.inside -= 1
                return self.most

        counter = Counter.remote()
        assert ray.get([counter.enter.remote() for _ in range(4)])[-1] == 1


@program()
def groups_are_a_dictionary(ray: ModuleType) -> None:
    """Surface 4.1: concurrency_groups as a list are a TypeError, of the decorator or of .remote()."""
    _, Thing = _plain()
    with pytest.raises(TypeError):
        ray.remote(concurrency_groups=[{"name": "io", "max_concurrency": 2}])(Thing).remote()


@program()
def limits_of_generators_are_checked(ray: ModuleType) -> None:
    """Surface 4.1: _actor_generator_backpressure_num_objects is positive or -1, _num_objects_per_yield positive."""
    function, Thing = _plain()
    for wrong in (0, -2):
        with pytest.raises(ValueError, match="_actor_generator_backpressure_num_objects"):
            ray.remote(_actor_generator_backpressure_num_objects=wrong)(Thing)
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="_num_objects_per_yield"):
            ray.remote(_num_objects_per_yield=wrong)(function)


@program()
def tensors_go_no_other_way(ray: ModuleType) -> None:
    """Surface 4.1, surface 1: enable_tensor_transport=False or None is accepted; a transport that nobody knows is refused."""
    function, Thing = _plain()
    for nothing in (False, None):
        actor = ray.remote(enable_tensor_transport=nothing, num_cpus=0)(Thing).remote()
        assert ray.get(actor.method.remote()) == 1
    assert ray.get(actor.method.options(tensor_transport=None).remote()) == 1
    for use in (
        lambda: ray.put(1, _tensor_transport="no such way"),
        lambda: ray.method(tensor_transport="no such way")(function),
        lambda: ray.get(actor.method.options(tensor_transport="no such way").remote()),
    ):
        with pytest.raises(ValueError, match="tensor transport"):
            use()
    assert ray.get(ray.put(1, _tensor_transport=None)) == 1


@program()
def errors_to_retry_may_be_a_tuple(ray: ModuleType) -> None:
    """Surface 4.1: retry_exceptions takes a tuple of classes, and refuses what is no exception."""
    function, _ = _plain()
    recorder = make_recorder(ray)

    @ray.remote(retry_exceptions=(KeyError, OSError), max_retries=1)
    def fail_once(recorder):
        if ray.get(recorder.add.remote("run")) == 1:
            raise FileNotFoundError("at first")
        return "then"

    assert ray.get(fail_once.remote(recorder)) == "then"
    with pytest.raises(ValueError, match="retry_exceptions"):
        ray.remote(retry_exceptions=[int])(function)


@program()
def label_selectors_have_a_syntax(ray: ModuleType) -> None:
    """Surface 4.1: label_selector: a value, !value, in(...) or !in(...); keys and values are words."""
    function, Thing = _plain()
    for fine in ({"a": "b"}, {"a": "!b"}, {"a": "in(b,c)"}, {"a": "!in(b,c)"}, {"a": ""}, {"x.y/a": "b"}, {}, None):
        ray.remote(label_selector=fine)(function)
        ray.remote(Thing).options(label_selector=fine)
    for wrong in ({"a": "in(b"}, {"a": "in()"}, {"a": "b c"}, {"a b": "c"}, {"-a": "b"}):
        with pytest.raises(ValueError, match="label"):
            ray.remote(label_selector=wrong)(function)
        with pytest.raises(ValueError, match="label"):
            ray.remote(Thing).options(label_selector=wrong)
    for wrong_type in ({"a": 1}, {1: "a"}, ["a"]):
        with pytest.raises(TypeError):
            ray.remote(label_selector=wrong_type)(function)


@program()
def empty_names_are_refused_late(ray: ModuleType) -> None:
    """Surface 4.1: an empty name or namespace passes the decorator and options(); a task may have an empty name."""
    function, Thing = _plain()
    assert ray.get(ray.remote(name="")(function).remote(2)) == 2
    unnamed, nowhere = ray.remote(name="")(Thing), ray.remote(Thing).options(name="thing", namespace="")
    for submit in (unnamed.remote, nowhere.remote):
        with pytest.raises(ValueError, match=r"empty|namespace"):
            submit()
    odd = ray.remote(function).options(scheduling_strategy="SOMEWHERE")
    with pytest.raises(ValueError, match="SOMEWHERE"):
        odd.remote()


@program()
def a_strategy_and_a_group_exclude_each_other(ray: ModuleType) -> None:
    """Surface 4.1: placement_group= beside scheduling_strategy= is a ValueError; the index needs a group."""
    function, _ = _plain()
    group = ray.util.placement_group([{"CPU": 1}])
    with pytest.raises(ValueError, match="placement_group"):
        ray.remote(function).options(placement_group=group, scheduling_strategy="SPREAD").remote()
    with pytest.warns(DeprecationWarning, match="PlacementGroupSchedulingStrategy"):
        answer = ray.remote(function).options(placement_group=group, placement_group_bundle_index=0).remote(7)
    assert ray.get(answer) == 7
    ray.util.remove_placement_group(group)


@program(num_cpus=2, num_gpus=1, engines=NOT_SIMULATED, reason="it is about processes")
def a_process_that_had_a_gpu_is_not_used_again(ray: ModuleType) -> None:
    """Surface 4.1: max_calls is 1 for a task with GPUs, unless it says something else."""

    @ray.remote(num_gpus=1)
    def once():
        return os.getpid()

    assert len({ray.get(once.remote()) for _ in range(3)}) == 3
    assert len({ray.get(once.options(num_gpus=0).remote()) for _ in range(3)}) == 3

    @ray.remote(num_gpus=1, max_calls=0)
    def often():
        return os.getpid()

    assert len({ray.get(often.remote()) for _ in range(3)}) == 1


def _memory_is_free(ray: ModuleType) -> bool:
    return ray.available_resources()["memory"] == ray.cluster_resources()["memory"]


@program(num_cpus=4)
def memory_admits_and_no_more(ray: ModuleType) -> None:
    """Surface 4.1: memory= is taken from what the node has; who asks for what is taken waits."""
    function, _ = _plain()
    total = int(ray.cluster_resources()["memory"])
    gate, wait_for = make_gate(ray), make_waiter(ray, num_cpus=0)
    wait_until(lambda: _memory_is_free(ray), "nobody has any")
    first = wait_for.options(memory=int(total * 0.7)).remote(gate, 1)
    wait_until(lambda: ray.available_resources()["memory"] < total * 0.4, "the first has its share")
    second = wait_for.options(memory=int(total * 0.7)).remote(gate, 2)
    small = ray.remote(memory=1000, num_cpus=0)(function).remote(3)
    assert ray.get(small, timeout=60) == 3
    assert ray.wait([first, second], num_returns=2, timeout=0.3) == ([], [first, second])
    ray.get(gate.open.remote())
    assert ray.get([first, second], timeout=60) == [1, 2]


@program(num_cpus=1)
def a_thousand_coroutines_are_in_flight(ray: ModuleType) -> None:
    """Surface 14, surface 4.1, AC4: an asyncio actor has a thousand calls under way, and the next one waits for its turn."""

    @ray.remote(num_cpus=0)
    class Crowd:
        def __init__(self):
            import asyncio

            self.inside, self.let_go = 0, asyncio.Event()

        async def enter(self):
            self.inside += 1
            await self.let_go.wait()
            return self.inside

        async def enter_until(self, number):
            import asyncio

            self.inside += 1
            while self.inside < number:
                await asyncio.sleep(0.01)
            now = self.inside
            self.let_go.set()
            return now

    crowd = Crowd.remote()
    calls = [crowd.enter_until.remote(1000), *(crowd.enter.remote() for _ in range(1099))]
    assert ray.get(calls[0], timeout=60) == 1000
    assert ray.get(calls, timeout=60)[-1] <= 1100


@program()
def options_are_independent_of_each_other(ray: ModuleType) -> None:
    """Surface 4.1, T14: several options() of one function may be used at once, from several threads."""
    doubled = ray.remote(num_cpus=0)(lambda value: 2 * value)
    kept: dict[int, object] = {}

    def use(number: int) -> None:
        kept[number] = ray.get(doubled.options(name=f"task {number}", max_retries=number).remote(number))

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kept == {number: 2 * number for number in range(8)}
