"""What is running here: the task or call that the calling thread or coroutine works for. A context variable, so that
each coroutine sees its own."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from localray.protocol import DefineTemplate, Resources, RunTask


@dataclass(slots=True)
class Actor:
    """The actor that lives in this worker; ``instance`` is None while its constructor runs; ``label`` names it where it
    prints."""

    actor_id: bytes
    instance: object
    actor_class: type
    label: str
    resources: Resources
    group: bytes
    captures: bool
    restarts: int = 0
    name: str = ""
    units: tuple[int, ...] = ()


def repr_name_of(instance: object) -> str:
    """What an actor's class says of it by a ``__repr__`` of its own; empty if it has none. So it is called before lines
    that it prints, and in lists of actors and calls."""
    if type(instance).__repr__ is object.__repr__:
        return ""
    try:
        return repr(instance)
    except Exception:  # noqa: BLE001 - the user's code may raise anything; it costs the actor nothing but a nicer name
        return ""


class Checkpointer(Protocol):
    """What takes an actor's checkpoints."""

    def now(self, task_id: bytes) -> None: ...


class Host(Protocol):
    """Where a task runs: the executor."""

    actor: Actor | None

    @property
    def checkpointer(self) -> Checkpointer | None: ...

    def exit_actor(self, task_id: bytes) -> None: ...

    def function(self, template: DefineTemplate) -> Callable[..., object]: ...

    @property
    def is_asyncio(self) -> bool: ...


class TaskContext:
    """One execution. It is made for every task and seldom asked, so it works out its answers when asked."""

    __slots__ = ("_host", "_message", "_template")

    def __init__(self, message: RunTask, template: DefineTemplate, host: Host) -> None:
        self._message = message
        self._template = template
        self._host = host

    @property
    def task_id(self) -> bytes:
        """The task's id."""
        return self._message.task_id

    @property
    def name(self) -> str:
        """As its options name it."""
        return self._template.name

    @property
    def function_name(self) -> str:
        """The function's or method's, with its module. As in Ray without the functions around it, but for methods of
        asyncio actors."""
        template = self._template
        actor_class = self.actor_class
        if actor_class is None:
            function = self._host.function(template)
            return f"{_module_of(function)}.{function.__name__}"
        method = getattr(actor_class, template.method, actor_class)
        if self.is_asyncio and hasattr(method, "__qualname__"):
            return f"{_module_of(method)}.{method.__qualname__}"
        return f"{_module_of(method)}.{actor_class.__name__}.{template.method}"

    @property
    def actor_id(self) -> bytes:
        """Of the actor it belongs to; empty for a task."""
        return self._message.actor_id

    @property
    def actor_name(self) -> str:
        """The name that is registered for the actor, if any."""
        return self._message.actor_name

    @property
    def actor_label(self) -> str:
        """What is put before lines that the actor prints: its class's name, or what its own ``__repr__`` says."""
        actor = self._host.actor
        return "" if actor is None else actor.label

    @property
    def actor_class(self) -> type | None:
        """The class of the actor it belongs to, if any."""
        actor = self._host.actor
        return None if actor is None else actor.actor_class

    @property
    def resources(self) -> Resources:
        """What the task, or its actor, holds."""
        actor = self._host.actor
        return self._template.to_hold if actor is None else actor.resources

    @property
    def group(self) -> bytes:
        """The placement group that the task, or its actor, runs in; empty if none."""
        actor = self._host.actor
        return self._template.group if actor is None else actor.group

    @property
    def captures(self) -> bool:
        """Whether what it submits runs in the group too."""
        actor = self._host.actor
        return self._template.captures if actor is None else actor.captures

    @property
    def devices(self) -> tuple[int, ...]:
        """The indices of its GPUs."""
        return self._message.units

    @property
    def attempt(self) -> int:
        """How often it was tried before."""
        return self._message.attempt

    @property
    def restarts(self) -> int:
        """How often the actor it belongs to has been restarted."""
        actor = self._host.actor
        return 0 if actor is None else actor.restarts

    @property
    def checkpoints(self) -> Checkpointer | None:
        """What takes checkpoints of the actor it belongs to, if that checkpoints itself."""
        return self._host.checkpointer

    def exit_actor(self) -> None:
        """The actor it belongs to is to end with this call."""
        self._host.exit_actor(self.task_id)

    @property
    def is_asyncio(self) -> bool:
        """Whether the actor's calls interleave on an event loop."""
        return self._host.is_asyncio


current_task: ContextVar[TaskContext | None] = ContextVar("localray_current_task", default=None)


def running_task_id() -> bytes:
    """The id of the task or call that the calling thread or coroutine works for; empty if none."""
    context = current_task.get()
    return b"" if context is None else context.task_id


def _module_of(function: Callable[..., object]) -> str:
    """Where it is defined; of what the program itself defines the program's file, as in Ray."""
    code = getattr(function, "__code__", None)
    if function.__module__ != "__main__" or code is None:
        return function.__module__
    return Path(code.co_filename).stem
