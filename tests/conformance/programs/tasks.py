"""Remote functions: ways to make them, what they capture, submission, and separate processes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import ModuleType

import pytest

from ..helpers import make_gate, make_waiter
from ..registry import NOT_SIMULATED, program


@program()
def remote_functions_can_be_made_in_several_ways(ray: ModuleType) -> None:
    """T: bare decorator, decorator with options, and both call forms; lambdas too."""

    @ray.remote
    def bare(number):
        return number + 1

    @ray.remote(num_cpus=1)
    def with_options(number):
        return number + 2

    def plain(number):
        return number + 3

    functions = [bare, with_options, ray.remote(plain), ray.remote(num_cpus=0.5)(plain), ray.remote(lambda n: n + 4)]
    assert ray.get([function.remote(10) for function in functions]) == [11, 12, 13, 13, 14]
    assert plain(1) == 4


@program()
def the_undecorated_function_is_kept(ray: ModuleType) -> None:
    """T: `_function` is the user's function, for unit tests."""

    @ray.remote
    def double(number):
        return 2 * number

    assert double._function(4) == 8


@program()
def submission_returns_at_once(ray: ModuleType) -> None:
    """V17: .remote() waits neither for free CPUs nor for arguments."""
    gate = make_gate(ray)
    wait_for = make_waiter(ray)
    first = wait_for.remote(gate, 1)
    refs = [wait_for.remote(gate, number) for number in range(5)] + [wait_for.remote(gate, first)]
    assert all(isinstance(ref, ray.ObjectRef) for ref in refs)
    assert ray.wait(refs, timeout=0) == ([], refs)
    ray.get(gate.open.remote())
    assert ray.get(refs) == [0, 1, 2, 3, 4, 1]


@program()
def many_small_tasks_all_run_once(ray: ModuleType) -> None:
    """T: three hundred tasks, every result in its place."""

    @ray.remote
    def square(number):
        return number * number

    assert ray.get([square.remote(number) for number in range(300)]) == [number * number for number in range(300)]


@program()
def captured_variables_are_taken_at_the_first_call(ray: ModuleType) -> None:
    """V14: a function is pickled once, at its first .remote(); later changes of what it captured are not seen."""
    captured = {"value": "at first"}

    @ray.remote
    def read():
        return captured["value"]

    captured["value"] = "at the call"
    assert ray.get(read.remote()) == "at the call"
    captured["value"] = "later"
    assert ray.get(read.remote()) == "at the call"


@program()
def a_redefined_function_runs_its_newest_definition(ray: ModuleType) -> None:
    """V14: same name, new body."""

    def define(version):
        @ray.remote
        def answer():
            return version

        return answer

    assert [ray.get(define(version).remote()) for version in (1, 2, 3)] == [1, 2, 3]


@program()
def definitions_in_a_loop_are_each_their_own(ray: ModuleType) -> None:
    """V14: a function defined 110 times and a class 20 times, each called when the next is there: every call is of its own."""

    def define(number):
        @ray.remote
        def tell():
            return number

        return tell

    def define_class(number):
        @ray.remote(num_cpus=0)
        class Teller:
            def tell(self):
                return number

        return Teller

    functions = [define(number) for number in range(110)]
    assert ray.get([function.remote() for function in functions]) == list(range(110))
    actors = [define_class(number).remote() for number in range(20)]
    assert ray.get([actor.tell.remote() for actor in actors]) == list(range(20))
    assert ray.get(functions[0].remote()) == 0


@program()
def functions_may_call_each_other(ray: ModuleType) -> None:
    """V9: a remote function may call plain helpers that it captured and submit other remote functions."""

    def helper(number):
        return number + 0.5

    @ray.remote
    def other(number):
        return helper(number)

    @ray.remote
    def main(number):
        return helper(number), ray.get(other.remote(number * 2))

    assert ray.get(main.remote(1)) == (1.5, 2.5)


@program()
def options_do_not_alter_the_function(ray: ModuleType) -> None:
    """T14: .options gives something new; it overrides key by key."""

    @ray.remote(num_cpus=1, num_returns=2)
    def pair():
        return 1, 2

    changed = pair.options(num_returns=1)
    assert ray.get(changed.remote()) == (1, 2)
    assert ray.get(pair.remote()) == [1, 2]
    assert ray.get(pair.options(num_cpus=0.5).remote()) == [1, 2]


