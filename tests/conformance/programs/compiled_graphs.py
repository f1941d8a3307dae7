"""`experimental_compile`: a graph of calls that is checked once and executed many times."""

from __future__ import annotations

import asyncio
import copy
import importlib
import pickle
import time
from types import ModuleType

import pytest

from ..registry import program


def _dag(ray: ModuleType) -> ModuleType:
    return importlib.import_module(f"{ray.__name__}.dag")


def _make_worker(ray: ModuleType):
    @ray.remote(num_cpus=0)
    class Worker:
        def __init__(self):
            self.total = 0

        def double(self, value):
            return 2 * value

        def add(self, a, b):
            return a + b

        def sum(self, value):
            self.total += value
            return self.total

        def fail(self, value):
            raise ValueError(f"no {value}")

        @ray.method(num_returns=2)
        def split(self, value):
            return value, -value

    return Worker.remote()


@program()
def compiled_graph_of_two_actors(ray: ModuleType) -> None:
    """Surface 10: Results pass from actor to actor; execute() may be called again and again; ordinary calls work after teardown."""
    dag = _dag(ray)
    one, two = _make_worker(ray), _make_worker(ray)
    with dag.InputNode() as given:
        graph = two.double.bind(one.double.bind(given)).experimental_compile()
    for value in range(3):
        ref = graph.execute(value)
        assert type(ref).__name__ == "CompiledDAGRef"
        assert ray.get(ref) == 4 * value
    graph.teardown()
    assert ray.get(one.double.remote(3)) == 6


@program()
def compiled_graph_keeps_state_and_order(ray: ModuleType) -> None:
    """Surface 10: Executions run in order, their results may be read in any."""
    dag = _dag(ray)
    worker = _make_worker(ray)
    with dag.InputNode() as given:
        graph = worker.sum.bind(given).experimental_compile()
    refs = [graph.execute(value) for value in (1, 2, 3)]
    assert ray.get(refs[2]) == 6
    assert ray.get(refs[0]) == 1
    assert refs[1].get() == 3
    graph.teardown()


@program()
def compiled_graph_reads_once(ray: ModuleType) -> None:
    """Surface 10: A result is read once; its reference is neither copied nor pickled, nor mixed with others in get()."""
    dag = _dag(ray)
    worker = _make_worker(ray)
    with dag.InputNode() as given:
        graph = worker.double.bind(given).experimental_compile()
    ref = graph.execute(1)
    for spoil in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(ValueError, match="cannot be"):
            spoil(ref)
    with pytest.raises(ValueError, match="must be a list of CompiledDAGRefs"):
        ray.get([ref, ray.put(1)])
    with pytest.raises(TypeError, match="cannot be used as Ray task/actor argument"):
        _make_worker(ray).double.remote(ref)
    with pytest.raises(TypeError, match="was found to be non-serializable"):
        ray.put([ref])
    assert isinstance(ref, importlib.import_module(f"{ray.__name__}.experimental.compiled_dag_ref").CompiledDAGRef)
    assert ray.get(ref) == 2
    with pytest.raises(ValueError, match="can only be called once"):
        ray.get(ref)
    assert ray.get([graph.execute(2), graph.execute(3)]) == [4, 6]
    graph.teardown()


@program()
def compiled_graph_of_several_outputs(ray: ModuleType) -> None:
    """Surface 10: MultiOutputNode gives a list of references."""
    dag = _dag(ray)
    one, two = _make_worker(ray), _make_worker(ray)
    with dag.InputNode() as given:
        graph = dag.MultiOutputNode([one.double.bind(given), two.sum.bind(given)]).experimental_compile()
    refs = graph.execute(5)
    assert isinstance(refs, list)
    assert ray.get(refs) == [10, 5]
    first, second = graph.execute(6)
    assert ray.get(second) == 11
    assert ray.get(first) == 12
    graph.teardown()


