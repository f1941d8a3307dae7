"""Graphs that are bound first and executed later: `ray.dag`."""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType

import pytest

from ..registry import program


def _dag(ray: ModuleType) -> ModuleType:
    # `execute` is deprecated in Ray, and says so each time.
    warnings.filterwarnings("ignore", message="DAGNode.execute")
    return importlib.import_module(f"{ray.__name__}.dag")


def _adder(ray: ModuleType):
    @ray.remote
    def add(a, b=0):
        return a + b

    return add


@program()
def dag_of_functions(ray: ModuleType) -> None:
    """Surface 10: bind() makes nodes; execute() submits all of them and returns a reference to the last."""
    dag = _dag(ray)
    add = _adder(ray)
    node = add.bind(add.bind(1, 2), b=add.bind(3, 4))
    assert isinstance(node, dag.FunctionNode)
    assert isinstance(node, dag.DAGNode)
    assert ray.get(node.execute()) == 10
    assert ray.get(node.execute()) == 10
    assert node.get_args()[0].get_args() == (1, 2)
    assert isinstance(node.get_kwargs()["b"], dag.FunctionNode)


@program()
def dag_runs_a_shared_node_once(ray: ModuleType) -> None:
    """Surface 10: A node that two others need runs once."""
    _dag(ray)

    @ray.remote
    class Counter:
        def __init__(self):
            self.count = 0

        def add(self):
            self.count += 1
            return self.count

    counter = Counter.remote()

    @ray.remote
    def tick(counter):
        return ray.get(counter.add.remote())

    @ray.remote
    def pair(a, b):
        return a, b

    shared = tick.bind(counter)
    assert ray.get(pair.bind(shared, shared).execute()) == (1, 1)


@program()
def dag_nodes_inside_containers(ray: ModuleType) -> None:
    """Surface 10: Nodes hang anywhere in the arguments; in a container they become references."""
    _dag(ray)
    add = _adder(ray)

    @ray.remote
    def total(items):
        return sum(ray.get(items["refs"])) + items["plain"]

    node = total.bind({"refs": [add.bind(1, 1), add.bind(2, 2)], "plain": 10})
    assert ray.get(node.execute()) == 16


@program()
def dag_options(ray: ModuleType) -> None:
    """Surface 10: options(...).bind(...) keeps the options."""
    _dag(ray)

    @ray.remote
    def name():
        return ray.get_runtime_context().get_task_name()

    node = name.options(name="renamed", num_cpus=0).bind()
    assert node.get_options()["name"] == "renamed"
    assert ray.get(node.execute()) == "renamed"

    @ray.remote
    def two():
        return 1, 2

    assert ray.get(two.options(num_returns=2).bind().execute()) == [1, 2]


@program()
def dag_of_a_class(ray: ModuleType) -> None:
    """Surface 10: A class that is bound is created at execution; its bound calls run in the order they were bound."""
    dag = _dag(ray)

    @ray.remote
    class Counter:
        def __init__(self, start):
            self.value = start

        def add(self, more):
            self.value += more
            return self.value

    node = Counter.bind(10)
    assert isinstance(node, dag.ClassNode)
    node.add.bind(1)
    node.add.bind(2)
    last = node.add.bind(3)
    assert isinstance(last, dag.ClassMethodNode)
    assert ray.get(last.execute()) == 16
    assert ray.get(last.execute()) == 16
    handle = node.execute()
    assert ray.get(handle.add.remote(5)) == 15
    with pytest.raises(AttributeError):
        _ = node.nothing
    options = Counter.options(num_cpus=0).bind(1)
    assert options.get_options()["num_cpus"] == 0


@program()
def dag_of_a_living_actor(ray: ModuleType) -> None:
    """Surface 10: Methods of a handle can be bound; each execution calls the same actor."""
    dag = _dag(ray)

    @ray.remote
    class Counter:
        def __init__(self):
            self.value = 0

        def add(self, more):
            self.value += more
            return self.value

    counter = Counter.remote()
    node = counter.add.bind(2)
    assert isinstance(node, dag.ClassMethodNode)
    assert node.get_method_name() == "add"
    assert ray.get(node.execute()) == 2
    assert ray.get(node.execute()) == 4
    with pytest.raises(TypeError):
        counter.add.bind(1, 2, 3)


