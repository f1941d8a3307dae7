"""`ray._raylet`: references and ids, where programs look for them to check types."""

from __future__ import annotations

from localray.absent.catalogue import missing_in
from localray.client.generators import DynamicObjectRefGenerator, ObjectRefGenerator
from localray.exceptions import ObjectRefStreamEndOfStreamError
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

__getattr__ = missing_in(__name__)

__all__ = [
    "ActorClassID",
    "ActorID",
    "ClusterID",
    "DynamicObjectRefGenerator",
    "FunctionID",
    "GcsClient",
    "JobID",
    "Language",
    "NodeID",
    "ObjectID",
    "ObjectRef",
    "ObjectRefGenerator",
    "ObjectRefStreamEndOfStreamError",
    "PlacementGroupID",
    "TaskID",
    "UniqueID",
    "WorkerID",
]
