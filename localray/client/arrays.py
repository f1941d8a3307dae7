"""Taking numpy arrays apart without pickling each: what a put costs beside the copy.

The pickle of a plain contiguous array whose bytes travel out of band depends only on its type, shape and order, so it
is made once for each and kept. numpy is not imported here: a value can only be an array where it is imported already.
Must not live here: other values (`localray.client.serialization`), where bytes go.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from numpy import generic
    from numpy.typing import NDArray

MOST_KEPT = 512
_pickles: dict[tuple[object, tuple[int, ...], bool], bytes] = {}


def take_array_apart(value: object) -> tuple[bytes, memoryview] | None:
    """The pickle and the bytes of an array, or None for anything but a plain contiguous one.

    Plain: of numpy's own class and of one of its built-in types, which leaves out objects, structures and subclasses.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None or type(value) is not numpy.ndarray:
        return None
    array = cast("NDArray[generic]", value)
    dtype, flags = array.dtype, array.flags
    in_c_order = flags.c_contiguous
    if dtype.isbuiltin != 1 or dtype.hasobject or dtype.metadata or not (in_c_order or flags.f_contiguous):
        return None
    key = (dtype, array.shape, in_c_order)
    pickled = _pickles.get(key)
    buffer = pickle.PickleBuffer(array)  # type: ignore[arg-type]  # typeshed knows that arrays are buffers from 3.12 on
    if pickled is None:
        pickled = _pickle(array)
        if pickled is None:
            return None
        if len(_pickles) >= MOST_KEPT:
            _pickles.clear()
        _pickles[key] = pickled
    return pickled, buffer.raw()


def _pickle(value: object) -> bytes | None:
    """The array's pickle without its bytes; None if numpy does not keep all of them out of band."""
    buffers: list[pickle.PickleBuffer] = []
    keep: Callable[[pickle.PickleBuffer], object] = buffers.append
    pickled = pickle.dumps(value, 5, buffer_callback=keep)
    return pickled if len(buffers) == 1 else None