@program()
def dag_method_with_several_returns(ray: ModuleType) -> None:
    """Surface 10: A method of two returns gives two nodes."""
    dag = _dag(ray)

    @ray.remote
    class Splitter:
        @ray.method(num_returns=2)
        def split(self, value):
            return value, -value

        def add(self, a, b):
            return a + b

    splitter = Splitter.remote()
    with dag.InputNode() as given:
        plus, minus = splitter.split.bind(given)
        end = dag.MultiOutputNode([minus, plus])
    assert plus.is_class_method_output
    assert (plus.output_idx, minus.output_idx) == (0, 1)
    assert plus.class_method_call.is_class_method_call
    assert plus.num_returns == 2
    assert ray.get(end.execute(5)) == [-5, 5]


@program()
def dag_input(ray: ModuleType) -> None:
    """Surface 10: InputNode stands for what execute() is given: the one thing, or by index and name."""
    dag = _dag(ray)
    add = _adder(ray)
    with dag.InputNode() as given:
        whole = add.bind(given, 1)
    assert ray.get(whole.execute(4)) == 5
    with dag.InputNode() as given:
        parts = add.bind(given[0], given.b)
        item = given["b"]
    assert isinstance(parts.get_args()[0], dag.InputAttributeNode)
    assert item.key == "b"
    assert ray.get(parts.execute(1, b=2)) == 3
    with dag.InputNode() as given:
        items = add.bind(given[0], given["x"])
    assert ray.get(items.execute({0: 10, "x": 20})) == 30


@program()
def dag_input_by_attribute(ray: ModuleType) -> None:
    """Surface 10: Of a single argument, a name is an attribute."""
    dag = _dag(ray)
    add = _adder(ray)

    class Point:
        def __init__(self, x, y):
            self.x = x
            self.y = y

    with dag.InputNode() as given:
        node = add.bind(given.x, given.y)
    assert ray.get(node.execute(Point(3, 4))) == 7


@program()
def dag_input_errors(ray: ModuleType) -> None:
    """Surface 10: InputNode takes no arguments, is entered, is one for each graph, and is nothing for a constructor."""
    dag = _dag(ray)
    add = _adder(ray)
    with pytest.raises(ValueError, match="should not take any args"):
        dag.InputNode(1)
    alone = dag.InputNode()
    with pytest.raises(AssertionError, match="context manager"):
        add.bind(alone, 1).execute(1)
    with dag.InputNode() as one, dag.InputNode() as two:
        both = add.bind(one, two)
    with pytest.raises(AssertionError, match="only have one unique InputNode"):
        both.execute(1)

    @ray.remote
    class Plain:
        def __init__(self, value):
            self.value = value

    with dag.InputNode() as given, pytest.raises(ValueError, match="InputNode"):
        Plain.bind(given)
    with dag.InputNode() as given, pytest.raises(AssertionError):
        given[1.5]


@program()
def dag_input_data(ray: ModuleType) -> None:
    """Surface 10: DAGInputData: by index, by name, else ValueError."""
    data = _dag(ray).DAGInputData(1, 2, x=3)
    assert (data[0], data[1], data["x"]) == (1, 2, 3)
    with pytest.raises(ValueError):
        data[1.5]


@program()
def dag_misuse(ray: ModuleType) -> None:
    """Surface 10: A node can be neither bound again nor called by remote()."""
    _dag(ray)
    node = _adder(ray).bind(1)
    with pytest.raises(AttributeError, match="cannot be used again"):
        node.bind(1)
    with pytest.raises(AttributeError, match="use .execute"):
        node.remote(1)

    @ray.remote
    class Plain:
        def method(self):
            return 1

    with pytest.raises(AttributeError, match="Use .bind"):
        Plain.bind().method.remote()


@program()
def dag_several_outputs(ray: ModuleType) -> None:
    """Surface 10: MultiOutputNode: a list of references; anything else than a list is refused."""
    dag = _dag(ray)
    add = _adder(ray)
    with dag.InputNode() as given:
        node = dag.MultiOutputNode([add.bind(given, 1), add.bind(given, 2)])
    refs = node.execute(10)
    assert isinstance(refs, list)
    assert ray.get(refs) == [11, 12]
    assert ray.get(dag.MultiOutputNode((add.bind(1, 1),)).execute()) == [2]
    with pytest.raises(ValueError, match="Invalid input type"):
        dag.MultiOutputNode({"a": 1})