@program()
def compiled_graph_of_several_inputs(ray: ModuleType) -> None:
    """Surface 10: Parts of the input, by index and name; their number is checked."""
    dag = _dag(ray)
    worker = _make_worker(ray)
    with dag.InputNode() as given:
        graph = worker.add.bind(given[0], given.more).experimental_compile()
    assert ray.get(graph.execute(1, more=2)) == 3
    with pytest.raises(ValueError, match="must be called with 1 positional args, got 2"):
        graph.execute(1, 2, more=3)
    with pytest.raises(ValueError, match="must be called with kwarg `more`"):
        graph.execute(1)
    graph.teardown()


@program()
def compiled_graph_with_several_returns(ray: ModuleType) -> None:
    """Surface 10: The returns of one call go different ways."""
    dag = _dag(ray)
    worker = _make_worker(ray)
    other = _make_worker(ray)
    with dag.InputNode() as given:
        plus, minus = worker.split.bind(given)
        graph = dag.MultiOutputNode([other.double.bind(plus), other.sum.bind(minus)]).experimental_compile()
    assert ray.get(graph.execute(4)) == [8, -4]
    graph.teardown()


@program()
def compiled_graph_errors(ray: ModuleType) -> None:
    """Surface 10: The error of a call reaches whoever reads, and the graph goes on."""
    dag = _dag(ray)
    one, two = _make_worker(ray), _make_worker(ray)
    with dag.InputNode() as given:
        graph = two.double.bind(one.fail.bind(given)).experimental_compile()
    for value in (1, 2):
        with pytest.raises(ValueError, match=f"no {value}"):
            ray.get(graph.execute(value))
    graph.teardown()


@program()
def compiled_graph_refuses(ray: ModuleType) -> None:
    """Surface 10: What can't be compiled says so."""
    dag = _dag(ray)
    worker = _make_worker(ray)

    @ray.remote
    def task(value):
        return value

    @ray.remote
    class Plain:
        def method(self, value):
            return value

    with dag.InputNode() as given, pytest.raises(NotImplementedError):
        task.bind(given).experimental_compile()
    with dag.InputNode() as given, pytest.raises(ValueError):
        Plain.bind().method.bind(given).experimental_compile()
    with dag.InputNode() as given, pytest.raises(ValueError, match="either use InputNode"):
        worker.add.bind(given, given[0]).experimental_compile()
    with dag.InputNode() as given, pytest.raises(ValueError, match="kwargs"):
        worker.add.bind(given, b=worker.double.bind(given)).experimental_compile()
    with dag.InputNode() as given, pytest.raises(ValueError, match="container"):
        worker.double.bind([given]).experimental_compile()
    with dag.InputNode() as given:
        worker.double.bind(given)
        with pytest.raises(ValueError, match="leaf nodes"):
            worker.double.bind(given).experimental_compile()
    with dag.InputNode() as given:
        _ = given.unused
        with pytest.raises(ValueError, match="unused"):
            worker.double.bind(given.used).experimental_compile()
    with dag.InputNode() as given:
        worker.double.bind(given.lost)
        with pytest.raises(ValueError, match="unused"):
            worker.double.bind(given.used).experimental_compile()
    with pytest.raises(ValueError, match="No InputNode found in the DAG: when traversing upwards, no upstream node was found for"):
        worker.double.bind(1).experimental_compile()


@program()
def compiled_graph_is_compiled_once(ray: ModuleType) -> None:
    """Surface 10: A second time is refused, even after the teardown."""
    dag = _dag(ray)
    worker = _make_worker(ray)
    with dag.InputNode() as given:
        node = worker.double.bind(given)
    graph = node.experimental_compile()
    assert ray.get(graph.execute(1)) == 2
    graph.teardown()
    graph.teardown()
    with pytest.raises(ValueError, match="multiple times"):
        node.experimental_compile()


