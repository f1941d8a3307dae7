"""What the kernel remembers of a generator's stream. Passive, like all records; who may change it is in `streams`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class StreamRecord:
    """What a generator yields, from its submission until its owner, the client that submitted it, lets go of it.

    Items have the ids of the task's returns after the first. Those before ``yielded`` have been delivered; those from
    there to ``declared`` the owner has asked for ahead of time. All of them the owner holds from the start, whether or
    not it has heard of them. ``taken`` is told only of a stream with backpressure; ``awaited`` is how many are to be
    taken before its worker goes on, 0 when it does not wait.
    """

    task_id: bytes
    owner: int
    yielded: int = 0
    declared: int = 0
    taken: int = 0
    awaited: int = 0
    ended: bool = False
