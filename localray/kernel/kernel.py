"""The kernel's front: one event in, effects out.

    effects = kernel.step(now_s, event, sender)

`step` finds the handler of the event's type, lets it change the tables, then drains the work lists until nothing is
left to conclude. It is
deterministic: the same events at the same times with the same seed give the same effects, whatever the hash seed or the
address of anything.
Must not live here: rules (they are in the parts, named after the things they rule), IO, clocks, threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias, cast

from localray.kernel import actors, deaths, objects, scheduling, tasks, views, workers
from localray.kernel.effects import (
    AllocateBuffer,
    BufferAllocated,
    DriverConnected,
    DriverDisconnected,
    Effect,
    EnvironmentEvent,
    NodeAdded,
    Tick,
    WorkerDied,
    WorkerStarted,
)
from localray.kernel.records import (
    ActorState,
    ClientKind,
    ClientRecord,
    JobRecord,
    NodeRecord,
    TaskRecord,
    TaskState,
    Template,
    WaitRecord,
)
from localray.kernel.tables import RandomSource, Tables
from localray.kernel.transitions import move
from localray.protocol import (
    AbandonBuffer,
    ActorExiting,
    AddReferences,
    Ask,
    CallMode,
    CancelRunning,
    CancelTask,
    ClientMessage,
    CreateActor,
    DefineFunction,
    DefineTemplate,
    DropReferences,
    FindActor,
    FreeObjects,
    GetObjects,
    KillActor,
    PutObject,
    RegisterDriver,
    Registered,
    Reply,
    ReserveBuffer,
    ShutDown,
    Status,
    SubmitCall,
    SubmitTask,
    TaskDone,
    TaskKind,
    TasksReturned,
    UnpinObjects,
    WithdrawGet,
)
from localray.sched.resources import GPU, RESOURCE_UNIT

Event: TypeAlias = ClientMessage | EnvironmentEvent

ENVIRONMENT: Final = 0
"""The sender of events that come from the driver of the kernel itself."""


class Kernel:
    """All decisions of a cluster, without any IO. See `localray.kernel.effects` for the contract with its driver.

    Args:
        random: the dice with which ties are broken. Every driver, a simulation included, passes in its own seeded
            ``random.Random(seed)``: the kernel imports no dice, so that the seed is the driver's to choose and to
            print.
    """

    def __init__(self, random: RandomSource) -> None:
        self.tables = Tables(random)

    @property
    def deadline_s(self) -> float | None:
        """When the kernel wants a `Tick` at the latest, on the clock that `step` is given; None for never."""
        backlog_s = scheduling.backlog_deadline_s(self.tables) if self.tables.backlogged else None
        reap_s = self.tables.reap_at_s
        if backlog_s is None or reap_s is None:
            return reap_s if backlog_s is None else backlog_s
        return min(backlog_s, reap_s)

    def new_client_number(self) -> int:
        """The number for a driver that is about to connect."""
        return self.tables.new_client_number()

    def step(self, now_s: float, event: Event, sender: int = ENVIRONMENT) -> list[Effect]:
        """Take one event in and say what is to be done about it.

        Args:
            now_s: the time, in seconds on any clock that never goes back.
            event: a client's message, or an event of the environment.
            sender: the number of the client that sent the message.

        Returns:
            Effects, to be carried out in this order.

        Raises:
            InternalError: an invariant would break; the tables are then not to be trusted.
        """
        tables = self.tables
        tables.now_s = tables.log.now_s = now_s
        if sender == ENVIRONMENT:
            _ENVIRONMENT_HANDLERS[type(event)](tables, event)
        else:
            client = tables.clients.get(sender)
            if client is not None:
                _CLIENT_HANDLERS[type(event)](tables, client, event)
        _settle(tables)
        effects = tables.effects
        tables.effects = []
        return effects


def _settle(tables: Tables) -> None:
    """Follow every consequence to its end."""
    while True:
        if tables.woken:
            _arguments_ready(tables, tables.woken.popleft())
        elif tables.resuming:
            scheduling.resume(tables, tables.resuming.popleft())
        elif tables.unreferenced_actors:
            actor = tables.unreferenced_actors.popleft()
            if actor.state is ActorState.DEAD:
                tables.actors.pop(actor.actor_id, None)
            else:
                actors.out_of_scope(tables, actor)
        elif tables.hungry and not tables.stopped:
            scheduling.dispatch(tables)
        else:
            return


def _arguments_ready(tables: Tables, task: TaskRecord) -> None:
    """All arguments of a task are there: place it, or fail it with the first that is an error."""
    if task.state is not TaskState.WAITING:
        return
    kind = task.template.kind
    if kind is TaskKind.ACTOR_CALL:
        actors.argument_ready(tables, task)
        return
    refusal = tasks.refusal(tables, task)
    if refusal is not None:
        _fail_unrun(tables, task, *refusal)
        return
    if task.dependencies:
        failure = tasks.failed_dependency(tables, task)
        if failure is not None:
            _fail_unrun(tables, task, *failure)
            return
    scheduling.enqueue(tables, task, "arguments ready")


def _fail_unrun(tables: Tables, task: TaskRecord, status: Status, payload: bytes) -> None:
    """A task or constructor that will never start because of a failed argument, or because its driver has left."""
    if task.actor is None:
        tasks.fail(tables, task, status, payload, "an argument failed")
    else:
        if status is Status.TASK_ERROR:
            status = Status.ACTOR_CREATION_FAILED
        actors.end(tables, task.actor, status, payload, "an argument of its constructor failed")


# ---------------------------------------------------------------- environment


def _node_added(tables: Tables, event: NodeAdded) -> None:
    number = len(tables.nodes)
    total = dict(event.total)
    devices = [RESOURCE_UNIT] * (total.get(GPU, 0) // RESOURCE_UNIT)
    node = NodeRecord(
        number, event.node_id, total, dict(total), dict(event.labels), devices, event.store_capacity_bytes
    )
    tables.nodes[number] = node
    for _ in range(event.prestart):
        node.idle.append(workers.start(tables, node))
    scheduling.capacity_freed(tables)


def _driver_connected(tables: Tables, event: DriverConnected) -> None:
    tables.clients[event.client] = ClientRecord(event.client, ClientKind.DRIVER, 0)


def _driver_disconnected(tables: Tables, event: DriverDisconnected) -> None:
    deaths.driver_left(tables, event.client)


def _worker_started(tables: Tables, event: WorkerStarted) -> None:
    worker = tables.workers.get(event.worker)
    if worker is not None and tables.unborn.pop(event.worker, 1) is None:
        worker.node.starting -= 1
        tables.start_failures = 0
        scheduling.capacity_freed(tables)


def _worker_died(tables: Tables, event: WorkerDied) -> None:
    worker = tables.workers.get(event.worker)
    if worker is not None:
        deaths.worker_died(tables, worker, event.cause, event.started)


def _buffer_allocated(tables: Tables, event: BufferAllocated) -> None:
    node = tables.nodes[event.node]
    client = tables.clients.get(event.client)
    if event.location < 0:
        node.store_used_bytes -= event.size_bytes
        if client is not None:
            text = f"The object store has no gap of {event.size_bytes} bytes."
            tables.send(event.client, Reply(event.request, text))
    elif client is None:
        objects.release_bytes(tables, event.location, event.size_bytes)
    else:
        client.buffers[event.location] = event.size_bytes
        tables.send(event.client, Reply(event.request, event.location))


def _tick(tables: Tables, event: Tick) -> None:
    workers.reap_idle(tables)
    scheduling.check_backlogs(tables)


# ---------------------------------------------------------------- clients


def _register_driver(tables: Tables, client: ClientRecord, message: RegisterDriver) -> None:
    number = tables.next_job
    tables.next_job += 1
    namespace = message.namespace or f"anonymous-{number}"
    tables.jobs[number] = JobRecord(number, client.number, namespace, message.sys_path, message.working_directory)
    client.job = number
    node_id = next((node.node_id for node in tables.nodes.values()), b"")
    tables.send(client.number, Registered(client.number, number, node_id, namespace))


def _define_function(tables: Tables, client: ClientRecord, message: DefineFunction) -> None:
    if message.function_id not in tables.functions:
        tables.functions[message.function_id] = message
        client.functions[message.function_id] = None
        # What a closure captured is needed for as long as the function may run: for the rest of the session.
        objects.acquire(tables, message.contained)


def _define_template(tables: Tables, client: ClientRecord, message: DefineTemplate) -> None:
    tables.template_messages[message.template] = message
    tables.templates[message.template] = Template(
        message.template,
        TaskKind(message.kind),
        message.function_id,
        message.name,
        message.method,
        message.num_returns,
        message.to_place,
        message.to_hold,
        message.max_retries,
        message.retry_exceptions,
        CallMode(message.call_mode),
        message.max_concurrency,
        message.max_calls,
        client.job,
        f"submitted: {message.name}",
    )


def _submit_task(tables: Tables, client: ClientRecord, message: SubmitTask) -> None:
    task_id, template, payload, dependencies, borrowed = message
    tasks.create(tables, client, tables.templates[template], task_id, payload, dependencies, borrowed)


def _put_object(tables: Tables, client: ClientRecord, message: PutObject) -> None:
    objects.put(tables, client, message)


def _reserve_buffer(tables: Tables, client: ClientRecord, message: ReserveBuffer) -> None:
    node = client.worker.node if client.worker is not None else next(iter(tables.nodes.values()))
    if node.store_used_bytes + message.size_bytes > node.store_capacity_bytes:
        text = (
            f"The object store is full: {message.size_bytes} bytes wanted, {node.store_used_bytes} of "
            f"{node.store_capacity_bytes} in use. Drop references you no longer need, or give "
            "ray.init(object_store_memory=...) more."
        )
        tables.send(client.number, Reply(message.request, text))
        return
    node.store_used_bytes += message.size_bytes
    tables.effects.append(AllocateBuffer(client.number, message.request, node.number, message.size_bytes))


def _abandon_buffer(tables: Tables, client: ClientRecord, message: AbandonBuffer) -> None:
    size_bytes = client.buffers.pop(message.location, None)
    if size_bytes is not None:
        objects.release_bytes(tables, message.location, size_bytes)


def _get_objects(tables: Tables, client: ClientRecord, message: GetObjects) -> None:
    wait = WaitRecord(client.number, message.request, message.object_ids, message.needed)
    objects.watch(tables, client, wait)
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
    objects.add_references(tables, client, message.object_ids)


def _drop_references(tables: Tables, client: ClientRecord, message: DropReferences) -> None:
    objects.drop_references(tables, client, message.object_ids)


def _unpin_objects(tables: Tables, client: ClientRecord, message: UnpinObjects) -> None:
    objects.unpin(tables, client, message.object_ids)


def _free_objects(tables: Tables, client: ClientRecord, message: FreeObjects) -> None:
    objects.free_values(tables, message.object_ids)


def _task_done(tables: Tables, client: ClientRecord, message: TaskDone) -> None:
    task_id, outcomes, duration_s, retryable = message
    for outcome in outcomes:
        if outcome[2] >= 0:
            objects.claim_buffer(tables, client, outcome[2])
    worker = client.worker
    task = tables.tasks.get(task_id)
    if worker is None or task is None or task.worker is not worker:
        tasks.discard_outcomes(tables, outcomes)
        if worker is not None:
            worker.ended_count += 1
        return
    worker.ended_count += 1
    worker.assigned.pop(task_id, None)
    if retryable and tasks.may_retry(tables, task):
        tasks.discard_outcomes(tables, outcomes)
        _retry(tables, task)
    else:
        tasks.finish(tables, task, outcomes)
        actor = task.actor
        if actor is not None:
            if actor.creation is task:
                actors.created(tables, actor, outcomes[0])
            else:
                actors.call_ended(tables, actor, task)
    if worker.actor is None:
        workers.count_call(tables, worker, task.template)
        scheduling.task_ended(tables, worker, duration_s)


def _retry(tables: Tables, task: TaskRecord) -> None:
    """Run a task again whose error its options want retried: a call on its own actor, anything else wherever there is
    room."""
    tasks.use_retry(task)
    if task.actor is not None and task.actor.creation is not task and task.worker is not None:
        move(tables.log, task.task_id, task, TaskState.QUEUED, "its error is to be retried")
        scheduling.send_task(tables, task.worker, task)
    else:
        scheduling.requeue(tables, task, "its error is to be retried")


def _tasks_returned(tables: Tables, client: ClientRecord, message: TasksReturned) -> None:
    if client.worker is not None:
        scheduling.tasks_returned(tables, client.worker, message.task_ids)


def _create_actor(tables: Tables, client: ClientRecord, message: CreateActor) -> None:
    actors.create(tables, client, message)


def _submit_call(tables: Tables, client: ClientRecord, message: SubmitCall) -> None:
    actors.call(tables, client, message)


def _find_actor(tables: Tables, client: ClientRecord, message: FindActor) -> None:
    actors.find(tables, client, message)


def _kill_actor(tables: Tables, client: ClientRecord, message: KillActor) -> None:
    actor = tables.actors.get(message.actor_id)
    if actor is not None:
        actors.end(
            tables, actor, Status.ACTOR_DIED, b"The actor is dead because it was killed by `ray.kill`.", "ray.kill"
        )


def _actor_exiting(tables: Tables, client: ClientRecord, message: ActorExiting) -> None:
    actor = tables.actors.get(message.actor_id)
    if actor is not None and client.worker is actor.worker and actor.state is not ActorState.DEAD:
        if client.worker is not None:
            client.worker.stopping = True
        actors.end(tables, actor, Status.ACTOR_DIED, message.reason.encode(), "it ended itself")


def _cancel_task(tables: Tables, client: ClientRecord, message: CancelTask) -> None:
    task = tables.tasks.get(message.object_id[:24])
    if task is None or task.cancelled:
        return
    if task.state is TaskState.SENT and task.worker is not None:
        task.cancelled = True
        if message.force and task.actor is None:
            workers.kill(tables, task.worker, "ray.cancel(force=True)")
        else:
            tables.send(task.worker.number, CancelRunning(task.task_id))
        return
    if task.actor is not None and task.actor.creation is task:
        return
    task.cancelled = True
    text = f"Task {task.template.name} was cancelled before it started."
    if task.actor is not None:
        actors.withdraw_call(tables, task.actor, task, Status.CANCELLED, text.encode())
        return
    if task.state is TaskState.QUEUED:
        scheduling.withdraw(tables, task)
    tasks.fail(tables, task, Status.CANCELLED, text.encode(), "ray.cancel")


def _ask(tables: Tables, client: ClientRecord, message: Ask) -> None:
    tables.send(client.number, Reply(message.request, views.answer(tables, client, message)))


def _shut_down(tables: Tables, client: ClientRecord, message: ShutDown) -> None:
    deaths.driver_left(tables, client.number)


_EnvironmentHandler: TypeAlias = Callable[[Tables, Event], None]
_ClientHandler: TypeAlias = Callable[[Tables, ClientRecord, Event], None]

_ENVIRONMENT_HANDLERS: Final = cast(
    "dict[type[Event], _EnvironmentHandler]",
    {
        NodeAdded: _node_added,
        DriverConnected: _driver_connected,
        DriverDisconnected: _driver_disconnected,
        WorkerStarted: _worker_started,
        WorkerDied: _worker_died,
        BufferAllocated: _buffer_allocated,
        Tick: _tick,
    },
)

_CLIENT_HANDLERS: Final = cast(
    "dict[type[Event], _ClientHandler]",
    {
        RegisterDriver: _register_driver,
        DefineFunction: _define_function,
        DefineTemplate: _define_template,
        SubmitTask: _submit_task,
        CreateActor: _create_actor,
        SubmitCall: _submit_call,
        PutObject: _put_object,
        ReserveBuffer: _reserve_buffer,
        AbandonBuffer: _abandon_buffer,
        GetObjects: _get_objects,
        WithdrawGet: _withdraw_get,
        AddReferences: _add_references,
        DropReferences: _drop_references,
        UnpinObjects: _unpin_objects,
        FreeObjects: _free_objects,
        TaskDone: _task_done,
        TasksReturned: _tasks_returned,
        ActorExiting: _actor_exiting,
        KillActor: _kill_actor,
        CancelTask: _cancel_task,
        FindActor: _find_actor,
        Ask: _ask,
        ShutDown: _shut_down,
    },
)