@program()
def options_are_seen_in_the_task(ray: ModuleType) -> None:
    """T14: the decorator's value holds for keys that .options does not name."""

    @ray.remote(num_cpus=2)
    def assigned():
        return ray.get_runtime_context().get_assigned_resources()["CPU"]

    assert ray.get(assigned.remote()) == 2.0
    assert ray.get(assigned.options(num_cpus=0.5).remote()) == 0.5
    assert ray.get(assigned.options(name="renamed").remote()) == 2.0


@program()
def a_slow_task_does_not_delay_its_neighbour(ray: ModuleType) -> None:
    """T7: with two CPUs, one task sleeping leaves the other CPU usable."""

    @ray.remote
    def nap():
        time.sleep(0.5)
        return "slept"

    @ray.remote
    def quick():
        return "quick"

    slow = nap.remote()
    assert ray.get([quick.remote() for _ in range(5)]) == ["quick"] * 5
    assert ray.get(slow) == "slept"


@program()
def calling_directly_is_a_type_error_that_names_remote(ray: ModuleType) -> None:
    """AC22: functions, classes and methods cannot be called without .remote()."""

    @ray.remote
    def function():
        return 1

    @ray.remote
    class Thing:
        def method(self):
            return 1

    with pytest.raises(TypeError, match=r"function\.remote\(\)"):
        function()
    with pytest.raises(TypeError, match=r"Thing\.remote\(\)"):
        Thing()
    thing = Thing.remote()
    with pytest.raises(TypeError, match=r"method\.remote\(\)"):
        thing.method()


@program(engines=NOT_SIMULATED, reason="asks for process ids; simulated tasks share one process")
def tasks_and_actors_run_in_processes_of_their_own(ray: ModuleType) -> None:
    """T5: neither in the driver, nor a task in an actor's process; two running tasks never share one."""

    @ray.remote
    def task():
        return os.getpid()

    @ray.remote
    def slow_task():
        time.sleep(0.5)
        return os.getpid()

    @ray.remote
    class Actor:
        def pid(self):
            return os.getpid()

    actors = [Actor.remote(), Actor.remote()]
    actor_pids = ray.get([actor.pid.remote() for actor in actors])
    task_pids = set(ray.get([task.remote() for _ in range(10)]))
    assert len(set(actor_pids)) == 2
    assert not task_pids & {*actor_pids, os.getpid()}
    assert os.getpid() not in actor_pids
    assert len(set(ray.get([slow_task.remote(), slow_task.remote()]))) == 2


@program(engines=NOT_SIMULATED, reason="sets a module's globals; simulated tasks share one process")
def globals_set_in_a_worker_do_not_come_back(ray: ModuleType) -> None:
    """V13: neither the driver nor the worker sees what the other put into a module."""
    import string

    string.set_by_driver = True

    @ray.remote
    def change():
        import string

        string.set_by_worker = True
        return hasattr(string, "set_by_driver")

    try:
        assert ray.get(change.remote()) is False
        assert not hasattr(string, "set_by_worker")
    finally:
        del string.set_by_driver


@program()
def workers_have_the_drivers_directory(ray: ModuleType) -> None:
    """V12: the current directory of workers is the driver's."""

    @ray.remote
    def where():
        return Path.cwd()

    assert ray.get(where.remote()) == Path.cwd()


@program()
def a_remote_function_can_be_a_static_method(ray: ModuleType) -> None:
    """T: remote functions work as attributes of classes."""

    class Tools:
        @staticmethod
        @ray.remote
        def double(number):
            return 2 * number

    assert ray.get(Tools.double.remote(21)) == 42


@program()
def tasks_of_a_loop_keep_their_own_closure(ray: ModuleType) -> None:
    """V9: functions made in a loop capture the values of their own turn."""

    def make(factor):
        return ray.remote(lambda number: factor * number)

    functions = [make(factor) for factor in range(4)]
    assert ray.get([function.remote(10) for function in functions]) == [0, 10, 20, 30]
