"""What is running here: the task or call that the calling thread or coroutine works for. A context variable, so that
each coroutine sees its own."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from localray.protocol import Resources


@dataclass(slots=True)
class TaskContext:
    """One execution.

    ``resources`` are what the task, or its actor, holds; ``devices`` the indices of its GPUs; ``attempt`` counts from
    0; ``actor_class`` is the class of the actor it belongs to, if any, ``actor_name`` the name
    that is registered for it, and ``is_asyncio`` whether its calls interleave on an event loop.
    """

    task_id: bytes
    name: str
    function_name: str
    actor_id: bytes
    resources: Resources
    devices: tuple[int, ...]
    attempt: int
    actor_class: type | None = None
    actor_name: str = ""
    is_asyncio: bool = False


current_task: ContextVar[TaskContext | None] = ContextVar("localray_current_task", default=None)
