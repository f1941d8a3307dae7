"""Symbolic names for raw ids, so that traces and failures can be read.

A trace calls its things ``d`` (a driver), ``w1`` (the first worker started), ``t1`` (a task, and the one object it
returns), ``t1.2`` (the second of several), ``t1#2`` (of a stream the second item), ``a1`` (an actor, and the object that its handles refer to). Must not live
here: commands, effects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from localray import ids

_HEX_ID = re.compile(r"[0-9a-f]{56}|[0-9a-f]{48}|[0-9a-f]{36}|[0-9a-f]{32}")


class Names:
    """Both ways between names and ids; every id is made here, from counters."""

    def __init__(self) -> None:
        self.clients: dict[str, int] = {}
        self.client_names: dict[int, str] = {}
        self.tasks: dict[str, bytes] = {}
        self.objects: dict[str, bytes] = {}
        self.actors: dict[str, bytes] = {}
        self.groups: dict[str, bytes] = {}
        self._by_id: dict[bytes, str] = {}
        self._counter = 0

    def add_client(self, name: str, number: int) -> None:
        """A driver or worker has this number."""
        self.clients[name] = number
        self.client_names[number] = name

    def client(self, number: int) -> str:
        """The name of a client."""
        return self.client_names.get(number, f"client {number}")

    def add_task(self, name: str, client: int, actor_id: bytes, num_returns: int) -> bytes:
        """Make a task's id, and those of what it returns."""
        self._counter += 1
        return self._register(name, ids.task_id_bytes(client, self._counter, actor_id), num_returns)

    def add_actor(self, name: str, client: int, job: int) -> tuple[bytes, bytes]:
        """Make an actor's id and its constructor's; the object of its handles has the actor's name."""
        self._counter += 1
        actor_id = ids.actor_id_bytes(client, self._counter, job)
        self.actors[name] = actor_id
        self._by_id[actor_id] = name
        task_id = self._register(name, ids.actor_creation_task_id_bytes(actor_id), 1)
        return actor_id, task_id

    def add_group(self, name: str, client: int, job: int) -> bytes:
        """Make a placement group's id."""
        self._counter += 1
        self.groups[name] = ids.placement_group_id_bytes(client, self._counter, job)
        self._by_id[self.groups[name]] = name
        return self.groups[name]

    def add_object(self, name: str, client: int) -> bytes:
        """Make the id of an object that a client puts."""
        self._counter += 1
        object_id = ids.object_id_bytes(ids.task_id_bytes(client, self._counter, ids.nil_actor_id(1)), 0x40000000)
        self.objects[name] = object_id
        self._by_id[object_id] = name
        return object_id

    def add_items(self, task: str, count: int) -> None:
        """Make the ids of the first items of a stream: ``t1#1`` and so on."""
        for number in range(1, count + 1):
            object_id = ids.object_id_bytes(self.tasks[task], number + 1)
            self.objects[f"{task}#{number}"] = object_id
            self._by_id[object_id] = f"{task}#{number}"

    def _register(self, name: str, task_id: bytes, num_returns: int) -> bytes:
        self.tasks[name] = task_id
        self._by_id[task_id] = name
        for index in range(1, num_returns + 1):
            object_id = ids.object_id_bytes(task_id, index)
            object_name = name if num_returns == 1 else f"{name}.{index}"
            self.objects[object_name] = object_id
            self._by_id[object_id] = object_name
        return task_id

    def object_ids(self, names: Iterable[str]) -> tuple[bytes, ...]:
        """The ids of objects; a name that nothing has becomes an id that nothing has."""
        return tuple(self.objects.get(name) or name.encode().ljust(28, b"?") for name in names)

    def of(self, identity: bytes) -> str:
        """The name of an id."""
        return self._by_id.get(identity) or identity.rstrip(b"?").decode(errors="replace")

    def list_of(self, identities: Iterable[bytes]) -> str:
        """The names of several ids."""
        return " ".join(self.of(identity) for identity in identities)

    def in_text(self, text: str) -> str:
        """A text with the hexadecimal ids in it replaced by names."""
        return _HEX_ID.sub(lambda found: self.of(bytes.fromhex(found.group())), text)
