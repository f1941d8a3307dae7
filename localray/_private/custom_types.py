"""`ray._private.custom_types`: the names of states, as the state API has them. The enumerations that they are of are
in `ray.core.generated`."""

from __future__ import annotations

from typing import Any, Literal, cast

from localray.absent.catalogue import entries, missing_in


def _names(module: str, enumeration: str) -> list[str]:
    return list(entries()[f"core.generated.{module}"]["enumerations"][enumeration])


ACTOR_STATUS = _names("gcs_pb2", "ActorTableData.ActorState")
PLACEMENT_GROUP_STATUS = _names("gcs_pb2", "PlacementGroupTableData.PlacementGroupState")
NODE_STATUS = _names("gcs_pb2", "GcsNodeInfo.GcsNodeState")
TASK_STATUS = _names("common_pb2", "TaskStatus")
TASK_TYPE = _names("common_pb2", "TaskType")
WORKER_TYPE = _names("common_pb2", "WorkerType")
WORKER_EXIT_TYPE = _names("common_pb2", "WorkerExitType")
ERROR_TYPE = _names("common_pb2", "ErrorType")
LANGUAGE = _names("common_pb2", "Language")
REFERENCE_TYPE = [
    "ACTOR_HANDLE",
    "PINNED_IN_MEMORY",
    "LOCAL_REFERENCE",
    "USED_BY_PENDING_TASK",
    "CAPTURED_IN_OBJECT",
    "UNKNOWN_STATUS",
]


def _one_of(names: list[str]) -> Any:
    """The type of these texts."""
    return Literal[tuple(names)]


TypeActorStatus = _one_of(ACTOR_STATUS)
TypeNodeStatus = _one_of(NODE_STATUS)
TypePlacementGroupStatus = _one_of(PLACEMENT_GROUP_STATUS)
TypeReferenceType = _one_of(REFERENCE_TYPE)
TypeTaskStatus = _one_of(TASK_STATUS)
TypeTaskType = _one_of(TASK_TYPE)
TypeWorkerExitType = _one_of(WORKER_EXIT_TYPE)
TypeWorkerType = _one_of(WORKER_TYPE)


def validate_protobuf_enum(grpc_enum: Any, custom_enum: list[str]) -> None:
    """Check that a list has the names of an enumeration.

    Raises:
        AssertionError: it has not.
    """
    names = set(cast("dict[str, Any]", grpc_enum.DESCRIPTOR.values_by_name))
    assert not names or names == set(custom_enum), sorted(names ^ set(custom_enum))


__getattr__ = missing_in(__name__)
