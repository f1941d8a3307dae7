"""`ray._private.ray_constants`: names and numbers of Ray that test suites and packages look up: of variables, kinds of
processes, kinds of errors, name spaces of the table of keys and values, defaults.

Only those are here that mean something in localray, or that can be compared with something here. The variables are read
when the module is first imported, as in Ray.
"""

from __future__ import annotations

import os
import sys

from localray._common.utils import env_bool, env_float, env_integer
from localray.absent.catalogue import missing_in
from localray.client.definitions import DEFAULT_REFUSE_ABOVE_BYTES, WARN_ABOVE_BYTES
from localray.host import STORE_MAXIMUM_BYTES, STORE_SHARE
from localray.options.rules import RESOURCE_UNIT


def env_set_by_user(key: str) -> bool:
    """Whether a variable is set."""
    return key in os.environ


# Sizes and defaults.
ID_SIZE = 28
DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES = STORE_MAXIMUM_BYTES
DEFAULT_OBJECT_STORE_MEMORY_PROPORTION = env_float("RAY_DEFAULT_OBJECT_STORE_MEMORY_PROPORTION", STORE_SHARE)
OBJECT_STORE_MINIMUM_MEMORY_BYTES = 75 * 2**20
FUNCTION_SIZE_WARN_THRESHOLD = WARN_ABOVE_BYTES
FUNCTION_SIZE_ERROR_THRESHOLD = env_integer("FUNCTION_SIZE_ERROR_THRESHOLD", DEFAULT_REFUSE_ABOVE_BYTES)
MIN_RESOURCE_GRANULARITY = 1 / RESOURCE_UNIT
MAX_RESOURCE_QUANTITY = 100e12
MAX_INT64_VALUE = 2**63 - 1
DEFAULT_TASK_MAX_RETRIES = 3
DEFAULT_MAX_CONCURRENCY_THREADED = 1
DEFAULT_ACTOR_METHOD_CPU_SIMPLE = 1
DEFAULT_ACTOR_CREATION_CPU_SIMPLE = 0
DEFAULT_ACTOR_METHOD_CPU_SPECIFIED = 0
DEFAULT_ACTOR_CREATION_CPU_SPECIFIED = 1
DEFAULT_ACTOR_METHOD_NUM_RETURN_VALS = 1
DEFAULT_RUNTIME_ENV_TIMEOUT_SECONDS = 600
DEFAULT_RESOURCES = {"CPU", "GPU", "memory", "object_store_memory"}
DEFAULT_PORT = 6379
DEFAULT_DASHBOARD_PORT = 8265
DEFAULT_DASHBOARD_AGENT_LISTEN_PORT = 52365
REDIS_DEFAULT_USERNAME = ""
REDIS_DEFAULT_PASSWORD = ""
GPU = "GPU"
TPU = "TPU"
NPU = "NPU"
HPU = "HPU"
NEURON_CORES = "neuron_cores"
LANGUAGE_WORKER_TYPES = ["python", "java", "cpp"]
RAY_DEFAULT_LABEL_KEYS_PREFIX = "ray.io/"
SESSION_LATEST = "session_latest"

# Names of variables, and what some of them say.
RAY_ADDRESS_ENVIRONMENT_VARIABLE = "RAY_ADDRESS"
RAY_API_SERVER_ADDRESS_ENVIRONMENT_VARIABLE = "RAY_API_SERVER_ADDRESS"
RAY_NAMESPACE_ENVIRONMENT_VARIABLE = "RAY_NAMESPACE"
RAY_RUNTIME_ENV_ENVIRONMENT_VARIABLE = "RAY_RUNTIME_ENV"
RAY_RUNTIME_ENV_HOOK = "RAY_RUNTIME_ENV_HOOK"
RAY_RUNTIME_ENV_CREATE_WORKING_DIR_ENV_VAR = "RAY_RUNTIME_ENV_CREATE_WORKING_DIR"
RAY_RUNTIME_ENV_IGNORE_GITIGNORE = "RAY_RUNTIME_ENV_IGNORE_GITIGNORE"
RAY_OVERRIDE_DASHBOARD_URL = "RAY_OVERRIDE_DASHBOARD_URL"
RESOURCES_ENVIRONMENT_VARIABLE = "RAY_OVERRIDE_RESOURCES"
LABELS_ENVIRONMENT_VARIABLE = "RAY_OVERRIDE_LABELS"
LOGGING_REDIRECT_STDERR_ENVIRONMENT_VARIABLE = "RAY_LOG_TO_STDERR"
WORKER_PROCESS_SETUP_HOOK_ENV_VAR = "__RAY_WORKER_PROCESS_SETUP_HOOK_ENV_VAR"
RAY_WORKER_NICENESS = "RAY_worker_niceness"
ENABLE_RAY_CLUSTERS_ENV_VAR = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
IS_WINDOWS_OR_OSX = sys.platform in ("darwin", "win32")
RAY_LOG_TO_DRIVER = env_bool("RAY_LOG_TO_DRIVER", True)
RAY_DEDUP_LOGS = env_bool("RAY_DEDUP_LOGS", True)
RAY_DEDUP_LOGS_AGG_WINDOW_S = env_integer("RAY_DEDUP_LOGS_AGG_WINDOW_S", 5)
RAY_DEDUP_LOGS_ALLOW_REGEX = os.environ.get("RAY_DEDUP_LOGS_ALLOW_REGEX", "__ray_testing_never_deduplicate__")
RAY_DEDUP_LOGS_SKIP_REGEX = os.environ.get("RAY_DEDUP_LOGS_SKIP_REGEX")
RAY_ENABLE_UV_RUN_RUNTIME_ENV = env_bool("RAY_ENABLE_UV_RUN_RUNTIME_ENV", True)
RAY_ENABLE_RECORD_ACTOR_TASK_LOGGING = True
"""Which lines of a log file belong to which call of an actor is always kept."""

