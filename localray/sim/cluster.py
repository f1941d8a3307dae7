"""A simulated cluster in one's hand: `with Cluster(...)` for tests, and what programs may say to the simulation that
they are in.

Must not live here: how a simulation works; running a program under many seeds (`localray.sim.search`).
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType, TracebackType

from localray.faults.injector import Happened
from localray.sched.placement import Policy
from localray.sim import session
from localray.sim.host import Checks
from localray.sim.nodes import NodesGiven, SimulatedNode
from localray.sim.program import Report, report_of
from localray.sim.scaling import AutoscalerGiven
from localray.sim.schedule import Schedule
from localray.sim.session import SessionOptions, SimulatedSession, running, starting
from localray.sim.state_directory import StateDirectory
from localray.sim.watching import Condition


class Cluster:
    """A simulated cluster and the driver's session on it, from entering to leaving.

    Args:
        nodes: how many, or what each has; see `localray.sim.nodes.parse_nodes`.
        seed: decides all that is left open.
        faults: what goes wrong; see `localray.faults.parse`.
        autoscaler: launches nodes by demand; see `localray.sim.scaling.parse_autoscaler`.
        namespace: of the program's actors; None for one of its own.
        schedule: decides what is left open instead of the seed.
        policy: places tasks in the stead of Ray's policies.
        check_left_behind: leaving raises `LeftBehindError` if tasks, actors or objects are left.
        time_limit_s, step_limit: virtual seconds, and steps of the kernel, after which it is enough.
        heal_after_s: from then on nothing goes wrong.
        strict: reaching for what no seed decides raises `NotSimulatedError`.
        state: where detached actors that checkpoint themselves are kept, and from where they come back.
        keep_trace: its report has the trace.

    Example:
        >>> import localray as ray
        >>> from localray import sim
        >>> with sim.Cluster("2x4cpu", seed=7) as cluster:
        ...     len(ray.nodes())
        2
    """

    def __init__(
        self,
        nodes: NodesGiven = 1,
        *,
        seed: int = 0,
        faults: object = (),
        autoscaler: AutoscalerGiven = None,
        namespace: str | None = None,
        schedule: Schedule | None = None,
        policy: Policy | None = None,
        check_left_behind: bool = False,
        time_limit_s: float | None = None,
        step_limit: int | None = None,
        heal_after_s: float | None = None,
        strict: bool = False,
        state: StateDirectory | None = None,
        keep_trace: bool = False,
    ) -> None:
        self.seed = seed
        self._namespace = namespace
        self._options = SessionOptions(
            nodes=nodes,
            faults=faults,
            autoscaler=autoscaler,
            schedule=schedule,
            policy=policy,
            checks=Checks.CLOSE,
            time_limit_s=time_limit_s,
            step_limit=step_limit,
            heal_after_s=heal_after_s,
            check_left_behind=check_left_behind,
            strict=strict,
            state=state,
            keep_trace=keep_trace,
        )
        self._session: SimulatedSession | None = None

    def __enter__(self) -> Cluster:
        with starting(self._options) as started:
            _ray().init(engine="sim", seed=self.seed, namespace=self._namespace)
        self._session = started[0]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_running = session.is_running(self._started)
        try:
            if error is None and is_running:
                self._started.finish()
        finally:
            if is_running:
                _ray().shutdown()

    @property
    def _started(self) -> SimulatedSession:
        if self._session is None:
            raise RuntimeError("The cluster is there between entering and leaving: use `with Cluster(...) as cluster`.")
        return self._session

    def add_node(self, node: SimulatedNode | None = None) -> str:
        """A node joins; returns its id as `ray.nodes()` tells it."""
        return self._started.add_node(node or SimulatedNode())

    def remove_node(self, node_id: str) -> None:
        """A node dies, and with it what ran and was stored there.

        Raises:
            ValueError: there is none of this id, or it is the driver's own.
        """
        self._started.remove_node(node_id)

    def heal(self, finish_within_s: float = 3600.0) -> None:
        """From now on nothing goes wrong, and the program has so long to get done."""
        self._started.heal(finish_within_s)

    def report(self, error: BaseException | None = None) -> Report:
        """What came of it, once it is left; ``error`` is what the program raised."""
        return report_of(self.seed, [self._started], error)

    @property
    def now_s(self) -> float:
        """Virtual seconds since the start."""
        return self._started.virtual_time_s

    @property
    def digest(self) -> str:
        """Of all that the kernel was told and answered so far."""
        return self._started.trace.digest()

    @property
    def happened(self) -> tuple[Happened, ...]:
        """The faults so far."""
        return tuple(self._started.injector.happened)

    @property
    def fault_counts(self) -> dict[str, int]:
        """How often each rule of faults has done its work."""
        return self._started.injector.counts()


def _ray() -> ModuleType:
    return import_module("localray")


# ---------------------------------------------------------------- for programs in a simulation


def add_node(node: SimulatedNode) -> str:
    """A node joins; returns its id as `ray.nodes()` tells it."""
    return running().add_node(node)


def remove_node(node_id: str) -> None:
    """A node dies, and with it what ran and was stored there."""
    running().remove_node(node_id)


def point(name: str) -> None:
    """The program comes by here: rules of faults with ``point=name`` have their moment. Outside of a simulation nothing
    happens."""
    if session.is_running(None):
        running().at_point(name)


def always(condition: Condition, text: str = "") -> None:
    """From now on this must be true whenever anything has happened; else the run fails with `CheckFailedError`.

    Args:
        condition: a function without arguments that waits for nothing.
        text: what it says, for the error.
    """
    running().watching.always(condition, text)


def eventually(condition: Condition, text: str = "", *, within_s: float | None = None) -> None:
    """This must be true some time from now: within so many virtual seconds, or at the latest when the program is done.
    """
    running().watching.eventually(condition, within_s, text)
