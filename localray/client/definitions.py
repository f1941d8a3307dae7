"""Functions and classes on their way to the workers: serialized by value where the worker could not import them, with
Ray's limits on their size."""

from __future__ import annotations

import os
import warnings

from localray.client.diagnosis import explain_value
from localray.client.serialization import Serialized, serialize

WARN_ABOVE_BYTES = 10_000_000
DEFAULT_REFUSE_ABOVE_BYTES = 100_000_000


def serialize_definition(definition: object, name: str) -> Serialized:
    """Serialize a function, class, or anything that defines a task.

    Args:
        definition: what to serialize.
        name: for the error text.

    Raises:
        TypeError: it captures something that can't be serialized; the text names it.
        ValueError: it captures too much.
    """
    try:
        serialized = serialize(definition)
    except Exception as error:
        raise TypeError(explain_value(name, definition, error)) from error
    limit = int(os.environ.get("FUNCTION_SIZE_ERROR_THRESHOLD", DEFAULT_REFUSE_ABOVE_BYTES))
    size_mib = serialized.size_bytes / 2**20
    if serialized.size_bytes > limit:
        raise ValueError(
            f"The function or class {name} is too large ({size_mib:.0f} MiB > {limit / 2**20:.0f} MiB). Check that "
            "its definition does "
            "not capture a large array or other object; put that with ray.put() and pass the reference."
        )
    if serialized.size_bytes > WARN_ABOVE_BYTES:
        warnings.warn(
            f"The function or class {name} is very large ({size_mib:.0f} MiB). Check that its definition does not "
            "capture a large array "
            "or other object; put that with ray.put() and pass the reference.",
            UserWarning,
            stacklevel=3,
        )
    return serialized
