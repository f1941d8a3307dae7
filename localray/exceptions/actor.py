"""Errors of actors.

What lives here: the errors a call to an actor, or its creation, can end in. What must not: what the actor's own code
raised, which is a `RayTaskError`.
"""

from __future__ import annotations

from typing import NamedTuple

from localray.exceptions.root import RayError
from localray.exceptions.task import RayTaskError


class RayActorError(RayError):
    """The actor can't do what it was asked: it is dead (`ActorDiedError`) or away (`ActorUnavailableError`).

    Args:
        actor_id: hexadecimal id of the actor.
        error_msg: the whole text.
        actor_init_failed: whether its `__init__` raised.
        preempted: whether its node was taken away.
    """

    BASE_ERROR_MSG = "The actor experienced an error before finishing this task."

    def __init__(
        self,
        actor_id: str | None = None,
        error_msg: str = BASE_ERROR_MSG,
        actor_init_failed: bool = False,
        preempted: bool = False,
    ) -> None:
        self.actor_id = actor_id
        self.error_msg = error_msg
        self._actor_init_failed = actor_init_failed
        self._preempted = preempted

    @property
    def preempted(self) -> bool:
        """Whether the actor died because its node was taken away."""
        return self._preempted

    @property
    def actor_init_failed(self) -> bool:
        """Whether the actor died because its `__init__` raised."""
        return self._actor_init_failed

    def __str__(self) -> str:
        return self.error_msg


class ActorDiedErrorContext(NamedTuple):
    """What is known of an actor's death that was not the fault of its `__init__`; empty fields are left out."""

    class_name: str
    actor_id: bytes
    error_message: str
    pid: int = 0
    name: str = ""
    ray_namespace: str = ""
    node_ip_address: str = ""
    never_started: bool = False
    preempted: bool = False

    def text(self) -> str:
        """The lines a user sees."""
        fields = [("class_name", self.class_name), ("actor_id", self.actor_id.hex())]
        optional = [("pid", self.pid), ("name", self.name), ("namespace", self.ray_namespace)]
        fields += [(key, str(value)) for key, value in [*optional, ("ip", self.node_ip_address)] if value]
        lines = [ActorDiedError.BASE_ERROR_MSG, *(f"\t{key}: {value}" for key, value in fields), self.error_message]
        if self.never_started:
            lines.append("The actor never ran - it was cancelled before it started running.")
        return "\n".join(lines)


class ActorDiedError(RayActorError):
    """The actor is dead, and so is this call.

    Args:
        cause: the error its `__init__` raised, or what is known of its death, or `None`.
    """

    BASE_ERROR_MSG = "The actor died unexpectedly before finishing this task."

    def __init__(self, cause: RayTaskError | ActorDiedErrorContext | None = None) -> None:
        if cause is None:
            super().__init__(None, ActorDiedError.BASE_ERROR_MSG)
        elif isinstance(cause, RayTaskError):
            text = f"The actor died because of an error raised in its creation task, {cause}"
            super().__init__(cause._actor_id, text, actor_init_failed=True)
        else:
            super().__init__(cause.actor_id.hex(), cause.text(), preempted=cause.preempted)

    @staticmethod
    def from_text(text: str, actor_id: str | None = None) -> ActorDiedError:
        """The error of a call to a dead actor of whose death only a text is known.

        Args:
            text: why it died; shown after the usual first line.
            actor_id: hexadecimal id of the actor.
        """
        error = ActorDiedError()
        error.actor_id = actor_id
        error.error_msg = f"{ActorDiedError.BASE_ERROR_MSG}\n{text}"
        return error

    @staticmethod
    def from_task_error(task_error: RayTaskError) -> ActorDiedError:
        """The error of every call to an actor whose `__init__` raised `task_error`."""
        return ActorDiedError(task_error)


class ActorUnavailableError(RayActorError):
    """The actor can't be reached now, and may be later."""

    def __init__(self, error_message: str, actor_id: bytes | None) -> None:
        shown_id = None if actor_id is None else actor_id.hex()
        doubt = "The task may or may not have been executed on the actor."
        super().__init__(shown_id, f"The actor {shown_id} is unavailable: {error_message}. {doubt}")


class ActorUnschedulableError(RayError):
    """No node can ever run the actor."""

    def __init__(self, error_message: str) -> None:
        self.error_message = error_message

    def __str__(self) -> str:
        return f"The actor is not schedulable: {self.error_message}"


class ActorPlacementGroupRemoved(RayError):
    """The placement group an actor was to run in is gone."""

    def __str__(self) -> str:
        return "The placement group corresponding to this Actor has been removed."


class PendingCallsLimitExceeded(RayError):
    """More calls wait for an actor than its `max_pending_calls`; call again when some of them are done."""


class AsyncioActorExit(RayError):
    """Ends an asyncio actor from within; what `exit_actor()` raises there."""


class ActorAlreadyExistsError(ValueError, RayError):
    """An actor of that name exists; choose another, or pass `get_if_exists=True`."""

    def __init__(self, error_message: str) -> None:
        super().__init__(error_message)
        self.error_message = error_message

    def __str__(self) -> str:
        return self.error_message


class ActorHandleNotFoundError(ValueError, RayError):
    """The handle's actor is not of this session; make the actor again."""

    def __init__(self, error_message: str) -> None:
        super().__init__(error_message)
        self.error_message = error_message

    def __str__(self) -> str:
        return self.error_message
