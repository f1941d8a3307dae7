"""`ray._private.test_utils`: more helpers of test suites."""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from localray._common.network_utils import find_free_port, parse_address
from localray._common.prometheus import (
    MetricSamplePattern,
    PrometheusTimeseries,
    fetch_prometheus_metric_timeseries,
    fetch_prometheus_metrics,
    fetch_prometheus_timeseries,
    fetch_raw_prometheus,
)
from localray._common.test_utils import (
    DEFAULT_DRIVER_TIMEOUT_SECONDS,
    FakeTimer,
    Semaphore,
    SignalActor,
    async_wait_for_condition,
    environment_of_driver,
    run_string_as_driver,
    wait_for_condition,
)
from localray._private.batch_queue import BatchQueue, _BatchQueueActor
from localray._private.client_mode_hook import is_client_mode_enabled
from localray._private.custom_types import ACTOR_STATUS
from localray._private.internal_api import memory_summary
from localray._private.subscribers import (
    get_error_message,
    get_log_batch,
    get_log_data,
    get_log_message,
    get_log_sources,
    init_error_pubsub,
    init_log_pubsub,
)
from localray.absent.catalogue import missing_in
from localray.actor import ActorHandle, kill
from localray.api import available_resources, cluster_resources, get, nodes, put, remote
from localray.client.current import require_client
from localray.cluster_utils import Cluster, ClusterNode
from localray.node_processes import ProcessInfo
from localray.runtime_context import get_runtime_context
from localray.util.placement_group import PlacementGroup, placement_group_table, remove_placement_group
from localray.util.state import get_actor, list_actors

_POLL_S = 0.02
_STDIN_TO_MAIN = "import sys; script = sys.stdin.read(); sys.stdin.close(); del sys; exec('del script\\n' + script)"