# Kinds of processes. A node of a `Cluster` has one, its "raylet", which stands for all of it.
PROCESS_TYPE_REAPER = "reaper"
PROCESS_TYPE_MONITOR = "monitor"
PROCESS_TYPE_RAY_CLIENT_SERVER = "ray_client_server"
PROCESS_TYPE_LOG_MONITOR = "log_monitor"
PROCESS_TYPE_DASHBOARD = "dashboard"
PROCESS_TYPE_DASHBOARD_AGENT = "dashboard_agent"
PROCESS_TYPE_RUNTIME_ENV_AGENT = "runtime_env_agent"
PROCESS_TYPE_WORKER = "worker"
PROCESS_TYPE_RAYLET = "raylet"
PROCESS_TYPE_REDIS_SERVER = "redis_server"
PROCESS_TYPE_GCS_SERVER = "gcs_server"
PROCESS_TYPE_PYTHON_CORE_WORKER_DRIVER = "python-core-driver"
PROCESS_TYPE_PYTHON_CORE_WORKER = "python-core-worker"

# Kinds of what a driver is told of unasked.
PICKLING_LARGE_OBJECT_PUSH_ERROR = "pickling_large_object"
WAIT_FOR_FUNCTION_PUSH_ERROR = "wait_for_function"
VERSION_MISMATCH_PUSH_ERROR = "version_mismatch"
WORKER_CRASH_PUSH_ERROR = "worker_crash"
WORKER_DIED_PUSH_ERROR = "worker_died"
WORKER_POOL_LARGE_ERROR = "worker_pool_large"
PUT_RECONSTRUCTION_PUSH_ERROR = "put_reconstruction"
RESOURCE_DEADLOCK_ERROR = "resource_deadlock"
REMOVED_NODE_ERROR = "node_removed"
MONITOR_DIED_ERROR = "monitor_died"
LOG_MONITOR_DIED_ERROR = "log_monitor_died"
DASHBOARD_AGENT_DIED_ERROR = "dashboard_agent_died"
DASHBOARD_DIED_ERROR = "dashboard_died"
RAYLET_DIED_ERROR = "raylet_died"
DETACHED_ACTOR_ANONYMOUS_NAMESPACE_ERROR = "detached_actor_anonymous_namespace"
EXCESS_QUEUEING_WARNING = "excess_queueing_warning"

# How messages are logged.
LOGGER_FORMAT = "%(asctime)s\t%(levelname)s %(filename)s:%(lineno)s -- %(message)s"
LOGGER_LEVEL = os.environ.get("RAY_LOGGER_LEVEL", "info")
LOGGER_LEVEL_CHOICES = ["debug", "info", "warning", "error", "critical"]
LOG_PREFIX_ACTOR_NAME = ":actor_name:"
LOG_PREFIX_TASK_NAME = ":task_name:"
LOG_PREFIX_JOB_ID = ":job_id:"
LOG_PREFIX_EVENT_SUMMARY = ":event_summary:"
LOG_PREFIX_INFO_MESSAGE = ":info_message:"
TESTING_NEVER_DEDUP_TOKEN = "__ray_testing_never_deduplicate__"

# Name spaces of the session's table of keys and values.
KV_NAMESPACE_DASHBOARD = b"dashboard"
KV_NAMESPACE_SESSION = b"session"
KV_NAMESPACE_TRACING = b"tracing"
KV_NAMESPACE_PDB = b"ray_pdb"
KV_NAMESPACE_HEALTHCHECK = b"healthcheck"
KV_NAMESPACE_JOB = b"job"
KV_NAMESPACE_CLUSTER = b"cluster"
KV_HEAD_NODE_ID_KEY = b"head_node_id"
KV_NAMESPACE_PACKAGE = None
KV_NAMESPACE_FUNCTION_TABLE = b"fun"
DEBUG_AUTOSCALING_ERROR = "__autoscaling_error"
DEBUG_AUTOSCALING_STATUS = "__autoscaling_status"

__getattr__ = missing_in(__name__)

__all__ = [*(name for name in dir() if name.isupper()), "env_bool", "env_float", "env_integer", "env_set_by_user"]
