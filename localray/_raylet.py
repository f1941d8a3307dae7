"""`ray._raylet`: references and ids, where programs look for them to check types."""

from __future__ import annotations

from localray.absent import stand_in
from localray.absent.catalogue import missing_in
from localray.client.generators import DynamicObjectRefGenerator, ObjectRefGenerator
from localray.exceptions import ObjectRefStreamEndOfStreamError
from localray.function_descriptors import (
    CppFunctionDescriptor,
    FunctionDescriptor,
    JavaFunctionDescriptor,
    PythonFunctionDescriptor,
)
from localray.gcs_client import GcsClient
from localray.ids import (
    ActorClassID,
    ActorID,
    ClusterID,
    FunctionID,
    JobID,
    NodeID,
    PlacementGroupID,
    TaskID,
    UniqueID,
    WorkerID,
)
from localray.language import Language
from localray.object_ref import ObjectID, ObjectRef
from localray.runtime.titles import title_of_this_process as getproctitle

Config = stand_in(
    __name__,
    "Config",
    "The settings of Ray's core in C++: here they are read where a session starts, of `_system_config` and variables.",
    # Suites call it between two sessions, for the second to read its settings anew: here each does.
    {"initialize": staticmethod(lambda config: None)},
)

__getattr__ = missing_in(__name__)

__all__ = [
    "ActorClassID",
    "ActorID",
    "ClusterID",
    "Config",
    "CppFunctionDescriptor",
    "DynamicObjectRefGenerator",
    "FunctionDescriptor",
    "FunctionID",
    "GcsClient",
    "JavaFunctionDescriptor",
    "JobID",
    "Language",
    "NodeID",
    "ObjectID",
    "ObjectRef",
    "ObjectRefGenerator",
    "ObjectRefStreamEndOfStreamError",
    "PlacementGroupID",
    "PythonFunctionDescriptor",
    "TaskID",
    "UniqueID",
    "WorkerID",
    "getproctitle",
]
