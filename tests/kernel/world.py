"""The world around the kernel, in a random program: effects on their way, messages arriving, tasks starting, processes
dying.

What arrives is checked here: nobody is given a wrong value, told that what they hold is lost, sees an actor's calls out
of order, or starts what runs already or was tried too often. Must not live here: deciding what happens next (`player`,
`ending`).
"""

from __future__ import annotations

from localray.kernel.effects import Effect, KillWorker, Send, SpillObjects, StartWorker
from localray.protocol import (
    INLINE,
    CancelRunning,
    DefineRuntimeEnv,
    DiskPlace,
    Exit,
    FailedArgument,
    KernelMessage,
    ObjectReady,
    RecallTasks,
    Reply,
    RestoreActor,
    RunTask,
    SetUpJob,
    Status,
)

from .cluster import Cluster
from .model import Client, Spec

STORE_BYTES = 2000


class World:
    """A cluster, its clients, and what is known of everything they made."""

    def __init__(self, disk: str = "") -> None:
        self.cluster = Cluster()
        self.lines: list[str] = []
        self.clients: dict[str, Client] = {}
        self.kills: list[str] = []
        self.spilled: dict[tuple[str, int], int] = {}
        self.specs: dict[str, Spec] = {}
        self.values: dict[str, dict[str, tuple[str, ...]]] = {}
        self.gone_jobs: set[int] = set()
        # Of checkpointed actors: the calls that have been answered, in that order.
        self.answered: dict[str, list[str]] = {}
        self.starved = 0
        self.do(f"node cpu=2 gpu=1 store={STORE_BYTES}{disk}")
        for name in ("d", "e"):
            self.clients[name] = Client(name, is_worker=False, job=len(self.clients) + 1, born=True)
            self.do(f"driver {name}")

    # ---------------------------------------------------------------- the kernel's side

    def do(self, line: str) -> None:
        """One command to the kernel, and where its effects go."""
        self.lines.append(line)
        self.cluster.execute(line)
        if " done " in line:
            self.note_answer(line.split()[2])
        for effect in self.cluster.effects:
            self.absorb(effect)

    def note_answer(self, task: str) -> None:
        """A call of a checkpointed actor has been answered, and is part of its state from now on, unless its error is
        to be retried."""
        spec = self.specs[task]
        if spec.actor != task and self.is_checkpointed(spec):
            answered = self.answered.setdefault(spec.actor, [])
            if task not in answered and self.cluster.names.tasks[task] not in self.cluster.kernel.tables.tasks:
                answered.append(task)

    def is_checkpointed(self, spec: Spec) -> bool:
        """Whether something belongs to an actor that checkpoints itself."""
        return bool(spec.actor) and self.specs[spec.actor].is_checkpointed

    def absorb(self, effect: Effect) -> None:
        """An effect starts on its way."""
        names = self.cluster.names
        if isinstance(effect, Send):
            client = self.clients.get(names.client(effect.client))
            if client is not None:
                client.inbox.append(effect.message)
        elif isinstance(effect, StartWorker):
            name = names.client(effect.worker)
            self.clients[name] = Client(name, is_worker=True)
        elif isinstance(effect, KillWorker):
            name = names.client(effect.worker)
            assert name in self.clients and name not in self.kills, f"{name} is to be killed and is not there"
            self.kills.append(name)
        elif isinstance(effect, SpillObjects):
            for _, location, _, offset in effect.entries:
                self.spilled[effect.path, offset] = location

    def disk_answers(self, failure: str = "") -> None:
        """The disk is done with the oldest thing it was asked for."""
        self.do(f"disk fails = {failure}" if failure else "disk done")

    def die(self, name: str, flushed: int) -> None:
        """A worker's process ends; of what it had not sent yet, only so much was."""
        client = self.clients[name]
        for _ in range(flushed):
            self.do(client.outbox.popleft())
        del self.clients[name]
        if name in self.kills:
            self.kills.remove(name)
        self.do(f"{name} dies started={client.started}")

    # ---------------------------------------------------------------- what arrives

    def receive(self, client: Client, message: KernelMessage) -> None:
        """A message reaches a client."""
        names = self.cluster.names
        if isinstance(message, ObjectReady):
            self.object_ready(client, message)
        elif isinstance(message, RunTask):
            client.queue.append(message)
        elif isinstance(message, RestoreActor):
            self.restore(client, message)
        elif isinstance(message, SetUpJob):
            client.job = message.job
        elif isinstance(message, DefineRuntimeEnv):
            assert not client.started, f"{client.name} is to be set up after it has run something"
            client.has_runtime_env = True
        elif isinstance(message, RecallTasks):
            returned = [task for task in client.queue if task.task_id in message.task_ids]
            for task in returned:
                client.queue.remove(task)
            client.say("returned " + names.list_of(task.task_id for task in returned))
        elif isinstance(message, CancelRunning):
            client.cancelled.add(names.of(message.task_id))
        elif isinstance(message, Exit):
            client.exiting = True
        elif isinstance(message, Reply) and message.request in client.reserving:
            size_bytes = client.reserving.pop(message.request)
            if isinstance(message.value, int):
                client.buffers.append((f"at={message.value}", size_bytes))
            elif isinstance(message.value, bytes):
                client.buffers.append((f"file={DiskPlace.decode(message.value).path}", size_bytes))

    def restore(self, client: Client, message: RestoreActor) -> None:
        """An actor's state comes, before its constructor."""
        name = self.cluster.names.of(message.object_id)
        self.look_at(client, name, *message[1:4])
        text = self.text_of(message.payload, message.location)
        client.state = [call for call in name.split("/")[1:] if call]
        client.adopt(self.values[name][text])

    def check_state(self, client: Client, spec: Spec) -> bool:
        """A call of a checkpointed actor starts: what its state must have in it by now. Returns whether the call is
        replayed."""
        answered = self.answered.get(spec.actor, [])
        if spec.name in answered:
            before = answered[: answered.index(spec.name)]
            assert client.state == before, f"{spec.name} is replayed on {client.state}, not {before}"
            return True
        assert client.state[: len(answered)] == answered, f"{spec.name} starts on {client.state}, not {answered}"
        return False

    def object_ready(self, client: Client, message: ObjectReady) -> None:
        """An object that a client asked for; reading it, the client comes to hold what is in it."""
        name = self.cluster.names.of(message.object_id)
        self.look_at(client, name, message.status, message.payload, message.location)
        stream = client.streams.get(name.partition("#")[0])
        if stream is not None and message.status != Status.END_OF_STREAM:
            stream.came.add(name)
        for request in list(client.waits):
            if client.waits[request].pop(name, 1) is None:
                client.needed[request] -= 1
                if client.needed[request] == 0:
                    del client.waits[request], client.needed[request]

    def look_at(self, client: Client, name: str, status: int, payload: bytes, location: int) -> None:
        """Check a value that was delivered, and adopt the references in it."""
        if client.job not in self.gone_jobs and client.name not in self.kills:
            kind, _ = FailedArgument.root(status, payload)
            is_lost = kind in (Status.LOST, Status.UNRECONSTRUCTABLE, Status.OWNER_DIED)
            assert not is_lost, f"{client.name} is told that {name} is lost"
        if location >= 0:
            client.pins[name] += 1
        if status == Status.VALUE:
            known = self.values[name]
            text = self.text_of(payload, location)
            assert text in known, f"{name} was never {text}, but {list(known)}"
            if name in client.held:
                client.adopt(known[text])

    def text_of(self, payload: bytes, location: int) -> str:
        """What a value is known by: its text, or where it was first written."""
        if location == INLINE:
            return payload.decode()
        if location >= 0:
            return f"at={location}"
        place = DiskPlace.decode(payload)
        first = self.spilled.get((place.path, place.offset))
        return f"file={place.path}" if first is None else f"at={first}"

    def start(self, client: Client) -> None:
        """A worker starts the next task in its line."""
        message = client.queue.popleft()
        spec = self.specs[self.cluster.names.of(message.task_id)]
        for other in self.clients.values():
            assert spec.name not in other.running, f"{spec.name} starts on {client.name} and runs on {other.name}"
        is_call = spec.actor not in ("", spec.name)
        is_replayed = is_call and self.is_checkpointed(spec) and self.check_state(client, spec)
        if not is_replayed:
            assert message.attempt == spec.starts, (
                f"{spec.name} has begun {spec.starts} times before attempt {message.attempt}"
            )
            killed_for_memory = self.starved and spec.retries
            assert message.attempt <= spec.retries or killed_for_memory, f"{spec.name} is tried too often"
        spec.starts = message.attempt + 1
        spec.yielded = 0
        if is_call and client.concurrency == 1 and not message.attempt:
            assert client.last_started.get(spec.caller, -1) < spec.sequence, f"{spec.name} is out of order"
            client.last_started[spec.caller] = spec.sequence
        client.started += 1
        client.running[spec.name] = 0
        for name, value in zip(spec.deps, message.values, strict=True):
            self.look_at(client, name, value[0], value[1], value[2])
            for text, contained in self.values.get(name, {}).items():
                if value[0] == Status.VALUE and text == self.text_of(value[1], value[2]):
                    client.adopt(contained)
        client.adopt(spec.borrows)

    def be_born(self, client: Client) -> None:
        """A worker's process is up."""
        client.born = True
        self.do(f"{client.name} starts")

    def catch_up(self, client: Client) -> None:
        """A client reads all that has come, and sends all that it has to say."""
        while client.inbox or client.outbox:
            if client.outbox:
                self.do(client.outbox.popleft())
            else:
                self.receive(client, client.inbox.popleft())
