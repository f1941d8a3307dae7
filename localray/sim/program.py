"""Running a whole program under a seed: start a simulation, call it, shut down, report.

Must not live here: how a simulation works, searching among seeds (`localray.sim.search`).
"""

from __future__ import annotations

import hashlib
import runpy
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from itertools import count
from pathlib import Path
from types import ModuleType

from localray.faults.injector import Firing, Happened
from localray.sched.placement import Policy
from localray.sim.deciding import DecisionDelay
from localray.sim.host import Checks
from localray.sim.nodes import STORE_BYTES, NodesGiven, SimulatedNode, parse_nodes
from localray.sim.scaling import AutoscalerGiven
from localray.sim.schedule import Schedule
from localray.sim.session import SessionOptions, SimulatedSession, Transition, running, starting
from localray.sim.trace import Entry

_NEXT_SESSION = 1_000_003
"""By how much the seed of each further session of a program differs."""


class ProgramExited(Exception):
    """A script ended itself with an exit code that is not 0."""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of one run.

    ``digest`` is of everything the kernel was told and answered, ``events`` counts both, ``steps`` only what it was
    told; ``error`` is what the program raised, if anything; ``trace``, its ``entries``, the ``arguments`` of
    submissions in words and the kernel's last ``transitions`` are empty unless they were asked for; ``happened`` are
    the faults, and
    ``fault_counts`` says of each rule how often it did its work, ``fault_chances`` how often it could have; of
    ``task_names`` are the tasks that rules with a ``task`` were asked about. ``fenced`` are those of the notices that
    tell what no seed decides."""

    seed: int
    digest: str
    steps: int
    virtual_time_s: float
    error: BaseException | None
    notices: tuple[str, ...] = ()
    trace: tuple[str, ...] = field(default=(), repr=False)
    entries: tuple[Entry, ...] = field(default=(), repr=False)
    transitions: tuple[Transition, ...] = field(default=(), repr=False)
    happened: tuple[Happened, ...] = field(default=(), repr=False)
    fault_counts: Mapping[str, int] = field(default_factory=dict)
    events: int = 0
    fault_chances: Mapping[str, int] = field(default_factory=dict)
    task_names: tuple[str, ...] = ()
    fenced: tuple[str, ...] = ()
    arguments: Mapping[bytes, str] = field(default_factory=dict, repr=False)


def run(
    program: Callable[[ModuleType], object],
    *,
    seed: int,
    num_cpus: float = 2,
    num_gpus: float = 0,
    resources: Mapping[str, float] | None = None,
    object_store_memory: int = STORE_BYTES,
    namespace: str | None = None,
    nodes: NodesGiven = 1,
    faults: object = (),
    only: frozenset[Firing] | None = None,
    autoscaler: AutoscalerGiven = None,
    schedule: Schedule | None = None,
    policy: Policy | None = None,
    decision_delay: DecisionDelay | None = None,
    check_invariants: bool = True,
    check_left_behind: bool = False,
    keep_trace: bool = False,
    trace_file: str | None = None,
    time_limit_s: float | None = None,
    step_limit: int | None = None,
    heal_after_s: float | None = None,
    finish_within_s: float = 3600.0,
    strict: bool = False,
) -> Report:
    """Run a program on a simulated cluster.

    Args:
        program: called with the module `localray`, in a session; whatever it raises is reported.
        seed: decides everything that is left open: latencies, start-up times, the order of simultaneous events,
            `random`.
        num_cpus, num_gpus, resources: of each node.
        object_store_memory: in bytes.
        namespace: of the program's actors; None for one of its own.
        nodes: how many nodes there are; or what each has (see `localray.sim.nodes.parse_nodes`), the first being the
            driver's own, whose resources, labels and store are then not given separately.
        faults: what goes wrong: the name of a preset, or rules (see `localray.faults.parse`).
        only: of all these, just the given ones happen.
        autoscaler: launches nodes by demand; see `localray.sim.scaling.parse_autoscaler`.
        schedule: decides what is left open; by default at random, by the seed.
        policy: places tasks in the stead of Ray's policies: called with a `localray.sched.placement.Question`, it
            answers with the number of a node that has room, or None to wait. `localray.sched.reference` has some.
        decision_delay: what deciding where a task goes takes; by default nothing.
        check_invariants: check the kernel's invariants after every step; with hundreds of objects, after some.
        check_left_behind: the program fails if it leaves tasks, actors, objects or placement groups behind.
        keep_trace: report the trace, for finding where two runs part.
        trace_file: where the trace is written instead while the program runs, for traces that are too long to keep;
            `localray.sim.trace.read_entries` reads it.
        time_limit_s: of virtual time.
        step_limit: of the kernel.
        heal_after_s: from then on nothing goes wrong, and the program must be done within ``finish_within_s``.
        strict: what no seed decides (sockets, processes, the calendar, ...) raises `NotSimulatedError` where the
            program reaches for it, instead of being told of.

    Returns:
        The report. The same program under the same seed gives the same one, in any process.

    Raises:
        RuntimeError: there is a session already.

    Example:
        >>> from localray import sim
        >>> def program(ray):
        ...     assert ray.get(ray.remote(lambda: 1).remote()) == 1
        >>> sim.run(program, seed=7).error is None
        True
    """
    alike = SimulatedNode(num_cpus, num_gpus, resources or {}, {}, object_store_memory)
    options = SessionOptions(
        nodes=(alike,) * nodes if isinstance(nodes, int) else parse_nodes(nodes),
        faults=faults,
        only=only,
        autoscaler=autoscaler,
        schedule=schedule,
        policy=policy,
        decision_delay=decision_delay,
        checks=Checks.CLOSE if check_invariants else Checks.NEVER,
        keep_trace=keep_trace,
        trace_file=trace_file,
        time_limit_s=time_limit_s,
        step_limit=step_limit,
        heal_after_s=heal_after_s,
        finish_within_s=finish_within_s,
        strict=strict,
        check_left_behind=check_left_behind,
    )

    def play() -> None:
        ray = import_module("localray")
        ray.init(namespace=namespace)
        program(ray)

    return observe(play, seed, options)


def run_script(path: str, arguments: Sequence[str], seed: int, options: SessionOptions) -> Report:
    """Run a program's file as `python` would, in which `ray` means localray and each session is a simulation.

    Args:
        path: of the file.
        arguments: its own.
        seed, options: of the first session; a further one of the same program gets another seed.

    Raises:
        RuntimeError: there is a session already, or real Ray has been imported.
    """

    def play() -> None:
        alias = import_module("localray.alias")
        alias.install()
        before = sys.argv[:], sys.path[:]
        sys.argv[:] = [path, *arguments]
        sys.path.insert(0, str(Path(path).resolve().parent))
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as ending:
            if isinstance(ending, import_module("localray.termination").Terminated):
                raise
            if ending.code not in (None, 0):
                raise ProgramExited(f"The program ended with exit code {ending.code}.") from ending
        finally:
            sys.argv[:], sys.path[:] = before
            alias.uninstall()

    return observe(play, seed, options)


def observe(play: Callable[[], object], seed: int, options: SessionOptions) -> Report:
    """Call something that starts sessions, each of which is a simulation, and report what came of it.

    Raises:
        RuntimeError: there is a session already.
    """
    ray = import_module("localray")
    if ray.is_initialized():
        raise RuntimeError("There is a session in this process already, and there cannot be twice one: end it first.")
    if options.trace_file is not None:
        # Each session of the program adds to it.
        Path(options.trace_file).write_bytes(b"")
    notices: list[str] = []
    fenced: list[str] = []
    seeds = (seed + _NEXT_SESSION * number for number in count())
    error: BaseException | None = None
    only_simulations = import_module("localray.session").only_simulations

    def tell_of_fence(text: str) -> None:
        notices.append(text)
        fenced.append(text)

    listening = replace(options, notify=notices.append, notify_of_fence=tell_of_fence)
    with only_simulations(seeds), starting(listening) as sessions:
        try:
            play()
            if ray.is_initialized():
                running().finish()
        except Exception as raised:  # noqa: BLE001 - whatever the program raised is what there is to report
            error = raised
        finally:
            ending = sys.exc_info()[1]
            try:
                ray.shutdown()
            except Exception as raised:
                if ending is not None:
                    raise
                error = error or raised
    report = report_of(seed, sessions, error, tuple(notices))
    return replace(report, fenced=tuple(fenced))


def report_of(
    seed: int, sessions: list[SimulatedSession], error: BaseException | None, notices: tuple[str, ...] = ()
) -> Report:
    """What came of sessions that are over."""
    digests = [session.trace.digest() for session in sessions]
    counts: Counter[str] = Counter()
    chances: Counter[str] = Counter()
    for session in sessions:
        counts.update(session.injector.counts())
        chances.update(session.injector.chances())
    return Report(
        seed,
        digests[0] if len(digests) == 1 else hashlib.blake2b("".join(digests).encode(), digest_size=16).hexdigest(),
        sum(session.trace.steps for session in sessions),
        sum(session.virtual_time_s for session in sessions),
        error,
        notices,
        tuple(line for session in sessions for line in session.trace.lines()),
        tuple(entry for session in sessions for entry in session.trace.entries),
        tuple(transition for session in sessions for transition in session.transitions),
        tuple(happened for session in sessions for happened in session.injector.happened),
        dict(counts),
        sum(session.trace.line_count for session in sessions),
        dict(chances),
        tuple(sorted({name for session in sessions for name in session.injector.names})),
        arguments={task_id: text for session in sessions for task_id, text in session.trace.arguments.items()},
    )
