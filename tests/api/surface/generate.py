"""Writes `ray_surface.json` beside this file: names of Ray's core and their signatures, as the installed Ray has them.

Run it where real Ray 2.60 is installed; nothing else imports it. What is listed in `NAMES` is what Ray's users import:
of modules with `...` all public names that they define.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import json
from pathlib import Path
from types import ModuleType

NAMES: dict[str, object] = {
    "ray": [
        "init", "shutdown", "is_initialized", "remote", "method", "get", "put", "wait", "cancel", "kill", "get_actor",
        "get_runtime_context", "get_gpu_ids", "nodes", "cluster_resources", "available_resources", "timeline",
        "ObjectRef", "ObjectID", "ObjectRefGenerator", "DynamicObjectRefGenerator", "ActorID", "ActorClassID", "NodeID",
        "JobID", "WorkerID", "TaskID", "FunctionID", "UniqueID", "PlacementGroupID", "ClusterID", "LoggingConfig",
        "Language", "SCRIPT_MODE", "WORKER_MODE", "RESTORE_WORKER_MODE", "SPILL_WORKER_MODE",
        "java_function", "java_actor_class", "client", "ClientBuilder", "autoscaler", "internal", "widgets", "util",
        "actor", "exceptions", "runtime_context", "cloudpickle", "__version__", "__commit__",
    ],
    "ray.actor": ["ActorClass", "ActorHandle", "ActorMethod", "ActorClassInheritanceException", "exit_actor", "method"],
    "ray.remote_function": ["RemoteFunction"],
    "ray.exceptions": ...,
    "ray.runtime_context": ["RuntimeContext", "get_runtime_context"],
    "ray.job_config": ["JobConfig", "LoggingConfig"],
    "ray.types": ["ObjectRef"],
    "ray.runtime_env": ["RuntimeEnv", "RuntimeEnvConfig"],
    "ray.cluster_utils": ["Cluster", "AutoscalingCluster", "cluster_not_supported"],
    "ray.autoscaler.sdk": ["request_resources"],
    "ray.util": [
        "ActorPool", "as_completed", "map_unordered", "placement_group", "placement_group_table", "get_placement_group",
        "get_current_placement_group", "remove_placement_group", "get_node_instance_id", "get_node_ip_address",
        "inspect_serializability", "register_serializer", "deregister_serializer", "list_named_actors", "log_once",
        "disable_log_once_globally", "enable_periodic_logging", "accelerators", "iter", "pdb", "ray_debugpy", "connect",
        "disconnect",
    ],
    "ray.util.accelerators": ["NVIDIA_TESLA_V100", "NVIDIA_A100", "NVIDIA_H100", "AMD_INSTINCT_MI250x", "GOOGLE_TPU_V4"],
    "ray.util.accelerators.accelerators": ...,
    "ray.util.actor_pool": ["ActorPool"],
    "ray.util.actor_group": ["ActorGroup"],
    "ray.util.annotations": ["PublicAPI", "DeveloperAPI", "Deprecated", "RayDeprecationWarning", "AnnotationType"],
    "ray.util.check_serialize": ["FailureTuple", "inspect_serializability"],
    "ray.util.collective": ...,
    "ray.util.collective.types": ["ReduceOp", "Backend"],
    "ray.util.debug": ["log_once", "disable_log_once_globally", "enable_periodic_logging", "reset_log_once"],
    "ray.util.helpers": ["as_completed", "map_unordered"],
    "ray.util.iter": ["from_items", "from_range", "from_iterators", "from_actors", "ParallelIterator", "LocalIterator"],
    "ray.util.joblib": ["register_ray"],
    "ray.util.metrics": ["Metric", "Counter", "Gauge", "Histogram"],
    "ray.util.multiprocessing": ["Pool", "TimeoutError", "JoinableQueue"],
    "ray.util.multiprocessing.pool": [
        "Pool", "AsyncResult", "IMapIterator", "OrderedIMapIterator", "UnorderedIMapIterator", "PoolActor",
        "PoolTaskError",
    ],
    "ray.util.placement_group": [
        "PlacementGroup", "placement_group", "remove_placement_group", "get_placement_group", "placement_group_table",
        "get_current_placement_group", "check_placement_group_index",
    ],
    "ray.util.queue": ["Queue", "Empty", "Full"],
    "ray.util.rpdb": ["set_trace"],
    "ray.util.scheduling_strategies": [
        "PlacementGroupSchedulingStrategy", "NodeAffinitySchedulingStrategy", "NodeLabelSchedulingStrategy", "In",
        "NotIn", "Exists", "DoesNotExist",
    ],
    "ray.util.serialization": ["register_serializer", "deregister_serializer"],
    "ray.util.state": ...,
    "ray.util.state.exception": ["RayStateApiException", "ServerUnavailable", "DataSourceUnavailable"],
    "ray.util.timer": ...,
    "ray.dag": ...,
    "ray.experimental": ["get_object_locations", "get_local_object_locations"],
    "ray.experimental.internal_kv": [
        "_internal_kv_get", "_internal_kv_put", "_internal_kv_del", "_internal_kv_exists", "_internal_kv_list",
        "_internal_kv_initialized", "_internal_kv_reset",
    ],
    "ray.experimental.tqdm_ray": ["tqdm", "safe_print"],
    "ray.job_submission": ...,
    "ray._common.test_utils": [
        "SignalActor", "Semaphore", "wait_for_condition", "async_wait_for_condition", "run_string_as_driver",
        "FakeTimer", "is_named_tuple",
    ],
    "ray._private.test_utils": [
        "run_string_as_driver_nonblocking", "run_string_as_driver_stdout_stderr", "wait_for_pid_to_exit",
        "wait_for_children_of_pid", "wait_for_children_of_pid_to_exit", "wait_for_assertion",
        "wait_until_succeeded_without_exception", "same_elements", "put_object", "chdir", "wait_for_num_actors",
        "kill_actor_and_wait_for_failure", "get_actor_node_id", "BatchQueue",
    ],
    "ray._private.internal_api": ["memory_summary", "global_gc"],
    "ray._private.services": ["get_node_ip_address", "get_node_instance_id"],
    "ray._private.state": ["available_resources_per_node", "total_resources_per_node", "state"],
    "ray._private.worker": ["global_worker", "init", "get", "put", "wait", "remote", "is_initialized",
        "shutdown", "SCRIPT_MODE", "WORKER_MODE"],
    "ray._raylet": [
        "ObjectRef", "ObjectRefGenerator", "ObjectID", "ActorID", "JobID", "NodeID", "TaskID", "UniqueID", "WorkerID",
        "PlacementGroupID",
    ],
}  # fmt: skip


def describe(value: object) -> dict[str, object]:
    """What kind of thing it is, its signature, and of a class the signatures of its public methods."""
    if isinstance(value, ModuleType):
        return {"kind": "module"}
    if inspect.isclass(value):
        members = {
            name: signature(getattr(value, name))
            for name in dir(value)
            if not name.startswith("_") and name not in dir(Exception) and callable(getattr(value, name, None))
        }
        properties = sorted(
            name for name in dir(value) if not name.startswith("_") and isinstance(getattr(value, name, None), property)
        )
        bases = [base.__name__ for base in value.__mro__[1:-1]]
        return {
            "kind": "class",
            "bases": bases,
            "signature": None if issubclass(value, enum.Enum) else signature(value),
            "methods": members,
            "properties": properties,
        }
    if callable(value):
        return {"kind": "function", "signature": signature(value)}
    return {"kind": "value"}


def signature(function: object) -> list[list[object]] | None:
    """Its parameters: name, kind, whether it has a default; None where Python knows none."""
    try:
        parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return [[each.name, each.kind.name, each.default is not each.empty] for each in parameters]


def public_names(module: ModuleType) -> list[str]:
    """All that a module says is its own, else what it defines without an underscore."""
    if hasattr(module, "__all__"):
        return sorted(set(module.__all__))
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, (ModuleType, int))
        and getattr(value, "__module__", module.__name__).startswith(module.__name__)
    )


def main() -> None:
    """Write the file, and say what is not in this Ray."""
    surface: dict[str, dict[str, object]] = {}
    for module_name, chosen in NAMES.items():
        module = importlib.import_module(module_name)
        described = {}
        for name in public_names(module) if chosen is ... else chosen:  # type: ignore[attr-defined]
            try:
                described[name] = describe(getattr(module, name))
            except AttributeError:
                print(f"{module_name} has no {name}")
        surface[module_name] = described
    text = json.dumps(surface, indent=None, sort_keys=True, separators=(",", ":"))
    # One line for each name: differences between releases can be read.
    text = text.replace('},"', '},\n"')
    Path(__file__).with_name("ray_surface.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
