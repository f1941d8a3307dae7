"""Compiled graphs: a graph of calls that is checked once and then executed with as little ado as possible.

In Ray the actors of a compiled graph pass their results to each other through channels of their own. Here an execution
submits the calls, each with the references that the earlier ones returned: the kernel hands the results on. What is the
same is what a program can see: results, errors, their order, how many executions may be under way. What differs: the
actors take ordinary calls too. Must not live here: what can be compiled (`localray.dag.plan`), pictures.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from localray.client.client import Client
from localray.client.current import connected_client
from localray.dag.compiled_refs import CompiledDAGFuture, CompiledDAGRef
from localray.dag.dag_context import DAGContext
from localray.dag.nodes import DAGInputData, DAGNode
from localray.dag.pictures import draw, write_picture
from localray.dag.plan import make_plan
from localray.exceptions import RayCgraphCapacityExceeded, RayChannelError, RayChannelTimeoutError
from localray.object_ref import ObjectRef
from localray.protocol import KillActor


class Execution:
    """One execution: its results until they are read or dropped. It is over when all are there, or as soon as one is an
    error, which then is the result in the places of all, as in Ray. ``values`` are those that are there and not read.
    """

    def __init__(self, graph: CompiledDAG, index: int, outputs: list[ObjectRef[Any]]) -> None:
        self.graph = graph
        self.index = index
        self.outputs: dict[int, ObjectRef[Any]] = dict(enumerate(outputs))
        self.places = frozenset(self.outputs)
        self.unread = dict.fromkeys(self.outputs)
        self.values: dict[int, Any] = {}
        self.read_already: set[int] = set()
        self._failed: ObjectRef[Any] | None = None
        self._over: asyncio.Future[None] | None = None

    def read(self, channel: int | None, timeout_s: float | None) -> Any:
        """One of its results, or the only one, after those of the executions before it."""
        self.graph.finish_until(self, timeout_s)
        return self._take(channel)

    async def read_async(self, channel: int | None) -> Any:
        """As `read`, for asyncio; without a limit of time."""
        if self._over is None:
            self._over = asyncio.ensure_future(self._await_all())
        await asyncio.shield(self._over)
        return self._take(channel)

    async def _await_all(self) -> None:
        awaited = {asyncio.ensure_future(each): each for each in dict.fromkeys(self.outputs.values())}
        missing = set(awaited)
        while missing and self._failed is None:
            there, missing = await asyncio.wait(missing, return_when=asyncio.FIRST_COMPLETED)
            for future in there:
                self._take_in(awaited[future], future.result)
        for future in missing:
            future.cancel()
        self.graph.finished(self)

    def take_in(self, there: Collection[ObjectRef[Any]]) -> bool:
        """These results are there. Returns whether one of them is an error: then the others need not be waited for."""
        for reference in there:
            self._take_in(reference, partial(self.graph.client.gets.get_one, reference, None))
        return self._failed is not None

    def _take_in(self, reference: ObjectRef[Any], value_of: Callable[[], Any]) -> None:
        places = [place for place in list(self.unread) if self.outputs[place] == reference]
        if not places or self._failed is not None:
            return
        try:
            self.values.update(dict.fromkeys(places, value_of()))
        except Exception:  # noqa: BLE001 - whatever it is, it is raised for whoever reads
            self._failed = reference
            self.values.clear()

    def drop(self, channel: int | None) -> None:
        """Nobody will read this result. Called by the garbage collector."""
        self.unread.pop(channel or 0, None)
        self.values.pop(channel or 0, None)

    def _take(self, channel: int | None) -> Any:
        place = channel or 0
        self.unread.pop(place, None)
        self.read_already.add(place)
        if not self.unread:
            self.graph.forget(self)
        if self._failed is not None:
            return self.graph.client.gets.get_one(self._failed, None)
        return self.values.pop(place)


class CompiledDAG:
    """A compiled graph: what ``node.experimental_compile()`` returns.

    Args:
        output: the end of the graph.
        enable_asyncio: it is executed by `execute_async`.
        max_inflight_executions: so many may be under way, by default as `DAGContext` says.
        max_buffered_results: so many executions may be over and not read.

    Raises:
        ValueError, NotImplementedError: see `localray.dag.plan.make_plan`.

    Example:
        >>> with InputNode() as inp:                            # doctest: +SKIP
        ...     graph = worker.double.bind(inp).experimental_compile()
        >>> ray.get(graph.execute(4))                           # doctest: +SKIP
        8
    """

    def __init__(
        self,
        output: DAGNode,
        enable_asyncio: bool,
        max_inflight_executions: int | None,
        max_buffered_results: int | None,
    ) -> None:
        limits = DAGContext.get_current()
        self.plan = make_plan(output)
        self.client: Client = connected_client()
        self.is_teardown = False
        self._id = uuid.uuid4().hex
        self._enable_asyncio = enable_asyncio
        self._max_inflight = max_inflight_executions or limits.max_inflight_executions
        self._max_buffered = max_buffered_results or limits.max_buffered_results
        self._timeout_s = limits.get_timeout
        self._next_index = 0
        self._last_finished = -1
        # Those that are not over, or of which something is still to be read, by their indices.
        self._executions: dict[int, Execution] = {}

    def get_id(self) -> str:
        """A name for the compiled graph."""
        return self._id

    def __str__(self) -> str:
        return f"CompiledDAG({self._id})"

    # What Ray keeps of executions, under its private names: its own tests look there.

    @property
    def _execution_index(self) -> int:
        return self._next_index - 1

    @property
    def _max_finished_execution_index(self) -> int:
        return self._last_finished

    @property
    def _result_buffer(self) -> dict[int, dict[int, Any]]:
        return {index: dict(each.values) for index, each in self._executions.items() if each.values}

    @property
    def _destructed_ref_idxs(self) -> dict[int, set[int]]:
        return self._of_unread(lambda each: each.places - set(each.unread) - each.read_already)

    @property
    def _got_ref_idxs(self) -> dict[int, set[int]]:
        return self._of_unread(lambda each: each.read_already)

    def _of_unread(self, places_of: Callable[[Execution], Collection[int]]) -> dict[int, set[int]]:
        """Of the executions of which something is still to be read: which of their results these are."""
        found = {index: set(places_of(each)) for index, each in self._executions.items() if each.unread}
        return {index: places for index, places in found.items() if places}

    # ---------------------------------------------------------------- executing

    def execute(self, *args: Any, **kwargs: Any) -> CompiledDAGRef | list[CompiledDAGRef]:
        """Execute the graph once.

        Args:
            args, kwargs: what its `InputNode` stands for.

        Returns:
            A reference to the result; of a graph with several outputs a list of them.

        Raises:
            RayCgraphCapacityExceeded: too many executions are under way.
            RayChannelError: `teardown` was called.
            ValueError: arguments are missing or too many, or the graph is for asyncio.
        """
        if self._enable_asyncio:
            raise ValueError("Use execute_async if enable_asyncio=True")
        execution = self._start(args, kwargs)
        if self.plan.returns_list:
            return [CompiledDAGRef(execution, channel) for channel in range(len(self.plan.outputs))]
        return CompiledDAGRef(execution, None)

    async def execute_async(self, *args: Any, **kwargs: Any) -> CompiledDAGFuture | list[CompiledDAGFuture]:
        """As `execute`, for graphs compiled with ``enable_asyncio=True``; what it returns is awaited."""
        if not self._enable_asyncio:
            raise ValueError("Use execute if enable_asyncio=False")
        execution = self._start(args, kwargs)
        if self.plan.returns_list:
            return [CompiledDAGFuture(execution, channel) for channel in range(len(self.plan.outputs))]
        return CompiledDAGFuture(execution, None)

    def _start(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Execution:
        self._check_inputs(args, kwargs)
        if self.is_teardown:
            raise RayChannelError("Channel closed. The compiled graph was torn down; compile another to execute again.")
        if not self._enable_asyncio:
            self._release_dropped()
        under_way = self._next_index - 1 - self._last_finished
        if under_way >= self._max_inflight:
            raise RayCgraphCapacityExceeded(
                f"The compiled graph can't have more than {self._max_inflight} in-flight executions, and you currently "
                f"have {under_way} in-flight executions. Retrieve an output using ray.get before submitting more "
                "requests or increase `_max_inflight_executions`. "
                "`dag.experimental_compile(_max_inflight_executions=...)`"
            )
        execution = Execution(self, self._next_index, self._submit(args, kwargs))
        self._executions[execution.index] = execution
        self._next_index += 1
        return execution

    def _check_inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if len(args) != self.plan.positional:
            raise ValueError(
                "dag.execute() or dag.execute_async() must be called with "
                f"{self.plan.positional} positional args, got {len(args)}"
            )
        for name in self.plan.names:
            if name not in kwargs:
                raise ValueError(f"dag.execute() or dag.execute_async() must be called with kwarg `{name}`")

    def _submit(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[ObjectRef[Any]]:
        plan = self.plan
        given = DAGInputData(*args, **kwargs)
        values: dict[DAGNode, Any] = {each: given[each.key] for each in plan.attributes}
        if args:
            values[plan.input] = args[0]
        for step in plan.steps:
            filled = [values[each] if isinstance(each, DAGNode) else each for each in step.node.get_args()]
            result = step.method.remote(*filled, **step.node.get_kwargs())
            values[step.node] = result
            for part in step.parts:
                values[part] = result[part.output_idx]
        # What comes out as it went in has a reference too.
        return [
            each if isinstance(each, ObjectRef) else self.client.puts.put(each)
            for each in (values[output] for output in plan.outputs)
        ]

    # ---------------------------------------------------------------- results, in the order of the executions

    def finish_until(self, execution: Execution, timeout_s: float | None) -> None:
        """Wait for an execution and those before it, whose results are then kept to be read.

        Raises:
            RayChannelTimeoutError: it took longer.
            RayCgraphCapacityExceeded: too many results are kept.
        """
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        give_up_at = None if limit_s == -1 else time.monotonic() + limit_s
        while self._last_finished < execution.index:
            buffered = sum(
                1 for index, each in self._executions.items() if index <= self._last_finished and each.unread
            )
            if buffered >= self._max_buffered:
                raise RayCgraphCapacityExceeded(
                    f"The compiled graph can't have more than {self._max_buffered} buffered results, and you currently "
                    f"have {buffered} buffered results. Call `ray.get()` on CompiledDAGRef's (or await on "
                    "CompiledDAGFuture's) to retrieve results, or increase `_max_buffered_results` if buffering is "
                    "desired, note that this will increase driver memory usage."
                )
            self._await_next(give_up_at)

    def _await_next(self, give_up_at: float | None) -> None:
        """Wait until the first execution that is not over is."""
        execution = self._executions[self._last_finished + 1]
        missing = list(dict.fromkeys(execution.outputs.values()))
        while missing:
            timeout_s = None if give_up_at is None else max(0.0, give_up_at - time.monotonic())
            # Of what nobody will read no error is of interest.
            there, missing = self.client.gets.wait(missing, 1 if execution.unread else len(missing), timeout_s)
            if not there:
                raise RayChannelTimeoutError(
                    "If the execution is expected to take a long time, increase RAY_CGRAPH_get_timeout which is "
                    f"currently {self._timeout_s} seconds. Otherwise, this may indicate that the execution is hanging."
                )
            if execution.take_in(there):
                break
        self.finished(execution)

    def finished(self, execution: Execution) -> None:
        """An execution is over, and so are those before it."""
        execution.outputs.clear()
        self._last_finished = max(self._last_finished, execution.index)
        if not execution.unread:
            self.forget(execution)

    def forget(self, execution: Execution) -> None:
        """All results of an execution were read, or nobody will: it is over as soon as those before it are."""
        if execution.index <= self._last_finished:
            self._executions.pop(execution.index, None)

    def _release_dropped(self) -> None:
        """Executions whose results nobody will read make room for others once they are over."""
        while True:
            first = self._executions.get(self._last_finished + 1)
            if first is None or first.unread:
                break
            self._await_next(time.monotonic() + self._timeout_s)
        for index in [index for index, each in self._executions.items() if not each.unread]:
            if index <= self._last_finished:
                del self._executions[index]

    # ---------------------------------------------------------------- endings, pictures

    def teardown(self, kill_actors: bool = False) -> None:
        """End the compiled graph; its actors go on.

        Args:
            kill_actors: end them too.
        """
        if self.is_teardown:
            return
        self.is_teardown = True
        self._executions.clear()
        if kill_actors:
            for actor_id in {step.node._get_actor_handle()._ray_actor_id.binary() for step in self.plan.steps}:
                self.client.channel.send(KillActor(actor_id, True))
            self.client.channel.flush()

    def visualize(
        self, filename: str = "compiled_graph", format: str = "png", view: bool = False, channel_details: bool = False
    ) -> str:
        """Draw the graph.

        Args:
            filename: of the picture, without its extension.
            format: "ascii", or one that graphviz knows.
            view: show it: print it, or open it.
            channel_details: accepted for pictures; there are no channels.

        Returns:
            The drawing, or the text from which graphviz made the picture.

        Raises:
            ImportError: a picture needs the package graphviz.
            ValueError: ``channel_details`` in ascii.
        """
        if format != "ascii":
            return write_picture(self.plan.outputs, filename, format, view=view)
        if channel_details:
            raise ValueError("Parameters 'channel_details' are not compatible with 'ascii' format.")
        drawing = draw(self.plan.outputs)
        if view:
            print(drawing)
        return drawing
