"""Errors of objects: not there in time, lost, freed, no room for them; and of streams and channels of objects.

What lives here: the errors `get`, `put` and `wait` can end in that are no task's fault. What must not: anything that
looks at a store.
"""

from __future__ import annotations

from enum import Enum

from localray.exceptions.root import RayError, RaySystemError


class GetTimeoutError(RayError, TimeoutError):
    """A `get` was not answered in time."""


class PlasmaObjectNotAvailable(RayError):
    """An object was not there in time."""


class ObjectStoreFullError(RayError):
    """There is no room for an object, nor anything to spill or wait for."""

    def __str__(self) -> str:
        return super().__str__() + (
            "\nThe local object store is full of objects that are still in scope and cannot be evicted. Drop refs that "
            "are no longer needed, or pass a larger `object_store_memory` to `init()`."
        )


class OutOfDiskError(RayError):
    """The disk that objects are spilled to is full."""

    def __str__(self) -> str:
        return super().__str__() + (
            "\nThe object cannot be created because the local object store is full and so is the disk it spills to. "
            "Free some of it (`df` shows which), or drop refs that are no longer needed."
        )


class ObjectLostError(RayError):
    """Every copy of an object is gone.

    Args:
        object_ref_hex: hexadecimal id of the object.
        owner_address: where its owner was, if known.
        call_site: the lines that made the ref, parted by ` | `; empty when not recorded.
        cause: what became of it, if something is known.
    """

    _reason = "All copies of {object_ref_hex} have been lost due to node failure."

    def __init__(self, object_ref_hex: str, owner_address: bytes | None, call_site: str, cause: str = "") -> None:
        self.object_ref_hex = object_ref_hex
        self.owner_address = owner_address
        self.cause = cause
        self.call_site = call_site.replace(" | ", "\n  ")

    def _base_str(self) -> str:
        start = f"Failed to retrieve object {self.object_ref_hex}. "
        if self.call_site:
            return f"{start}The ObjectRef was created at: {self.call_site}"
        return f"{start}Set the environment variable RAY_record_ref_creation_sites=1 to see where it was created."

    def __str__(self) -> str:
        return f"{self._base_str()}\n\n{self.cause or self._reason.format(object_ref_hex=self.object_ref_hex)}"


class ObjectFetchTimedOutError(ObjectLostError):
    """No copy of an object was found in time."""

    _reason = "Fetch for object {object_ref_hex} timed out because no locations were found for the object."


class ReferenceCountingAssertionError(ObjectLostError, AssertionError):
    """An object was deleted while something still referred to it."""

    _reason = "The object has already been deleted by the reference counting protocol. This should not happen."


class ObjectFreedError(ObjectLostError):
    """An object was freed by hand."""

    _reason = (
        "The object was manually freed using the internal `free` call. Call `free` only once the object is no longer "
        "needed."
    )


class OwnerDiedError(ObjectLostError):
    """The process that made an object is gone."""

    _reason = (
        "The object's owner has exited. This is the Python worker that first created the ObjectRef via `.remote()` or "
        "`put()`. Keep it alive for as long as the object is needed."
    )


class UnreconstructableReason(Enum):
    """Why an object can't be made again; the value is the text for the user."""

    OBJECT_UNRECONSTRUCTABLE_MAX_ATTEMPTS_EXCEEDED = (
        "The object cannot be reconstructed because the maximum number of task retries has been exceeded. Allow more "
        "with `@ray.remote(max_retries=N)`."
    )
    OBJECT_UNRECONSTRUCTABLE_LINEAGE_EVICTED = (
        "The object cannot be reconstructed because its lineage has been evicted to reduce memory pressure. Keep more "
        "with the environment variable RAY_max_lineage_bytes."
    )
    OBJECT_UNRECONSTRUCTABLE_PUT = (
        "The object cannot be reconstructed because it was created by `put()`, which has no task lineage. Return the "
        "value from a task instead."
    )
    OBJECT_UNRECONSTRUCTABLE_RETRIES_DISABLED = (
        "The object cannot be reconstructed because the task was created with max_retries=0. Allow retries with "
        "`@ray.remote(max_retries=N)`."
    )
    OBJECT_UNRECONSTRUCTABLE_BORROWED = (
        "The object cannot be reconstructed because this process borrowed it; only its owner can make it again."
    )
    OBJECT_UNRECONSTRUCTABLE_REF_NOT_FOUND = (
        "The object cannot be reconstructed because nothing is known of its reference. Please report this."
    )
    OBJECT_UNRECONSTRUCTABLE_TASK_CANCELLED = (
        "The object cannot be reconstructed because the task that would produce it was cancelled."
    )
    OBJECT_UNRECONSTRUCTABLE_LINEAGE_DISABLED = (
        "The object cannot be reconstructed because lineage reconstruction is turned off."
    )


class ObjectReconstructionFailedError(ObjectLostError):
    """An object is lost and can't be made again.

    Args:
        object_ref_hex, owner_address, call_site: as in `ObjectLostError`.
        reason: why.
        reason_message: the text; that of `reason` by default.
    """

    def __init__(
        self,
        object_ref_hex: str,
        reason: UnreconstructableReason | None = None,
        reason_message: str | None = None,
        owner_address: bytes | None = None,
        call_site: str = "",
    ) -> None:
        super().__init__(object_ref_hex, owner_address, call_site)
        self.reason = reason
        self.reason_message = reason_message or (reason.value if reason else "The reason is not known.")

    def __str__(self) -> str:
        return f"{self._base_str()}\n\n[{self.reason.name if self.reason else 'UNKNOWN'}] {self.reason_message}"


class ObjectRefStreamEndOfStreamError(RayError):
    """A streaming generator has no more refs."""


class StreamingGeneratorReplayInconsistentError(RaySystemError):
    """A streaming generator that was run again yielded another number of objects than the first time."""


class OufOfBandObjectRefSerializationException(RayError):
    """A ref was pickled outside of Ray while RAY_allow_out_of_band_object_ref_serialization=0. (Ray's spelling.)"""


class RayChannelError(RaySystemError):
    """A channel of a compiled graph failed."""


class RayChannelTimeoutError(RayChannelError, TimeoutError):
    """A channel of a compiled graph was not ready in time."""


class RayCgraphCapacityExceeded(RaySystemError):
    """A compiled graph has as many executions under way as it has room for."""


class RayDirectTransportError(RaySystemError):
    """A direct transfer of tensors failed."""
