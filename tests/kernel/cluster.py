"""A kernel driven by lines of text: the command language of the golden traces.

A command is ``[who] verb words key=value``; `Cluster.execute` turns it into one event (or a few), steps the kernel,
checks every invariant and gives the answers as lines. Environment: ``node``, ``driver d``, ``w1 starts``, ``w1 dies``,
``d leaves``, ``tick +5ms``, ``+5ms``, ``disk done``. Clients: ``submit``, ``done``, ``get``, ``withdraw``, ``put``,
``add``, ``drop``, ``actor``, ``call``, ... one for each message. Questions that step nothing: ``story``, ``sizes``,
``free``, ``deadline``. Must not live here: what to expect.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from localray import ids
from localray.kernel import ENVIRONMENT, Event, Kernel, invariants
from localray.kernel.effects import (
    CreateSpillFile,
    DeviceLost,
    DriverConnected,
    DriverDisconnected,
    DriverLags,
    Effect,
    FileKept,
    ForgetFiles,
    KeepFile,
    LaunchFailed,
    MemoryUsed,
    NodeAdded,
    NodeDied,
    NodeDraining,
    ObjectsSpilled,
    SpillFileCreated,
    SpillObjects,
    StartWorker,
    Tick,
    WorkerDied,
    WorkerPrinted,
    WorkersStopped,
    WorkerStarted,
)
from localray.kernel.kept_documents import FoundFile, choose
from localray.kernel.pending import why
from localray.kernel.views import sum_resources, table_sizes
from localray.protocol import (
    INLINE,
    NOT_CHECKPOINTED,
    ON_DISK,
    RETRIES_OF_ACTOR,
    AbandonBuffer,
    ActorExiting,
    AddNode,
    AddReferences,
    AnswerByLane,
    Ask,
    AwaitTaken,
    CallByLane,
    CallMode,
    CancelTask,
    CheckpointFailed,
    ConfigureJob,
    CreateActor,
    CreateGroup,
    DefineFunction,
    DefineRuntimeEnv,
    DefineTemplate,
    DiskPlace,
    DropReferences,
    DropStream,
    EndSession,
    FindActor,
    FindGroup,
    FreeObjects,
    GetObjects,
    KillActor,
    LabelOperator,
    LeaseBuffer,
    ObjectDamaged,
    ObjectYielded,
    Outcome,
    PlacementStrategy,
    PutObject,
    Query,
    RegisterDriver,
    RemoveGroup,
    RemoveNode,
    RequestResources,
    ReserveBuffer,
    Resources,
    ReturnMode,
    RuntimeEnvFailed,
    SaveCheckpoint,
    ShutDown,
    Status,
    Strategy,
    StrategyKind,
    SubmitCall,
    SubmitTask,
    TakeItems,
    TaskDone,
    TaskKind,
    TasksReturned,
    UnpinObjects,
    WatchGroup,
    WithdrawGet,
)
from localray.sched.autoscaling import NodeType, Scaling
from localray.sched.bundle_names import within
from localray.sched.labels import parse_selector
from localray.sched.memory import settings_from
from localray.sched.survival import SurvivalSettings
from localray.shm.settings import StoreSettings

from .names import Names
from .rendering import Renderer

_RESOURCES = {"cpu": "CPU", "gpu": "GPU", "memory": "memory"}
_PLAIN_KEYS = {
    "deps", "borrows", "contains", "returns", "retries", "max_calls", "fn", "mode", "name", "namespace", "needed",
    "error", "after", "at", "idle", "every", "task_retries", "checkpoints", "size", "took", "cause", "started", "store", "prestart",
    "group", "bundle", "target", "on", "env", "by", "ahead",
    "yielded", "damaged", "type", "spill", "spills", "least", "threshold", "verbose", "file",
}  # fmt: skip


ITEMS_NAMED = 16
"""So many items of a stream have names."""


class Words:
    """One command taken apart: plain words, ``key=value`` words, and the text after a lone ``=``."""

    def __init__(self, line: str) -> None:
        line, _, text = line.partition(" = ")
        self.text = text
        self.plain: list[str] = []
        self.keys: dict[str, str] = {}
        for word in line.split():
            key, equals, value = word.partition("=")
            if equals:
                self.keys[key] = value
            else:
                self.plain.append(word)

    def number(self, key: str, default: int) -> int:
        """An integer option."""
        return int(self.keys.get(key, default))

    def names(self, key: str) -> tuple[str, ...]:
        """A comma-separated option."""
        return tuple(name for name in self.keys.get(key, "").split(",") if name)

    def resources(self, default_cpu: str | None) -> Resources:
        """What is asked for: ``cpu=``, ``gpu=``, ``memory=`` and any custom name; sorted, in units."""
        amounts = {} if default_cpu is None else {"CPU": default_cpu}
        amounts.update({_RESOURCES.get(k, k): v for k, v in self.keys.items() if k not in _PLAIN_KEYS and ":" not in k})
        units = {name: round(float(amount) * 10_000) for name, amount in amounts.items()}
        return tuple(sorted((name, amount) for name, amount in units.items() if amount))


    def labels(self, kind: str) -> dict[str, str]:
        """What is said of labels: ``kind:key=value``."""
        return {key.partition(":")[2]: value for key, value in self.keys.items() if key.startswith(f"{kind}:")}

    def strategy(self) -> Strategy:
        """Where a task is to go: ``spread``, ``on=1`` with ``soft``, ``spilling`` or ``failing``, ``hard:zone=a,b`` and
        ``soft:zone=a``, ``where:zone=!a`` and ``else:zone=b``."""
        kind, node_id = StrategyKind.DEFAULT, b""
        hard, should = (
            tuple((key, LabelOperator.IN.value, tuple(value.split(","))) for key, value in self.labels(name).items())
            for name in ("hard", "soft")
        )
        if "spread" in self.plain:
            kind = StrategyKind.SPREAD
        elif "on" in self.keys:
            kind, node_id = StrategyKind.NODE_AFFINITY, b"node" + self.keys["on"].encode()
        elif hard or should:
            kind = StrategyKind.NODE_LABELS
        flags = ["soft" in self.plain, "spilling" in self.plain, "failing" in self.plain]
        chosen = [parse_selector(each) for each in (self.labels("where"), self.labels("else")) if each]
        return (kind.value, node_id, flags[0], flags[1], flags[2], hard, should, tuple(chosen))


class Cluster:
    """A kernel and the names of the things in it. ``effects`` are those of the last command."""

    def __init__(self, seed: int = 0) -> None:
        self.kernel = Kernel(Random(seed))
        self.names = Names()
        self.renderer = Renderer(self.names)
        self.now_s = 0.0
        self.effects: list[Effect] = []
        self.workers_started = 0
        self.disk: list[SpillObjects | CreateSpillFile] = []
        self.keeping: list[KeepFile] = []
        self.kept: dict[str, FoundFile] = {}
        self._templates: dict[tuple[object, ...], int] = {}
        self._functions: dict[tuple[int, str], bytes] = {}
        self._requests: dict[int, int] = {}

    def execute(self, line: str) -> list[str]:
        """Do what a line says; returns the kernel's answer."""
        words = Words(line)
        self.effects = []
        first = words.plain[0]
        verb = getattr(self, f"_do_{first}", None)
        if first.startswith("+"):
            self.now_s += duration_s(first)
            return []
        if verb is not None:
            said: list[str] | None = verb(words)
        else:
            words.plain.pop(0)
            client_verb: Callable[[int, Words], list[str] | None] = getattr(self, f"_client_{words.plain.pop(0)}")
            said = client_verb(self.number_of(first), words)
        invariants.check(self.kernel.tables)
        return said if said is not None else self.renderer.lines(self.effects)

    def number_of(self, client: str) -> int:
        """A client's number; somebody unknown has one that nobody has."""
        return self.names.clients.get(client, 999_999)

    def step(self, event: Event, sender: int = ENVIRONMENT) -> None:
        """Step the kernel and name what is new."""
        effects = self.kernel.step(self.now_s, event, sender)
        for effect in effects:
            if isinstance(effect, StartWorker):
                self.workers_started += 1
                self.names.add_client(f"w{self.workers_started}", effect.worker)
            elif isinstance(effect, SpillObjects | CreateSpillFile):
                self.disk.append(effect)
            elif isinstance(effect, KeepFile):
                self.keeping.append(effect)
            elif isinstance(effect, ForgetFiles):
                for name in effect.names:
                    self.kept.pop(name, None)
        self.effects += effects

    # ---------------------------------------------------------------- environment

    def _do_node(self, words: Words) -> None:
        number = len(self.kernel.tables.nodes)
        store_bytes = words.number("store", 1000)
        node_id = b"node%d" % number
        settings = StoreSettings(
            words.names("spill"),
            spills=words.number("spills", 1) == 1,
            min_spilling_size=words.number("least", 100 << 20),
            object_spilling_threshold=float(words.keys.get("threshold", 1)),
            verbose_spill_logs=words.number("verbose", 0),
            high_plasma_storage_usage=float(words.keys.get("collect", 1)),
            local_gc_interval_s=words.number("collects_every", 0),
        )
        labels = tuple(words.labels("label").items())
        prestart = words.number("prestart", 0)
        node_type = words.keys.get("type", "")
        self.step(NodeAdded(node_id, words.resources("0"), labels, store_bytes, prestart, settings, "", (), node_type))

    def _do_scales(self, words: Words) -> None:
        """``scales small/0-3/cpu:2 large/0-1/cpu:8 idle=60s every=5s``: the types that nodes are launched of."""
        types = []
        for name, numbers, resources in (word.split("/") for word in words.plain[1:]):
            least, _, most = numbers.partition("-")
            total = Words(resources.replace(":", "=").replace(",", " ")).resources(None)
            types.append(NodeType(name, total, (), int(least), int(most)))
        idle_s, every_s = (duration_s(words.keys[key]) for key in ("idle", "every"))
        self.kernel.tables.scaling = Scaling(tuple(types), idle_s, every_s)

    def _do_living(self, words: Words) -> list[str]:
        """Which nodes there are, and why others are not any more."""
        nodes = self.kernel.tables.nodes.values()
        return [f"node {node.number}{'' if node.alive else ' is gone: ' + node.death_cause}" for node in nodes]

    def _do_fails(self, words: Words) -> None:
        """A node that was to be launched does not come: ``fails small``."""
        self.step(LaunchFailed(words.plain[1], words.keys.get("cause", "nobody has one")))

    def _do_loses(self, words: Words) -> None:
        """The cluster loses a node: ``loses 1``."""
        self.step(NodeDied(int(words.plain[1]), words.keys.get("cause", "switched off")))

    def _do_drains(self, words: Words) -> None:
        """A node is about to go: ``drains 1``."""
        self.step(NodeDraining(int(words.plain[1]), words.keys.get("cause", "preempted")))

    def _do_breaks(self, words: Words) -> None:
        """``breaks 1 device=0``: a node loses a GPU."""
        self.step(DeviceLost(int(words.plain[1]), words.number("device", 0)))

    def _do_why(self, words: Words) -> list[str]:
        (object_id,) = self.names.object_ids(words.plain[1:])
        return self.names.in_text(why(self.kernel.tables, object_id)).split("\n")

    def _do_transfers(self, words: Words) -> list[str]:
        nodes = self.kernel.tables.nodes.values()
        return [f"node {node.number}: {node.transfers} of {node.transferred_bytes} bytes" for node in nodes]

    def _do_connect(self, words: Words) -> None:
        number = self.kernel.new_client_number()
        self.names.add_client(words.plain[1], number)
        self.step(DriverConnected(number, "keeps" in words.plain))

    def _do_driver(self, words: Words) -> None:
        self._do_connect(words)
        number = self.number_of(words.plain[1])
        self.step(RegisterDriver(1, words.keys.get("namespace", ""), (), "/"), number)

    def _do_lags(self, words: Words) -> None:
        """More waits for a driver than it takes: ``lags d``."""
        self.step(DriverLags(self.number_of(words.plain[1]), True))

    def _do_catches(self, words: Words) -> None:
        """A driver takes what waits for it again: ``catches up d``."""
        self.step(DriverLags(self.number_of(words.plain[2]), False))

    def _do_standing(self, words: Words) -> list[str]:
        """From now on the session outlives its drivers."""
        self.kernel.tables.standing = True
        return []

    def _do_tick(self, words: Words) -> None:
        if len(words.plain) > 1:
            self.now_s += duration_s(words.plain[1])
        self.step(Tick())

    def _do_monitor(self, words: Words) -> None:
        settings = {f"RAY_{key}": value for key, value in words.keys.items()}
        if "enforce" in words.plain:
            settings["LOCALRAY_ENFORCE_MEMORY"] = "1"
        self.kernel.tables.memory = settings_from(settings)

    def _do_lineage(self, words: Words) -> None:
        """``lineage bytes=1000``: what may be kept."""
        self.kernel.tables.survival = SurvivalSettings(max_lineage_bytes=words.number("bytes", 0))

    def _do_delay(self, words: Words) -> None:
        """``delay retries=10s``: how long a task whose last try has failed waits for the next."""
        self.kernel.tables.survival = SurvivalSettings(retry_delay_s=duration_s(words.keys["retries"]))

    def _do_hints(self, words: Words) -> None:
        """``hints``: drivers want them."""
        self.kernel.tables.survival = SurvivalSettings(hints=True)

    def _do_frozen(self, words: Words) -> None:
        """``frozen after=10s``, and the answers to looks: ``frozen w1 w2``."""
        if "after" in words.keys:
            self.kernel.tables.survival = SurvivalSettings(frozen_after_s=duration_s(words.keys["after"]))
        else:
            self.step(WorkersStopped(0, tuple(self.number_of(name) for name in words.plain[1:])))

    def _do_memory(self, words: Words) -> None:
        used, total = (int(part) for part in words.plain[1].split("/"))
        workers = tuple((self.number_of(name), int(size)) for name, size in words.keys.items())
        self.step(MemoryUsed(0, used, total, workers, ()))

    def _do_disk(self, words: Words) -> None:
        """The disk's answer to the oldest question: ``disk done``, or ``disk fails = why``."""
        asked = self.disk.pop(0)
        failure = words.text if words.plain[1] == "fails" else ""
        if isinstance(asked, SpillObjects):
            took_s = duration_s(words.keys.get("took", "1s"))
            self.step(ObjectsSpilled(asked.node, asked.batch, failure, took_s))
        else:
            self.step(SpillFileCreated(asked.node, asked.file, failure))

    def _do_kept(self, words: Words) -> None:
        """The oldest file is in the state directory: ``kept``, or not: ``kept fails = why``."""
        asked = self.keeping.pop(0)
        if not words.text:
            values = tuple(b"x" * size for _, _, size, _ in asked.values)
            self.kept[asked.name] = FoundFile(asked.name, asked.header, values)
        self.step(FileKept(asked.name, words.text))

    def _do_keeping(self, words: Words) -> None:
        """Begin a session, or another, on what is in the state directory; ``damaged=1`` files, the newest, are."""
        files = sorted(self.kept.values(), key=lambda file: file.name)
        whole = len(files) - words.number("damaged", 0)
        found = [file if place < whole else file._replace(damage="is cut off") for place, file in enumerate(files)]
        actors, self.complaints = choose(found)
        self.kernel = Kernel(Random(0), kept=actors)
        self.kernel.tables.standing = True

    def _do_complaints(self, words: Words) -> list[str]:
        return [self.names.in_text(line) for line in self.complaints]

    def _client_starts(self, client: int, words: Words) -> None:
        self.step(WorkerStarted(client))

    def _client_dies(self, client: int, words: Words) -> None:
        self.step(WorkerDied(client, words.keys.get("cause", "killed"), words.number("started", 0)))

    def _client_leaves(self, client: int, words: Words) -> None:
        self.step(DriverDisconnected(client))

    # ---------------------------------------------------------------- questions

    def _do_story(self, words: Words) -> list[str]:
        name = words.plain[1]
        identity = self.names.tasks.get(name) or self.names.objects.get(name) or self.number_of(name)
        return [self.names.in_text(line) for line in self.kernel.tables.log.story(identity)]

    def _do_sizes(self, words: Words) -> list[str]:
        pairs = table_sizes(self.kernel.tables)
        assert isinstance(pairs, tuple)
        return [", ".join(f"{pair[0]} {pair[1]}" for pair in pairs if isinstance(pair, tuple) and pair[1]) or "nothing"]

    def _do_free(self, words: Words) -> list[str]:
        pairs = sum_resources(self.kernel.tables, available=True)
        assert isinstance(pairs, tuple)
        return [self.names.in_text(", ".join(f"{name} {units / 10_000:g}" for name, units in pairs))]  # type: ignore[misc, operator, union-attr]

    def _do_deadline(self, words: Words) -> list[str]:
        deadline_s = self.kernel.deadline_s
        return ["none" if deadline_s is None else f"in {(deadline_s - self.now_s) * 1000:g}ms"]

    def _do_show(self, words: Words) -> list[str]:
        self.renderer.show_teaching = words.plain[1] == "teaching"
        return []

    # ---------------------------------------------------------------- whoever keeps the session

    def _client_ends(self, client: int, words: Words) -> None:
        self.step(EndSession(), client)

    def _client_brings(self, client: int, words: Words) -> None:
        """Adds a node: ``d brings cpu=2``."""
        node_id = b"node%d" % len(self.kernel.tables.nodes)
        labels = tuple(words.labels("label").items())
        self.step(AddNode(self.next_request(client), node_id, "", words.resources("0"), labels, 1000, ()), client)

    def _client_removes(self, client: int, words: Words) -> None:
        """Removes a node: ``d removes 1``."""
        node_id = b"node" + words.plain[0].encode()
        self.step(RemoveNode(self.next_request(client), node_id, "removed"), client)

    # ---------------------------------------------------------------- tasks and actors

    def _template(self, client: int, kind: TaskKind, words: Words) -> int:
        """The number of the template that the options make, defined at its first use."""
        is_actor = kind is TaskKind.ACTOR_CREATION
        to_place = () if kind is TaskKind.ACTOR_CALL else words.resources("1")
        to_hold = (
            tuple(pair for pair in to_place if pair[0] != "CPU" or words.keys.get("cpu")) if is_actor else to_place
        )
        place: tuple[bytes, int] = (b"", -1)
        if "group" in words.keys:
            place = self.group_id(words.keys["group"]), words.number("bundle", -1)
            to_place, to_hold = (within(each, place[0].hex(), place[1]) for each in (to_place, to_hold))
        function = words.keys.get("fn", "A" if is_actor else "f")
        method = "" if kind is TaskKind.TASK else function
        name = f"{function}.__init__" if is_actor else function
        options = (
            words.number("returns", 1),
            to_place,
            to_hold,
            words.number("retries", RETRIES_OF_ACTOR if kind is TaskKind.ACTOR_CALL else 0),
            b"",
            CallMode[words.keys.get("mode", "serial").upper()].value,
            1,
            words.number("max_calls", 0),
            *place,
            False,
            words.strategy(),
            self._runtime_env(client, words.keys.get("env", "")),
            (ReturnMode.STREAM if "stream" in words.plain else ReturnMode.FIXED).value,
        )
        checkpoint_calls = words.number("checkpoints", NOT_CHECKPOINTED)
        key = (client, kind, name, options, checkpoint_calls)
        if key not in self._templates:
            number = (client << 24) + len(self._templates)
            self._templates[key] = number
            function_id = b"" if kind is TaskKind.ACTOR_CALL else self._function(client, function)
            template = DefineTemplate(number, kind.value, function_id, name, method, *options)
            self.step(template._replace(checkpoint_calls=checkpoint_calls), client)
        return self._templates[key]

    def _runtime_env(self, client: int, name: str) -> bytes:
        """The key of an environment, which is its name; the client makes it known at its first use."""
        key = name.encode()
        if key and key not in self.kernel.tables.runtime_envs:
            self.step(DefineRuntimeEnv(key, "{}", "", b""), client)
        return key

    def _function(self, client: int, name: str, contained: tuple[bytes, ...] = ()) -> bytes:
        key = (client, name)
        if key not in self._functions:
            self._functions[key] = ids.task_id_bytes(client, len(self._functions), b"f" * 16)
            self.step(DefineFunction(self._functions[key], name, b"body", contained), client)
        return self._functions[key]

    def _job(self, client: int) -> int:
        record = self.kernel.tables.clients.get(client)
        return 0 if record is None else record.job

    def _client_define(self, client: int, words: Words) -> None:
        self._function(client, words.plain[0], self.names.object_ids(words.names("contains")))

    def _client_submit(self, client: int, words: Words) -> None:
        template = self._template(client, TaskKind.TASK, words)
        nil = ids.nil_actor_id(self._job(client))
        task_id = self.names.add_task(words.plain[0], client, nil, words.number("returns", 1))
        object_ids = self.names.object_ids
        deps, borrows = object_ids(words.names("deps")), object_ids(words.names("borrows"))
        self._name_items(words, words.plain[0])
        self.step(SubmitTask(task_id, template, b"", deps, borrows), client)

    def _client_actor(self, client: int, words: Words) -> None:
        template = self._template(client, TaskKind.ACTOR_CREATION, words)
        actor_id, task_id = self.names.add_actor(words.plain[0], client, self._job(client))
        object_ids = self.names.object_ids
        deps, borrows = object_ids(words.names("deps")), object_ids(words.names("borrows"))
        name = words.keys.get("name", "")
        space = words.keys.get("namespace", "n")
        request = self.next_request(client) if name else 0
        detached, get_if_exists = "detached" in words.plain, "get_if_exists" in words.plain
        self.step(
            CreateActor(
                task_id,
                template,
                b"",
                deps,
                borrows,
                actor_id,
                name,
                space,
                detached,
                get_if_exists,
                -1,
                words.number("task_retries", 0),
                b"class",
                request,
            ),
            client,
        )

    def _client_call(self, client: int, words: Words) -> None:
        template = self._template(client, TaskKind.ACTOR_CALL, words)
        actor_id = self.names.actors.get(words.plain[0], words.plain[0].encode().ljust(16, b"?"))
        task_id = self.names.add_task(words.plain[1], client, actor_id, words.number("returns", 1))
        object_ids = self.names.object_ids
        deps, borrows = object_ids(words.names("deps")), object_ids(words.names("borrows"))
        self._name_items(words, words.plain[1])
        self.step(SubmitCall(task_id, template, b"", deps, borrows, actor_id), client)

    def _client_sent_by_lane(self, client: int, words: Words) -> None:
        """``d sent_by_lane a1 c1``, ``w1 sent_by_lane a1 c1 by=d``: its caller, or the worker that has it, says that a call
        went by a lane."""
        caller = self.names.clients[words.keys["by"]] if "by" in words.keys else client
        self.step(CallByLane(*self._lane_call(caller, words), caller), client)

    def _client_answered_by_lane(self, client: int, words: Words) -> None:
        """``d answered_by_lane a1 c1 = x``: its caller says how it ended, of a call that it has told of or has not."""
        took_s = duration_s(words.keys.get("took", "1ms"))
        is_new = words.plain[1] not in self.names.tasks
        self.step(AnswerByLane(*self._lane_call(client, words), self._outcome(words), took_s, is_new), client)

    def _lane_call(self, caller: int, words: Words) -> tuple[bytes, int, bytes]:
        """A call's id, template and actor; it is named where it is first heard of."""
        actor, name = words.plain[:2]
        actor_id = self.names.actors[actor]
        template = self._template(caller, TaskKind.ACTOR_CALL, words)
        task_id = self.names.tasks.get(name) or self.names.add_task(name, caller, actor_id, 1)
        return task_id, template, actor_id

    def _client_done(self, client: int, words: Words) -> None:
        """``yielded=2``: so many of its returns were yielded before."""
        name = words.plain[0]
        objects = self.names.objects.items()
        count = sum(1 for key, each in objects if each[:24] == self.names.tasks[name] and "#" not in key)
        outcomes = tuple(self._outcome(words) for _ in range(count - words.number("yielded", 0)))
        if "error" in words.keys and f"{name}#1" in self.names.objects:
            # What a generator raises is its last item; the task itself has ended well.
            outcomes = ((Status.VALUE.value, b"None", INLINE, 4, ()), *outcomes)
        took_s = duration_s(words.keys.get("took", "1s"))
        self.step(TaskDone(self.names.tasks[name], outcomes, took_s, "retryable" in words.plain), client)

    def _name_items(self, words: Words, task: str) -> None:
        if "stream" in words.plain:
            self.names.add_items(task, ITEMS_NAMED)

    def _client_yields(self, client: int, words: Words) -> None:
        """An item, ``w1 yields t1#2 = x``, or one of a fixed number of returns, ``w1 yields t1.2 = x``."""
        task, _, number = words.plain[0].replace("#", ".").partition(".")
        self.step(ObjectYielded(self.names.tasks[task], int(number or 1) - 1, self._outcome(words)), client)

    def _client_awaits(self, client: int, words: Words) -> None:
        self.step(AwaitTaken(self.names.tasks[words.plain[0]], int(words.plain[1])), client)

    def _client_takes(self, client: int, words: Words) -> None:
        self.step(TakeItems(self.names.tasks[words.plain[0]], int(words.plain[1])), client)

    def _client_drops_stream(self, client: int, words: Words) -> None:
        """``d drops_stream t1 2``: two items were taken."""
        self.step(DropStream(self.names.tasks[words.plain[0]], int(words.plain[1])), client)

    def _outcome(self, words: Words) -> Outcome:
        contained = self.names.object_ids(words.names("contains"))
        if "error" in words.keys:
            return (Status.TASK_ERROR.value, words.keys["error"].encode(), INLINE, 0, ())
        location, payload = self._place(words)
        if location == INLINE:
            payload = (words.text or "None").encode()
        return (Status.VALUE.value, payload, location, words.number("size", 4), contained)

    def _place(self, words: Words) -> tuple[int, bytes]:
        """Where a value is: in the arena with ``at=``, in a file of its own with ``file=``, else inline."""
        if "file" in words.keys:
            return ON_DISK, DiskPlace(words.keys["file"], 0, b"").encode()
        return words.number("at", INLINE), b""

    def _client_prints(self, client: int, words: Words) -> None:
        """``w1 prints = text``, ``w1 prints error by=f = text``: lines are separated by `` / ``."""
        is_error = "error" in words.plain
        self.step(WorkerPrinted(client, is_error, words.keys.get("by", ""), tuple(words.text.split(" / "))))

    def _client_quiet(self, client: int, words: Words) -> None:
        """The driver does not want to see what workers print."""
        self.step(ConfigureJob(False, "", False), client)

    def _client_fails(self, client: int, words: Words) -> None:
        """A worker cannot be set up."""
        self.step(RuntimeEnvFailed("no such package"), client)

    def _client_returned(self, client: int, words: Words) -> None:
        self.step(TasksReturned(tuple(self.names.tasks[name] for name in words.plain)), client)

    def _client_kill(self, client: int, words: Words) -> None:
        """``d kill a1``, or ``d kill a1 restart`` if it may come back."""
        no_restart = "restart" not in words.plain
        self.step(KillActor(self.names.actors.get(words.plain[0], b"?" * 16), no_restart), client)

    def _client_exits(self, client: int, words: Words) -> None:
        self.step(
            ActorExiting(self.names.actors[words.plain[0]], "The actor is dead because its worker process has died. Worker exit type: INTENDED_USER_EXIT Worker exit detail: exit_actor() is called."), client
        )

    def _client_checkpoint(self, client: int, words: Words) -> None:
        """``w1 checkpoint k1 = state``, ``at=`` and ``contains=`` as for a value; ``w1 checkpoint fails = why``."""
        if words.plain[0] == "fails":
            self.step(CheckpointFailed(words.text), client)
            return
        object_id = self.names.add_object(words.plain[0], client)
        request = self.next_request(client) if "now" in words.plain else 0
        self.step(SaveCheckpoint(request, object_id, *self._outcome(words)), client)

    def _client_cancel(self, client: int, words: Words) -> None:
        (object_id,) = self.names.object_ids(words.plain[:1])
        self.step(CancelTask(object_id, "force" in words.plain, "alone" not in words.plain), client)

    def _client_find(self, client: int, words: Words) -> None:
        self.step(FindActor(self.next_request(client), words.plain[0], words.keys.get("namespace", "n")), client)

    # ---------------------------------------------------------------- placement groups

    def group_id(self, name: str) -> bytes:
        """A group's id; a name that none has becomes an id that none has."""
        return self.names.groups.get(name) or name.encode().ljust(18, b"?")

    def _client_group(self, client: int, words: Words) -> None:
        """``d group g1 SPREAD cpu:1,gpu:0.5 cpu:1``: a strategy, then each bundle; ``SPREAD/detached``."""
        group_id = self.names.add_group(words.plain[0], client, self._job(client))
        demands = tuple(Words(word.replace(":", "=").replace(",", " ")).resources(None) for word in words.plain[2:])
        name = words.keys.get("name", "")
        self.step(
            CreateGroup(
                group_id,
                demands,
                PlacementStrategy[words.plain[1].partition("/")[0]].value,
                name,
                words.keys.get("namespace", "n"),
                words.plain[1].endswith("/detached"),
                words.keys.get("target", "").encode(),
                (),
                self.next_request(client) if name else 0,
            ),
            client,
        )

    def _client_requests(self, client: int, words: Words) -> None:
        """``d requests cpu:1 cpu:1,gpu:1``: what the cluster is to be large enough for."""
        demands = tuple(Words(word.replace(":", "=").replace(",", " ")).resources(None) for word in words.plain)
        self.step(RequestResources(demands, ()), client)

    def _client_remove(self, client: int, words: Words) -> None:
        self.step(RemoveGroup(self.group_id(words.plain[0])), client)

    def _client_watch(self, client: int, words: Words) -> None:
        """``d watch g1 o1``: o1 becomes ready with g1."""
        object_id = self.names.add_object(words.plain[1], client)
        self.step(WatchGroup(object_id, self.group_id(words.plain[0]), words.plain[0].encode()), client)

    def _client_find_group(self, client: int, words: Words) -> None:
        self.step(FindGroup(self.next_request(client), words.plain[0], words.keys.get("namespace", "n")), client)

    # ---------------------------------------------------------------- objects

    def next_request(self, client: int) -> int:
        """A client numbers its requests from 1."""
        self._requests[client] = self._requests.get(client, 0) + 1
        return self._requests[client]

    def _client_get(self, client: int, words: Words) -> None:
        """Blocking from a worker, as real ones do, unless ``unblocking`` is said; ``there`` does not fetch; ``ahead``
        are others."""
        object_ids = self.names.object_ids(word for word in words.plain if word not in ("unblocking", "there"))
        blocking = client in self.kernel.tables.workers and "unblocking" not in words.plain
        needed = words.number("needed", len(object_ids))
        fetches = "there" not in words.plain
        ahead = self.names.object_ids(words.names("ahead"))
        self.step(GetObjects(self.next_request(client), object_ids, needed, blocking, fetches, ahead), client)

    def _client_withdraw(self, client: int, words: Words) -> None:
        self.step(WithdrawGet(int(words.plain[0])), client)

    def _client_put(self, client: int, words: Words) -> None:
        object_id = self.names.add_object(words.plain[0], client)
        status, payload, location, size_bytes, contained = self._outcome(words)
        self.step(PutObject(object_id, status, payload, location, size_bytes, contained), client)

    def _client_reserve(self, client: int, words: Words) -> None:
        self.step(ReserveBuffer(self.next_request(client), words.number("size", 100)), client)

    def _client_abandon(self, client: int, words: Words) -> None:
        location, payload = self._place(words)
        held = self.kernel.tables.clients[client].buffers.get(location, 0)
        self.step(AbandonBuffer(location, words.number("size", held), payload), client)

    def _client_lease(self, client: int, words: Words) -> None:
        self.step(LeaseBuffer(self.next_request(client), words.number("size", 100)), client)

    def _client_damaged(self, client: int, words: Words) -> None:
        (object_id,) = self.names.object_ids(words.plain[:1])
        record = self.kernel.tables.objects[object_id]
        self.step(ObjectDamaged(object_id, record.location, record.payload, words.text), client)

    def _client_add(self, client: int, words: Words) -> None:
        self.step(AddReferences(self.names.object_ids(words.plain)), client)

    def _client_drop(self, client: int, words: Words) -> None:
        self.step(DropReferences(self.names.object_ids(words.plain)), client)

    def _client_unpin(self, client: int, words: Words) -> None:
        self.step(UnpinObjects(self.names.object_ids(words.plain)), client)

    def _client_free(self, client: int, words: Words) -> None:
        self.step(FreeObjects(self.names.object_ids(words.plain)), client)

    def _client_ask(self, client: int, words: Words) -> None:
        argument = words.plain[1] if len(words.plain) > 1 else ""
        if argument in self.names.tasks:
            argument = self.names.tasks[argument].hex()
        self.step(Ask(self.next_request(client), Query[words.plain[0].upper()].value, argument), client)

    def _client_shuts_down(self, client: int, words: Words) -> None:
        self.step(ShutDown(), client)


def duration_s(text: str) -> float:
    """``+5ms``, ``20us`` or ``1s`` in seconds."""
    found = re.fullmatch(r"\+?([\d.]+)(us|ms|s)", text)
    assert found is not None, f"not a duration: {text}"
    return float(found[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[found[2]]