@program()
def compiled_graph_capacity(ray: ModuleType) -> None:
    """Surface 10: So many executions may be under way, so many results may be left unread."""
    dag = _dag(ray)
    worker = _make_worker(ray)
    with dag.InputNode() as given:
        graph = worker.double.bind(given).experimental_compile(_max_inflight_executions=2, _max_buffered_results=1)
    one, two = graph.execute(1), graph.execute(2)
    with pytest.raises(ray.exceptions.RayCgraphCapacityExceeded, match="in-flight executions"):
        graph.execute(3)
    assert ray.get(one) == 2
    three = graph.execute(3)
    with pytest.raises(ray.exceptions.RayCgraphCapacityExceeded, match="buffered results"):
        ray.get(three)
    assert ray.get(two) == 4
    graph.teardown()


@program()
def compiled_graph_of_dropped_results(ray: ModuleType) -> None:
    """Surface 10: Results that nobody keeps make room for others."""
    dag = _dag(ray)
    worker = _make_worker(ray)
    with dag.InputNode() as given:
        graph = worker.sum.bind(given).experimental_compile(_max_inflight_executions=2)
    for _ in range(6):
        graph.execute(1)
    assert ray.get(graph.execute(1)) == 7
    graph.teardown()


@program()
def compiled_graph_timeout(ray: ModuleType) -> None:
    """Surface 10: A result that is not there in time is a RayChannelTimeoutError, which is a TimeoutError."""
    dag = _dag(ray)

    @ray.remote(num_cpus=0)
    class Slow:
        def wait(self, value):
            import time

            time.sleep(0.3)
            return value

    worker = Slow.remote()
    with dag.InputNode() as given:
        graph = worker.wait.bind(given).experimental_compile()
    ref = graph.execute(1)
    with pytest.raises(ray.exceptions.RayChannelTimeoutError):
        ray.get(ref, timeout=0.05)
    with pytest.raises(TimeoutError):
        ray.get(graph.execute(1), timeout=0.05)
    graph.teardown()


@program()
def compiled_graph_for_asyncio(ray: ModuleType) -> None:
    """Surface 10: With enable_asyncio, execute_async() returns a future, to be awaited once."""
    dag = _dag(ray)
    worker = _make_worker(ray)

    async def main():
        with dag.InputNode() as given:
            graph = worker.double.bind(given).experimental_compile(enable_asyncio=True)
        with pytest.raises(ValueError, match="execute_async"):
            graph.execute(1)
        future = await graph.execute_async(3)
        assert type(future).__name__ == "CompiledDAGFuture"
        assert await future == 6
        with pytest.raises(ValueError, match="only be awaited upon once"):
            await future
        graph.teardown()

    asyncio.run(main())


@program()
def compiled_graph_drawn(ray: ModuleType) -> None:
    """Surface 10: visualize(format="ascii") returns a text with the methods' names; channel_details is not for it."""
    dag = _dag(ray)
    worker = _make_worker(ray)
    with dag.InputNode() as given:
        graph = worker.double.bind(given).experimental_compile()
    assert "double" in graph.visualize(format="ascii")
    with pytest.raises(ValueError, match="channel_details"):
        graph.visualize(format="ascii", channel_details=True)
    graph.teardown()


def _make_failing(ray: ModuleType):
    @ray.remote(num_cpus=0)
    class Failing:
        def wait(self, seconds):
            time.sleep(seconds)
            return seconds

        def odd(self, value):
            if value % 2 == 0:
                raise ValueError(f"{value} is even")
            return value

    return Failing.remote()


