"""Effects as short stable lines: what the kernel answers, in a trace."""

from __future__ import annotations

from collections.abc import Iterable

from localray.kernel.effects import (
    CoolArena,
    CreateSpillFile,
    DeleteSpillFile,
    DropArena,
    Effect,
    FillBuffer,
    ForgetFiles,
    KeepFile,
    KillWorker,
    LaunchNode,
    LookAtWorkers,
    MeasureMemory,
    OpenLane,
    ReleaseBuffer,
    Send,
    ShareArena,
    SpillObjects,
    StartWorker,
    Stop,
)
from localray.protocol import (
    INLINE,
    ON_DISK,
    CancelRunning,
    CollectGarbage,
    DefineFunction,
    DefineRuntimeEnv,
    DefineTemplate,
    DiskPlace,
    DropViews,
    Exit,
    FailedArgument,
    ForgetArena,
    ItemsTaken,
    KernelMessage,
    LaneClosed,
    Notice,
    ObjectAbsent,
    ObjectPresent,
    ObjectReady,
    RecallTasks,
    Registered,
    Reply,
    ReplyValue,
    RestoreActor,
    RunTask,
    SetUpJob,
    Status,
    UnhandledError,
    WorkerOutput,
)

from .names import Names

_MARSHALLED = DiskPlace("", 0, b"").encode()[:1]
_TEACHING = (SetUpJob, DefineFunction, DefineTemplate)


