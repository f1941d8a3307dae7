"""The clients' messages: which part of the kernel takes which, one small function each.

Must not live here: rules longer than a few lines; they are in the parts, named after the things they rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias, cast

from localray.kernel import (
    actors,
    answers,
    cancellation,
    checkpoints,
    definitions,
    deliveries,
    departures,
    garbage,
    groups,
    holdings,
    inventory,
    jobs,
    key_values,
    lane_calls,
    lanes,
    leases,
    objects,
    queues,
    recovery,
    restarts,
    runtime_envs,
    scaling,
    scheduling,
    sessions,
    store,
    streams,
    tasks,
    views,
    workers,
)
from localray.kernel.records import ActorState, ClientRecord, JobRecord, WaitRecord
from localray.kernel.tables import Tables
from localray.protocol import (
    AbandonBuffer,
    ActorExiting,
    ActorNamed,
    AddNode,
    AddReferences,
    AnswerByLane,
    Ask,
    AwaitTaken,
    CallByLane,
    CancelTask,
    CheckpointFailed,
    ClientMessage,
    CollectEverywhere,
    ConfigureJob,
    CreateActor,
    CreateGroup,
    DefineFunction,
    DefineRuntimeEnv,
    DefineTemplate,
    DrainNode,
    DropReferences,
    DropStream,
    EndSession,
    FindActor,
    FindGroup,
    FreeObjects,
    GetObjects,
    KeyValue,
    KillActor,
    LeaseBuffer,
    ObjectDamaged,
    ObjectYielded,
    PutObject,
    RecordSite,
    RegisterDriver,
    Registered,
    RemoveGroup,
    RemoveNode,
    Reply,
    RequestResources,
    ReserveBuffer,
    RuntimeEnvFailed,
    SaveCheckpoint,
    ShutDown,
    Status,
    SubmitCall,
    SubmitTask,
    TakeItems,
    TaskDone,
    TasksReturned,
    UnpinObjects,
    WatchGroup,
    WithdrawGet,
    WorkerReady,
    text_payload,
)

ClientHandler: TypeAlias = Callable[[Tables, ClientRecord, ClientMessage], None]


def _register_driver(tables: Tables, client: ClientRecord, message: RegisterDriver) -> None:
    number = tables.next_job
    tables.next_job += 1
    namespace = message.namespace or f"anonymous-{number}"
    tables.jobs[number] = JobRecord(
        number,
        client.number,
        namespace,
        message.sys_path,
        message.working_directory,
        client=client.number,
        entrypoint=message.entrypoint,
        process_id=message.process_id,
        started_at_s=tables.now_s,
    )
    client.job = number
    client.process_id = message.process_id
    node_id = next((node.node_id for node in tables.nodes.values()), b"")
    tables.send(client.number, Registered(client.number, number, node_id, namespace))


def _configure_job(tables: Tables, client: ClientRecord, message: ConfigureJob) -> None:
    job = tables.jobs[client.job]
    job.shows_output, job.logging, job.detaches_actors = message


def _define_function(tables: Tables, client: ClientRecord, message: DefineFunction) -> None:
    if message.function_id not in tables.functions:
        tables.functions[message.function_id] = message
        # What a closure captured is needed for as long as the function may run: for the rest of the session.
        objects.acquire(tables, message.contained)


def _define_template(tables: Tables, client: ClientRecord, message: DefineTemplate) -> None:
    definitions.define_template(tables, client.job, message)


def _define_runtime_env(tables: Tables, client: ClientRecord, message: DefineRuntimeEnv) -> None:
    tables.runtime_envs.setdefault(message.key, message)
    if message.of_job:
        tables.jobs[client.job].runtime_env = message.key


def _submit_task(tables: Tables, client: ClientRecord, message: SubmitTask) -> None:
    task_id, template, payload, dependencies, borrowed, parent_id = message
    tasks.create(tables, client, tables.templates[template], task_id, payload, dependencies, borrowed, parent_id)


def _put_object(tables: Tables, client: ClientRecord, message: PutObject) -> None:
    objects.put(tables, client, message)


def _reserve_buffer(tables: Tables, client: ClientRecord, message: ReserveBuffer) -> None:
    store.reserve(tables, client, message.request, message.size_bytes)


def _lease_buffer(tables: Tables, client: ClientRecord, message: LeaseBuffer) -> None:
    leases.lease(tables, client, message.request, message.size_bytes)


def _abandon_buffer(tables: Tables, client: ClientRecord, message: AbandonBuffer) -> None:
    holdings.abandon_buffer(tables, client, message)


def _object_damaged(tables: Tables, client: ClientRecord, message: ObjectDamaged) -> None:
    recovery.damaged(tables, message)


def _get_objects(tables: Tables, client: ClientRecord, message: GetObjects) -> None:
    if tables.streams:
        streams.expect(tables, client, message.object_ids)
    wait = WaitRecord(client.number, message.request, message.object_ids, message.needed, message.fetches)
    objects.watch(tables, client, wait)
    if message.ahead:
        deliveries.send_ahead(tables, client, message.ahead)
    if wait.missing <= 0:
        return
    client.waits[message.request] = wait
    worker = client.worker
    if message.blocking and worker is not None and (worker.assigned or worker.actor is not None):
        wait.stalled_worker = worker
        scheduling.stall(tables, worker)


def _withdraw_get(tables: Tables, client: ClientRecord, message: WithdrawGet) -> None:
    wait = client.waits.get(message.request)
    if wait is not None:
        objects.end_wait(tables, wait)


def _add_references(tables: Tables, client: ClientRecord, message: AddReferences) -> None:
    holdings.add_references(tables, client, message.object_ids)


def _drop_references(tables: Tables, client: ClientRecord, message: DropReferences) -> None:
    holdings.drop_references(tables, client, message.object_ids)


def _unpin_objects(tables: Tables, client: ClientRecord, message: UnpinObjects) -> None:
    objects.unpin(tables, client, message.object_ids)


def _free_objects(tables: Tables, client: ClientRecord, message: FreeObjects) -> None:
    objects.free_values(tables, message.object_ids)


def _worker_ready(tables: Tables, client: ClientRecord, message: WorkerReady) -> None:
    client.process_id = message.process_id
    if client.worker is not None:
        client.worker.process_id = message.process_id
        workers.started(tables, client.worker)
        queues.capacity_freed(tables)


def _tasks_returned(tables: Tables, client: ClientRecord, message: TasksReturned) -> None:
    if client.worker is not None:
        scheduling.tasks_returned(tables, client.worker, message.task_ids)


def _create_actor(tables: Tables, client: ClientRecord, message: CreateActor) -> None:
    actors.create(tables, client, message)


def _submit_call(tables: Tables, client: ClientRecord, message: SubmitCall) -> None:
    actors.call(tables, client, message)
    if tables.opens_lanes and client.worker is None:
        lanes.consider(tables, client, message)


def _find_actor(tables: Tables, client: ClientRecord, message: FindActor) -> None:
    actors.find(tables, client, message)


def _kill_actor(tables: Tables, client: ClientRecord, message: KillActor) -> None:
    actor = tables.actors.get(message.actor_id)
    if actor is not None:
        restarts.kill(tables, actor, no_restart=message.no_restart)


def _actor_exiting(tables: Tables, client: ClientRecord, message: ActorExiting) -> None:
    actor = tables.actors.get(message.actor_id)
    if actor is not None and client.worker is actor.worker and actor.state is not ActorState.DEAD:
        if client.worker is not None:
            client.worker.stopping = client.worker.left = True
            client.worker.leave_reason, client.worker.left_by = message.reason, message.asked_by
        actors.end(tables, actor, Status.ACTOR_DIED, text_payload(message.reason), "it ended itself")


def _actor_named(tables: Tables, client: ClientRecord, message: ActorNamed) -> None:
    actor = tables.actors.get(message.actor_id)
    if actor is not None and client.worker is actor.worker:
        actor.repr_name = message.name


def _remove_group(tables: Tables, client: ClientRecord, message: RemoveGroup) -> None:
    groups.remove_by_id(tables, message.group_id)


def _ask(tables: Tables, client: ClientRecord, message: Ask) -> None:
    tables.send(client.number, Reply(message.request, views.answer(tables, client, message)))


def _shut_down(tables: Tables, client: ClientRecord, message: ShutDown) -> None:
    jobs.driver_left(tables, client.number, in_order=True)
    sessions.client_left(tables, client.number)


CLIENT_HANDLERS: Final = cast(
    "dict[type[ClientMessage], ClientHandler]",
    {
        RegisterDriver: _register_driver,
        ConfigureJob: _configure_job,
        DefineFunction: _define_function,
        DefineTemplate: _define_template,
        DefineRuntimeEnv: _define_runtime_env,
        RuntimeEnvFailed: runtime_envs.failed,
        SubmitTask: _submit_task,
        CreateActor: _create_actor,
        SubmitCall: _submit_call,
        CallByLane: lane_calls.sent,
        AnswerByLane: lane_calls.answered,
        PutObject: _put_object,
        ReserveBuffer: _reserve_buffer,
        LeaseBuffer: _lease_buffer,
        AbandonBuffer: _abandon_buffer,
        ObjectDamaged: _object_damaged,
        GetObjects: _get_objects,
        WithdrawGet: _withdraw_get,
        AddReferences: _add_references,
        DropReferences: _drop_references,
        UnpinObjects: _unpin_objects,
        FreeObjects: _free_objects,
        RecordSite: inventory.record_site,
        ObjectYielded: streams.take_in,
        AwaitTaken: streams.await_taken,
        TakeItems: streams.take,
        DropStream: streams.drop,
        TaskDone: answers.task_done,
        WorkerReady: _worker_ready,
        TasksReturned: _tasks_returned,
        ActorExiting: _actor_exiting,
        ActorNamed: _actor_named,
        SaveCheckpoint: checkpoints.save,
        CheckpointFailed: checkpoints.failed,
        KillActor: _kill_actor,
        CancelTask: cancellation.cancel_task,
        FindActor: _find_actor,
        CreateGroup: groups.create,
        RemoveGroup: _remove_group,
        RequestResources: scaling.request,
        WatchGroup: groups.watch,
        FindGroup: groups.find,
        DrainNode: departures.request,
        KeyValue: key_values.handle,
        Ask: _ask,
        CollectEverywhere: garbage.collect_everywhere,
        ShutDown: _shut_down,
        EndSession: sessions.end,
        AddNode: sessions.add_node,
        RemoveNode: sessions.remove_node,
    },
)
