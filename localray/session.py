"""Starting and ending a session: `init`, `shutdown`, and the only place that chooses an engine.

Must not live here: how an engine works (`localray.runtime`, `localray.sim`), remote functions and actors.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast

from localray.client import creation_sites
from localray.client.current import current_client, set_process_client, set_session_starter
from localray.exceptions import RaySystemError
from localray.job import Job, describe_job, namespace_of
from localray.node_description import NODE_ADDRESS, NodeDescription, check_visible_devices, describe_node
from localray.sched import survival
from localray.session_context import RayContext
from localray.store_settings import head_variables, store_settings
from localray.termination import end_when_terminated

if TYPE_CHECKING:

    from localray.client.client import Client
    from localray.job_config import JobConfig
    from localray.logging_config import LoggingConfig
    from localray.runtime.join import Control
    from localray.runtime.session_home import SessionHome

_IGNORED = frozenset(
    [
        "include_dashboard",
        "dashboard_host",
        "dashboard_port",
        "configure_logging",
        "logging_level",
        "logging_format",
        "proxy_server_url",
        "_node_ip_address",
        "_metrics_export_port",
        "_driver_object_store_memory",
        "_redis_username",
        "_redis_password",
        "_redis_max_memory",
        "_tracing_startup_hook",
        "_plasma_directory",
        "_enable_object_reconstruction",
        "_skip_env_hook",
        "enable_resource_isolation",
        "cgroup_path",
        "system_reserved_cpu",
        "system_reserved_memory",
        "local_mode",
    ]
)

_SIMULATED_MEMORY_BYTES = 8 * 2**30
"""What a simulation's node has for ``memory=``, on whatever machine it runs."""


class Engine(Protocol):
    """A running session behind the public API."""

    @property
    def client(self) -> Client: ...

    def shutdown(self) -> None: ...


