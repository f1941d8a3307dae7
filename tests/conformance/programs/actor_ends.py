"""What the end of an actor lets go of and what it does not: exit handlers, names, what it had submitted and owned."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import tempfile
import time
from pathlib import Path
from types import ModuleType

import psutil
import pytest

from ..helpers import make_gate, make_recorder, make_waiter, wait_until
from ..registry import NOT_JUDGED, NOT_SIMULATED, program


@program(engines=NOT_SIMULATED, reason="exit handlers are a process's")
def exit_handlers_run_at_an_orderly_end(ray: ModuleType) -> None:
    """AC8, AC10, AC11, AC12: atexit runs when the last handle goes, on exit_actor and on __ray_terminate__; never on ray.kill."""

    @ray.remote(num_cpus=0)
    class Leaving:
        def __init__(self, note):
            import atexit

            atexit.register(lambda: open(note, "w").close())

        def process(self):
            return os.getpid()

        def quit(self):
            ray.actor.exit_actor()

    def gone(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    with tempfile.TemporaryDirectory() as directory:
        notes = {how: Path(directory, how) for how in ("kill", "quit", "terminate", "drop")}
        actors = {how: Leaving.remote(str(note)) for how, note in notes.items()}
        processes = {how: ray.get(actor.process.remote()) for how, actor in actors.items()}
        ray.kill(actors.pop("kill"))
        quitting, ended = actors["quit"].quit.remote(), actors["terminate"].__ray_terminate__.remote()
        actors.pop("drop")
        for ref in (quitting, ended):
            with pytest.raises(ray.exceptions.RayActorError):
                ray.get(ref)
        wait_until(lambda: all(gone(pid) for pid in processes.values()), "all are gone")
        assert {how for how, note in notes.items() if note.exists()} == {"quit", "terminate", "drop"}


@program()
def terminate_lets_queued_calls_finish(ray: ModuleType) -> None:
    """AC12: __ray_terminate__ has its turn after the calls made before it."""
    recorder = make_recorder(ray)

    @ray.remote(num_cpus=0)
    class Busy:
        def work(self, number):
            time.sleep(0.01)
            ray.get(recorder.add.remote(number))
            return number

    busy = Busy.remote()
    before = [busy.work.remote(number) for number in range(10)]
    end = busy.__ray_terminate__.remote()
    assert ray.get(before) == list(range(10))
    with pytest.raises(ray.exceptions.RayActorError):
        ray.get(end)
    with pytest.raises(ray.exceptions.RayActorError):
        ray.get(busy.work.remote(10))
    assert ray.get(recorder.items.remote()) == list(range(10))


@program(
    engines=NOT_JUDGED, reason="real Ray kills what a dead actor had running: OwnerDiedError; here the head owns all"
)
def tasks_of_a_dead_actor_go_on(ray: ModuleType) -> None:
    """AC25, T18: who else has the references of what it had submitted can still read them, what ran and what waited."""
    gate = make_gate(ray)
    wait_for = make_waiter(ray)

    @ray.remote(num_cpus=0)
    class Owner:
        def lend(self, gate):
            return [wait_for.remote(gate, number) for number in range(4)]

    owner = Owner.remote()
    refs = ray.get(owner.lend.remote(gate))
    ray.kill(owner)
    with pytest.raises(ray.exceptions.ActorDiedError):
        ray.get(owner.lend.remote(gate))
    ray.get(gate.open.remote())
    assert ray.get(refs, timeout=60) == [0, 1, 2, 3]


@program()
def named_actors_are_listed_while_they_live(ray: ModuleType) -> None:
    """AC16: list_named_actors: of the own namespace, or of all; not those without a name, nor those that are dead."""
    namespace = ray.get_runtime_context().namespace

    @ray.remote(num_cpus=0)
    class Named:
        def ping(self):
            return "pong"

        def listed(self):
            return sorted(ray.util.list_named_actors())

    before = set(ray.util.list_named_actors())
    first = Named.options(name="listed first").remote()
    second = Named.options(name="listed second", namespace="elsewhere listed").remote()
    third = Named.remote()
    ray.get([each.ping.remote() for each in (first, second, third)])
    assert set(ray.util.list_named_actors()) - before == {"listed first"}
    assert "listed first" in ray.get(third.listed.remote())
    everywhere = ray.util.list_named_actors(all_namespaces=True)
    assert {"name": "listed first", "namespace": namespace} in everywhere
    assert {"name": "listed second", "namespace": "elsewhere listed"} in everywhere
    ray.kill(first)
    ray.kill(second)
    wait_until(lambda: set(ray.util.list_named_actors()) <= before, "the dead one is not listed")
    names = [row["name"] for row in ray.util.list_named_actors(all_namespaces=True)]
    assert not {"listed first", "listed second"} & set(names)


@program()
def a_refused_call_takes_nothing_from_the_others(ray: ModuleType) -> None:
    """AC19: beyond max_pending_calls it raises and is not run; another handle has a count of its own."""
    gate = make_gate(ray)

    @ray.remote(num_cpus=0, max_concurrency=10)
    class Limited:
        def __init__(self):
            self.calls = []

        def work(self, gate, name):
            self.calls.append(name)
            while not ray.get(gate.is_open.remote()):
                time.sleep(0.01)
            return name

        def all(self):
            return sorted(self.calls)

    limited = Limited.options(max_pending_calls=2).remote()
    refs = [limited.work.remote(gate, name) for name in ("a", "b")]
    for _ in range(3):
        with pytest.raises(ray.exceptions.PendingCallsLimitExceeded):
            limited.work.remote(gate, "refused")

    @ray.remote(num_cpus=0)
    def elsewhere(limited, gate):
        return ray.get(limited.work.remote(gate, "c"))

    of_another = elsewhere.remote(limited, gate)
    ray.get(gate.open.remote())
    assert ray.get([*refs, of_another]) == ["a", "b", "c"]
    assert ray.get(limited.all.remote()) == ["a", "b", "c"]


@program()
def calls_have_names(ray: ModuleType) -> None:
    """AC21, T15: options(name=…) of a method's call: what the context and an error's text call it."""

    @ray.remote(num_cpus=0)
    class Worker:
        def name(self):
            return ray.get_runtime_context().get_task_name()

        def fail(self):
            raise ValueError("as asked")

    worker = Worker.remote()
    assert ray.get(worker.name.remote()) == "Worker.name"
    assert ray.get(worker.name.options(name="renamed").remote()) == "renamed"
    assert ray.get(worker.name.remote()) == "Worker.name"
    with pytest.raises(ValueError, match=r"ray::renamed\(\)"):
        ray.get(worker.fail.options(name="renamed").remote())


@program()
def a_current_handle_keeps_nobody_alive(ray: ModuleType) -> None:
    """AC8: what current_actor gives is weak: an actor that keeps its own handle ends with the last handle outside."""
    recorder = make_recorder(ray)

    @ray.remote(num_cpus=0)
    class Selfish:
        def __init__(self, recorder):
            self.recorder = recorder

        def keep_myself(self):
            self.me = ray.get_runtime_context().current_actor
            return 1

        def __ray_shutdown__(self):
            ray.get(self.recorder.add.remote("gone"))

    selfish = Selfish.remote(recorder)
    assert ray.get(selfish.keep_myself.remote()) == 1
    del selfish
    wait_until(lambda: ray.get(recorder.count.remote()) == 1, "it has ended")


@program()
def order_may_be_given_up_by_who_has_none(ray: ModuleType) -> None:
    """Surface 4.1: allow_out_of_order_execution: an explicit False is refused for async and threaded actors."""

    class Plain:
        def ping(self):
            return "pong"

    class Async:
        async def ping(self):
            return "pong"

    for allowed in (True, False, None):
        actor = ray.remote(num_cpus=0, allow_out_of_order_execution=allowed)(Plain).remote()
        assert ray.get(actor.ping.remote()) == "pong"
    for kind, options in ((Async, {}), (Plain, {"max_concurrency": 2})):
        with pytest.raises(ValueError, match="allow_out_of_order_execution|order"):
            ray.remote(num_cpus=0, allow_out_of_order_execution=False, **options)(kind).remote()
        actor = ray.remote(num_cpus=0, allow_out_of_order_execution=True, **options)(kind).remote()
        assert ray.get(actor.ping.remote()) == "pong"


@program()
def a_call_with_a_slow_argument_is_overtaken_when_allowed(ray: ModuleType) -> None:
    """Surface 4.1: with allow_out_of_order_execution=True a later call does not wait for an earlier one's argument."""
    gate = make_gate(ray)
    wait_for = make_waiter(ray)

    @ray.remote(num_cpus=0, allow_out_of_order_execution=True)
    class Log:
        def __init__(self):
            self.seen = []

        def add(self, item):
            self.seen.append(item)
            return list(self.seen)

    log = Log.remote()
    late = log.add.remote(wait_for.remote(gate, "late"))
    assert ray.get(log.add.remote("early"), timeout=60) == ["early"]
    ray.get(gate.open.remote())
    assert ray.get(late) == ["early", "late"]


