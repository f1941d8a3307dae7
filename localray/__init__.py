"""localray: Ray's core on one machine, in pure Python. ``import localray as ray``.

The names of `ray`, and `why_pending`: each is loaded from its module when it is first used, so that importing the
package takes a few milliseconds.
"""

from __future__ import annotations

import os as _os
import sys as _sys
from importlib import import_module
from importlib.machinery import PathFinder as _PathFinder
from typing import TYPE_CHECKING

from localray.absent import Finder as _Finder
from localray.version import VERSION

__version__ = VERSION
__commit__ = "localray"

if _Finder not in _sys.meta_path:
    _sys.meta_path.append(_Finder)

if TYPE_CHECKING:
    # Written out for type checkers; at run time each is loaded when it is first used, by the table below.
    from localray import _common as _common
    from localray import _private as _private
    from localray import _raylet as _raylet
    from localray import actor as actor
    from localray import autoscaler as autoscaler
    from localray import cloudpickle as cloudpickle
    from localray import cluster_utils as cluster_utils
    from localray import dag as dag
    from localray import exceptions as exceptions
    from localray import experimental as experimental
    from localray import internal as internal
    from localray import job_config as job_config
    from localray import remote_function as remote_function
    from localray import runtime_context as runtime_context
    from localray import runtime_env as runtime_env
    from localray import sim as sim
    from localray import types as types
    from localray import util as util
    from localray.actor import ActorClass as ActorClass
    from localray.actor import ActorHandle as ActorHandle
    from localray.actor import get_actor as get_actor
    from localray.actor import kill as kill
    from localray.actor import method as method
    from localray.alias import install as install
    from localray.alias import uninstall as uninstall
    from localray.api import available_resources as available_resources
    from localray.api import cancel as cancel
    from localray.api import cluster_resources as cluster_resources
    from localray.api import get as get
    from localray.api import get_gpu_ids as get_gpu_ids
    from localray.api import nodes as nodes
    from localray.api import put as put
    from localray.api import remote as remote
    from localray.api import wait as wait
    from localray.async_tasks import allow_async_tasks as allow_async_tasks
    from localray.chrome_trace import timeline as timeline
    from localray.client.checkpoints import checkpoint_now as checkpoint_now
    from localray.client.generators import DynamicObjectRefGenerator as DynamicObjectRefGenerator
    from localray.client.generators import ObjectRefGenerator as ObjectRefGenerator
    from localray.client_builder import ClientBuilder as ClientBuilder
    from localray.executor import Executor as Executor
    from localray.ids import ActorClassID as ActorClassID
    from localray.ids import ActorID as ActorID
    from localray.ids import ClusterID as ClusterID
    from localray.ids import FunctionID as FunctionID
    from localray.ids import JobID as JobID
    from localray.ids import NodeID as NodeID
    from localray.ids import PlacementGroupID as PlacementGroupID
    from localray.ids import TaskID as TaskID
    from localray.ids import UniqueID as UniqueID
    from localray.ids import WorkerID as WorkerID
    from localray.language import Language as Language
    from localray.language import java_actor_class as java_actor_class
    from localray.language import java_function as java_function
    from localray.logging_config import LoggingConfig as LoggingConfig
    from localray.object_ref import ObjectID as ObjectID
    from localray.object_ref import ObjectRef as ObjectRef
    from localray.pending import why_pending as why_pending
    from localray.runtime_context import get_runtime_context as get_runtime_context
    from localray.session import RayContext as RayContext
    from localray.session import init as init
    from localray.session import is_initialized as is_initialized
    from localray.session import shutdown as shutdown
    from localray.worker import RESTORE_WORKER_MODE as RESTORE_WORKER_MODE
    from localray.worker import SCRIPT_MODE as SCRIPT_MODE
    from localray.worker import SPILL_WORKER_MODE as SPILL_WORKER_MODE
    from localray.worker import WORKER_MODE as WORKER_MODE

_PLACES = {
    "localray.session": ("init", "shutdown", "is_initialized", "RayContext"),
    "localray.api": (
        "remote",
        "get",
        "put",
        "wait",
        "cancel",
        "cluster_resources",
        "available_resources",
        "nodes",
        "get_gpu_ids",
    ),
    "localray.client.checkpoints": ("checkpoint_now",),
    "localray.alias": ("install", "uninstall"),
    "localray.client_builder": ("ClientBuilder",),
    "localray.executor": ("Executor",),
    "localray.language": ("Language", "java_actor_class", "java_function"),
    "localray.logging_config": ("LoggingConfig",),
    "localray.chrome_trace": ("timeline",),
    "localray.worker": ("RESTORE_WORKER_MODE", "SCRIPT_MODE", "SPILL_WORKER_MODE", "WORKER_MODE"),
    "localray.pending": ("why_pending",),
    "localray.async_tasks": ("allow_async_tasks",),
    "localray.actor": ("method", "kill", "get_actor", "ActorClass", "ActorHandle"),
    "localray.object_ref": ("ObjectRef", "ObjectID"),
    "localray.client.generators": ("ObjectRefGenerator", "DynamicObjectRefGenerator"),
    "localray.runtime_context": ("get_runtime_context",),
    "localray.ids": (
        "ActorClassID",
        "ActorID",
        "ClusterID",
        "FunctionID",
        "JobID",
        "NodeID",
        "PlacementGroupID",
        "TaskID",
        "UniqueID",
        "WorkerID",
    ),
}
_MODULES = frozenset(
    (
        "_common",
        "_private",
        "_raylet",
        "actor",
        "autoscaler",
        "cloudpickle",
        "cluster_utils",
        "dag",
        "exceptions",
        "experimental",
        "internal",
        "job_config",
        "remote_function",
        "runtime_context",
        "runtime_env",
        "sim",
        "types",
        "util",
    )
)
_OLDER_NAMES = ("ray_constants", "state")
"""Private modules that Ray once had here."""
_HOME = {name: module for module, names in _PLACES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    engine = _sys.modules.get("localray.real_ray")
    if engine is not None and engine.handed_over_to() is not None:
        return engine.name_of_ray(engine.handed_over_to(), name)
    if name in _MODULES:
        return import_module(f"localray.{name}")
    module = _HOME.get(name)
    if module is None:
        # Modules of ours first: most often one of them asks, on the way to a session that somebody waits for.
        if _PathFinder.find_spec(f"localray.{name}", __path__) is not None:
            return import_module(f"localray.{name}")
        if name in _OLDER_NAMES:
            return import_module(f"localray._private.{name}")
        from localray.alias import NOT_HERE, not_here

        if name in NOT_HERE:
            raise not_here(name)
        if not name.startswith("_") and _Finder.find_spec(f"localray.{name}") is not None:
            return import_module(f"localray.{name}")
        raise AttributeError(f"module 'localray' has no attribute {name!r}")
    # Whatever is used first must be able to start a session: that is how the starter gets known to the client.
    import_module("localray.session")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_MODULES})


if _os.environ.get("LOCALRAY_ENGINE") == "ray":
    # From the start, so that what is imported from here by name is real Ray's too.
    import_module("localray.real_ray").hand_over()