class _Session:
    """The one session of this process."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.context: RayContext | None = None
        self.job: Job | None = None
        # Seeds of the simulations that all sessions are to be.
        self.simulation: Iterator[int] | None = None
        self.lock = threading.RLock()
        # Addresses of standing sessions that this process has started and keeps.
        self.own_clusters: list[str] = []
        # The process that this one was forked from had a session.
        self.is_of_parent = False


_session = _Session()

FAULTS_VARIABLE = "LOCALRAY_FAULTS"
FAULTS_SEED_VARIABLE = "LOCALRAY_FAULTS_SEED"


@contextmanager
def only_simulations(seeds: Iterator[int]) -> Iterator[None]:
    """Meanwhile each session that a program starts is a simulation, whatever it asks for, with the next of the seeds.
    """
    _session.simulation = seeds
    try:
        yield
    finally:
        _session.simulation = None


def is_initialized() -> bool:
    """Whether there is a session."""
    return current_client() is not None


def init(
    address: str | None = None,
    *,
    num_cpus: float | None = None,
    num_gpus: float | None = None,
    resources: Mapping[str, float] | None = None,
    labels: Mapping[str, str] | None = None,
    object_store_memory: int | None = None,
    ignore_reinit_error: bool = False,
    log_to_driver: bool | None = None,
    namespace: str | None = None,
    runtime_env: Mapping[str, Any] | None = None,
    job_config: JobConfig | None = None,
    logging_config: LoggingConfig | None = None,
    engine: str = "processes",
    seed: int = 0,
    _memory: int | None = None,
    _node_name: str | None = None,
    _temp_dir: str | None = None,
    object_spilling_directory: str | None = None,
    _system_config: Mapping[str, object] | None = None,
    nodes: object = None,
    faults: object = None,
    **ignored: object,
) -> RayContext:
    """Start a session, with a head process, workers and an object store; or join one as another of its drivers.

    A session ends with the process that has started it. Until then others of this user's join it by its address
    (``address_info["address"]``); each is a job of its own.

    Args:
        address: None or "local" for a new session; "host:port" to join that one; "auto" to join the one that an
            ancestor of this process has started, else the youngest that was started to be joined, else the youngest of
            any program of this user's. Where None is given, the environment variable ``RAY_ADDRESS``, or the
            `cluster_utils.Cluster` that this process has started, says what to join.
        num_cpus: CPUs that tasks may use; by default those of this machine or container.
        num_gpus: GPUs, which need not exist; by default none.
        resources: custom resources and how much of each there is.
        labels: of the node.
        object_store_memory: bytes of shared memory at most; by default 30 % of the machine's.
        ignore_reinit_error: return the existing session instead of raising.
        log_to_driver: whether to show here what workers print; by default as the variable RAY_LOG_TO_DRIVER says, 1.
        namespace: where names of actors live; by default a new one.
        runtime_env: what the job's workers are set up with; see `localray.runtime_env`.
        job_config: more of the job; what is given to `init` itself goes before it.
        logging_config: how the loggers of this process and of workers are set up; by default as they are.
        engine: "processes", "sim" for the deterministic simulation in this process, or "ray" to hand the program to
            real Ray (as does the address of one of its clusters; see `localray.real_ray`).
        seed: of every random decision of the session.
        nodes: of a simulated cluster, the driver's own first, which then says all that the keywords above would: how
            many, or "4x8cpu,2x1gpu", or descriptions (`localray.sim.nodes`).
        faults: what goes wrong: "kill_worker:probability=0.1", or rules (`localray.faults`); in a simulation more kinds
            than with real processes, for which the variable LOCALRAY_FAULTS says it too.
        _memory: bytes that tasks may ask for with ``memory=``; by default the machine's less the object store's.
        _temp_dir: where the session's log files go, and stay; by default where temporary files are.
        object_spilling_directory: where objects go that the store has no room for; by default the temporary directory.
            With "" nothing goes to disk, and a full store is an `ObjectStoreFullError`.
        _system_config: Ray's internal settings; those about the object store are followed, see
            `localray.store_settings`, the others ignored.
        ignored: Ray's other keywords; accepted where they mean nothing on one machine.

    Returns:
        A `RayContext`.

    Raises:
        RuntimeError: there is a session already, or a keyword is unknown.
        ValueError: a value is wrong, or describes a node although a session is joined.
        ConnectionError: the address names no session.
    """
    if engine == "ray":
        return _hand_over(address, locals())
    with _session.lock:
        engine = _check_keywords(ignored, _system_config, _temp_dir, engine)
        existing = _existing(ignore_reinit_error, address)
        if existing is not None:
            return existing
        if _session.simulation is not None:
            engine, seed, address = "sim", next(_session.simulation), None
        address = address_to_join(address, engine)
        if address is not None:
            if _is_of_real_ray(address):
                return _hand_over(address, locals())
            _refuse_description(
                num_cpus=num_cpus,
                num_gpus=num_gpus,
                resources=resources,
                labels=labels,
                object_store_memory=object_store_memory,
                _system_config=_system_config or None,
                _node_name=_node_name,
            )
        names = namespace_of(namespace, job_config)
        _session.job = job = describe_job(runtime_env, job_config, log_to_driver, logging_config, ignored)
        try:
            if address is not None:
                return _begin(_join(address, names), job, joined=True)
            memory = _memory or (_SIMULATED_MEMORY_BYTES if engine == "sim" else None)
            node = describe_node(num_cpus, num_gpus, resources, labels, object_store_memory, memory)
            spilling, root = (object_spilling_directory, _system_config or {}), _temp_dir or ""
            started = _start(engine, node, names, seed, spilling, (_node_name or "", root), (nodes, faults))
            return _begin(started, job)
        except BaseException:
            shutdown()
            raise


def _check_keywords(others: Mapping[str, object], system_config: object, temporary: str | None, engine: str) -> str:
    """Which engine is meant. Raise RuntimeError unless these keywords are Ray's and mean nothing here, or local mode;
    TypeError where settings are none, ValueError where a directory depends on the current one."""
    if system_config is not None and not isinstance(system_config, dict):
        raise TypeError("The _system_config must be a dict.")
    if temporary and not temporary.startswith(os.sep):
        raise ValueError("temp_dir must be absolute path or None.")
    unknown = [name for name in others if name not in _IGNORED]
    if others.get("storage"):
        raise RuntimeError("The `storage` argument has been removed, from Ray too.")
    if others.get("allow_multiple"):
        raise RuntimeError("`allow_multiple` is for Ray's client, which is not used here. Do not pass it.")
    if unknown:
        from inspect import signature

        from localray.options.checks import did_you_mean

        advice = "".join(did_you_mean(name, signature(init).parameters) for name in unknown)
        raise RuntimeError(f"Unknown keyword argument(s): {', '.join(unknown)}" + (f".{advice}" if advice else ""))
    if others.get("enable_resource_isolation"):
        raise ValueError("enable_resource_isolation is not supported: workers have no control groups of their own.")
    for name in ("cgroup_path", "system_reserved_cpu", "system_reserved_memory"):
        if others.get(name):
            raise ValueError(f"{name} cannot be set when resource isolation is not enabled; here it never is.")
    return "inline" if others.get("local_mode") else engine


def _begin(started: Engine, job: Job, *, joined: bool = False) -> RayContext:
    """The engine runs: from now on this process has a session."""
    _session.engine = started
    set_process_client(started.client)
    end_when_terminated()
    job.begin(started.client, joined=joined)
    _session.context = RayContext(_address_info(started.client), shutdown)
    return _session.context


def _is_of_real_ray(address: str) -> bool:
    """Whether a cluster of real Ray is meant. Sessions of ours are known by their directories, and at no port."""
    from localray.runtime.session_home import is_there

    if not address.startswith("ray://") and is_there(address):
        return False
    from localray.real_ray import is_cluster

    return is_cluster(address)


def _hand_over(address: str | None, arguments: Mapping[str, object]) -> RayContext:
    """Let real Ray start or join a session, with the arguments of `init` that were given."""
    from localray import real_ray

    defaults = init.__kwdefaults__ or {}
    given = {name: arguments[name] for name in defaults if arguments[name] != defaults[name]}
    return cast("RayContext", real_ray.start(address, {**given, **cast("dict[str, object]", arguments["ignored"])}))


def _existing(ignore_reinit_error: bool, address: str | None) -> RayContext | None:
    """The session there is, if it may be returned."""
    if current_client() is not None:
        if ignore_reinit_error and _session.context is not None:
            return _session.context
        if address == "auto" and _session.context is not None:
            return _session.context
        raise RuntimeError(
            "Maybe you called ray.init twice by accident? This error can be suppressed by passing in "
            "'ignore_reinit_error=True' "
            "or by calling 'ray.shutdown()' prior to 'ray.init()'."
        )
    return None


def address_to_join(address: str | None, engine: str = "processes") -> str | None:
    """What is to be joined; None for a session of our own."""
    if engine != "processes":
        if address not in (None, "local"):
            raise ConnectionError(f"Cannot connect to {address!r}: a session of engine {engine!r} is always its own.")
        return None
    if address is None:
        address = os.environ.get("RAY_ADDRESS") or cluster_of_this_process()
    elif address == "auto":
        address = os.environ.get("RAY_ADDRESS") or cluster_of_this_process() or "auto"
    return None if address == "local" else address


def cluster_of_this_process() -> str | None:
    """The address of the standing session that this process has started, if it has."""
    return _session.own_clusters[-1] if _session.own_clusters else None


def own_cluster(address: str, *, is_there: bool) -> None:
    """This process has started a standing session, which `init` joins from now on; or it has ended."""
    if is_there:
        _session.own_clusters.append(address)
    elif address in _session.own_clusters:
        _session.own_clusters.remove(address)


def _refuse_description(**keywords: object) -> None:
    """Who joins a session cannot say what its nodes have: ValueError if something is given."""
    given = [name for name, value in keywords.items() if value is not None]
    if "num_cpus" in given or "num_gpus" in given:
        raise ValueError("When connecting to an existing cluster, num_cpus and num_gpus must not be provided.")
    if given:
        raise ValueError(f"When connecting to an existing cluster, {given[0]} must not be provided.")


def _join(address: str, namespace: str) -> Engine:
    """Join the session of this address. Raises ConnectionError when there is none, RuntimeError when it is of another
    version."""
    if "://" in address:
        raise ConnectionError(f"{address!r} is no address here: join the session by '<host>:<port>', or by 'auto'.")
    from localray.runtime.join import JoinedSession
    from localray.runtime.session_home import find

    return JoinedSession(find(address), namespace, _notify)


def connect(address: str | None = None) -> Control:
    """A connection to a running session, to ask it and to give orders without being one of its drivers; for tools.

    Args:
        address: "host:port", or "auto" for the youngest session; by default what `init` would join.

    Returns:
        A connection; ``with`` closes it.

    Raises:
        ConnectionError: there is no such session.
        ValueError: this is no address.
        RuntimeError: the session is of another version.

    Example:
        >>> with connect("auto") as session:       # doctest: +SKIP
        ...     print(session.ask(Query.NODES))
    """
    from localray.runtime.join import Control, connect

    home = find_session(address)
    return Control(connect(home), home.address)


def find_session(address: str | None = None) -> SessionHome:
    """The directory of a running session.

    Args:
        address: as `connect` takes it.

    Raises:
        ConnectionError: there is no such session.
        ValueError: this is no address.
    """
    from localray.runtime.session_home import find

    return find(address_to_join(address) or "auto")


def _start(
    engine: str,
    node: NodeDescription,
    namespace: str,
    seed: int,
    spilling: tuple[str | None, Mapping[str, object]],
    place: tuple[str, str],
    simulated: tuple[object, object],
) -> Engine:
    nodes, faults = simulated
    creation_sites.session_starts(spilling[1])
    if engine != "sim" and nodes is not None:
        raise ValueError("nodes are those of a simulation: pass engine='sim' too.")
    if engine == "processes":
        from localray.runtime.launch import NodeOptions, ProcessSession

        check_visible_devices(node, os.environ)
        node_id = os.urandom(28)
        store = store_settings(*spilling, f"{os.getpid()}_{node_id.hex()[:12]}")
        variables = head_variables(spilling[1])
        options = NodeOptions(*node, node_id, seed, store, name=place[0], directory=place[1], variables=variables)
        started = ProcessSession(options, namespace, _notify)
        faults = faults or os.environ.get(FAULTS_VARIABLE)
        if faults:
            from localray.faults import parse

            dice = int(os.environ.get(FAULTS_SEED_VARIABLE, seed))
            started.hurt(parse(faults, dice), dice)  # type: ignore[arg-type]
        return started
    if engine == "sim":
        from localray.sim.session import SimulatedSession

        store = store_settings(*spilling, "simulated")
        survive = survival.settings_from({**os.environ, **head_variables(spilling[1])})
        return SimulatedSession(*node, namespace, seed, _notify, store, *simulated, survive.max_lineage_bytes)
    if engine == "inline":
        from localray.inline.session import InlineSession

        return InlineSession(*node, namespace or os.urandom(16).hex(), seed, _notify)
    raise ValueError(f"Unknown engine {engine!r}: use 'processes', 'sim' or 'inline'.")


def _notify(text: str) -> None:
    print(f"localray: {text}", file=sys.stderr)


def _address_info(client: Client) -> dict[str, object]:
    return {
        "node_ip_address": NODE_ADDRESS,
        "raylet_ip_address": NODE_ADDRESS,
        "redis_address": None,
        "object_store_address": "",
        "raylet_socket_name": "",
        "webui_url": "",
        "session_dir": str(client.directory),
        "metrics_export_port": 0,
        "gcs_address": client.address,
        "address": client.address,
        "dashboard_agent_listen_port": 0,
        "node_id": client.node_id.hex(),
    }


def shutdown(*, wait_for_processes: bool = False) -> None:
    """End the session: when this returns, its processes and its memory are gone. Without a session, nothing happens.

    Args:
        wait_for_processes: accepted; they are always waited for.
    """
    with _session.lock:
        started, job = _session.engine, _session.job
        _session.engine, _session.job, _session.context = None, None, None
        if started is not None:
            set_process_client(None)
            started.shutdown()
        if job is not None:
            job.end()


def _start_by_need() -> None:
    """Auto-init: somebody needs a session."""
    with _session.lock:
        if current_client() is None:
            if _session.is_of_parent:
                _hint_at_forking()
            init()


def _hint_at_forking() -> None:
    # Not imported before: a session that starts launches its head first, and imports what it needs meanwhile.
    from localray.client import habits

    if habits.wanted(os.environ):
        _notify(
            "this process was forked from one that has a session, and now starts one of its own: references and actor "
            "handles of the parent mean nothing in it. Use tasks instead of forking, or start processes by "
            f'multiprocessing.get_context("spawn"). ({habits.VARIABLE}=0 silences this hint.)'
        )


def _forget_in_child() -> None:
    """A forked child of a driver has no session: its parent's streams are not its own."""
    had_session = _session.engine is not None or _session.is_of_parent
    _session.__init__()  # type: ignore[misc]
    _session.is_of_parent = had_session
    set_process_client(None)


def require_session(what: str) -> Client:
    """The current client, for what does not start a session by itself.

    Raises:
        RaySystemError: there is none.
    """
    client = current_client()
    if client is None:
        raise RaySystemError(f"Ray has not been started yet. Call ray.init() before {what}.")
    return client


set_session_starter(_start_by_need)
atexit.register(shutdown)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)

__all__ = ["RayContext", "init", "is_initialized", "require_session", "shutdown"]