@program()
def calls_behind_an_end_fail(ray: ModuleType) -> None:
    """AC11, AC12: what stands in the line behind exit_actor or __ray_terminate__ never runs: ActorDiedError, as what is called
    later; what stands before has its turn."""
    for end in ("quit", "__ray_terminate__"):
        gate = make_gate(ray)
        recorder = make_recorder(ray)

        @ray.remote(num_cpus=0)
        class Working:
            def __init__(self, recorder):
                self.recorder = recorder

            def hold(self, gate):
                while not ray.get(gate.is_open.remote()):
                    time.sleep(0.01)
                return "held"

            def note(self, item):
                ray.get(self.recorder.add.remote(item))
                return item

            def quit(self):
                ray.actor.exit_actor()

        worker = Working.options(name=f"ends by {end}").remote(recorder)
        held, before = worker.hold.remote(gate), worker.note.remote("before")
        ending = getattr(worker, end).remote()
        behind = [worker.note.remote(number) for number in range(3)]
        ray.get(gate.open.remote())
        assert ray.get([held, before]) == ["held", "before"]
        for ref in (ending, *behind):
            with pytest.raises(ray.exceptions.ActorDiedError, match="exit_actor"):
                ray.get(ref, timeout=30)
        with pytest.raises(ray.exceptions.ActorDiedError, match="exit_actor"):
            ray.get(worker.note.remote("later"), timeout=30)
        assert ray.get(recorder.items.remote()) == ["before"]
        # Real Ray's get_actor goes on finding the name in the process that created the actor, though nobody else does.
        wait_until(lambda end=end: f"ends by {end}" not in ray.util.list_named_actors(), "it is not listed any more")