class Renderer:
    """Renders effects with symbolic names; what a worker is taught before its first task is left out unless asked
    for."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.show_teaching = False

    def lines(self, effects: Iterable[Effect]) -> list[str]:
        """One line for each effect."""
        return [self._line(effect) for effect in effects if self.show_teaching or not _teaches(effect)]

    def _line(self, effect: Effect) -> str:
        names = self.names
        if isinstance(effect, Send):
            return f"{names.client(effect.client)}: {self._message(effect.message)}"
        if isinstance(effect, StartWorker):
            return f"start {names.client(effect.worker)} on node {effect.node}"
        if isinstance(effect, KillWorker):
            return f"kill {names.client(effect.worker)}"
        if isinstance(effect, LaunchNode):
            return f"launch a node of type {effect.node_type}"
        if isinstance(effect, Stop):
            return f"stop: {effect.reason}"
        return self._of_the_store(effect)

    def _of_the_store(self, effect: Effect) -> str:
        names = self.names
        if isinstance(effect, ReleaseBuffer):
            return f"release {effect.size_bytes} bytes at {effect.location}"
        if isinstance(effect, MeasureMemory):
            of_workers = "".join(f", {names.client(number)}" for number in effect.workers)
            return f"measure node {effect.node}{of_workers}" + (", top users" if effect.top_count else "")
        if isinstance(effect, ShareArena):
            return f"share arena {effect.node} with {names.client(effect.client)}"
        if isinstance(effect, OpenLane):
            return f"open lane {effect.lane} from {names.client(effect.client)} to {names.client(effect.worker)}"
        if isinstance(effect, DropArena):
            return f"drop arena {effect.node}"
        if isinstance(effect, LookAtWorkers):
            return f"look at {', '.join(names.client(number) for number in effect.workers)}"
        if isinstance(effect, CoolArena):
            return f"cool {effect.size_bytes} bytes at {effect.offset}"
        if isinstance(effect, SpillObjects):
            entries = ", ".join(f"{names.of(each[0])} from {each[1]} to {each[3]}" for each in effect.entries)
            return f"spill into {effect.path}: {entries}"
        if isinstance(effect, CreateSpillFile):
            return f"create {effect.path} of {effect.length} bytes"
        if isinstance(effect, KeepFile):
            return names.in_text(f"keep {effect.name} with {len(effect.values)} values")
        if isinstance(effect, ForgetFiles):
            return names.in_text(f"forget {', '.join(effect.names)}")
        if isinstance(effect, FillBuffer):
            return f"fill {len(effect.content)} bytes at {effect.location}"
        assert isinstance(effect, DeleteSpillFile)
        return f"delete {effect.path}"

    def _message(self, message: KernelMessage) -> str:
        names = self.names
        if isinstance(message, RunTask):
            return self._run(message)
        if isinstance(message, ObjectReady):
            shown = self.value(message.status, message.payload, message.location, message.size_bytes)
            return f"ready {names.of(message.object_id)} = {shown}"
        if isinstance(message, ObjectPresent):
            return f"present {names.of(message.object_id)}"
        if isinstance(message, ObjectAbsent):
            return f"absent {names.of(message.object_id)}"
        if isinstance(message, Reply):
            return f"reply to {message.request}: {names.in_text(self.reply(message.value))}"
        if isinstance(message, RestoreActor):
            return f"restore {names.of(message.object_id)} = {self.value(*message[1:])}"
        if isinstance(message, RecallTasks):
            return f"recall {names.list_of(message.task_ids)}"
        if isinstance(message, ItemsTaken):
            taken = "all there will ever be" if message.taken < 0 else str(message.taken)
            return f"taken {names.of(message.task_id)}: {taken}"
        if isinstance(message, CancelRunning):
            return f"cancel {names.of(message.task_id)}"
        if isinstance(message, DropViews):
            return "drop views"
        if isinstance(message, CollectGarbage):
            return "collect garbage"
        if isinstance(message, ForgetArena):
            return f"forget arena {message.node}"
        if isinstance(message, LaneClosed):
            return f"close lane {message.lane}"
        if isinstance(message, Exit):
            return f"exit: {message.reason}"
        if isinstance(message, WorkerOutput):
            return f"output of {message.name}: {' / '.join(message.lines)}"
        if isinstance(message, UnhandledError):
            return f"unhandled error: {message.payload.decode()}"
        if isinstance(message, Notice):
            return f"notice: {names.in_text(message.text)}"
        if isinstance(message, Registered):
            return f"registered for job {message.job} in namespace {message.namespace}"
        if isinstance(message, SetUpJob):
            return f"set up job {message.job}"
        if isinstance(message, DefineRuntimeEnv):
            return f"set up runtime environment {message.key.decode()}"
        if isinstance(message, DefineFunction):
            return f"learn function {message.name}"
        assert isinstance(message, DefineTemplate)
        return f"learn template {message.name}"

    def _run(self, message: RunTask) -> str:
        names = self.names
        parts = [f"run {names.of(message.task_id)}"]
        if message.dependencies:
            pairs = zip(message.dependencies, message.values, strict=True)
            parts.append("with " + ", ".join(f"{names.of(each)} = {self.value(*value)}" for each, value in pairs))
        if message.actor_id:
            parts.append(f"on {names.of(message.actor_id)}")
        if message.attempt:
            parts.append(f"attempt {message.attempt}")
        if message.units:
            parts.append(f"devices {','.join(str(unit) for unit in message.units)}")
        return " ".join(parts)

    def value(self, status: int, payload: bytes, location: int, size_bytes: int) -> str:
        """A finished object's value, place or error."""
        if location == ON_DISK:
            place = DiskPlace.decode(payload)
            return f"{size_bytes} bytes in {place.path} at {place.offset}"
        if location != INLINE:
            return f"{size_bytes} bytes at {location}"
        if status in (Status.ARGUMENT_FAILED, Status.ACTOR_ARGUMENT_FAILED):
            _, object_id, of_argument, cause, _ = FailedArgument.unpack(payload)
            return f"{Status(status).name} {self.names.of(object_id)} = {self.value(of_argument, cause, INLINE, 0)}"
        text = self.names.in_text(payload.decode(errors="replace")).replace("\n", " / ")
        return text if status == Status.VALUE else f"{Status(status).name} ({text})"

    def reply(self, value: ReplyValue) -> str:
        """A reply, with ids in it named."""
        if isinstance(value, tuple):
            return "(" + ", ".join(self.reply(item) for item in value) + ")"
        if isinstance(value, bytes):
            return DiskPlace.decode(value).path if value[:1] == _MARSHALLED else self.names.of(value)
        return str(value)


def _teaches(effect: Effect) -> bool:
    return isinstance(effect, ShareArena | DropArena) or (isinstance(effect, Send) and isinstance(effect.message, _TEACHING))
