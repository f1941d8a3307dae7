"""What is written down of a detached actor so that it can come back in another session, as plain data; and which of the
files that are found are used.

There is one file of how the actor was made, and the last two of its checkpoints, so that there is another one when a
disk has damaged the newest. Pure. Must not live here: when what is written (`keeping`), making actors of it
(`reviving`).
"""

from __future__ import annotations

import marshal
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

_MADE = "made"
_MARSHAL_VERSION = 2

KeptObject: TypeAlias = "tuple[bytes, int, bytes, int, tuple[bytes, ...]]"
"""The id of an object; which of the file's values it is, or -1 and its bytes; its size; the ids that it contains."""

IN_HEADER = -1
"""The place of an object whose bytes are small."""


class MadeActor(NamedTuple):
    """How an actor was made. ``next_client`` and ``next_job`` are above all numbers that were given, which are in ids;
    ``job``, ``functions``, ``template``, ``runtime_env`` and ``creation`` are the fields of `JobRecord` that say how
    its workers are set up, and of messages; ``handle`` is what its constructor returned."""

    next_client: int
    next_job: int
    job: tuple[object, ...]
    functions: tuple[tuple[object, ...], ...]
    template: tuple[object, ...]
    runtime_env: tuple[object, ...]
    creation: tuple[object, ...]
    handle: bytes
    objects: tuple[KeptObject, ...]

    def encode(self) -> bytes:
        """As a file's header."""
        return marshal.dumps(tuple(self), _MARSHAL_VERSION)  # type: ignore[arg-type]


class KeptState(NamedTuple):
    """A checkpoint: ``state`` is the id of the object."""

    next_client: int
    next_job: int
    state: bytes
    objects: tuple[KeptObject, ...]

    def encode(self) -> bytes:
        """As a file's header."""
        return marshal.dumps(tuple(self), _MARSHAL_VERSION)


class FoundFile(NamedTuple):
    """A file of a state directory, as its reader found it: header and values, or what is wrong with it."""

    name: str
    header: bytes
    values: tuple[bytes, ...]
    damage: str = ""


class KeptActor(NamedTuple):
    """All that brings one actor back. ``files`` are its checkpoints on disk, the worst first; ``revision`` is the last
    that has been given to one; ``state`` is None before the first."""

    actor_id: bytes
    made: MadeActor
    made_values: tuple[bytes, ...]
    state: KeptState | None
    state_values: tuple[bytes, ...]
    revision: int
    files: tuple[str, ...]

    @property
    def name(self) -> tuple[str, str]:
        """Its namespace and name."""
        return str(self.made.creation[7]), str(self.made.creation[6])


def made_name(actor_id: bytes) -> str:
    """The name of the file of how an actor was made."""
    return f"{actor_id.hex()}.{_MADE}"


def state_name(actor_id: bytes, revision: int) -> str:
    """The name of the file of one of its checkpoints."""
    return f"{actor_id.hex()}.{revision}"


def choose(found: Iterable[FoundFile]) -> tuple[tuple[KeptActor, ...], tuple[str, ...]]:
    """Which actors come back and from what, in the order in which they were made; and what there is to say about the
    others, a line each."""
    by_actor: dict[str, list[FoundFile]] = {}
    complaints: list[str] = []
    for file in found:
        actor, _, what = file.name.partition(".")
        if _is_hexadecimal(actor) and (what == _MADE or what.isdecimal()):
            by_actor.setdefault(actor, []).append(file)
        else:
            complaints.append(f"{file.name} is not a file of ours, and is left alone.")
    actors: dict[tuple[str, str], KeptActor] = {}
    for actor, files in by_actor.items():
        kept = _choose_of_one(actor, files, complaints)
        if kept is None:
            continue
        other = actors.get(kept.name)
        if other is not None:
            kept, other = sorted((kept, other), key=lambda each: each.made.next_client, reverse=True)
            complaints.append(
                f"Two actors are called {kept.name[1]!r} (namespace={kept.name[0]}): {other.actor_id.hex()} stays on "
                f"disk, the younger {kept.actor_id.hex()} comes back."
            )
        actors[kept.name] = kept
    return tuple(sorted(actors.values(), key=lambda each: (each.made.next_client, each.actor_id))), tuple(complaints)


def _choose_of_one(actor: str, files: list[FoundFile], complaints: list[str]) -> KeptActor | None:
    made = next((file for file in files if file.name.endswith(_MADE)), None)
    if made is None or made.damage:
        why = "how it was made is not there" if made is None else f"{made.name} {made.damage}"
        complaints.append(f"Actor {actor} cannot come back: {why}. Its other files are left alone.")
        return None
    how = MadeActor(*marshal.loads(made.header))
    states = sorted((file for file in files if file is not made), key=_revision)
    whole = [file for file in states if not file.damage]
    damaged = [file for file in states if file.damage]
    label = f"{how.creation[6]!r} (namespace={how.creation[7]}, id {actor})"
    if damaged and not whole:
        complaints.append(
            f"Actor {label} cannot come back: none of its checkpoints is whole, "
            f"{', '.join(f'{file.name} {file.damage}' for file in damaged)}. Its files are left alone."
        )
        return None
    for file in damaged:
        complaints.append(f"Checkpoint {file.name} of actor {label} {file.damage}; {whole[-1].name} is used.")
    return KeptActor(
        bytes.fromhex(actor),
        how,
        made.values,
        KeptState(*marshal.loads(whole[-1].header)) if whole else None,
        whole[-1].values if whole else (),
        _revision(states[-1]) if states else 0,
        tuple(file.name for file in (*damaged, *whole)),
    )


def _revision(file: FoundFile) -> int:
    return int(file.name.partition(".")[2])


def _is_hexadecimal(text: str) -> bool:
    try:
        return bool(bytes.fromhex(text))
    except ValueError:
        return False
