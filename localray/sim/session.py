"""A simulated session: what `ray.init(engine="sim")` starts. Puts the parts together, and takes them apart again
without a trace.

Must not live here: the parts.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from random import Random
from typing import TypeAlias

from localray.client.client import Client
from localray.exceptions import RaySystemError
from localray.faults import Rule, parse
from localray.faults.injector import Firing, Happened, Injector
from localray.faults.rules import OF_LINKS
from localray.kernel import ENVIRONMENT, Kernel
from localray.kernel.effects import LaunchFailed, NodeDied
from localray.protocol import RegisterDriver, ShutDown
from localray.sched.placement import Policy
from localray.sched.survival import SurvivalSettings
from localray.shm.settings import StoreSettings
from localray.sim.carrier import Blocked
from localray.sim.carriers import Carriers
from localray.sim.clock import VirtualClock, VirtualClockSince, to_ns
from localray.sim.deciding import Deciding, DecisionDelay
from localray.sim.errors import DeadlockError, LeftBehindError
from localray.sim.events import EventQueue
from localray.sim.fences import Fences
from localray.sim.havoc import Havoc
from localray.sim.host import Checks, Host
from localray.sim.nodes import NodesGiven, SimulatedNode, joining, parse_nodes
from localray.sim.patches import Patches
from localray.sim.scaling import AutoscalerGiven, parse_autoscaler
from localray.sim.schedule import Choice, RandomSchedule, Schedule, ScheduleDice
from localray.sim.state_directory import StateDirectory
from localray.sim.trace import Trace
from localray.sim.watching import Watching, left_behind

_SETTLING_NS = 5_000_000_000
_FROZEN_BY_PYTHON = 1000
"""Python 3.12 starts with a few hundred frozen objects; more than this, and the program has frozen its own."""


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What `ray.init` has no words for.

    ``nodes`` there are, the driver's own first; without any there is one, and `ray.init` says what it has. ``faults``
    are rules of what goes wrong, or whatever `localray.faults.parse` makes rules of, and of these ``only`` the given
    ones happen. ``autoscaler`` launches nodes by demand (`localray.sim.scaling`). ``schedule`` decides what is left
    open, by default at random by the seed. ``policy`` places tasks in the stead of Ray's policies, and
    ``decision_delay`` says what deciding takes; ``checks`` says how often the kernel's invariants are checked;
    ``keep_trace`` keeps every line of the trace, and ``trace_file`` is a file that gets them; after ``time_limit_s`` of
    virtual time, or ``step_limit`` steps of the kernel, `SimulationLimitError` is raised; ``notify`` shows texts to the
    user instead of what `ray.init` gives, and ``notify_of_fence`` those that tell what no seed decides;
    ``disk_bytes`` is the size of the disk that objects are spilled to, without a limit by default; after
    ``heal_after_s`` no fault happens any more, and the program has ``finish_within_s`` to get done;
    ``check_left_behind`` has it fail if it then leaves something behind; ``state`` is where its detached actors are
    kept, and from where they come back; ``strict`` has it fail where it reaches for the real world
    (`localray.sim.fences`).
    """

    nodes: NodesGiven = ()
    faults: object = ()
    only: frozenset[Firing] | None = None
    autoscaler: AutoscalerGiven = None
    schedule: Schedule | None = None
    policy: Policy | None = None
    decision_delay: DecisionDelay | None = None
    checks: Checks = Checks.THINNED
    keep_trace: bool = False
    trace_file: str | None = None
    time_limit_s: float | None = None
    step_limit: int | None = None
    notify: Callable[[str], None] | None = None
    notify_of_fence: Callable[[str], None] | None = None
    disk_bytes: int | None = None
    heal_after_s: float | None = None
    finish_within_s: float = 3600.0
    check_left_behind: bool = False
    strict: bool = False
    state: StateDirectory | None = None


Transition: TypeAlias = "tuple[float, bytes | int, Enum, str]"
"""What the kernel remembers of a change of state; see `localray.kernel.story`."""

_given: list[tuple[SessionOptions, list[SimulatedSession]]] = []
_running: list[SimulatedSession] = []


