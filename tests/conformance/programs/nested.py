"""Tasks that submit tasks: depth, recursion, trees, and CPUs lent out while blocked."""

from __future__ import annotations

from types import ModuleType

from ..helpers import make_recorder, wait_until
from ..registry import program


@program(num_cpus=1)
def nested_gets_do_not_deadlock_on_one_cpu(ray: ModuleType) -> None:
    """T6: f waits for g waits for h, all on one CPU."""

    @ray.remote
    def inner(number):
        return number + 1

    @ray.remote
    def middle(number):
        return ray.get(inner.remote(number)) * 10

    @ray.remote
    def outer(number):
        return ray.get(middle.remote(number)) + 5

    assert ray.get([outer.remote(number) for number in range(3)]) == [15, 25, 35]


@program(num_cpus=1)
def recursion_runs_on_one_cpu(ray: ModuleType) -> None:
    """T6: a remote function that submits itself."""

    @ray.remote
    def factorial(number):
        return 1 if number <= 1 else number * ray.get(factorial.remote(number - 1))

    assert ray.get(factorial.remote(5)) == 120


@program(num_cpus=1)
def mutual_recursion_runs_on_one_cpu(ray: ModuleType) -> None:
    """T6, V9: two remote functions that submit each other, handed over as arguments."""

    @ray.remote
    def is_even(number, odd, even):
        return number == 0 or ray.get(odd.remote(number - 1, odd, even))

    @ray.remote
    def is_odd(number, odd, even):
        return number != 0 and ray.get(even.remote(number - 1, odd, even))

    assert ray.get(is_even.remote(4, is_odd, is_even)) is True
    assert ray.get(is_odd.remote(4, is_odd, is_even)) is False


@program(num_cpus=1)
def a_blocked_task_waits_with_wait_on_one_cpu(ray: ModuleType) -> None:
    """T6: `wait` lends the CPU out as `get` does."""

    @ray.remote
    def leaf(number):
        return number

    @ray.remote
    def parent():
        refs = [leaf.remote(number) for number in range(3)]
        ready, rest = ray.wait(refs, num_returns=3)
        return len(ready), len(rest), sum(ray.get(ready))

    assert ray.get(parent.remote()) == (3, 0, 3)


@program(num_cpus=1)
def an_actor_keeps_its_cpu_while_it_waits(ray: ModuleType) -> None:
    """T6: only tasks lend their CPU out; an actor that was given one holds it, and what it waits for may starve."""

    @ray.remote
    def leaf():
        return "leaf"

    @ray.remote(num_cpus=1)
    class Parent:
        def run(self):
            self.ref = leaf.remote()
            return ray.wait([self.ref], timeout=1) == ([], [self.ref])

    @ray.remote(num_cpus=0)
    def through_a_task(parent):
        return ray.get(parent.run.remote())

    parent = Parent.remote()
    assert ray.get(through_a_task.remote(parent)) is True
    ray.kill(parent)


@program(num_cpus=1)
def a_default_actor_may_wait_for_tasks_on_one_cpu(ray: ModuleType) -> None:
    """AC20: an actor without explicit resources holds no CPU, so the tasks it waits for can run."""

    @ray.remote
    def leaf(number):
        return number * 2

    @ray.remote
    class Parent:
        def run(self):
            return ray.get([leaf.remote(number) for number in range(3)])

    parent = Parent.remote()
    assert ray.get(parent.run.remote()) == [0, 2, 4]


@program()
def a_tree_of_tasks_adds_up(ray: ModuleType) -> None:
    """V1: fan-out, then pairwise fan-in through refs, without a get in between."""

    @ray.remote
    def leaf(number):
        return number

    @ray.remote
    def add(left, right):
        return left + right

    level = [leaf.remote(number) for number in range(32)]
    while len(level) > 1:
        level = [add.remote(level[index], level[index + 1]) for index in range(0, len(level), 2)]
    assert ray.get(level[0]) == sum(range(32))


@program()
def a_recursive_tree_adds_up(ray: ModuleType) -> None:
    """T6: divide and conquer where each task waits for two subtasks."""

    @ray.remote
    def total(numbers):
        if len(numbers) <= 2:
            return sum(numbers)
        middle = len(numbers) // 2
        return sum(ray.get([total.remote(numbers[:middle]), total.remote(numbers[middle:])]))

    assert ray.get(total.remote(list(range(8)))) == 28


@program()
def a_long_chain_of_dependencies_runs(ray: ModuleType) -> None:
    """V1: each task takes the ref of the one before."""

    @ray.remote
    def increment(number):
        return number + 1

    ref = ray.put(0)
    for _ in range(100):
        ref = increment.remote(ref)
    assert ray.get(ref) == 100


@program()
def a_diamond_of_dependencies_runs_each_task_once(ray: ModuleType) -> None:
    """V1: two tasks share a source, one joins them; every task runs exactly once."""
    recorder = make_recorder(ray)

    @ray.remote
    def step(recorder, name, *inputs):
        ray.get(recorder.add.remote(name))
        return name + "(" + ",".join(inputs) + ")"

    source = step.remote(recorder, "source")
    left = step.remote(recorder, "left", source)
    right = step.remote(recorder, "right", source)
    assert ray.get(step.remote(recorder, "join", left, right)) == "join(left(source()),right(source()))"
    assert sorted(ray.get(recorder.items.remote())) == ["join", "left", "right", "source"]


@program()
def children_nobody_waits_for_still_run(ray: ModuleType) -> None:
    """V17: a task may end before the tasks that it submitted."""
    recorder = make_recorder(ray)

    @ray.remote
    def child(recorder, number):
        ray.get(recorder.add.remote(number))

    @ray.remote
    def parent(recorder):
        for number in range(3):
            child.remote(recorder, number)
        return "parent is done"

    assert ray.get(parent.remote(recorder)) == "parent is done"
    wait_until(lambda: ray.get(recorder.count.remote()) == 3, "the three children have run")
    assert sorted(ray.get(recorder.items.remote())) == [0, 1, 2]


@program()
def subtask_refs_can_be_read_by_the_driver(ray: ModuleType) -> None:
    """V2: get(get(outer)) reads what subtasks produced."""

    @ray.remote
    def square(number):
        return number * number

    @ray.remote
    def submit(count):
        return [square.remote(number) for number in range(count)]

    assert ray.get(ray.get(submit.remote(5))) == [0, 1, 4, 9, 16]


@program()
def a_task_may_create_an_actor_and_return_its_handle(ray: ModuleType) -> None:
    """AC7: the actor lives as long as somebody holds the handle."""

    @ray.remote
    class Counter:
        def __init__(self, start):
            self.value = start

        def add(self, amount):
            self.value += amount
            return self.value

    @ray.remote
    def create(start):
        counter = Counter.remote(start)
        ray.get(counter.add.remote(1))
        return counter

    counter = ray.get(create.remote(10))
    assert ray.get(counter.add.remote(5)) == 16


@program()
def closures_share_captured_values_by_copy(ray: ModuleType) -> None:
    """V9, V3: what a nested function captured is copied into each worker; nothing comes back."""
    seen = []

    @ray.remote
    def note(number):
        seen.append(number)
        return number

    assert ray.get([note.remote(number) for number in range(4)]) == [0, 1, 2, 3]
    assert seen == []
