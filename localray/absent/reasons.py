"""Why names of Ray's private modules are not here, and what to use instead. Must not live here: the names."""

from __future__ import annotations

from collections.abc import Mapping

_AUTOSCALER = "No nodes come by themselves here: use ray.cluster_utils.Cluster.add_node, or localray start."
_CLIENT = "There is no Ray Client here: a driver joins a session of this machine with ray.init(address=...)."
_DASHBOARD = "There is no dashboard here; ray.util.state lists what it would show."
_DEVICES = "Accelerators are not looked for here: declare them with ray.init(num_gpus=...) or resources={...}."
_EVENTS = "No events are exported here; ray.util.state and ray.timeline() tell what has happened."
_PROCESSES = "A session's processes are its head's affair: see ray.init, ray.cluster_utils.Cluster, localray start."
_RUNTIME_ENV = "Runtime environments are set up by the head: see localray.runtime_env, and ray.init(runtime_env=...)."
_TABLES = "There is no GCS server here: use ray._raylet.GcsClient, ray.experimental.internal_kv, or ray.util.state."
_TELEMETRY = "Nothing is reported about the use of localray."
_TOKENS = "A session lets in whoever can read its key in its directory; there are no tokens."
_TENSORS = "Tensors go through shared memory here like any other value: return them, or ray.put them."

_BY_MODULE: Mapping[str, str] = {
    "": "This is private in Ray, and has no counterpart in localray.",
    "_common.observability": _EVENTS,
    "_common.runtime_env_package": _RUNTIME_ENV,
    "_common.runtime_env_uri": _RUNTIME_ENV,
    "_common.test_utils": "It tests a part of Ray that is not here.",
    "_common.tls_utils": "Sessions of one user on one machine need no certificates.",
    "_common.usage": _TELEMETRY,
    "_private.accelerators": _DEVICES,
    "_private.arrow_serialization": "Arrow's buffers travel out of band here as they are.",
    "_private.authentication": _TOKENS,
    "_private.authentication_test_utils": _TOKENS,
    "_private.event": _EVENTS,
    "_private.external_storage": "The head spills by itself: see object_spilling_directory of ray.init.",
    "_private.function_manager": "Functions travel in messages, once for each: see localray.client.definitions.",
    "_private.gcs_pubsub": "Subscribe with init_log_pubsub or init_error_pubsub of ray._private.test_utils.",
    "_private.gcs_utils": _TABLES,
    "_private.grpc_utils": "Nothing speaks gRPC here: processes talk over Unix sockets.",
    "_private.log_monitor": "The head reads what workers print itself: see localray.runtime.worker_output.",
    "_private.memory_monitor": "The head watches memory by itself: see RAY_memory_usage_threshold.",
    "_private.metrics_agent": "There is no metrics agent here: ray.util.metrics keeps values in their process.",
    "_private.node": _PROCESSES,
    "_private.object_ref_generator": "Use ray.ObjectRefGenerator.",
    "_private.parameter": _PROCESSES,
    "_private.process_watcher": _PROCESSES,
    "_private.prometheus_exporter": "There is no metrics agent here: ray.util.metrics keeps values in their process.",
    "_private.protobuf_compat": "Messages are tuples here, no protocol buffers: see localray.protocol.",
    "_private.ray_process_reaper": _PROCESSES,
    "_private.resource_and_label_spec": "Resources are counted by ray.init: see ray.cluster_resources().",
    "_private.resource_isolation_config": "Workers are not put into cgroups here.",
    "_private.runtime_env": _RUNTIME_ENV,
    "_private.services": _PROCESSES,
    "_private.telemetry": _TELEMETRY,
    "_private.tensor_serialization_utils": _TENSORS,
    "_raylet": "This is part of Ray's core in C++: the head and localray.client do its work here.",
    "autoscaler": _AUTOSCALER,
    "client_builder": _CLIENT,
    "core": "Ray's core in C++ is not here.",
    "core.generated": "Messages are tuples here, no protocol buffers: see localray.protocol.",
    "dashboard": _DASHBOARD,
    "dashboard.modules.job": "Jobs are run by ray.job_submission.JobSubmissionClient.",
    "experimental.channel": "Compiled graphs have no channels of their own here: see localray.dag.",
    "experimental.collective": "Use ray.util.collective, or tasks and ray.put.",
    "experimental.rdt": _TENSORS,
    "experimental.shuffle": "Shuffle with tasks: see the examples.",
    "scripts": "The command line is localray's: run `localray --help`, or `ray` under `localray run`.",
    "util.client": _CLIENT,
    "util.collective": "Groups are of processes with numpy arrays here: see ray.util.collective.",
    "util.tpu": _DEVICES,
    "util.tracing": "No spans are exported here; ray.timeline() writes what ran when.",
}


def reason_for(module: str) -> str:
    """Why what a module of Ray has is not here.

    Args:
        module: its name in Ray, without ``ray.``.

    Example:
        >>> reason_for("_private.node")[:21]
        "A session's processes"
    """
    while module not in _BY_MODULE:
        module = module.rpartition(".")[0]
    return _BY_MODULE[module]
