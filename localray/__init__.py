"""localray: Ray's core on one machine, in pure Python. ``import localray as ray``.

The names of `ray`, and nothing else: each is loaded from its module when it is first used, so that importing the
package takes a few milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from localray.actor import exit_actor as exit_actor

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
    "localray.timeline": ("timeline",),
    "localray.actor": ("method", "kill", "get_actor", "ActorClass", "ActorHandle"),
    "localray.object_ref": ("ObjectRef", "ObjectID"),
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
_MODULES = frozenset(("_private", "actor", "exceptions", "remote_function", "runtime_context", "sim", "util"))
_HOME = {name: module for module, names in _PLACES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"localray.{name}")
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module 'localray' has no attribute {name!r}")
    # Whatever is used first must be able to start a session: that is how the starter gets known to the client.
    import_module("localray.session")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_MODULES})