@contextmanager
def starting(options: SessionOptions) -> Iterator[list[SimulatedSession]]:
    """All simulations that are started meanwhile get these options, and are found in the list: how a caller above and
    one below `ray.init` meet."""
    given: tuple[SessionOptions, list[SimulatedSession]] = (options, [])
    _given.append(given)
    try:
        yield given[1]
    finally:
        _given.remove(given)


def running() -> SimulatedSession:
    """The simulation that the caller is in.

    Raises:
        RaySystemError: there is none.
    """
    if not _running:
        raise RaySystemError("There is no running simulation: call this from a program that `localray.sim.run` runs.")
    return _running[0]


def is_running(session: SimulatedSession | None) -> bool:
    """Whether this simulation, or any at all, is running."""
    return bool(_running) and session in (None, _running[0])


class VirtualDriver:
    """The program's own side: the owner of the driver's carrier and of the threads that the program starts."""

    def __init__(self) -> None:
        self.alive = True
        self.client: Client = None  # type: ignore[assignment]


class Unleashed:
    """Faults that were let loose in a running simulation."""

    def __init__(self, havoc: Havoc, injector: Injector, first: int) -> None:
        self._havoc = havoc
        self._injector = injector
        self._first = first

    @property
    def happened(self) -> tuple[Happened, ...]:
        """The faults so far."""
        return tuple(self._injector.happened[self._first :])

    def end(self) -> None:
        """Nothing goes wrong any more."""
        self._havoc.heal()


