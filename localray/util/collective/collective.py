"""`ray.util.collective`: operations of a group of actors or tasks on arrays in their memory.

Here arrays meet in an actor, whatever the backend is called; there is no NCCL. Must not live here: the operations
(`localray.util.collective.group`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from localray.actor import ActorHandle
from localray.api import get
from localray.client.context import current_task
from localray.util.collective.group import Group, end_meeting, find_meeting, meeting_of, memberships
from localray.util.collective.types import Backend, ReduceOp

_MILLISECONDS = 1000
_DEFAULT_TIMEOUT_MS = 30_000


def nccl_available() -> bool:
    """Never."""
    return False


def gloo_available() -> bool:
    """Always: its part is taken by numpy."""
    return True


def is_backend_available(backend: str) -> bool:
    """Whether groups can be made with it.

    Raises:
        ValueError: there is no backend of this name.
    """
    return Backend(backend) == Backend.GLOO


def register_collective_backend(name: str, group_cls: type) -> NoReturn:
    """Raises:
    NotImplementedError: always.
    """
    raise NotImplementedError(f"The backend {name!r} cannot be added: use 'gloo', which is numpy here.")


def init_collective_group(
    world_size: int,
    rank: int,
    backend: str = Backend.NCCL,
    group_name: str = "default",
    gloo_timeout: int = _DEFAULT_TIMEOUT_MS,
) -> None:
    """Join a group; called by each of its members.

    Args:
        world_size: how many members it has.
        rank: of the caller, from 0.
        backend: "gloo".
        group_name: of the group.
        gloo_timeout: milliseconds that an operation waits for the other members.

    Raises:
        RuntimeError: called on a driver, or the process is in the group already, or the backend is not there.
        ValueError: a value is wrong.
    """
    _check_inside_actor()
    _check_backend(backend)
    if not group_name:
        raise ValueError(f"group_name '{group_name}' needs to be a string.")
    if group_name in memberships():
        raise RuntimeError("Trying to initialize a group a second time.")
    if not 0 <= rank < world_size:
        raise ValueError(f"rank '{rank}' must be from 0 to {world_size - 1}.")
    meeting = meeting_of(group_name, world_size)
    memberships()[group_name] = Group(meeting, world_size, rank, gloo_timeout / _MILLISECONDS)


def create_collective_group(
    actors: list[ActorHandle[Any]],
    world_size: int,
    ranks: list[int],
    backend: str = Backend.NCCL,
    group_name: str = "default",
    gloo_timeout: int = _DEFAULT_TIMEOUT_MS,
) -> None:
    """Declare actors a group; called by somebody else. Each is a member from its first operation on.

    Args:
        actors: the members.
        world_size: how many they are.
        ranks: of each.
        backend, group_name, gloo_timeout: as for `init_collective_group`.

    Raises:
        RuntimeError: the group exists, or ranks make no sense.
    """
    _check_backend(backend)
    if find_meeting(group_name) is not None:
        raise RuntimeError("Trying to initialize a group twice.")
    if len(ranks) != len(actors):
        raise RuntimeError(
            f"Each actor should correspond to one rank. Got '{len(ranks)}' ranks but '{len(actors)}' actors"
        )
    if sorted(ranks) != list(range(len(ranks))):
        raise RuntimeError(f"Ranks must be a permutation from 0 to '{len(ranks) - 1}'. Got '{ranks}'.")
    if world_size <= 0:
        raise RuntimeError(f"World size must be greater than zero. Got '{world_size}'.")
    if world_size != len(ranks):
        raise RuntimeError(f"Ranks cannot be fewer or more than world_size: {len(ranks)} of {world_size}.")
    by_actor = {actor._actor_id.hex(): rank for actor, rank in zip(actors, ranks, strict=True)}
    get(meeting_of(group_name, world_size, by_actor).describe.remote(""))


def destroy_collective_group(group_name: str = "default") -> None:
    """End a group; nothing happens if there is none."""
    memberships().pop(group_name, None)
    end_meeting(group_name)


def is_group_initialized(group_name: str) -> bool:
    """Whether the calling process has joined the group."""
    return group_name in memberships()


def get_rank(group_name: str = "default") -> int:
    """The caller's rank; -1 if it has not joined the group."""
    group = memberships().get(group_name)
    return -1 if group is None else group.rank


def get_collective_group_size(group_name: str = "default") -> int:
    """How many members the group has; -1 if the caller has not joined it."""
    group = memberships().get(group_name)
    return -1 if group is None else group.world_size


def get_group_handle(group_name: str = "default") -> Group:
    """The caller's membership, made by need where the group was declared by somebody else.

    Raises:
        RuntimeError: called on a driver, or there is no such group.
    """
    _check_inside_actor()
    group = memberships().get(group_name)
    if group is not None:
        return group
    context = current_task.get()
    meeting = find_meeting(group_name)
    if meeting is not None and context is not None:
        world_size, rank = get(meeting.describe.remote(context.actor_id.hex()))
        if rank >= 0:
            group = Group(meeting, world_size, rank, _DEFAULT_TIMEOUT_MS / _MILLISECONDS)
            return memberships().setdefault(group_name, group)
    raise RuntimeError(
        f"The collective group '{group_name}' is not initialized in the process. Call init_collective_group() in each "
        "member, or create_collective_group() with their handles."
    )


