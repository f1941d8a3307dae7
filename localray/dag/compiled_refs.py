"""What executing a compiled graph returns: a reference for `ray.get`, or a future for ``await``; each is good for one
reading. Must not live here: executing (`localray.dag.compiled`)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, NoReturn, TypeGuard

from localray.object_ref import Reference

if TYPE_CHECKING:
    from localray.dag.compiled import Execution


class _Result(Reference):
    """One output of one execution; ``channel`` is its place among several, None when there is one."""

    def __init__(self, execution: Execution, channel: int | None) -> None:
        self._execution = execution
        self._channel = channel
        self._is_read = False

    def __str__(self) -> str:
        execution = self._execution
        return (
            f"{type(self).__name__}({execution.graph.get_id()}, execution_index={execution.index}, "
            f"channel_index={self._channel})"
        )

    def __copy__(self) -> NoReturn:
        raise ValueError(f"{type(self).__name__} cannot be copied.")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise ValueError(f"{type(self).__name__} cannot be deep copied.")

    def __reduce__(self) -> NoReturn:
        raise ValueError(self._no_argument())

    def reduce_into(self, contained: list[bytes]) -> tuple[Callable[..., object], tuple[object, ...]]:
        # Whoever passes or puts it gets another error than who pickles it, as in Ray.
        raise TypeError(self._no_argument())

    def _no_argument(self) -> str:
        name = type(self).__name__
        return f"{name} cannot be pickled. {name} cannot be used as Ray task/actor argument."

    def __del__(self) -> None:
        if not self._is_read:
            self._execution.drop(self._channel)


class CompiledDAGRef(_Result):
    """A result of a compiled graph: `ray.get` takes it, once. It cannot be waited for, copied, or passed on."""

    def get(self, timeout: float | None = None) -> Any:
        """The result.

        Args:
            timeout: seconds to wait at most; None for the graph's own limit, -1 for ever.

        Raises:
            RayChannelTimeoutError: it was not there in time.
            ValueError: it was asked for before.
            RayTaskError: a call raised; also an instance of what it raised.
        """
        if self._is_read:
            raise ValueError("ray.get() can only be called once on a CompiledDAGRef, and it was already called.")
        self._is_read = True
        return self._execution.read(self._channel, timeout)


class CompiledDAGFuture(_Result):
    """A result of a compiled graph, to be awaited, once."""

    def __await__(self) -> Generator[Any, None, Any]:
        if self._is_read:
            raise ValueError("CompiledDAGFuture can only be awaited upon once, and it has already been awaited upon.")
        self._is_read = True
        return (yield from self._execution.read_async(self._channel).__await__())


def is_compiled(value: object) -> TypeGuard[CompiledDAGRef]:
    """Whether this is a result of a compiled graph."""
    return isinstance(value, CompiledDAGRef)


def get_compiled(references: list[Any], timeout: float | None) -> list[Any]:
    """The results of compiled graphs, in order.

    Raises:
        ValueError: there are other things among them.
    """
    if not all(is_compiled(each) for each in references):
        raise ValueError(
            "Invalid type of object refs. 'object_refs' must be a list of CompiledDAGRefs if there is any "
            "CompiledDAGRef within it. "
        )
    return [reference.get(timeout) for reference in references]
