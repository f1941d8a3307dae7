"""Taking numpy arrays apart without pickling each: what a put costs beside the copy.

The pickle of a plain contiguous array whose bytes travel out of band depends only on its type, shape and order, so it
is made and laid out once for each and kept. numpy is not imported here: a value can only be an array where it is
imported already. Must not live here: other values (`localray.client.serialization`), where bytes go.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from localray.client.layout import Serialized, lay_out

if TYPE_CHECKING:
    from numpy import generic
    from numpy.typing import NDArray

MOST_KEPT = 512
_beginnings: dict[tuple[object, tuple[int, ...], bool], tuple[bytes, int]] = {}
"""Of arrays of a type, shape and order: all that lies before their bytes, and their size with it."""


def take_array_apart(value: object) -> Serialized | None:
    """An array taken apart, or None for anything but a plain contiguous one.

    Plain: of numpy's own class and of one of its built-in types, which leaves out objects, structures and subclasses.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None or type(value) is not numpy.ndarray:
        return None
    array = cast("NDArray[generic]", value)
    dtype, flags = array.dtype, array.flags
    in_c_order = flags.c_contiguous
    # Two types are equal whatever their metadata.
    if dtype.metadata or not (in_c_order or flags.f_contiguous):
        return None
    beginning = _beginnings.get((dtype, array.shape, in_c_order)) or _beginning_of(array)
    if beginning is None:
        return None
    buffer = pickle.PickleBuffer(array)  # type: ignore[arg-type]  # typeshed knows that arrays are buffers from 3.12 on
    return Serialized((beginning[0], buffer.raw()), beginning[1], ())


def _beginning_of(array: NDArray[generic]) -> tuple[bytes, int] | None:
    """What lies before the array's bytes, and its size with it, for the next of its kind; None if it is not plain, or
    numpy does not keep all of its bytes out of band."""
    dtype = array.dtype
    if dtype.isbuiltin != 1 or dtype.hasobject:
        return None
    buffers: list[pickle.PickleBuffer] = []
    keep: Callable[[pickle.PickleBuffer], object] = buffers.append
    pickled = pickle.dumps(array, 5, buffer_callback=keep)
    if len(buffers) != 1:
        return None
    laid_out = lay_out((pickled,), (buffers[0].raw(),), ())
    if len(_beginnings) >= MOST_KEPT:
        _beginnings.clear()
    beginning = b"".join(laid_out.pieces[:-1]), laid_out.size_bytes
    _beginnings[dtype, array.shape, array.flags.c_contiguous] = beginning
    return beginning