def run_string_as_driver_stdout_stderr(
    driver_script: str,
    env: Mapping[str, str] | None = None,
    encode: str = "utf-8",
    timeout: float | None = DEFAULT_DRIVER_TIMEOUT_SECONDS,
) -> tuple[str, str]:
    """As `run_string_as_driver`; returns standard output and standard error apart."""
    done = subprocess.run(
        [sys.executable, "-"],
        input=driver_script.encode(encode),
        capture_output=True,
        env=environment_of_driver(env),
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        print(done.stdout.decode(encode), done.stderr.decode(encode), sep="\n")
    done.check_returncode()
    return done.stdout.decode(encode), done.stderr.decode(encode)


def run_string_as_driver_nonblocking(
    driver_script: str, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a program in an interpreter of its own; returns the process, whose output can be read."""
    process = subprocess.Popen(
        [sys.executable, "-c", _STDIN_TO_MAIN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment_of_driver(env),
    )
    assert process.stdin is not None
    process.stdin.write(driver_script.encode())
    process.stdin.close()
    return process


def wait_for_pid_to_exit(pid: int, timeout: float = 20) -> None:
    """Return when a process has ended.

    Raises:
        TimeoutError: it had not after so many seconds.
    """
    text = f"Timed out while waiting for process {pid} to exit."
    _wait(lambda: not _is_alive(pid), timeout, lambda: text)


def wait_for_children_of_pid(pid: int, num_children: int = 1, timeout: float = 20) -> None:
    """Return when a process has so many children.

    Raises:
        TimeoutError: it had fewer after so many seconds.
    """
    import psutil

    process = psutil.Process(pid)
    text = f"Timed out while waiting for process {pid} children to start"
    _wait(lambda: len(process.children()) >= num_children, timeout, lambda: f"{text} ({process.children()}).")


def wait_for_children_of_pid_to_exit(pid: int, timeout: float = 20) -> None:
    """Return when the children that a process has now have ended.

    Raises:
        TimeoutError: some had not after so many seconds.
    """
    import psutil

    _, alive = psutil.wait_procs(psutil.Process(pid).children(), timeout=timeout)
    if alive:
        names = [process.name() for process in alive]
        raise TimeoutError(f"Timed out while waiting for process children to exit. Children still alive: {names}.")


def wait_for_assertion(
    assertion_predictor: Callable[..., object],
    timeout: float = 10,
    retry_interval_ms: float = 100,
    raise_exceptions: bool = False,
    **kwargs: Any,
) -> None:
    """Return when something can be called without an `AssertionError`, else let it through at last."""

    def holds() -> bool:
        try:
            assertion_predictor(**kwargs)
        except AssertionError:
            return False
        return True

    try:
        wait_for_condition(holds, timeout, retry_interval_ms, raise_exceptions)
    except RuntimeError:
        assertion_predictor(**kwargs)


def wait_until_succeeded_without_exception(
    func: Callable[..., object],
    exceptions: type[Exception] | tuple[type[Exception], ...],
    *args: Any,
    timeout_ms: float = 1000,
    retry_interval_ms: float = 100,
    raise_last_ex: bool = False,
) -> bool:
    """Call something again and again until it raises none of these exceptions.

    Returns:
        Whether it did in time.

    Raises:
        Exception: it did not, and that was asked for; tells the last exception.
    """
    give_up_at_s = time.monotonic() + timeout_ms / 1000
    last: Exception | None = None
    while time.monotonic() <= give_up_at_s:
        try:
            func(*args)
        except exceptions as error:
            last = error
            time.sleep(retry_interval_ms / 1000)
        else:
            return True
    if raise_last_ex and last is not None:
        raise Exception(f"Timed out while testing, {''.join(traceback.format_exception(last))}") from last
    return False


def same_elements(elems_a: Any, elems_b: Any) -> bool:
    """Whether each item of one collection is in the other, in any order, as often as may be, hashable or not."""
    left, right = list(elems_a), list(elems_b)
    return all(item in right for item in left) and all(item in left for item in right)


def put_object(obj: Any, use_ray_put: bool) -> Any:
    """An object's reference: by `put`, or as what a task returns."""
    if use_ray_put:
        return put(obj)
    return remote(_identity).remote(obj)


def _identity(value: Any) -> Any:
    return value


def wait_for_num_actors(num_actors: int, state: int | str | None = None, timeout: float = 10) -> None:
    """Return when there are so many actors, in this state if one is given.

    Raises:
        TimeoutError: there were fewer after so many seconds.
    """
    name = convert_actor_state(state)
    filters: list[tuple[str, str, str | bool | int | float]] | None = [("state", "=", name)] if name else None
    _wait(
        lambda: len(list_actors(filters=filters, limit=num_actors)) >= num_actors,
        timeout,
        lambda: "Timed out while waiting for global state.",
    )


def kill_actor_and_wait_for_failure(
    actor: ActorHandle[Any], timeout: float = 10, retry_interval_ms: float = 100
) -> None:
    """Kill an actor; return when it is dead, or has been restarted.

    Raises:
        RuntimeError: neither happened in so many seconds.
    """
    actor_id = actor._actor_id.hex()
    before = get_actor(id=actor_id)
    restarts = 0 if before is None else before.num_restarts
    kill(actor)

    def has_failed() -> bool:
        now = get_actor(id=actor_id)
        return now is None or now.state == "DEAD" or int(now.num_restarts or 0) > int(restarts or 0)

    try:
        wait_for_condition(has_failed, timeout, retry_interval_ms)
    except RuntimeError:
        raise RuntimeError(f"It took too much time to kill an actor: {actor_id}") from None


def get_actor_node_id(actor_handle: ActorHandle[Any]) -> str:
    """The node where an actor lives, in hexadecimal digits."""
    return str(get(actor_handle.__ray_call__.remote(_node_id)))


def _node_id(instance: object) -> str:
    return get_runtime_context().get_node_id()


def client_test_enabled() -> bool:
    """Whether the suite is to run as a Ray Client: there is none here."""
    return is_client_mode_enabled


def external_redis_test_enabled() -> bool:
    """Whether the suite is to run with tables in Redis: they are never there."""
    return False


def rocksdb_gcs_test_enabled() -> bool:
    """Whether the suite is to run with tables on disk: they are never there."""
    return False


def persistent_gcs_test_enabled() -> bool:
    """Whether the session's tables outlive its head: they do not."""
    return False


def sandbox_test_enabled() -> bool:
    """Whether the suite is to try Ray's sandboxes: there are none here."""
    return False


def redis_sentinel_replicas() -> int:
    """How many Redis servers follow another."""
    return int(os.environ.get("TEST_EXTERNAL_REDIS_SENTINEL_REPLICAS", "2"))


def redis_replicas() -> int:
    """How many Redis servers there are to be."""
    return int(os.environ.get("TEST_EXTERNAL_REDIS_REPLICAS", "1"))


def generate_system_config_map(**kwargs: Any) -> dict[str, Any]:
    """Arguments of `init` that set these keys of ``_system_config``."""
    return {"_system_config": kwargs}


def convert_actor_state(state: int | str | None) -> str | None:
    """A state's name, as `list_actors` has it, from the number that `gcs_pb2.ActorTableData` has for it."""
    if not isinstance(state, int):
        return state or None
    return ACTOR_STATUS[state] if state else None


def get_other_nodes(cluster: Cluster, exclude_head: bool = False) -> list[ClusterNode]:
    """The nodes of a cluster that this driver is not on."""
    own = require_client().node_id.hex()
    return [node for node in cluster.list_all_nodes() if node.node_id != own and not (exclude_head and node.head)]


def get_non_head_nodes(cluster: Cluster) -> list[ClusterNode]:
    """The nodes of a cluster without its head."""
    return [node for node in cluster.list_all_nodes() if not node.head]


def object_memory_usage() -> float:
    """How many bytes of the object stores are taken."""
    name = "object_store_memory"
    return cluster_resources().get(name, 0) - available_resources().get(name, 0)


def is_placement_group_removed(pg: PlacementGroup) -> bool:
    """Whether a group is known as removed."""
    return bool(placement_group_table(pg).get("state") == "REMOVED")


def placement_group_assert_no_leak(pgs_created: list[PlacementGroup]) -> None:
    """Remove groups; return when all are gone and have given back what they held.

    Raises:
        RuntimeError: something is still held.
    """
    for each in pgs_created:
        remove_placement_group(each)
    wait_for_condition(lambda: all(row["state"] == "REMOVED" for row in placement_group_table().values()))  # type: ignore[index]
    wait_for_condition(no_resource_leaks_excluding_node_resources)


def no_resource_leaks_excluding_node_resources() -> bool:
    """Whether everything but memory is free, and nothing is left of a placement group."""
    free = available_resources()
    total = {name: amount for name, amount in cluster_resources().items() if "memory" not in name}
    if any("_group_" in name for name in free):
        return False
    return all(free.get(name) == amount for name, amount in total.items())


def recursive_fnmatch(dirpath: str, pattern: str) -> list[str]:
    """The files below a folder whose names match."""
    return [os.path.join(root, name) for root, _, names in os.walk(dirpath) for name in fnmatch.filter(names, pattern)]  # noqa: PTH118


def wait_until_server_available(address: str, timeout_ms: float = 5000, retry_interval_ms: float = 100) -> bool:
    """Whether somebody listens at an address, at the latest after so many milliseconds.

    Raises:
        ValueError: it has no port.
    """
    parsed = parse_address(address)
    if parsed is None:
        raise ValueError(f"{address!r} has no port.")
    give_up_at_s = time.monotonic() + timeout_ms / 1000
    while time.monotonic() <= give_up_at_s:
        try:
            socket.create_connection((parsed[0], int(parsed[1])), timeout=1).close()
        except OSError:
            time.sleep(retry_interval_ms / 1000)
        else:
            return True
    return False


def format_web_url(url: str) -> str:
    """A page's address with the scheme before it."""
    numeric = url.replace("localhost", "http://127.0.0.1")
    return numeric if numeric.startswith("http://") else f"http://{numeric}"


get_current_unused_port = find_free_port


def get_metric_check_condition(
    metrics_to_check: list[MetricSamplePattern], timeseries: PrometheusTimeseries, export_addr: str | None = None
) -> Callable[[], bool]:
    """A condition for `wait_for_condition`: that there has been a sample for each pattern.

    Args:
        metrics_to_check: the patterns.
        timeseries: takes in what is seen.
        export_addr: where the metrics are; by default where the first node would serve its own.
    """
    if export_addr is None:
        node = nodes()[0]
        export_addr = f"{node['NodeManagerAddress']}:{node['MetricsExportPort']}"

    def are_there() -> bool:
        samples = fetch_prometheus_timeseries([export_addr], timeseries).metric_samples.values()
        return all(any(pattern.matches(sample) for sample in samples) for pattern in metrics_to_check)

    return are_there


def check_call_subprocess(argv: list[str], capture_stdout: bool = False, capture_stderr: bool = False) -> None:
    """Run a command, and let it succeed.

    Raises:
        subprocess.CalledProcessError: it failed; has the output that was to be captured.
    """
    stdout = subprocess.PIPE if capture_stdout else None
    stderr = (subprocess.STDOUT if capture_stdout else subprocess.PIPE) if capture_stderr else None
    subprocess.run(argv, stdout=stdout, stderr=stderr, check=True)


def check_call_ray(args: list[str], capture_stdout: bool = False, capture_stderr: bool = False) -> None:
    """Run the command line, which is that of localray, and let it succeed.

    Raises:
        subprocess.CalledProcessError: it failed; has the output that was to be captured.
    """
    check_call_subprocess([sys.executable, "-m", "localray", *args], capture_stdout, capture_stderr)


def kill_processes(process_infos: Sequence[ProcessInfo]) -> None:
    """Let processes of a `Cluster`'s nodes fail, and wait until they are gone.

    Raises:
        TimeoutError: one was not after five seconds.
    """
    for each in process_infos:
        each.process.kill()
        each.process.wait(timeout=5)


def get_gpu_visible_devices_env_var() -> str:
    """The variable that tells a worker its GPUs."""
    return "CUDA_VISIBLE_DEVICES"


def check_spilled_mb(
    address: Mapping[str, Any],
    spilled: int | list[int] | None = None,
    restored: int | None = None,
    fallback: int | None = None,
) -> None:
    """Wait, for three seconds at most, until the store's totals tell of so many MiB.

    Args:
        address: what `init` returned.
        spilled: written to disk; one of these, if there are several.
        restored: read back. Nothing ever is here: readers map what is on disk.
        fallback: in files of their own, because the store was full.

    Raises:
        RuntimeError: they tell of others, or of one that is not asked for.
    """
    own = require_client().address == address["address"]
    wanted = {"Spilled": spilled, "Restored": restored, "Plasma filesystem mmap usage:": fallback}

    def are_told() -> bool:
        totals = memory_summary(None if own else address["address"], stats_only=True)
        return all(_tells(totals, what, amounts) for what, amounts in wanted.items())

    wait_for_condition(are_told, timeout=3)


def _tells(totals: str, what: str, amounts: int | list[int] | None) -> bool:
    if not amounts:
        return what not in totals
    return any(f"{what} {each} MiB" in totals for each in (amounts if isinstance(amounts, list) else [amounts]))


def generate_runtime_env_dict(
    field: str, spec_format: str, tmp_path: Path, pip_list: list[str] | None = None
) -> dict[str, Any]:
    """A runtime environment with packages.

    Args:
        field: pip or conda.
        spec_format: file or python_object: what the field holds.
        tmp_path: where the file is written.
        pip_list: the packages.
    """
    packages = ["pip-install-test==0.5"] if pip_list is None else pip_list
    if field == "pip":
        content: Any = packages
        name, text = f"requirements-{hash(str(packages))}.txt", "\n".join(packages)
    else:
        content = {"dependencies": ["pip", {"pip": packages}]}
        # JSON is YAML.
        name, text = f"environment-{hash(str(packages))}.yml", json.dumps(content)
    if spec_format == "file":
        (tmp_path / name).write_text(text)
        content = str(tmp_path / name)
    return {field: content}


@contextlib.contextmanager
def chdir(d: str) -> Iterator[None]:
    """Be in another directory for a while."""
    before = os.getcwd()  # noqa: PTH109 - to be entered again by the same name
    os.chdir(d)
    try:
        yield
    finally:
        os.chdir(before)


def _wait(condition: Callable[[], bool], timeout_s: float, text: Callable[[], str]) -> None:
    give_up_at_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > give_up_at_s:
            raise TimeoutError(text())
        time.sleep(_POLL_S)


def _is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


_REDIS = "There is no Redis here: a session's tables are in its head's memory."
_PROCESSES = "Nodes have no servers of their own here; ray.cluster_utils.Cluster adds, removes and fails them."
_DASHBOARD = "There is no dashboard here; ray.util.state lists what it would show."
__getattr__ = missing_in(
    __name__,
    {
        _REDIS: "start_redis_instance start_redis_sentinel_instance get_redis_cli",
        _PROCESSES: (
            "kill_raylet get_node_stats get_resource_usage get_gcs_memory_used make_global_state_accessor "
            "ResourceKillerActor NodeKillerBase RayletKiller WorkerKillerActor EC2InstanceTerminator "
            "EC2InstanceTerminatorWithGracePeriod get_and_run_resource_killer get_and_run_node_killer "
            "monitor_memory_usage kill_process_by_name reset_autoscaler_v2_enabled_cache"
        ),
        "Accelerators are not looked for here: declare them with init.": (
            "mock_accelerator_detection mock_no_accelerators"
        ),
        "There is no metrics agent here: ray.util.metrics keeps values in their process.": (
            "raw_metrics raw_metric_timeseries"
        ),
        "The head sets up runtime environments; their files go with the session.": (
            "check_local_files_gced set_setup_func"
        ),
        _DASHBOARD: (
            "get_dashboard_agent_address wait_for_dashboard_agent_available wait_for_aggregator_agent "
            "wait_for_aggregator_agent_if_enabled get_load_metrics_report get_system_metric_for_component"
        ),
        "Sessions of one user on one machine need no certificates.": "setup_tls teardown_tls",
    },
)

enable_external_redis = external_redis_test_enabled
async_wait_for_condition_async_predicate = async_wait_for_condition
"""As older releases call them."""

__all__ = [
    "BatchQueue",
    "FakeTimer",
    "MetricSamplePattern",
    "PrometheusTimeseries",
    "Semaphore",
    "SignalActor",
    "_BatchQueueActor",
    "async_wait_for_condition",
    "chdir",
    "check_call_ray",
    "check_call_subprocess",
    "check_spilled_mb",
    "client_test_enabled",
    "convert_actor_state",
    "enable_external_redis",
    "external_redis_test_enabled",
    "fetch_prometheus_metric_timeseries",
    "fetch_prometheus_metrics",
    "fetch_prometheus_timeseries",
    "fetch_raw_prometheus",
    "find_free_port",
    "format_web_url",
    "generate_runtime_env_dict",
    "generate_system_config_map",
    "get_actor_node_id",
    "get_current_unused_port",
    "get_error_message",
    "get_gpu_visible_devices_env_var",
    "get_log_batch",
    "get_log_data",
    "get_log_message",
    "get_log_sources",
    "get_metric_check_condition",
    "get_non_head_nodes",
    "get_other_nodes",
    "init_error_pubsub",
    "init_log_pubsub",
    "is_placement_group_removed",
    "kill_actor_and_wait_for_failure",
    "kill_processes",
    "no_resource_leaks_excluding_node_resources",
    "object_memory_usage",
    "persistent_gcs_test_enabled",
    "placement_group_assert_no_leak",
    "put_object",
    "recursive_fnmatch",
    "redis_replicas",
    "redis_sentinel_replicas",
    "rocksdb_gcs_test_enabled",
    "run_string_as_driver",
    "run_string_as_driver_nonblocking",
    "run_string_as_driver_stdout_stderr",
    "same_elements",
    "sandbox_test_enabled",
    "wait_for_assertion",
    "wait_for_children_of_pid",
    "wait_for_children_of_pid_to_exit",
    "wait_for_condition",
    "wait_for_num_actors",
    "wait_for_pid_to_exit",
    "wait_until_server_available",
    "wait_until_succeeded_without_exception",
]
