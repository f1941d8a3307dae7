"""Functions and classes on their way to the workers: serialized by value where the worker could not import them, with
Ray's limits on their size."""

from __future__ import annotations

import os
import warnings

from localray.client.creation_sites import level_of_the_users_line
from localray.client.diagnosis import explain_value, raise_explained
from localray.client.layout import Serialized
from localray.client.references import OUT_OF_BAND_VARIABLE, forbids_out_of_band
from localray.client.serialization import serialize
from localray.exceptions import OufOfBandObjectRefSerializationException

WARN_ABOVE_BYTES = 10_000_000
DEFAULT_REFUSE_ABOVE_BYTES = 100_000_000
_MIB = 2**20


def serialize_definition(definition: object, name: str) -> Serialized:
    """Serialize a function, class, or anything that defines a task.

    Args:
        definition: what to serialize.
        name: for the error text.

    Raises:
        TypeError: it captures something that can't be serialized; the text names it. What else pickling raises is of
            its own class.
        OufOfBandObjectRefSerializationException: it captures a reference, and the user has forbidden that.
        ValueError: it captures too much.
    """
    try:
        serialized = serialize(definition)
    except Exception as error:  # noqa: BLE001 - a __reduce__ of the user's may raise anything; it is raised again
        raise_explained(explain_value(name, definition, error), error)
    if serialized.contained and forbids_out_of_band(os.environ):
        raise OufOfBandObjectRefSerializationException(
            f"Could not serialize {name}: it captures ObjectRef({serialized.contained[0].hex()}), which is not allowed "
            f"because {OUT_OF_BAND_VARIABLE} is 0. Pass the reference as an argument."
        )
    limit = int(os.environ.get("FUNCTION_SIZE_ERROR_THRESHOLD", DEFAULT_REFUSE_ABOVE_BYTES))
    size_bytes = serialized.size_bytes
    if "LOCALRAY_RECORDING" in os.environ:
        from localray.client.recording import recorder

        if (listening := recorder()) is not None:
            listening.defined(name, definition, size_bytes)
    if size_bytes <= WARN_ABOVE_BYTES:
        return serialized
    what = f"The {'actor' if isinstance(definition, type) else 'remote function'} {name}"
    advice = (
        "Check that its definition is not implicitly capturing a large array or other object; put that with ray.put() "
        "and pass the reference."
    )
    if size_bytes >= limit:
        allowed = f"FUNCTION_SIZE_ERROR_THRESHOLD={limit // _MIB} MiB"
        raise ValueError(f"{what} is too large ({size_bytes // _MIB} MiB > {allowed}). {advice}")
    text = f"{what} is very large ({size_bytes // _MIB} MiB). {advice}"
    warnings.warn(text, UserWarning, stacklevel=level_of_the_users_line())
    return serialized