@program()
def compiled_graph_fails_as_soon_as_one_output_does(ray: ModuleType) -> None:
    """Surface 10: An error among the outputs is the result of each of them, at once; the next execution begins anew, after what
    still ran."""
    dag = _dag(ray)
    one, two = _make_failing(ray), _make_failing(ray)
    with dag.InputNode() as given:
        graph = dag.MultiOutputNode([one.wait.bind(given), two.odd.bind(given)]).experimental_compile()
    began = time.monotonic()
    with pytest.raises(ValueError, match="4 is even"):
        ray.get(graph.execute(4))
    assert time.monotonic() - began < 3
    with pytest.raises(ray.exceptions.RayChannelTimeoutError):
        ray.get(graph.execute(1), timeout=0.5)
    graph.teardown()
    one, two = _make_failing(ray), _make_failing(ray)
    with dag.InputNode() as given:
        graph = dag.MultiOutputNode([one.odd.bind(given), two.wait.bind(given)]).experimental_compile()
    refs = graph.execute(2)
    for ref in reversed(refs):
        with pytest.raises(ValueError, match="2 is even"):
            ray.get(ref)
    assert [ray.get(graph.execute(1)) for _ in range(3)] == [[1, 1]] * 3
    graph.teardown()


@program()
def compiled_graph_for_asyncio_fails_as_soon_as_one_output_does(ray: ModuleType) -> None:
    """Surface 10: The same of a graph for asyncio: whoever awaits one output gets another's error."""
    dag = _dag(ray)
    one, two = _make_failing(ray), _make_failing(ray)
    with dag.InputNode() as given:
        node = dag.MultiOutputNode([one.wait.bind(given), two.odd.bind(given)])

    async def execute() -> None:
        graph = node.experimental_compile(enable_asyncio=True)
        slow, _ = await graph.execute_async(4)
        began = time.monotonic()
        with pytest.raises(ValueError, match="4 is even"):
            await slow
        assert time.monotonic() - began < 3
        for _ in range(2):
            assert await asyncio.gather(*await graph.execute_async(1)) == [1, 1]
        graph.teardown()

    asyncio.run(execute())


@program()
def compiled_graph_keeps_what_is_not_read(ray: ModuleType) -> None:
    """Surface 10: What an execution has made is kept until it is read or nobody can read it; Ray's own names for that."""
    dag = _dag(ray)
    worker = _make_worker(ray)
    with dag.InputNode() as given:
        graph = dag.MultiOutputNode([worker.sum.bind(given), worker.sum.bind(given)]).experimental_compile()

    def kept() -> tuple:
        return graph._result_buffer, graph._destructed_ref_idxs, graph._got_ref_idxs

    both = graph.execute(1)
    assert kept() == ({}, {}, {})
    one, two = graph.execute(2)
    del one
    assert kept() == ({}, {1: {0}}, {})
    assert ray.get(two) == 6
    assert kept() == ({0: {0: 1, 1: 2}}, {}, {})
    assert ray.get(both) == [1, 2]
    assert kept() == ({}, {}, {})
    assert graph._execution_index == 1
    graph.teardown()


@program()
def compiled_graph_names_hidden_nodes(ray: ModuleType) -> None:
    """Surface 10: What is said of nodes inside of an argument names it, and counts them."""
    dag = _dag(ray)
    worker = _make_worker(ray)
    for hide, count in ((lambda node: [node], 1), (lambda node: {"a": node, "b": (node[0], node[1])}, 3)):
        with dag.InputNode() as given:
            node = worker.double.bind(hide(given))
        with pytest.raises(ValueError, match=rf"(?s)Found {count} DAGNodes from the arg .*? in .*?\. Please ensure"):
            node.experimental_compile()


@program()
def compiled_graph_is_closed(ray: ModuleType) -> None:
    """Surface 10: once torn down it takes no executions, and says that its channel is closed; a second teardown is
    none."""
    worker = _make_worker(ray)
    with _dag(ray).InputNode() as given:
        graph = worker.double.bind(given).experimental_compile()
    assert ray.get(graph.execute(1)) == 2
    graph.teardown()
    graph.teardown()
    with pytest.raises(ray.exceptions.RayChannelError, match="Channel closed"):
        graph.execute(2)
    assert ray.get(worker.double.remote(4)) == 8
