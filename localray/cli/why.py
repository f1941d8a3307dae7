"""The command `localray why`: why a task or an actor of a running session has not started."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from localray.cli.named import meant
from localray.ids import (
    ACTOR_ID_SIZE_BYTES,
    OBJECT_ID_SIZE_BYTES,
    TASK_ID_SIZE_BYTES,
    actor_creation_task_id_bytes,
    object_id_bytes,
)
from localray.protocol import Query
from localray.session import connect
from localray.util.state.api import StateApiClient
from localray.util.state.common import GetApiOptions, StateResource
from localray.util.state.exception import RayStateApiException

_LENGTHS_OF_IDS = (2 * ACTOR_ID_SIZE_BYTES, 2 * TASK_ID_SIZE_BYTES, 2 * OBJECT_ID_SIZE_BYTES)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.description = "Say why a task, an actor or an object of a running session is not there yet, or its story."
    parser.add_argument("id", help="of a task, actor or object, or as much of it as `localray list` shows; or a name")
    parser.add_argument("--address", help="of the session (default: the youngest)")
    parser.add_argument("--story", action="store_true", help="what happened to it so far, as far back as is known")


def run(options: argparse.Namespace) -> int:
    """Print the reason; 1 without a session, or when this is no id."""
    try:
        object_id = object_of(options.id if _is_id(options.id) else _id_of(options.id, options.address))
        with connect(options.address) as session:
            if options.story:
                story = session.ask(Query.STORY, object_id.hex())
                print("\n".join(map(str, story if isinstance(story, tuple) else ())) or "Nothing is remembered of it.")
            else:
                print(_failure(object_id, session.address) or session.ask(Query.WHY_PENDING, object_id.hex()))
    except (ConnectionError, RayStateApiException, RuntimeError, ValueError) as error:
        print(f"localray why: {error}", file=sys.stderr)
        return 1
    return 0


def _failure(object_id: bytes, address: str) -> str | None:
    """What the task, call or constructor that was to make an object has failed with, or why the actor is dead; None
    where neither is so."""
    task_id = object_id[:TASK_ID_SIZE_BYTES]
    if object_id != object_id_bytes(task_id, 1):
        return None  # What a task has put is there, whatever becomes of the task.
    client = StateApiClient(address)
    found: Any = client.get(StateResource.TASKS, task_id.hex(), GetApiOptions())
    last = found[0] if isinstance(found, list) else found
    if last is not None and last.state == "FAILED":
        error = (last.error_message or str(last.error_type)).strip().rpartition("\n")[2]
        return f"{last.name} failed: {error}\n`localray get tasks {last.task_id}` shows where."
    actor_id = task_id[-ACTOR_ID_SIZE_BYTES:]
    if task_id != actor_creation_task_id_bytes(actor_id):
        return None
    actor: Any = client.get(StateResource.ACTORS, actor_id.hex(), GetApiOptions())
    if actor is None or actor.state != "DEAD":
        return None
    cause = (actor.death_cause or {}).get("actor_died_error_context", {}).get("error_message", "")
    return f"{actor.class_name} is dead: {cause.strip()}" if cause else None


def _is_id(text: str) -> bool:
    return len(text) in _LENGTHS_OF_IDS and not text.strip("0123456789abcdef")


def _id_of(text: str, address: str | None) -> str:
    """The id of the actor of this name or class, of the task, or what begins so; of several, the one made last.

    Raises:
        ValueError: nothing is called so, or too much begins so.
    """
    # An object's id begins with that of its task, and what is to be said of both is the same.
    found = meant(text, ["actors", "tasks", "objects"], address)
    if found is None:
        raise ValueError(f"There is no task or actor {text!r}; `localray list tasks` and `list actors` show which are.")
    return found[1]


def object_of(text: str) -> bytes:
    """The object that tells of what is meant: an object's own id, a task's first return, what an actor's constructor
    returns.

    Raises:
        ValueError: it is no id of these.

    Example:
        >>> len(object_of("ab" * 24)), len(object_of("ab" * 16)), len(object_of("ab" * 28))
        (28, 28, 28)
    """
    identity = b"" if text.strip("0123456789abcdefABCDEF") or len(text) % 2 else bytes.fromhex(text)
    if len(identity) == ACTOR_ID_SIZE_BYTES:
        identity = actor_creation_task_id_bytes(identity)
    if len(identity) == TASK_ID_SIZE_BYTES:
        return object_id_bytes(identity, 1)
    if len(identity) != TASK_ID_SIZE_BYTES + 4:
        raise ValueError(f"{text!r} is no id of a task, an actor or an object.")
    return identity