class SimulatedSession:
    """A running simulation, seen from its driver.

    Args:
        resources: of each node, in 1/10000 units.
        labels: of each node.
        store_bytes: capacity of the object store.
        namespace: of the driver's actors; empty for a new one.
        seed: decides everything that is left open.
        notify: shows a text to the user.
        store: settings of the object store.
        nodes: what nodes there are; see `localray.sim.nodes.parse_nodes`. None for one, as the arguments above say.
        faults: what goes wrong; see `localray.faults.parse`.
        max_lineage_bytes: how much is kept of finished tasks for making things again.
    """

    def __init__(
        self,
        resources: Mapping[str, int],
        labels: Mapping[str, str],
        store_bytes: int,
        namespace: str,
        seed: int,
        notify: Callable[[str], None],
        store: StoreSettings,
        nodes: object = None,
        faults: object = None,
        max_lineage_bytes: int = SurvivalSettings().max_lineage_bytes,
    ) -> None:
        options, started = _given[-1] if _given else (SessionOptions(), [])
        nodes = nodes if nodes is not None else options.nodes
        head, *others = parse_nodes(nodes) if nodes else (SimulatedNode(),)  # type: ignore[arg-type]
        if nodes:
            # What every cluster's head has besides, its address and its name for being the head, stays.
            special = {name: units for name, units in resources.items() if name.startswith("node:")}
            resources, labels = {**head.units(), **special}, head.labels
            store_bytes = head.object_store_memory
        rules = parse(faults or options.faults, seed)  # type: ignore[arg-type]
        notify = options.notify or notify
        self._stop_collecting()
        self.seed = seed
        self.trace = Trace(keep=options.keep_trace, path=options.trace_file)
        self.transitions: list[Transition] = []
        self._keep_trace = options.keep_trace
        self._over = False
        self._ended_s = 0.0
        self._check_left_behind = options.check_left_behind
        self._survival = SurvivalSettings(max_lineage_bytes)
        self._build(options, rules, notify)
        self._thread = threading.get_ident()
        self._driver = VirtualDriver()
        self._store_settings = store
        self.host.disks.threshold = store.local_fs_capacity_threshold
        self._node_random = Random(f"nodes {seed}")
        self.host.add_node(joining(self._node_random, resources, labels, store_bytes, store), head)
        for node in others:
            self._join(node)
        self._connect(namespace, notify)
        if options.heal_after_s is not None:
            self.host.at(to_ns(options.heal_after_s), lambda: self.heal(options.finish_within_s))
        fences = Fences(options.notify_of_fence or notify, strict=options.strict)
        self._patches = Patches(self.carriers, Random(f"user {seed}"), fences)
        self._patches.install()
        started.append(self)
        _running[:] = [self]

    def _stop_collecting(self) -> None:
        """References that die in cycles must die at moments that the run decides, not whenever the collector's counters
        say."""
        self._collecting = gc.isenabled()
        gc.disable()
        self._frozen = gc.get_freeze_count() < _FROZEN_BY_PYTHON
        if self._frozen:
            # What existed before is nothing to the run, and need not be looked at when it is collected. First of all,
            # so that everything made for the run can be.
            gc.freeze()

    def _build(self, options: SessionOptions, rules: tuple[Rule, ...], notify: Callable[[str], None]) -> None:
        """The virtual cluster, still without nodes."""
        schedule = options.schedule or RandomSchedule(self.seed)
        clock = VirtualClock()
        self.carriers = Carriers(
            clock, EventQueue(schedule.stream(Choice.TIE, "events")), schedule.stream(Choice.TURN, "carriers")
        )
        self.carriers.stuck.strict = options.strict
        agenda = self.carriers.agenda
        agenda.limit_ns = None if options.time_limit_s is None else to_ns(options.time_limit_s)
        self._autoscaler = parse_autoscaler(options.autoscaler)
        kernel = Kernel(
            ScheduleDice(schedule.stream(Choice.POLICY, "kernel")),
            policy=options.policy,
            autoscaling=None if self._autoscaler is None else self._autoscaler.scaling(),
            survival=self._survival,
            kept=None if options.state is None else options.state.kept_actors(),
        )
        self.host = Host(kernel, self.carriers, schedule, options.checks, self.trace, notify)
        self.host.launch = self._launch
        self.host.store.disk.capacity_bytes = options.disk_bytes
        self.host.disks.state = options.state
        self.host.step_limit = options.step_limit
        self.host.workload_seed = self.seed
        self.host.deciding = None if options.decision_delay is None else Deciding(options.decision_delay, clock)
        self.injector = Injector(rules, self.seed, clock, options.only)
        self.havoc = Havoc(self.host, self.injector, self._join) if rules else None
        self.watching = Watching(self.host, agenda.fail)

    def _connect(self, namespace: str, notify: Callable[[str], None]) -> None:
        """The driver joins; from now on things may go wrong."""
        hello = RegisterDriver(os.getpid(), namespace, tuple(sys.path), str(Path.cwd()))
        registered, channel = self.host.connect_driver(self._driver, hello)
        self.client = Client(
            channel,
            self.host.store,
            registered.client,
            registered.job,
            registered.node_id,
            registered.namespace,
            notify,
        )
        channel.client = self.client
        self._driver.client = self.client
        self.carriers.driver.serve(self._driver)
        if self.havoc is not None:
            self.havoc.begin(registered.client)

    @property
    def virtual_time_s(self) -> float:
        """How long the simulation has run, on its own clock."""
        return self._ended_s if self._over else self.carriers.clock.now_s

    def _launch(self, node_type: str) -> None:
        """The autoscaler wants one more node of a type."""
        if self._autoscaler is not None:
            kind = self._autoscaler.type_of(node_type)
            at_ns = self.carriers.clock.now_ns + to_ns(kind.launch_delay_s)
            if self.havoc is not None and self.havoc.launch_fails():
                failed = LaunchFailed(node_type, "there is none to be had")
                self.host.at(at_ns, lambda: self.host.step(failed, ENVIRONMENT))
            else:
                self.host.at(at_ns, lambda: self._join(kind.node, node_type))

    def _join(self, node: SimulatedNode, node_type: str = "") -> bytes:
        event = node.joining(self._node_random, self._store_settings)._replace(node_type=node_type)
        self.host.add_node(event, node)
        return event.node_id

    def add_node(self, node: SimulatedNode) -> str:
        """A node joins the running simulation; returns its hexadecimal id."""
        joined: list[bytes] = []
        self.host.between_steps(lambda: joined.append(self._join(node)))
        return joined[0].hex()

    def remove_node(self, node_id: str, cause: str = "removed") -> None:
        """A node dies.

        Raises:
            ValueError: there is none of this id, or it is the driver's own.
        """
        number = self.host.node_number(bytes.fromhex(node_id))
        if number == 0:
            raise ValueError("The driver is on the first node: end the session instead of removing it.")
        self.host.between_steps(lambda: self.host.lose_node(NodeDied(number, cause)))

    def heal(self, finish_within_s: float) -> None:
        """From now on nothing goes wrong, and the program has so long to get done."""
        if self.havoc is not None:
            self.havoc.heal()
        agenda = self.carriers.agenda
        limit_ns = self.carriers.clock.now_ns + to_ns(finish_within_s)
        agenda.limit_ns = limit_ns if agenda.limit_ns is None else min(agenda.limit_ns, limit_ns)

    def unleash(self, rules: tuple[Rule, ...], seed: int) -> Unleashed:
        """Things go wrong from now on, by these rules, whose times count from now.

        Raises:
            ValueError: things go wrong here already; or a rule is about links, which are made with the session.
        """
        if self.havoc is not None and not self.injector.healed:
            raise ValueError("Things go wrong here already: give all rules in one place.")
        for rule in rules:
            if rule.fault in OF_LINKS:
                raise ValueError(f"{rule}: what is about links is given to init: ray.init(engine='sim', faults=...).")
        origin_ns = self.carriers.clock.now_ns
        before = self.injector
        self.injector = Injector(rules, seed, VirtualClockSince(self.carriers.clock, origin_ns))
        self.injector.happened.extend(before.happened)
        self.havoc = Havoc(self.host, self.injector, self._join, origin_ns)
        self.havoc.interfere_with_all()
        self.havoc.begin(self.client.number)
        return Unleashed(self.havoc, self.injector, len(before.happened))

    def finish(self) -> None:
        """The program is done: what it promised must have come true, and what it had must be gone.

        Raises:
            CheckFailedError, LeftBehindError: it is not so.
        """
        self.watching.finish()
        if self._check_left_behind:
            # References that died in cycles are told of, and what nobody needs any more ends.
            gc.collect()
            self.carriers.sleep(_SETTLING_NS, "settles")
            left = left_behind(self.host.kernel.tables)
            if left:
                raise LeftBehindError("\n  ".join(["The program is done, and left behind:", *left]))

    def at_point(self, name: str) -> None:
        """The program comes by a point that it has named."""
        if self.havoc is not None:
            self.havoc.at_point(name, self.carriers.current.owner)

    def shutdown(self) -> None:
        """End the session: its threads are gone when this returns, and everything it replaced is back.

        Raises:
            RaySystemError: called on another thread than the one that started it.
        """
        if self._over:
            return
        if threading.get_ident() != self._thread:
            raise RaySystemError("A simulated session must be shut down by the thread that started it.")
        self._over = True
        _running.clear()
        if self.havoc is not None:
            self.havoc.heal()
        try:
            if self.carriers.agenda.failure is None:
                self._leave()
        finally:
            self._ended_s = self.carriers.clock.now_s
            self.trace.close()
            if self._keep_trace:
                self.transitions = self.host.kernel.tables.log.entries()
            self._driver.alive = False
            self.client.close()
            self.host.close()
            self.carriers.close()
            self._patches.remove()
            # Whoever keeps this session for its trace must not keep the simulation.
            del self.client, self.host, self.carriers, self.havoc, self._driver, self._patches, self.watching
            self._collect()

    def _collect(self) -> None:
        """What the run left in cycles goes now, and the collector is as it was."""
        gc.collect()
        if self._frozen:
            gc.unfreeze()
        if self._collecting:
            gc.enable()

    def _leave(self) -> None:
        """Tell the kernel, and let the world go on until it says stop."""
        self.client.channel.send(ShutDown())

        def register(blocked: Blocked) -> None:
            self.host.stopped = lambda: self.carriers.wake(blocked)

        try:
            self.carriers.block(lambda: "shuts down", None, register)
        except DeadlockError as error:
            raise RaySystemError("The kernel did not end the session.") from error
