"""Running a whole program under a seed: start a simulation, call it, shut down, report.

Must not live here: how a simulation works, searching among seeds.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType

from localray.sched.placement import Policy
from localray.sim.host import Checks
from localray.sim.nodes import STORE_BYTES, SimulatedNode
from localray.sim.session import SessionOptions, running, starting


@dataclass(frozen=True, slots=True)
class Report:
    """What came of one run.

    ``digest`` is of everything the kernel was told and answered; ``steps`` counts what it was told; ``error`` is what
    the program raised, if anything; ``trace`` is empty unless it was asked for."""

    seed: int
    digest: str
    steps: int
    virtual_time_s: float
    error: Exception | None
    notices: tuple[str, ...] = ()
    trace: tuple[str, ...] = field(default=(), repr=False)


def run(
    program: Callable[[ModuleType], object],
    *,
    seed: int,
    num_cpus: float = 2,
    num_gpus: float = 0,
    resources: Mapping[str, float] | None = None,
    object_store_memory: int = STORE_BYTES,
    namespace: str | None = None,
    nodes: int | Sequence[SimulatedNode] = 1,
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
        nodes: how many nodes there are; or what each has, the first being the driver's own, whose resources, labels
            and store are then not given separately.
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
    head, *others = [alike] * nodes if isinstance(nodes, int) else nodes
    options = SessionOptions(
        more_nodes=tuple(others),
        policy=policy,
        checks=Checks.ALWAYS if check_invariants else Checks.NEVER,
        keep_trace=keep_trace,
        time_limit_s=time_limit_s,
        step_limit=step_limit,
        notify=notices.append,
    )
    ray = importlib.import_module("localray")
    with starting(options) as started:
        ray.init(engine="sim", seed=seed, namespace=namespace, **head.keywords())
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
    )


def add_node(node: SimulatedNode) -> str:
    """For programs in a simulation: a node joins; returns its id as `ray.nodes()` tells it."""
    return running().add_node(node)


def remove_node(node_id: str) -> None:
    """For programs in a simulation: a node dies, and with it what ran and was stored there."""
    running().remove_node(node_id)
