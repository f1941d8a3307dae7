"""Random programs against the kernel: drivers and workers that do anything they might, in any order, with messages in
flight.

Every step is a line of the trace language, so a failure is a trace that can be kept. Must not live here: what follows
from a step (`world`), the clients' state (`model`), the end (`ending`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .model import Choices, Client, Spec
from .streaming import MOST_ITEMS, Streaming

_DEMANDS = ("", "", "", " cpu=0", " cpu=0.5", " cpu=2", " gpu=0.5", " gpu=1")
_BUNDLES = ("cpu:1", "cpu:1", "cpu:0.5", "cpu:1,gpu:0.5", "gpu:1", "cpu:2")


class Player(Streaming):
    """One random program, played to its end."""

    def __init__(self, choices: Choices) -> None:
        super().__init__(choices.one_of(("", " spill=/a threshold=0.8", " spill=/a,/b", " spill=/a spills=0")))
        self.choices = choices
        self.named = 0
        # What a program is given to is chosen once for all of it: so that some of them go far into each corner.
        self.deadly = choices.one_of((0, 0, 200, 40))
        self.burst = choices.one_of((1, 4, 12))
        self.demands = choices.one_of((_DEMANDS, ("",), ("",)))
        self.actors = choices.one_of((0, 1, 3))
        self.durations = choices.one_of((("100us",), ("100us", "100us", "5ms"), ("1ms", "20ms")))
        self.max_calls = choices.one_of((0, 0, 2))
        self.starved = choices.one_of((0, 0, 40))
        if self.starved:
            self.do("monitor memory_usage_threshold=0.5 task_oom_retry_delay_base_ms=1")
        self.environments = choices.one_of((("",), ("",), ("", "", " env=x", " env=y")))
        self.most_groups = choices.one_of((0, 0, 1, 3))
        self.groups: dict[str, int] = {}
        self.most_streams = choices.one_of((0, 0, 4, 2))
        self.restarts = choices.one_of(((0,), (0, 1), (2, 5)))
        self.retries = choices.one_of(((3, 3, 3, 1, 0), (3,), (0,)))
        self.checkpoints = choices.one_of((0, 0, 1))
        self.calls_a_checkpoint = choices.one_of((1, 3, 6))
        if self.checkpoints:
            self.restarts, self.deadly, self.actors = (5, 9), 40, 3

    def play(self) -> None:
        """Act until the tape ends."""
        if self.choices.pick(2):
            self.leave(self.clients["e"])
        while not self.choices.exhausted:
            self.act()

    # ---------------------------------------------------------------- a client's side: what it does

    def finish(self, client: Client, task: str) -> None:
        """A task of a worker ends, with a value, a stored value, or an error."""
        del client.running[task]
        spec = self.specs[task]
        took = self.choices.one_of(self.durations)
        kind = self.choices.pick(6)
        if spec.stream:
            # Its own reference is None, or has the error that ended it from outside.
            self.values.setdefault(task, {})["None"] = ()
        if kind == 0 or task in client.cancelled:
            may_retry = spec.actor != task and not self.is_checkpointed(spec)
            retryable = " retryable" if self.choices.pick(2) and may_retry else ""
            client.say(f"done {task} error=e{client.name}{retryable} took={took}")
            self.end_call(client, spec)
            return
        if spec.actor == task:
            client.actor = task
            client.concurrency = spec.concurrency
            self.values.setdefault(task, {})["None"] = ()
            client.say(f"done {task} took={took}")
            return
        contained = self.some_contained(client, set(spec.objects))
        where = f" contains={','.join(contained)}" if contained else ""
        text = f"{task}/{client.name}/{client.started}"
        if kind == 1 and client.buffers and spec.returns == 1:
            text, size_bytes = client.buffers.pop()
            where += f" {text} size={size_bytes}"
        for name in spec.objects:
            self.values.setdefault(name, {})[text] = contained
        client.say(f"done {task}{where} took={took}" + ("" if text in where else f" = {text}"))
        self.end_call(client, spec)

    def end_call(self, client: Client, spec: Spec) -> None:
        """What a checkpointed actor has done is in its state; now and then, and only while nothing runs, it saves
        that."""
        if spec.actor in ("", spec.name) or not self.is_checkpointed(spec):
            return
        client.state.append(spec.name)
        if not client.running and self.choices.pick(self.calls_a_checkpoint) == 0:
            self.named += 1
            name = "/".join([f"k{self.named}", *client.state])
            contained = self.some([each for each in client.held if each.startswith("o")], 1)
            where = f" contains={','.join(contained)}" if contained else ""
            text = f"k{self.named}"
            if client.buffers and self.choices.pick(2):
                text, size_bytes = client.buffers.pop()
                where += f" {text} size={size_bytes}"
            self.values[name] = {text: contained}
            client.say(f"checkpoint {name}{where}" + ("" if text in where else f" = {text}"))

    def some_contained(self, client: Client, own: set[str]) -> tuple[str, ...]:
        """A few of the objects that a client holds and may put into one of these."""
        return self.some([name for name in client.held if not self.reaches(name, own)], 2)

    def reaches(self, name: str, objects: set[str]) -> bool:
        """Whether an object is or leads to one of these: contained in them it would be a cycle, which counting cannot
        free."""
        seen = {name}
        ahead = [name]
        while ahead:
            for contained in self.values.get(ahead.pop(), {}).values():
                ahead += [each for each in contained if each not in seen]
                seen.update(contained)
        return not seen.isdisjoint(objects)

    def submit(self, client: Client) -> None:
        """A client submits a task."""
        demand = self.one_of(self.demands)
        if self.max_calls and self.choices.pick(self.max_calls) == 0:
            demand += " max_calls=2"
        demand += self.place() + self.one_of(self.environments)
        for _ in range(1 + self.choices.pick(self.burst)):
            is_stream = self.most_streams > 0 and self.choices.pick(self.most_streams) == 0
            spec = self.new_spec("t", client, returns=1 if is_stream else None)
            client.say(f"submit {spec.name}{self.options_of(spec)}{demand}{' stream' if is_stream else ''}")
            if is_stream:
                self.open_stream(client, spec.name)

    def create_actor(self, client: Client) -> None:
        """A client creates an actor."""
        spec = self.new_spec("a", client, returns=1, retries=self.choices.one_of(self.restarts))
        spec.actor = spec.name
        options = self.options_of(spec) + self.choices.one_of(("", " task_retries=1")) + self.one_of(self.environments)
        options += self.one_of(("", "", " cpu=1", " cpu=0")) + self.place()
        if self.choices.pick(4) == 0:
            spec.concurrency = 3
            options += " mode=threaded"
        if self.checkpoints and spec.retries:
            spec.is_checkpointed = True
            options += " checkpoints=1"
        if self.choices.pick(6) == 0:
            client.next_request()
            options += f" name={spec.name} detached"
        client.say(f"actor {spec.name}{options}")

    def create_group(self, client: Client) -> None:
        """A client asks for a placement group; there may never be room for it."""
        self.named += 1
        name = f"g{self.named}"
        strategy = self.choices.one_of(("PACK", "PACK", "SPREAD", "STRICT_PACK/detached", "STRICT_SPREAD"))
        bundles = [self.choices.one_of(_BUNDLES) for _ in range(1 + self.choices.pick(3))]
        self.groups[name] = len(bundles)
        client.say(f"group {name} {strategy} {' '.join(bundles)}")

    def watch_group(self, client: Client) -> None:
        """A client asks for the object that becomes ready with a group."""
        self.named += 1
        group, name = self.one_of(list(self.groups)), f"o{self.named}"
        self.values[name] = {group: ()}
        client.held[name] = None
        client.say(f"watch {group} {name}")

    def place(self) -> str:
        """Now and then what is submitted is put into a group, a removed one too, or into one of its bundles."""
        if not self.groups or self.choices.pick(2):
            return ""
        group = self.one_of(list(self.groups))
        return f" group={group} bundle={self.choices.pick(self.groups[group] + 1) - 1}"

    def call(self, client: Client) -> None:
        """A client calls an actor that it has a handle of."""
        actor = self.one_of([name for name in client.held if name in self.specs and name == self.specs[name].actor])
        spec = self.new_spec("c", client)
        spec.actor = actor
        client.say(f"call {actor} {spec.name}{self.options_of(spec)}")

    def new_spec(self, prefix: str, client: Client, returns: int | None = None, retries: int | None = None) -> Spec:
        """The description of something to submit; its submitter holds what it returns."""
        self.named += 1
        objects = [name for name in client.held if not name.startswith("a")]
        spec = Spec(
            f"{prefix}{self.named}",
            client.name,
            self.named,
            self.some(objects, 2),
            self.some(list(client.held), 2),
            (1, 1, 1, 2, 0)[self.choices.pick(5)] if returns is None else returns,
            self.choices.one_of(self.retries) if retries is None else retries,
        )
        self.specs[spec.name] = spec
        client.held.update(dict.fromkeys(spec.objects))
        return spec

    def options_of(self, spec: Spec) -> str:
        """A description's part of the command."""
        text = f" returns={spec.returns} retries={spec.retries}"
        if spec.deps:
            text += f" deps={','.join(spec.deps)}"
        if spec.borrows:
            text += f" borrows={','.join(spec.borrows)}"
        return text

    def get(self, client: Client, task: str | None, objects: Sequence[str]) -> None:
        """A client asks for objects; a task of a worker waits for them, or a thread of it does."""
        request = client.next_request()
        needed = 1 + self.choices.pick(len(objects))
        client.waits[request] = dict.fromkeys(objects)
        client.needed[request] = needed
        if task is not None and self.choices.pick(6):
            client.running[task] = request
        client.say(f"get {' '.join(objects)} needed={needed}")

    def put(self, client: Client) -> None:
        """A client puts an object, inline or in the store."""
        self.named += 1
        name = f"o{self.named}"
        contained = self.some(list(client.held), 2)
        where = f" contains={','.join(contained)}" if contained else ""
        if client.buffers and self.choices.pick(2):
            place, size_bytes = client.buffers.pop()
            self.values[name] = {place: contained}
            client.say(f"put {name} {place} size={size_bytes}{where}")
        else:
            self.values[name] = {name: contained}
            client.say(f"put {name}{where} = {name}")
        client.held[name] = None

    def reserve(self, client: Client) -> None:
        """A client asks for room in the store."""
        size_bytes = (100, 300, 1000)[self.choices.pick(3)]
        client.reserving[client.next_request()] = size_bytes
        client.say(f"reserve size={size_bytes}")

    def drop(self, client: Client) -> None:
        """A client lets go of something that no task of it waits for; what it has merely asked for is over with it."""
        name = self.one_of([name for name in client.held if name not in client.awaited()])
        del client.held[name]
        for request in [request for request, objects in client.waits.items() if name in objects]:
            del client.waits[request][name]
            if client.needed[request] > len(client.waits[request]):
                del client.waits[request], client.needed[request]
        client.say(f"drop {name}")

    def unpin(self, client: Client) -> None:
        """A view dies."""
        name = self.one_of(list(client.pins))
        client.pins[name] -= 1
        if not client.pins[name]:
            del client.pins[name]
        client.say(f"unpin {name}")

    def cancel(self, client: Client) -> None:
        """A client cancels what makes an object."""
        how = self.choices.one_of(("", "", " force", " alone"))
        client.say(f"cancel {self.one_of(list(client.held))}{how}")

    def withdraw(self, client: Client) -> None:
        """A wait times out."""
        request = self.choices.one_of(list(client.waits))
        del client.waits[request], client.needed[request]
        client.say(f"withdraw {request}")

    # ---------------------------------------------------------------- choosing

    def one_of(self, items: Sequence[str]) -> str:
        """One of several, by the tape."""
        return self.choices.one_of(items)

    def some(self, items: Sequence[str], most: int) -> tuple[str, ...]:
        """None to a few of several, by the tape."""
        count = self.choices.pick(most + 2) - 1
        if count <= 0 or not items:
            return ()
        return tuple(self.one_of(items[-6:]) for _ in range(count))

    def act(self) -> None:
        """One thing happens somewhere."""
        world: list[Callable[[], None]] = [
            lambda: self.do(f"tick +{self.choices.one_of((1, 1, 1, 5, 5, 5, 1100, 2000))}ms")
        ]
        if self.cluster.disk:
            world += [self.disk_answers] * 2 + [lambda: self.disk_answers("full")]
        if self.kills:
            world += [lambda: self.die(self.kills[0], 0)] * 2
        if self.starved and self.choices.pick(self.starved) == 0:
            self.run_out_of_memory()
            return
        client = self.choices.one_of([each for each in self.clients.values() if not each.is_idle])
        moves = self.moves(client)
        if not moves or self.choices.pick(12) == 0:
            moves = world
        moves[self.choices.pick(len(moves))]()
        if not client.is_worker and client.name in self.clients:
            self.catch_up(client)

    def run_out_of_memory(self) -> None:
        """The node is too full, by as much as one to three workers have."""
        workers = "".join(f" {client.name}=100" for client in self.clients.values() if client.is_worker)
        self.do(f"memory {self.choices.one_of((510, 610, 710))}/1000{workers}")

    def moves(self, client: Client) -> list[Callable[[], None]]:
        """What a client may do next; a likelier thing stands there more than once."""
        moves: list[Callable[[], None]] = []
        if client.is_worker:
            if not client.born:
                return [lambda: self.be_born(client)] * 3 + [lambda: self.die(client.name, 0)]
            if client.outbox:
                moves += [lambda: self.do(client.outbox.popleft())] * 3
            if client.exiting:
                return [lambda: self.die(client.name, len(client.outbox))]
            if client.inbox:
                moves += [lambda: self.receive(client, client.inbox.popleft())] * 3
            if client.queue and client.has_runtime_env and not client.started and self.choices.pick(6) == 0:
                moves += [lambda: self.fail_to_set_up(client)] * 6
            if client.queue and len(client.running) < client.concurrency:
                moves += [lambda: self.start(client)] * 3
            if self.deadly and self.choices.pick(self.deadly) == 0:
                moves += [lambda: self.die(client.name, self.choices.pick(len(client.outbox) + 1))]
        tasks = client.free_tasks()
        if client.waits:
            moves += [lambda: self.withdraw(client)]
        if client.pins:
            moves += [lambda: self.unpin(client)] * 2
        moves += self.consumption(client)
        if tasks:
            moves += [lambda: self.finish(client, self.one_of(tasks))] * 6
            generators = [t for t in tasks if self.specs[t].stream and self.specs[t].yielded < MOST_ITEMS]
            if generators:
                moves += [lambda: self.yield_item(client, self.one_of(generators))] * 8
        elif client.is_worker:
            return moves
        return moves + self.submissions(client, tasks[0] if tasks else None)

    def consumption(self, client: Client) -> list[Callable[[], None]]:
        """What a client may do with the generators that it has submitted."""
        moves: list[Callable[[], None]] = []
        more, ready = self.consumable(client)
        if more:
            moves += [lambda: self.ask_ahead(client, self.one_of(more))] * 3
        if ready:
            moves += [lambda: self.take(client, self.one_of(ready))] * 4
        if client.streams:
            moves += [lambda: self.drop_stream(client, self.one_of(list(client.streams)))]
        return moves

    def submissions(self, client: Client, task: str | None) -> list[Callable[[], None]]:
        """What a program may ask for: of a driver, or of a task on a worker."""
        moves: list[Callable[[], None]] = [lambda: self.submit(client)] * (6 if task is None else 2)
        moves += [lambda: self.put(client), lambda: self.reserve(client)]
        if len(self.clients) < 12:
            moves += [lambda: self.create_actor(client)] * self.actors
        objects = [name for name in client.held if not name.startswith("a")]
        actors = [name for name in client.held if name in self.specs and self.specs[name].actor == name]
        if objects:
            asked = list(dict.fromkeys(self.some(objects, 3))) or objects[-1:]
            moves += [lambda: self.get(client, task, asked)] * (3 if task is None else 8)
        if actors:
            moves += [lambda: self.call(client)] * (20 if self.checkpoints else 4)
            if self.choices.pick(10) == 0:
                how = self.choices.one_of(("", " restart", " restart"))
                moves += [lambda: client.say(f"kill {self.one_of(actors)}{how}")]
        if [name for name in client.held if name not in client.awaited()]:
            moves += [lambda: self.drop(client)] * 3 + [lambda: self.cancel(client)]
        if len(self.groups) < self.most_groups:
            moves += [lambda: self.create_group(client)] * 3
        if self.groups:
            moves += [lambda: self.watch_group(client)]
            if self.choices.pick(6) == 0:
                moves += [lambda: client.say(f"remove {self.one_of(list(self.groups))}")]
        if client.actor and task is not None and self.choices.pick(10) == 0:
            moves += [lambda: self.exit_actor(client)]
        if client.name == "e" and self.choices.pick(20) == 0:
            moves += [lambda: self.leave(client)]
        return moves

    def fail_to_set_up(self, client: Client) -> None:
        """A worker cannot become what its environment asks for; its process says so, and goes."""
        client.say("fails")
        client.exiting = True

    def exit_actor(self, client: Client) -> None:
        """An actor ends itself; its process sends what it has to say, and goes."""
        client.say(f"exits {client.actor}")
        client.exiting = True

    def leave(self, client: Client) -> None:
        """A driver goes."""
        self.catch_up(client)
        del self.clients[client.name]
        self.gone_jobs.add(client.job)
        self.do(f"{client.name} {self.one_of(('leaves', 'shuts_down'))}")