def allreduce(tensor: Any, group_name: str = "default", op: ReduceOp = ReduceOp.SUM) -> None:
    """Each member's array becomes the reduction of all of them, in place."""
    get_group_handle(group_name).allreduce(tensor, op)


def barrier(group_name: str = "default") -> None:
    """Wait until all members are here."""
    get_group_handle(group_name).barrier()


def reduce(tensor: Any, dst_rank: int = 0, group_name: str = "default", op: ReduceOp = ReduceOp.SUM) -> None:
    """The array of one member becomes the reduction of all, in place."""
    group = get_group_handle(group_name)
    _check_rank(group, dst_rank)
    group.reduce(tensor, dst_rank, op)


def broadcast(tensor: Any, src_rank: int = 0, group_name: str = "default") -> None:
    """Each member's array becomes that of one member, in place."""
    group = get_group_handle(group_name)
    _check_rank(group, src_rank)
    group.broadcast(tensor, src_rank)


def allgather(tensor_list: list[Any], tensor: Any, group_name: str = "default") -> None:
    """Each member's list of arrays becomes the arrays of all members, in place.

    Raises:
        RuntimeError: the list is not as long as the group is large.
    """
    group = get_group_handle(group_name)
    _check_length(group, tensor_list)
    group.allgather(tensor_list, tensor)


def reducescatter(
    tensor: Any, tensor_list: list[Any], group_name: str = "default", op: ReduceOp = ReduceOp.SUM
) -> None:
    """A member's array becomes the reduction, over all members, of the item of their lists that is for it.

    Raises:
        RuntimeError: the list is not as long as the group is large.
    """
    group = get_group_handle(group_name)
    _check_length(group, tensor_list)
    group.reducescatter(tensor, tensor_list, op)


def send(tensor: Any, dst_rank: int, group_name: str = "default") -> None:
    """Send an array to a member.

    Raises:
        RuntimeError: to oneself.
    """
    group = get_group_handle(group_name)
    _check_other(group, dst_rank)
    group.send(tensor, dst_rank)


def recv(tensor: Any, src_rank: int, group_name: str = "default") -> None:
    """An array becomes what a member has sent, in place.

    Raises:
        RuntimeError: from oneself.
    """
    group = get_group_handle(group_name)
    _check_other(group, src_rank)
    group.recv(tensor, src_rank)


def _multigpu(name: str) -> NoReturn:
    raise RuntimeError(f"{name} needs NCCL and several GPUs' memory, which are not here: use the function for arrays.")


def allreduce_multigpu(tensor_list: list[Any], group_name: str = "default", op: ReduceOp = ReduceOp.SUM) -> None:
    """Not here: raises `RuntimeError`, as do all of its kin."""
    _multigpu("allreduce_multigpu")


def reduce_multigpu(
    tensor_list: list[Any],
    dst_rank: int = 0,
    dst_tensor: int = 0,
    group_name: str = "default",
    op: ReduceOp = ReduceOp.SUM,
) -> None:
    """Not here."""
    _multigpu("reduce_multigpu")


def broadcast_multigpu(
    tensor_list: list[Any], src_rank: int = 0, src_tensor: int = 0, group_name: str = "default"
) -> None:
    """Not here."""
    _multigpu("broadcast_multigpu")


def allgather_multigpu(
    output_tensor_lists: list[Any], input_tensor_list: list[Any], group_name: str = "default"
) -> None:
    """Not here."""
    _multigpu("allgather_multigpu")


def reducescatter_multigpu(
    output_tensor_list: list[Any],
    input_tensor_lists: list[Any],
    group_name: str = "default",
    op: ReduceOp = ReduceOp.SUM,
) -> None:
    """Not here."""
    _multigpu("reducescatter_multigpu")


def send_multigpu(
    tensor: Any, dst_rank: int, dst_gpu_index: int, group_name: str = "default", n_elements: int = 0
) -> None:
    """Not here."""
    _multigpu("send_multigpu")


def recv_multigpu(
    tensor: Any, src_rank: int, src_gpu_index: int, group_name: str = "default", n_elements: int = 0
) -> None:
    """Not here."""
    _multigpu("recv_multigpu")


def _check_inside_actor() -> None:
    if current_task.get() is None:
        raise RuntimeError("The collective APIs shall be only used inside a Ray actor or task.")


def _check_backend(backend: str) -> None:
    if not is_backend_available(backend):
        raise RuntimeError(f"The backend {backend!r} is not available here: pass backend='gloo', which is numpy.")


def _check_rank(group: Group, rank: int) -> None:
    if rank < 0:
        raise ValueError(f"rank '{rank}' is negative.")
    if rank >= group.world_size:
        raise ValueError(f"rank '{rank}' must be less than world size '{group.world_size}'")


def _check_other(group: Group, rank: int) -> None:
    _check_rank(group, rank)
    if rank == group.rank:
        raise RuntimeError(f"The destination rank '{rank}' is self.")


def _check_length(group: Group, tensors: list[Any]) -> None:
    if not isinstance(tensors, list):
        raise RuntimeError(f"The input must be a list of tensors. Got '{type(tensors)}'.")
    if len(tensors) != group.world_size:
        raise RuntimeError(
            "The length of the tensor list operands to the operation must be equal to world_size: "
            f"{len(tensors)} is not {group.world_size}."
        )


if not TYPE_CHECKING:
    # What Ray has beside: private there, and no matter for type checkers.
    from localray.absent.catalogue import missing_in

    __getattr__ = missing_in(__name__)
