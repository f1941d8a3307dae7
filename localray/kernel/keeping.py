"""Detached actors that are kept on disk, so that they come back when their session has ended or died: what is written
down, when, and when it goes.

Kept is a named, detached actor that checkpoints itself, in a session that has a state directory. Written are how it was
made, once it has been constructed, and then each checkpoint with all that it refers to; while one is being written,
only the last that comes meanwhile is written next. The two newest stay. All of it goes when the actor is dead for good;
not when it could not be brought back, for then another session may. Must not live here: files (the driver of the
kernel), bringing actors back (`reviving`), what a checkpoint is (`checkpoints`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from localray.kernel import objects, store
from localray.kernel.actor_records import ActorRecord, KeptRecord, KeptWrite
from localray.kernel.effects import FileKept, ForgetFiles, KeepFile
from localray.kernel.kept_documents import IN_HEADER, KeptObject, KeptState, MadeActor, made_name, state_name
from localray.kernel.records import ActorState, JobRecord, ObjectRecord, ObjectState
from localray.kernel.tables import Tables
from localray.protocol import INLINE, CreateActor, Reply, Status

Place: TypeAlias = "tuple[bytes, int, int, bytes]"

FILES_KEPT = 2
"""Of the checkpoints of one actor."""


def constructed(tables: Tables, actor: ActorRecord) -> None:
    """An actor has been constructed, and brought back to its state if it had one: from now on it is kept if it is one
    of those."""
    if not tables.keeps_actors:
        return
    if actor.kept is None:
        is_kept = actor.detached and actor.name and actor.checkpoints is not None and not actor.creation.template.group
        if not is_kept:
            return
        actor.kept = KeptRecord()
    actor.kept.was_alive = True
    write_next(tables, actor, actor.kept)


def checkpointed(tables: Tables, actor: ActorRecord, client: int, request: int) -> None:
    """There is a new checkpoint; who asks for it is told when it is kept."""
    kept = actor.kept
    if kept is None:
        if request:
            tables.send(client, Reply(request, None))
        return
    kept.is_stale = True
    if request:
        kept.awaited.append((client, request))
    if not kept.writing:
        write_next(tables, actor, kept)


def write_next(tables: Tables, actor: ActorRecord, kept: KeptRecord) -> None:
    """Write what is not on disk yet: first how the actor was made."""
    state = b"" if actor.checkpoints is None else actor.checkpoints.state
    if not kept.is_made:
        write_made(tables, actor, kept)
    elif kept.is_stale and state:
        kept.is_stale = False
        kept.revision += 1
        object_ids, kept_objects, values = _reachable(tables, [state])
        document = KeptState(tables.next_client, tables.next_job, state, kept_objects)
        replies, kept.awaited = tuple(kept.awaited), []
        name = state_name(actor.actor_id, kept.revision)
        _begin(tables, KeptWrite(name, actor.actor_id, kept, object_ids, replies), document.encode(), values)


def write_made(tables: Tables, actor: ActorRecord, kept: KeptRecord) -> None:
    """Write how an actor was made."""
    creation = actor.creation
    message = tables.template_messages[creation.template.number]
    runtime_env = tables.runtime_envs.get(message.runtime_env)
    functions = [tables.functions[message.function_id]]
    if runtime_env is not None and runtime_env.hook:
        functions.append(tables.functions[runtime_env.hook])
    needed = [*creation.dependencies, *creation.borrowed]
    for function in functions:
        needed += function.contained
    object_ids, kept_objects, values = _reachable(tables, needed)
    how = CreateActor(
        creation.task_id,
        creation.template.number,
        creation.payload,
        creation.dependencies,
        creation.borrowed,
        actor.actor_id,
        actor.name,
        actor.namespace,
        True,
        False,
        actor.max_pending_calls,
        actor.max_task_retries,
        actor.description,
        0,
    )
    document = MadeActor(
        tables.next_client,
        tables.next_job,
        _set_up_of(tables.jobs[actor.job]),
        tuple(tuple(function) for function in functions),
        tuple(message),
        () if runtime_env is None else tuple(runtime_env),
        tuple(how),
        tables.objects[actor.handle_object_id].payload,
        kept_objects,
    )
    write = KeptWrite(made_name(actor.actor_id), actor.actor_id, kept, object_ids, ())
    _begin(tables, write, document.encode(), values)


def _set_up_of(job: JobRecord) -> tuple[object, ...]:
    return (
        job.number,
        0,
        job.namespace,
        job.sys_path,
        job.working_directory,
        job.shows_output,
        job.logging,
        job.detaches_actors,
        job.client,
        job.entrypoint,
    )


def _reachable(
    tables: Tables, roots: Iterable[bytes]
) -> tuple[tuple[bytes, ...], tuple[KeptObject, ...], tuple[Place, ...]]:
    """All objects with a value that can be reached from some: their ids, what is written down of them, and where the
    large ones are. What has no value will be lost there."""
    found: dict[bytes, ObjectRecord] = {}
    pending = list(roots)
    while pending:
        object_id = pending.pop()
        record = tables.objects.get(object_id)
        has_value = record is not None and record.state is ObjectState.READY and record.status == Status.VALUE
        if record is None or not has_value or object_id in found or record.actor is not None:
            continue
        found[object_id] = record
        pending.extend(record.contained)
    described: list[KeptObject] = []
    values: list[Place] = []
    for object_id, record in found.items():
        if record.location == INLINE:
            described.append((object_id, IN_HEADER, record.payload, record.size_bytes, record.contained))
        else:
            described.append((object_id, len(values), b"", record.size_bytes, record.contained))
            values.append((object_id, record.location, record.size_bytes, record.payload))
    return tuple(found), tuple(described), tuple(values)


def _begin(
    tables: Tables, write: KeptWrite, header: bytes, values: tuple[Place, ...]
) -> None:
    """Have a file written; what is in it stays where it is until then."""
    objects.acquire(tables, write.held)
    for object_id in write.held:
        record = tables.objects[object_id]
        if record.location >= 0:
            if record.pins == 0:
                store.unsettle(tables, record)
            record.pins += 1
            write.pinned.append(object_id)
    write.kept.writing += 1
    tables.kept_writes[write.name] = write
    tables.effects.append(KeepFile(write.name, header, values))


def answered(tables: Tables, event: FileKept) -> None:
    """A file has been written, or not."""
    write = tables.kept_writes.pop(event.name, None)
    if write is None:
        return
    kept = write.kept
    kept.writing -= 1
    for object_id in write.pinned:
        record = tables.objects[object_id]
        record.pins -= 1
        if record.pins == 0:
            objects.last_view_gone(tables, record)
    objects.release(tables, write.held)
    if event.failure:
        _failed(tables, write, event.failure)
    elif write.name == made_name(write.actor_id):
        kept.is_made = True
    else:
        kept.told_of_failure = False
        kept.files.append(write.name)
        _forget(tables, kept.files[:-FILES_KEPT])
        del kept.files[:-FILES_KEPT]
    for client, request in write.replies:
        tables.send(client, Reply(request, _failure_text(event.failure) if event.failure else None))
    actor = tables.actors.get(write.actor_id)
    if kept.is_over:
        _forget(tables, [made_name(write.actor_id), *kept.files])
    elif actor is not None and not event.failure and not kept.writing:
        write_next(tables, actor, kept)


def _failed(tables: Tables, write: KeptWrite, failure: str) -> None:
    """What could not be written is tried again with the next checkpoint; until then what is on disk stays in force."""
    kept = write.kept
    kept.is_stale = True
    waiting, kept.awaited = kept.awaited, []
    for client, request in waiting:
        tables.send(client, Reply(request, _failure_text(failure)))
    if not kept.told_of_failure:
        kept.told_of_failure = True
        last = f"{kept.files[-1]} stays in force there" if kept.files else "None is there yet"
        store.tell_drivers(tables, f"{_failure_text(failure)} {last}.")


def _failure_text(failure: str) -> str:
    return f"A checkpoint of a detached actor could not be written to the state directory: {failure}."


def ended(tables: Tables, actor: ActorRecord) -> None:
    """An actor is dead for good. One that was never alive here could not be brought back: that is no reason to forget
    it."""
    kept = actor.kept
    if kept is None or not kept.was_alive or kept.is_over:
        return
    kept.is_over = True
    if not kept.writing:
        _forget(tables, [made_name(actor.actor_id), *kept.files])


def session_ends(tables: Tables) -> None:
    """What there is newer than on disk is written, behind what is being written."""
    for actor in tables.actors.values():
        if actor.kept is not None and actor.state is not ActorState.DEAD and actor.kept.is_stale:
            write_next(tables, actor, actor.kept)


def _forget(tables: Tables, names: list[str]) -> None:
    if names:
        tables.effects.append(ForgetFiles(tuple(names)))
