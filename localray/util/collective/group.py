"""A process's memberships in collective groups: operations on numpy arrays, or on what shows itself as one.

Must not live here: what the user calls (`localray.util.collective.collective`), and where ranks meet
(`localray.util.collective.meeting`).
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy

from localray.actor import ActorHandle, get_actor, kill
from localray.api import get, remote
from localray.client.client import Client
from localray.client.current import connected_client
from localray.util.collective.meeting import Meeting
from localray.util.collective.types import ReduceOp

_NAMESPACE = "localray.util.collective"


class Group:
    """This process's membership in one group.

    Args:
        meeting: the actor where the ranks meet.
        world_size: how many ranks there are.
        rank: of this process.
        timeout_s: how long an operation waits for the others.
    """

    def __init__(self, meeting: ActorHandle[Any], world_size: int, rank: int, timeout_s: float) -> None:
        self._meeting = meeting
        self.world_size = world_size
        self.rank = rank
        self._timeout_s = timeout_s
        self._number = 0

    def allreduce(self, tensor: Any, op: ReduceOp) -> None:
        """Each rank's array becomes the reduction of all."""
        _fill(tensor, self._reduce("allreduce", tensor, op))

    def reduce(self, tensor: Any, root: int, op: ReduceOp) -> None:
        """The root's array becomes the reduction of all."""
        result = self._reduce(f"reduce to {root}", tensor, op)
        if self.rank == root:
            _fill(tensor, result)

    def broadcast(self, tensor: Any, root: int) -> None:
        """Each rank's array becomes the root's."""
        arrays = self._meet(f"broadcast from {root}", _array(tensor) if self.rank == root else None)
        if self.rank != root:
            _fill(tensor, arrays[root])

    def allgather(self, tensors: list[Any], tensor: Any) -> None:
        """Each rank's list of arrays becomes the arrays of all ranks."""
        for target, array in zip(tensors, self._meet("allgather", _array(tensor)), strict=True):
            _fill(target, array)

    def reducescatter(self, tensor: Any, tensors: list[Any], op: ReduceOp) -> None:
        """A rank's array becomes the reduction of all ranks' arrays for it."""
        arrays = [_array(each) for each in tensors]
        method = self._meeting.reduce_and_scatter
        _fill(tensor, get(method.remote(self._next(), self.rank, arrays, op, self._timeout_s)))

    def barrier(self) -> None:
        """Returns when all ranks have come."""
        self._meet("barrier", None)

    def send(self, tensor: Any, target: int) -> None:
        """Send an array to a rank."""
        get(self._meeting.put.remote(self.rank, target, _array(tensor)))

    def recv(self, tensor: Any, source: int) -> None:
        """An array becomes what a rank has sent."""
        _fill(tensor, get(self._meeting.take.remote(source, self.rank, self._timeout_s)))

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _meet(self, name: str, brought: Any) -> list[Any]:
        result: list[Any] = get(self._meeting.meet.remote(self._next(), self.rank, name, brought, self._timeout_s))
        return result

    def _reduce(self, name: str, tensor: Any, op: ReduceOp) -> Any:
        return get(self._meeting.reduce.remote(self._next(), self.rank, name, _array(tensor), op, self._timeout_s))


_groups: weakref.WeakKeyDictionary[Client, dict[str, Group]] = weakref.WeakKeyDictionary()
"""Of each client, since in a simulation many live in one process."""


def memberships() -> dict[str, Group]:
    """Of the calling process, by name of the group."""
    return _groups.setdefault(connected_client(), {})


def meeting_of(name: str, world_size: int, ranks: dict[str, int] | None = None) -> ActorHandle[Any]:
    """The actor where a group meets; made by whoever needs it first, and ended by `end_meeting` or with the session."""
    options = remote(Meeting).options(
        name=name, namespace=_NAMESPACE, num_cpus=0, get_if_exists=True, lifetime="detached"
    )
    handle: ActorHandle[Any] = options.remote(world_size, ranks)
    return handle


def find_meeting(name: str) -> ActorHandle[Any] | None:
    """The actor where a group meets, if there is such a group."""
    try:
        return get_actor(name, namespace=_NAMESPACE)
    except ValueError:
        return None


def end_meeting(name: str) -> None:
    """The group is not needed any more."""
    meeting = find_meeting(name)
    if meeting is not None:
        kill(meeting)


def _array(tensor: Any) -> numpy.ndarray[Any, Any]:
    """The array behind a tensor, sharing its memory."""
    if isinstance(tensor, numpy.ndarray):
        return tensor
    as_array = getattr(tensor, "numpy", None)
    if as_array is None:
        raise RuntimeError(
            f"Unrecognized tensor type '{type(tensor)}'. Supported types are: np.ndarray, and torch.Tensor on the CPU."
        )
    array = as_array()
    if not isinstance(array, numpy.ndarray):
        raise RuntimeError(f"{type(tensor)}.numpy() gives {type(array)}, not an array.")
    return array


def _fill(tensor: Any, array: numpy.ndarray[Any, Any]) -> None:
    numpy.copyto(_array(tensor), array)
