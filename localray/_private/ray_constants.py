"""`ray._private.ray_constants`: the values that programs and test suites ask for by name.

Only those that mean something here, or that name something of Ray's which is looked for. Must not live here: settings
of ours.
"""

from __future__ import annotations

from localray._common.utils import env_bool, env_float, env_integer

ID_SIZE = 28
DEFAULT_PORT = 6379
DEFAULT_DASHBOARD_PORT = 8265
DEFAULT_DASHBOARD_AGENT_LISTEN_PORT = 52365
RAY_ADDRESS_ENVIRONMENT_VARIABLE = "RAY_ADDRESS"
RAY_NAMESPACE_ENVIRONMENT_VARIABLE = "RAY_NAMESPACE"
RAY_RUNTIME_ENV_ENVIRONMENT_VARIABLE = "RAY_RUNTIME_ENV"
RESOURCES_ENVIRONMENT_VARIABLE = "RAY_OVERRIDE_RESOURCES"
LABELS_ENVIRONMENT_VARIABLE = "RAY_OVERRIDE_LABELS"

DEFAULT_OBJECT_STORE_MEMORY_PROPORTION = env_float("RAY_DEFAULT_OBJECT_STORE_MEMORY_PROPORTION", 0.3)
OBJECT_STORE_MINIMUM_MEMORY_BYTES = 75 * 2**20
FUNCTION_SIZE_WARN_THRESHOLD = 10**7
FUNCTION_SIZE_ERROR_THRESHOLD = env_integer("FUNCTION_SIZE_ERROR_THRESHOLD", 10**8)
MAX_RESOURCE_QUANTITY = 100e12
MIN_RESOURCE_GRANULARITY = 0.0001
MAX_INT64_VALUE = 2**63 - 1

# Kinds of errors that a driver is told of.
PICKLING_LARGE_OBJECT_PUSH_ERROR = "pickling_large_object"
VERSION_MISMATCH_PUSH_ERROR = "version_mismatch"
WORKER_CRASH_PUSH_ERROR = "worker_crash"
WORKER_DIED_PUSH_ERROR = "worker_died"
WORKER_POOL_LARGE_ERROR = "worker_pool_large"
PUT_RECONSTRUCTION_PUSH_ERROR = "put_reconstruction"
RESOURCE_DEADLOCK_ERROR = "resource_deadlock"
REMOVED_NODE_ERROR = "node_removed"
MONITOR_DIED_ERROR = "monitor_died"
DASHBOARD_AGENT_DIED_ERROR = "dashboard_agent_died"
RAYLET_DIED_ERROR = "raylet_died"
DETACHED_ACTOR_ANONYMOUS_NAMESPACE_ERROR = "detached_actor_anonymous_namespace"
EXCESS_QUEUEING_WARNING = "excess_queueing_warning"

# Names of a node's processes in `Node.all_processes`.
PROCESS_TYPE_MONITOR = "monitor"
PROCESS_TYPE_RAY_CLIENT_SERVER = "ray_client_server"
PROCESS_TYPE_LOG_MONITOR = "log_monitor"
PROCESS_TYPE_DASHBOARD = "dashboard"
PROCESS_TYPE_DASHBOARD_AGENT = "dashboard_agent"
PROCESS_TYPE_WORKER = "worker"
PROCESS_TYPE_RAYLET = "raylet"
PROCESS_TYPE_REDIS_SERVER = "redis_server"
PROCESS_TYPE_GCS_SERVER = "gcs_server"

RAY_DEDUP_LOGS = env_bool("RAY_DEDUP_LOGS", True)
TESTING_NEVER_DEDUP_TOKEN = "__ray_testing_never_deduplicate__"

# Namespaces of the table of `ray.experimental.internal_kv`.
KV_NAMESPACE_DASHBOARD = b"dashboard"
KV_NAMESPACE_SESSION = b"session"
KV_NAMESPACE_JOB = b"job"
KV_NAMESPACE_CLUSTER = b"cluster"
KV_NAMESPACE_PDB = b"ray_pdb"
KV_NAMESPACE_FUNCTION_TABLE = b"fun"

DEBUG_AUTOSCALING_ERROR = "__autoscaling_error"
DEBUG_AUTOSCALING_STATUS = "__autoscaling_status"
LANGUAGE_WORKER_TYPES = ["python", "java", "cpp"]
NEURON_CORES = "neuron_cores"
GPU = "GPU"
TPU = "TPU"
