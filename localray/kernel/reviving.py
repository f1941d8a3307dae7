"""Actors of an earlier session come back: made again from what is in the state directory, when the first node is there.

Each comes back under its id and name, so that handles to it that others have kept are good: its constructor runs again,
it is given the state of its last whole checkpoint, and takes calls. Coming back counts as one of its restarts, of a
budget that begins anew. Ids are made of numbers of clients and jobs, so new ones are counted up from above the old.
Must not live here: which files are used (`kept_documents`), what is written (`keeping`).
"""

from __future__ import annotations

from collections.abc import Sequence

from localray.kernel import definitions, objects, store, tasks
from localray.kernel.effects import FillBuffer
from localray.kernel.kept_documents import IN_HEADER, KeptActor, KeptObject
from localray.kernel.records import (
    ActorRecord,
    ActorState,
    CheckpointRecord,
    JobRecord,
    KeptRecord,
    NodeRecord,
    ObjectRecord,
    TaskRecord,
    TaskState,
)
from localray.kernel.tables import Tables
from localray.protocol import (
    INLINE,
    NODE_SHIFT,
    CreateActor,
    DefineFunction,
    DefineRuntimeEnv,
    DefineTemplate,
    Status,
)

_SMALL_BYTES = 100 << 10
"""What is larger goes into a node's arena, if there is room."""


def prepare(tables: Tables, kept: Sequence[KeptActor]) -> None:
    """This session has a state directory, in which these were found: they come back with its first node."""
    tables.keeps_actors = True
    tables.to_revive = tuple(kept)
    for actor in kept:
        for document in (actor.made, *(() if actor.state is None else (actor.state,))):
            tables.next_client = max(tables.next_client, document.next_client)
            tables.next_job = max(tables.next_job, document.next_job)


def revive(tables: Tables, node: NodeRecord) -> None:
    """They come back: all of them first, then what they refer to, for that may be each other."""
    kept_actors, tables.to_revive = tables.to_revive, ()
    loaded: list[ObjectRecord] = []
    functions: list[DefineFunction] = []
    for kept in kept_actors:
        functions += define(tables, kept)
        loaded.append(_object(tables, kept.made.creation[0] + tasks.INDEX_BYTES[0], kept.made.handle))  # type: ignore[operator]
    for kept in kept_actors:
        loaded += load(tables, node, kept.made.objects, kept.made_values)
        if kept.state is not None:
            loaded += load(tables, node, kept.state.objects, kept.state_values)
    for record in loaded:
        objects.acquire(tables, record.contained)
    for function in functions:
        objects.acquire(tables, function.contained)
    for kept in kept_actors:
        make(tables, kept)
    # Now that all that needs them is there, they are on their own.
    objects.release(tables, [record.object_id for record in loaded])


def define(tables: Tables, kept: KeptActor) -> list[DefineFunction]:
    """What its workers have to know; returns the functions that were not known before."""
    made = kept.made
    job = JobRecord(*made.job)  # type: ignore[arg-type]
    tables.jobs.setdefault(job.number, job)
    new: list[DefineFunction] = []
    for fields in made.functions:
        function = DefineFunction(*fields)  # type: ignore[arg-type]
        if function.function_id not in tables.functions:
            tables.functions[function.function_id] = function
            new.append(function)
    if made.runtime_env:
        environment = DefineRuntimeEnv(*made.runtime_env)  # type: ignore[arg-type]
        tables.runtime_envs.setdefault(environment.key, environment)
    definitions.define_template(tables, job.number, DefineTemplate(*made.template))  # type: ignore[arg-type]
    return new


def load(
    tables: Tables, node: NodeRecord, described: tuple[KeptObject, ...], values: tuple[bytes, ...]
) -> list[ObjectRecord]:
    """The objects of one file, each with one reference; what it contains is not held yet."""
    loaded: list[ObjectRecord] = []
    for object_id, place, payload, size_bytes, contained in described:
        if object_id in tables.objects:
            continue
        content = payload if place == IN_HEADER else values[place]
        record = _object(tables, object_id, content, contained)
        record.size_bytes = size_bytes
        if len(content) > _SMALL_BYTES:
            offset = store.find_room(tables, node.store, len(content))
            if offset is not None:
                record.payload, record.location = b"", (node.number << NODE_SHIFT) + offset
                tables.effects.append(FillBuffer(node.number, record.location, content))
                node.store.peak_bytes = max(node.store.peak_bytes, node.store.allocator.used_bytes)
                store.settle(tables, record)
        loaded.append(record)
    return loaded


def _object(tables: Tables, object_id: bytes, payload: bytes, contained: tuple[bytes, ...] = ()) -> ObjectRecord:
    """A finished object that was there before."""
    record = tables.objects[object_id] = ObjectRecord(object_id, references=1)
    objects.deliver(tables, record, (Status.VALUE.value, payload, INLINE, len(payload), ()))
    record.contained = contained
    return record


def make(tables: Tables, kept: KeptActor) -> None:
    """The actor is there, on its way back like one whose process has died."""
    how = CreateActor(*kept.made.creation)  # type: ignore[arg-type]
    template = tables.templates[how.template]
    ended = TaskRecord(
        how.task_id,
        template,
        how.payload,
        how.dependencies,
        how.borrowed,
        0,
        b"",
        0,
        template.max_retries,
        root=how.actor_id,
        state=TaskState.FINISHED,
    )
    handle = tables.objects[tasks.return_id(how.task_id, 0)]
    actor = ActorRecord(
        how.actor_id,
        ended,
        handle.object_id,
        0,
        template.job,
        how.name,
        how.namespace,
        True,
        how.max_pending_calls,
        how.max_task_retries,
        how.description,
        state=ActorState.RESTARTING,
        is_detached=True,
    )
    ended.actor = handle.actor = actor
    tables.actors[actor.actor_id] = actor
    tables.names[actor.namespace, actor.name] = actor
    # As for any detached actor that may be restarted: its handle, and what its constructor needs.
    objects.acquire(tables, (handle.object_id, *how.dependencies, *how.borrowed))
    actor.checkpoints = CheckpointRecord()
    if kept.state is not None:
        actor.checkpoints.state = kept.state.state
        objects.acquire(tables, (kept.state.state,))
    actor.kept = KeptRecord(kept.revision, list(kept.files), is_made=True)
    actor.creation = tasks.run_again(
        tables, ended, tasks.one_fewer(template.max_retries), "comes back from the state directory"
    )