@program()
def dag_errors_go_on(ray: ModuleType) -> None:
    """Surface 10: The error of a node is that of all that need it."""
    _dag(ray)
    add = _adder(ray)

    @ray.remote
    def fail():
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        ray.get(add.bind(add.bind(fail.bind(), 1), 1).execute())


@program()
def dag_walks(ray: ModuleType) -> None:
    """Surface 10: apply_recursive goes from the leaves up, each node once; traverse_and_apply sees all; uuids are stable."""
    dag = _dag(ray)
    add = _adder(ray)
    leaf = add.bind(1, 2)
    node = add.bind(leaf, leaf)
    seen = []

    def visit(each):
        seen.append(each.get_stable_uuid())
        return each

    result = node.apply_recursive(visit)
    assert seen == [leaf.get_stable_uuid(), node.get_stable_uuid()]
    assert isinstance(result, dag.FunctionNode)
    assert result.get_stable_uuid() == node.get_stable_uuid()
    found = []
    leaf.traverse_and_apply(found.append)
    assert found == [leaf, node]
    replaced = node.apply_functional([leaf, {"x": leaf}], lambda each: each is leaf, lambda each: "leaf")
    assert replaced == ["leaf", {"x": "leaf"}]


@program()
def dag_keeps_what_nodes_returned(ray: ModuleType) -> None:
    """Surface 10: With _ray_cache_refs the nodes' references can be asked for afterwards."""
    import asyncio

    _dag(ray)
    add = _adder(ray)
    leaf = add.bind(1, 2)
    node = add.bind(leaf, 3)
    node.execute(_ray_cache_refs=True)
    cache = asyncio.run(node.get_object_refs_from_last_execute())
    assert ray.get(cache[leaf.get_stable_uuid()]) == 3
    assert ray.get(cache[node.get_stable_uuid()]) == 6
    node.clear_cache()
    assert asyncio.run(node.get_object_refs_from_last_execute()) == {}


@program()
def dag_names(ray: ModuleType) -> None:
    """Surface 10: What programs import, and a context with Ray's defaults."""
    dag = _dag(ray)
    for name in dag.__all__:
        assert hasattr(dag, name)
    for name in ("CollectiveOutputNode", "DAGOperationFuture", "GPUFuture", "PARENT_CLASS_NODE_KEY", "plot"):
        assert hasattr(dag, name)
    context = dag.DAGContext.get_current()
    assert context is dag.DAGContext.get_current()
    assert (context.get_timeout, context.max_inflight_executions, context.buffer_size_bytes) == (10, 10, 1_000_000)
    with pytest.raises(ValueError, match="must be less than or equal"):
        dag.DAGContext(read_iteration_timeout=11, get_timeout=10)


@program()
def dag_text(ray: ModuleType) -> None:
    """Surface 10: str() of a node names its kind, uuid and body."""
    _dag(ray)
    node = _adder(ray).bind(1)
    text = str(node)
    assert text.startswith(f"(FunctionNode, {node.get_stable_uuid()})(")
    assert "body=" in text
    assert "args=" in text


@program()
def dag_modules(ray: ModuleType) -> None:
    """Surface 10: The names of nodes are where Ray has them, too; children are replaced in a copy."""
    dag = _dag(ray)
    for module, name in (
        ("dag_node", "DAGNode"),
        ("input_node", "InputNode"),
        ("output_node", "MultiOutputNode"),
        ("function_node", "FunctionNode"),
        ("class_node", "ClassMethodNode"),
        ("constants", "PARENT_CLASS_NODE_KEY"),
        ("context", "DAGContext"),
        ("compiled_dag_node", "CompiledDAG"),
    ):
        found = getattr(importlib.import_module(f"{ray.__name__}.dag.{module}"), name)
        assert found is getattr(dag, name, found)
    add = _adder(ray)
    first, second, other = add.bind(1), add.bind(2), add.bind(3)
    node = add.bind(first, b={"deep": [second]})
    copied = node._apply_and_replace_all_child_nodes(lambda child: other if child is first else second)
    assert copied._get_all_child_nodes() == [other, second]
    assert node._get_all_child_nodes() == [first, second]