@program(engines=NOT_SIMULATED, reason="exit handlers are a process's")
def an_end_in_order_takes_its_time(ray: ModuleType) -> None:
    """AC8, AC11, AC12: the call that runs, then __ray_shutdown__, then exit handlers, each to its end however slow; ray.kill waits
    for none of them."""

    @ray.remote(num_cpus=0)
    class Slow:
        def __init__(self, notes):
            import atexit

            self.notes = notes
            atexit.register(self.leave, "exit handler")

        def leave(self, what):
            time.sleep(0.5)
            with open(self.notes, "a") as file:
                file.write(f"{what}\n")

        def work(self, gate):
            with open(self.notes, "a") as file:
                file.write("begun\n")
            while not ray.get(gate.is_open.remote()):
                time.sleep(0.01)
            self.leave("call")
            return "worked"

        def quit(self):
            ray.actor.exit_actor()

        def __ray_shutdown__(self):
            self.leave("hook")

    with tempfile.TemporaryDirectory() as directory:
        notes = {how: Path(directory, how) for how in ("drop", "quit", "terminate", "kill")}
        gate = make_gate(ray)
        actors = {how: Slow.remote(str(note)) for how, note in notes.items()}
        running = {how: actor.work.remote(gate) for how, actor in actors.items()}
        wait_until(lambda: all(note.exists() for note in notes.values()), "all have begun")
        ends = [actors["quit"].quit.remote(), actors["terminate"].__ray_terminate__.remote()]
        ray.kill(actors["kill"])
        with pytest.raises(ray.exceptions.ActorDiedError):
            ray.get(running.pop("kill"), timeout=30)
        actors.clear()
        ray.get(gate.open.remote())
        assert ray.get(list(running.values()), timeout=60) == ["worked"] * 3
        for end in ends:
            with pytest.raises(ray.exceptions.ActorDiedError):
                ray.get(end, timeout=60)
        orderly = "begun\ncall\nhook\nexit handler\n"
        for how in ("drop", "quit", "terminate"):
            wait_until(lambda how=how: notes[how].read_text() == orderly, f"the end by {how} is complete")
        assert notes["kill"].read_text() == "begun\n"


@program(num_cpus=3, engines=NOT_SIMULATED, reason="it is about processes")
def what_runs_in_a_concurrent_actor_is_answered_before_sigterm_ends_it(ray: ModuleType) -> None:
    """SIGTERM: calls that run in an asyncio or threaded actor are answered first; then it is gone as by a
    crash, and may be restarted. Children that it has forked end at once."""

    @ray.remote(num_cpus=0)
    class Gate:
        def __init__(self):
            self.passed = 0

        def arrive(self):
            self.passed += 1

        def arrived(self):
            return self.passed

    class Plain:
        def process(self):
            return os.getpid()

        def forks(self):
            with multiprocessing.get_context("fork").Pool(1) as pool:
                return pool.apply(abs, (-1,))

        def wait(self, gate, box):
            ray.get(gate.arrive.remote())
            time.sleep(0.5)
            return ray.get(box[0])

    class Asyncio:
        async def process(self):
            return os.getpid()

        async def wait(self, gate, box):
            await gate.arrive.remote()
            await asyncio.sleep(0.5)
            return await box[0]

    for actor_class in (ray.remote(max_concurrency=3)(Plain), ray.remote(Asyncio)):
        for options in ({}, {"max_restarts": 1}):
            actor, gate = actor_class.options(**options).remote(), Gate.remote()
            process = ray.get(actor.process.remote())
            if actor_class.__ray_metadata__.class_name.endswith("Plain"):
                assert ray.get(actor.forks.remote()) == 1
            answers = [actor.wait.remote(gate, [ray.put(number)]) for number in range(2)]
            wait_until(lambda: ray.get(gate.arrived.remote()) == 2, "both run")
            os.kill(process, signal.SIGTERM)
            assert ray.get(answers, timeout=60) == [0, 1]
            wait_until(lambda: not psutil.pid_exists(process), "it is gone")
            if options:
                wait_until(lambda: _process_of(ray, actor) not in (None, process), "it is back")
            else:
                with pytest.raises(ray.exceptions.RayActorError):
                    ray.get(actor.process.remote())


def _process_of(ray: ModuleType, actor) -> int | None:
    try:
        return ray.get(actor.process.remote())
    except ray.exceptions.RayActorError:
        return None
