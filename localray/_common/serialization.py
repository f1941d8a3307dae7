"""`ray._common.serialization`: pickling with an error that says what was at fault."""

from __future__ import annotations

import io
from typing import Any

from localray import cloudpickle
from localray._common.utils import env_bool
from localray.absent.catalogue import missing_in
from localray.exceptions import OufOfBandObjectRefSerializationException
from localray.util import inspect_serializability

ALLOW_OUT_OF_BAND_OBJECT_REF_SERIALIZATION = env_bool("RAY_allow_out_of_band_object_ref_serialization", True)


def pickle_dumps(obj: Any, error_msg: str) -> bytes:
    """The pickle of a value.

    Args:
        obj: the value.
        error_msg: what an error says first; where the fault lies follows.

    Raises:
        TypeError: it cannot be pickled.
        OufOfBandObjectRefSerializationException: it holds a reference, and that is forbidden.
    """
    try:
        return bytes(cloudpickle.dumps(obj))
    except (TypeError, OufOfBandObjectRefSerializationException) as error:
        found = io.StringIO()
        inspect_serializability(obj, print_file=found)
        kind = TypeError if isinstance(error, TypeError) else OufOfBandObjectRefSerializationException
        raise kind(f"{error_msg}:\n{found.getvalue()}") from error


__getattr__ = missing_in(__name__)

__all__ = ["ALLOW_OUT_OF_BAND_OBJECT_REF_SERIALIZATION", "pickle_dumps"]
