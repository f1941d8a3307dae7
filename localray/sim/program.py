"""Running a whole program under a seed: start a simulation, call it, shut down, report.

Must not live here: how a simulation works, searching among seeds.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType

from localray.sched.placement import Policy
from localray.sim.host import Checks
from localray.sim.injector import Firing, Happened
from localray.sim.nodes import STORE_BYTES, NodesGiven, SimulatedNode, parse_nodes
from localray.sim.schedule import Schedule
from localray.sim.session import SessionOptions, running, starting


@dataclass(frozen=True, slots=True)
class Report:
    """What came of one run.

    ``digest`` is of everything the kernel was told and answered; ``steps`` counts what it was told; ``error`` is what
    the program raised, if anything; ``trace`` is empty unless it was asked for; ``happened`` are the faults, and
    ``fault_counts`` says of each rule how often it did its work."""

    seed: int
    digest: str
    steps: int
    virtual_time_s: float
    error: Exception | None
    notices: tuple[str, ...] = ()
    trace: tuple[str, ...] = field(default=(), repr=False)
    happened: tuple[Happened, ...] = field(default=(), repr=False)
    fault_counts: Mapping[str, int] = field(default_factory=dict)


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
    schedule: Schedule | None = None,
    policy: Policy | None = None,
    check_invariants: bool = True,
    keep_trace: bool = False,
    time_limit_s: float | None = None,
    step_limit: int | None = None,
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
        schedule: decides what is left open; by default at random, by the seed.
        policy: places tasks in the stead of Ray's policies: called with a `localray.sched.placement.Question`, it
            answers with the number of a node that has room, or None to wait.
        check_invariants: check the kernel's invariants after every step.
        keep_trace: report the trace, for finding where two runs part.
        time_limit_s: of virtual time.
        step_limit: of the kernel.

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
    notices: list[str] = []
    alike = SimulatedNode(num_cpus, num_gpus, resources or {}, {}, object_store_memory)
    options = SessionOptions(
        nodes=(alike,) * nodes if isinstance(nodes, int) else parse_nodes(nodes),
        faults=faults,
        only=only,
        schedule=schedule,
        policy=policy,
        checks=Checks.ALWAYS if check_invariants else Checks.NEVER,
        keep_trace=keep_trace,
        time_limit_s=time_limit_s,
        step_limit=step_limit,
        notify=notices.append,
    )
    ray = importlib.import_module("localray")
    with starting(options) as started:
        ray.init(engine="sim", seed=seed, namespace=namespace)
        session = started[0]
    error: Exception | None = None
    try:
        program(ray)
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
    return Report(
        seed,
        session.trace.digest(),
        session.trace.steps,
        session.virtual_time_s,
        error,
        tuple(notices),
        tuple(session.trace.lines()),
        tuple(session.injector.happened),
        session.injector.counts(),
    )


def add_node(node: SimulatedNode) -> str:
    """For programs in a simulation: a node joins; returns its id as `ray.nodes()` tells it."""
    return running().add_node(node)


def remove_node(node_id: str) -> None:
    """For programs in a simulation: a node dies, and with it what ran and was stored there."""
    running().remove_node(node_id)
