"""The nodes of a graph: what ``.bind()`` makes, how they hang together, and `execute`, which submits them.

A node knows its arguments, among which are other nodes, at any depth; of a method also the class or handle it belongs
to, and the call of the same class that was bound before it, because that is to run before it. Must not live here:
submitting (a node has something with ``.remote()``), compiled graphs, pictures.
"""

from __future__ import annotations

import itertools
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, Protocol, TypeVar

from localray.dag.patterns import Pattern

T = TypeVar("T")

PARENT_CLASS_NODE_KEY = "parent_class_node"
PREV_CLASS_METHOD_CALL_KEY = "prev_class_method_call"
BIND_INDEX_KEY = "bind_index"
IS_CLASS_METHOD_OUTPUT_KEY = "is_class_method_output"
COLLECTIVE_OPERATION_KEY = "collective_operation"
DAGNODE_TYPE_KEY = "__dag_node_type__"
_IN_CONTEXT_MANAGER = "__in_context_manager__"


class Submittable(Protocol):
    """A remote function or actor class together with its options."""

    def remote(self, *args: Any, **kwargs: Any) -> Any: ...


def is_node(value: object) -> bool:
    """Whether this is a node of a graph."""
    return isinstance(value, DAGNode)


class DAGNode:
    """A node of a graph of tasks and calls.

    Args:
        args, kwargs: of the task or call; nodes in them stand for what they will return.
        options: as given to ``.options()``.
        other_args_to_resolve: other things that hold nodes, by name.
    """

    def __init__(
        self,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        options: Mapping[str, Any],
        other_args_to_resolve: Mapping[str, Any] | None = None,
    ) -> None:
        self._bound_args = args if isinstance(args, list) else tuple(args)
        self._bound_kwargs = dict(kwargs)
        self._bound_options = dict(options)
        self._bound_other_args_to_resolve = dict(other_args_to_resolve or {})
        self._stable_uuid = uuid.uuid4().hex
        self._pattern: Pattern | None = None
        self._downstream_nodes: list[DAGNode] = []
        self.cache_from_last_execute: dict[str, Any] = {}
        self.is_cgraph_output_node = False
        self._upstream_nodes = list(self._parts().holes)
        for node in self._upstream_nodes:
            node._downstream_nodes.append(self)

    # ---------------------------------------------------------------- what it is made of

    def get_args(self) -> Sequence[Any]:
        """The positional arguments, as bound."""
        return self._bound_args

    def get_kwargs(self) -> dict[str, Any]:
        """The keyword arguments, as bound."""
        return self._bound_kwargs.copy()

    def get_options(self) -> dict[str, Any]:
        """The options, as bound."""
        return self._bound_options.copy()

    def get_other_args_to_resolve(self) -> dict[str, Any]:
        """What else holds nodes."""
        return self._bound_other_args_to_resolve.copy()

    def get_stable_uuid(self) -> str:
        """A name of the node that its copies and pickles share."""
        return self._stable_uuid

    def with_tensor_transport(self, *args: object, **kwargs: object) -> DAGNode:
        """Accepted: there is one machine, and tensors travel as everything else does."""
        return self

    def _parts(self) -> Pattern:
        if self._pattern is None:
            whole = (self._bound_args, self._bound_kwargs, self._bound_other_args_to_resolve)
            self._pattern = Pattern(whole, is_node)
        return self._pattern

    def _get_all_child_nodes(self) -> list[DAGNode]:
        return list(self._parts().holes)

    def _get_toplevel_child_nodes(self) -> list[DAGNode]:
        values = (*self._bound_args, *self._bound_kwargs.values(), *self._bound_other_args_to_resolve.values())
        return list(dict.fromkeys(value for value in values if isinstance(value, DAGNode)))

    def _apply_and_replace_all_child_nodes(self, fn: Callable[[Any], Any]) -> DAGNode:
        return self._filled(fn)

    def _first_nested_nodes(self) -> tuple[Any, int] | None:
        """The first argument in which nodes are hidden, and how many; None if there is none."""
        for argument in self._bound_args:
            if not isinstance(argument, DAGNode) and (nodes := Pattern(argument, is_node).holes):
                return argument, len(nodes)
        return None

    @property
    def _args_contain_nested_dag_node(self) -> bool:
        return self._first_nested_nodes() is not None

    # ---------------------------------------------------------------- executing

    def execute(self, *args: Any, _ray_cache_refs: bool = False, **kwargs: Any) -> Any:
        """Submit the graph that ends in this node.

        Args:
            args, kwargs: what its `InputNode` stands for.
            _ray_cache_refs: keep what each node returned, for `get_object_refs_from_last_execute`.

        Returns:
            What ``.remote()`` returns: of a function or method a reference, of a class a handle, of a
            `MultiOutputNode` a list.
        """
        warnings.warn(
            "DAGNode.execute() is deprecated and will be removed in a future release of Ray.",
            DeprecationWarning,
            stacklevel=2,
        )
        results: dict[str, Any] = {}

        def submit(node: DAGNode) -> Any:
            result = results[node._stable_uuid] = node._execute_impl(*args, **kwargs)
            return result

        result = self.apply_recursive(submit)
        if _ray_cache_refs:
            self.cache_from_last_execute = results
        return result

    async def get_object_refs_from_last_execute(self) -> dict[str, Any]:
        """What each node returned when this was last executed with ``_ray_cache_refs``, by the nodes' uuids."""
        return dict(self.cache_from_last_execute)

    def clear_cache(self) -> None:
        """Forget what the last execution returned."""
        self.cache_from_last_execute = {}

    def _execute_impl(self, *args: Any, **kwargs: Any) -> Any:
        """Submit this node alone, whose arguments have been filled in."""
        raise NotImplementedError

    def experimental_compile(
        self,
        _submit_timeout: float | None = None,
        _buffer_size_bytes: int | None = None,
        enable_asyncio: bool = False,
        _max_inflight_executions: int | None = None,
        _max_buffered_results: int | None = None,
        _overlap_gpu_communication: bool | None = None,
        _default_communicator: object = "create",
    ) -> Any:
        """Check the graph once and get something that executes it faster; see `localray.dag.compiled.CompiledDAG`.

        Raises:
            ValueError, NotImplementedError: the graph cannot be compiled.
        """
        from localray.dag.compiled import CompiledDAG

        if self.is_cgraph_output_node:
            raise ValueError(
                "It is not allowed to call `experimental_compile` on the same DAG object multiple times no matter "
                "whether `teardown` is called or not. Please reuse the existing compiled DAG or create a new one."
            )
        self.is_cgraph_output_node = True
        return CompiledDAG(self, enable_asyncio, _max_inflight_executions, _max_buffered_results)

    # ---------------------------------------------------------------- walking

    def in_order(self) -> Iterator[DAGNode]:
        """All nodes that this one needs, and at last itself: each once, and after those that it needs itself."""
        seen: set[str] = set()
        stack: list[tuple[DAGNode, bool]] = [(self, False)]
        while stack:
            node, is_done = stack.pop()
            if is_done:
                yield node
            elif node._stable_uuid not in seen:
                seen.add(node._stable_uuid)
                stack.append((node, True))
                stack.extend((child, False) for child in reversed(node._get_all_child_nodes()))

    def apply_recursive(self, fn: Callable[[Any], T]) -> T:
        """Call a function for each node, from the leaves up.

        Args:
            fn: gets a copy of the node, in which all nodes are replaced by what the function returned for them.

        Returns:
            What it returned for this node.

        Raises:
            AssertionError: there are several `InputNode`s.
        """
        results: dict[str, Any] = {}
        inputs: set[str] = set()
        for node in self.in_order():
            if isinstance(node, InputNode):
                inputs.add(node._stable_uuid)
                if len(inputs) > 1:
                    raise AssertionError("Each DAG should only have one unique InputNode.")
            results[node._stable_uuid] = fn(node._filled(lambda child: results[child._stable_uuid]))
        return results[self._stable_uuid]  # type: ignore[no-any-return]

    def traverse_and_apply(self, fn: Callable[[DAGNode], object]) -> None:
        """Call a function once for each node that is connected with this one, in whatever direction."""
        seen: dict[DAGNode, None] = {self: None}
        waiting = [self]
        for node in waiting:
            fn(node)
            for neighbour in (*node._downstream_nodes, *node._upstream_nodes):
                if neighbour not in seen:
                    seen[neighbour] = None
                    waiting.append(neighbour)

    def apply_functional(
        self, source_input_list: Any, predicate_fn: Callable[[Any], bool], apply_fn: Callable[[Any], object]
    ) -> Any:
        """A value with some of the nodes in it replaced; nothing is changed.

        Args:
            source_input_list: the value.
            predicate_fn: which nodes to replace.
            apply_fn: by what.
        """
        return Pattern(source_input_list, is_node).fill(lambda node: apply_fn(node) if predicate_fn(node) else node)

    def _filled(self, replace: Callable[[DAGNode], object]) -> DAGNode:
        """A copy with other things in the nodes' places."""
        args, kwargs, others = self._parts().fill(replace)
        copied: DAGNode = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        copied.__dict__.update(
            _bound_args=args, _bound_kwargs=kwargs, _bound_other_args_to_resolve=others, _pattern=None
        )
        return copied

    # ---------------------------------------------------------------- as an object

    def __getattr__(self, name: str) -> Any:
        if name == "bind":
            raise AttributeError(f".bind() cannot be used again on {type(self)} ")
        if name == "remote":
            raise AttributeError(
                f".remote() cannot be used on {type(self)}. To execute the task graph for this node, use .execute()."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pattern": None, "_downstream_nodes": [], "cache_from_last_execute": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def _describe_body(self) -> str:
        return f"__{type(self).__name__}__"

    def __str__(self) -> str:
        lines = [f"({type(self).__name__}, {self._stable_uuid})(", f"    body={self._describe_body()}"]
        parts = {"args": list(self._bound_args), "kwargs": self._bound_kwargs, "options": self._bound_options}
        for name, part in parts.items():
            shown = repr(part).replace("\n", "\n    ")
            lines.append(f"    {name}={shown}")
        return "\n".join([*lines, ")"])

    def __repr__(self) -> str:
        return str(self)


class FunctionNode(DAGNode):
    """A task to be: what ``f.bind()`` makes.

    Args:
        function: the user's.
        submission: submits it with its options.
        args, kwargs, options: as of any node.
    """

    def __init__(
        self,
        function: Callable[..., object],
        submission: Submittable,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        self._body = function
        self._submission = submission
        super().__init__(args, kwargs, options)

    def _execute_impl(self, *args: Any, **kwargs: Any) -> Any:
        return self._submission.remote(*self._bound_args, **self._bound_kwargs)

    def _describe_body(self) -> str:
        return str(self._body)


class ClassNode(DAGNode):
    """An actor to be: what ``Class.bind()`` makes. Its attributes are the methods, each of which can be bound.

    Args:
        cls: the user's class.
        creation: makes an actor of it, with its options.
        args, kwargs, options: as of any node.

    Raises:
        ValueError: the constructor's arguments depend on the graph's input.
    """

    def __init__(
        self,
        cls: type,
        creation: Submittable,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        self._body = cls
        self._creation = creation
        self._last_call: ClassMethodNode | None = None
        super().__init__(args, kwargs, options)
        if any(isinstance(child, InputNode) for child in self._get_all_child_nodes()):
            raise ValueError(
                "InputNode handles user dynamic input the DAG, and cannot be used as args, kwargs, or "
                "other_args_to_resolve in ClassNode constructor because it is not available at class construction or "
                "binding time."
            )

    def _execute_impl(self, *args: Any, **kwargs: Any) -> Any:
        return self._creation.remote(*self._bound_args, **self._bound_kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_body" not in self.__dict__:
            raise AttributeError(name)
        if name == "bind" and not hasattr(self._body, "bind"):
            raise AttributeError(f".bind() cannot be used again on {type(self)} ")
        getattr(self._body, name)
        return UnboundMethod(self, name, {})

    def _describe_body(self) -> str:
        return str(self._body)


class UnboundMethod:
    """A method of a `ClassNode`, to be bound."""

    def __init__(self, class_node: ClassNode, name: str, options: dict[str, Any]) -> None:
        self._class_node = class_node
        self._name = name
        self._options = options

    def bind(self, *args: Any, **kwargs: Any) -> ClassMethodNode:
        """A call of the method; it runs after the calls of the same class that were bound before."""
        others = {PARENT_CLASS_NODE_KEY: self._class_node, PREV_CLASS_METHOD_CALL_KEY: self._class_node._last_call}
        node = ClassMethodNode(self._name, args, kwargs, self._options, others)
        self._class_node._last_call = node
        return node

    def options(self, **options: Any) -> UnboundMethod:
        """The same method with these options."""
        self._options = options
        return self

    def __getattr__(self, name: str) -> NoReturn:
        if name == "remote":
            raise AttributeError(
                ".remote() cannot be used on ClassMethodNodes. Use .bind() instead to express an symbolic actor call."
            )
        raise AttributeError(name)


class ClassMethodNode(DAGNode):
    """A call to be, of a class that is itself a node or of a handle; or one of several things that a call returns.

    Args:
        method_name: which method.
        method_args, method_kwargs, method_options: as of any node.
        other_args_to_resolve: by the keys of this module, whose method it is and what was called before.
    """

    def __init__(
        self,
        method_name: str,
        method_args: Sequence[Any],
        method_kwargs: Mapping[str, Any],
        method_options: Mapping[str, Any],
        other_args_to_resolve: Mapping[str, Any],
    ) -> None:
        self._method_name = method_name
        super().__init__(method_args, method_kwargs, method_options, other_args_to_resolve)

    def _execute_impl(self, *args: Any, **kwargs: Any) -> Any:
        if self.is_class_method_output:
            return self._bound_args[0][self._bound_args[1]]
        method = getattr(self._bound_other_args_to_resolve[PARENT_CLASS_NODE_KEY], self._method_name)
        if self._bound_options:
            method = method.options(**self._bound_options)
        return method.remote(*self._bound_args, **self._bound_kwargs)

    def get_method_name(self) -> str:
        """The method's name."""
        return self._method_name

    def _get_bind_index(self) -> int | None:
        return self._bound_other_args_to_resolve.get(BIND_INDEX_KEY)

    def _get_actor_handle(self) -> Any:
        """The handle it was bound to; None of a class that is a node."""
        parent = self._bound_other_args_to_resolve.get(PARENT_CLASS_NODE_KEY)
        return None if isinstance(parent, DAGNode) else parent

    @property
    def num_returns(self) -> int:
        """How many things the call returns."""
        call = self.class_method_call or self
        return int(call._bound_options.get("num_returns") or 1)

    @property
    def is_class_method_call(self) -> bool:
        """Whether this is the call itself."""
        return not self.is_class_method_output

    @property
    def is_class_method_output(self) -> bool:
        """Whether this is one of several things that a call returns."""
        return bool(self._bound_other_args_to_resolve.get(IS_CLASS_METHOD_OUTPUT_KEY))

    @property
    def class_method_call(self) -> ClassMethodNode | None:
        """Of one of several returns: the call."""
        return self._bound_args[0] if self.is_class_method_output else None

    @property
    def output_idx(self) -> int | None:
        """Of one of several returns: which."""
        return self._bound_args[1] if self.is_class_method_output else None

    def _describe_body(self) -> str:
        return f"{self._method_name}()"


_bind_indices = itertools.count()


def bind_to_handle(
    handle: object, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: Mapping[str, Any]
) -> ClassMethodNode | tuple[ClassMethodNode, ...]:
    """A call of a living actor's method as a node; of one with several returns a node for each."""
    others = {PARENT_CLASS_NODE_KEY: handle, PREV_CLASS_METHOD_CALL_KEY: None, BIND_INDEX_KEY: next(_bind_indices)}
    call = ClassMethodNode(name, args, kwargs, options, others)
    if call.num_returns <= 1:
        return call
    part = {IS_CLASS_METHOD_OUTPUT_KEY: True, PARENT_CLASS_NODE_KEY: handle}
    return tuple(
        ClassMethodNode(f"return_idx_{index}", (call, index), {}, {}, part) for index in range(call.num_returns)
    )


class InputNode(DAGNode):
    """What a graph is executed with: the one argument, or by index and name one of several.

    Args:
        input_type: accepted.

    Raises:
        ValueError: other arguments are given.

    Example:
        >>> with InputNode() as inp:                    # doctest: +SKIP
        ...     graph = add.bind(inp[0], inp.offset)
        >>> ray.get(graph.execute(1, offset=2))         # doctest: +SKIP
        3
    """

    def __init__(self, *args: object, input_type: object = None, **kwargs: object) -> None:
        if args or kwargs:
            raise ValueError("InputNode should not take any args or kwargs.")
        self.input_attribute_nodes: dict[int | str, InputAttributeNode] = {}
        self.input_type = input_type
        super().__init__((), {}, {})

    def _execute_impl(self, *args: Any, **kwargs: Any) -> Any:
        if not self._bound_other_args_to_resolve.get(_IN_CONTEXT_MANAGER):
            raise AssertionError(
                "InputNode is a singleton instance that should be only used in context manager for dag building and "
                "execution. See the docstring of class InputNode for examples."
            )
        return args[0] if len(args) == 1 and not kwargs else DAGInputData(*args, **kwargs)

    def set_context(self, key: str, val: Any) -> None:
        """Keep something under a name."""
        self._bound_other_args_to_resolve[key] = val
        self._pattern = None

    def __getattr__(self, key: str) -> InputAttributeNode:
        if key.startswith("__") or "input_attribute_nodes" not in self.__dict__:
            raise AttributeError(key)
        return self._attribute(key, "__getattr__")

    def __getitem__(self, key: int | str) -> InputAttributeNode:
        if not isinstance(key, (int, str)):
            raise AssertionError("Please only use int index or str as first-level key to access fields of dag input.")
        return self._attribute(key, "__getitem__")

    def _attribute(self, key: int | str, accessor: str) -> InputAttributeNode:
        if key not in self.input_attribute_nodes:
            self.input_attribute_nodes[key] = InputAttributeNode(self, key, accessor)
        return self.input_attribute_nodes[key]

    def __enter__(self) -> InputNode:
        self.set_context(_IN_CONTEXT_MANAGER, True)
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing ends with the block; that it was entered is remembered."""


class InputAttributeNode(DAGNode):
    """A part of what a graph is executed with.

    Args:
        dag_input_node: the whole.
        key: index or name of the part.
        accessor_method: ``__getitem__`` or ``__getattr__``, by which a single argument is asked for it.
    """

    def __init__(self, dag_input_node: InputNode, key: int | str, accessor_method: str) -> None:
        others = {"dag_input_node": dag_input_node, "key": key, "accessor_method": accessor_method}
        super().__init__((), {}, {}, others)

    @property
    def key(self) -> int | str:
        """Index or name of the part."""
        return self._bound_other_args_to_resolve["key"]  # type: ignore[no-any-return]

    def _execute_impl(self, *args: Any, **kwargs: Any) -> Any:
        return self.pick(self._bound_other_args_to_resolve["dag_input_node"])

    def pick(self, whole: Any) -> Any:
        """The part of what the graph is executed with."""
        by_name = self._bound_other_args_to_resolve["accessor_method"] == "__getattr__"
        if isinstance(whole, DAGInputData) or not by_name:
            return whole[self.key]
        return getattr(whole, str(self.key))

    def _describe_body(self) -> str:
        return f'["{self.key}"]'


class DAGInputData:
    """Several arguments that a graph is executed with: by index the positional ones, by name the others."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._args = list(args)
        self._kwargs = kwargs

    def __getitem__(self, key: int | str) -> Any:
        if isinstance(key, int):
            return self._args[key]
        if isinstance(key, str):
            return self._kwargs[key]
        raise ValueError("Please only use int index or str as first-level key to access fields of dag input.")


class MultiOutputNode(DAGNode):
    """The end of a graph that returns several things: executed, it gives a list.

    Raises:
        ValueError: the argument is no list or tuple.
    """

    def __init__(self, args: Sequence[Any], other_args_to_resolve: Mapping[str, Any] | None = None) -> None:
        if not isinstance(args, (list, tuple)):
            raise ValueError(f"Invalid input type for `args`, {type(args)}.")
        super().__init__(list(args), {}, {}, other_args_to_resolve)

    def _execute_impl(self, *args: Any, **kwargs: Any) -> Any:
        return self._bound_args


class CollectiveOutputNode(ClassMethodNode):
    """Of collective operations among accelerators in a compiled graph: importable, not to be made here."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        raise NotImplementedError(
            "Collective operations of compiled graphs need accelerators' communicators, which there are none of here. "
            "Use `ray.util.collective` between actors, or gather in one of them."
        )


class DAGOperationFuture:
    """Of compiled graphs on accelerators: importable, not used here."""


class GPUFuture(DAGOperationFuture):
    """Of compiled graphs on accelerators: importable, not used here."""
