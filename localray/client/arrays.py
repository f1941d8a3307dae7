"""Taking numpy arrays apart without pickling each: what a put costs beside the copy.

The pickle of a plain contiguous array whose bytes travel out of band depends only on its type, shape and order, so it
is made and laid out once for each and kept. numpy is not imported here: a value can only be an array where it is
imported already. Must not live here: other values (`localray.client.serialization`), where bytes go.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from localray.client.layout import Serialized, lay_out

if TYPE_CHECKING:
    from numpy import generic
    from numpy.typing import NDArray

MOST_KEPT = 512
_beginnings: dict[tuple[tuple[int, ...], tuple[int, ...], object], tuple[object, bytes, int]] = {}
"""Of arrays of a shape, strides and type: that type, all that lies before their bytes, and their size with it. Only of
contiguous ones, which their strides tell."""


def take_array_apart(value: object) -> Serialized | None:
    """An array taken apart, or None for anything but a plain contiguous one.

    Plain: of numpy's own class and of one of its built-in types, which leaves out objects, structures and subclasses.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None or type(value) is not numpy.ndarray:
        return None
    array: NDArray[generic] = value  # type: ignore[assignment]
    dtype = array.dtype
    beginning = _beginnings.get((array.shape, array.strides, dtype))
    # Two types are equal whatever their metadata; the built-in ones exist once.
    if beginning is None or beginning[0] is not dtype:
        beginning = _beginning_of(array)
        if beginning is None:
            return None
    buffer = pickle.PickleBuffer(array)  # type: ignore[arg-type]  # typeshed knows that arrays are buffers from 3.12 on
    return Serialized((beginning[1], buffer.raw()), beginning[2], ())


def _beginning_of(array: NDArray[generic]) -> tuple[object, bytes, int] | None:
    """What is kept in `_beginnings` for the next array of its kind; None if it is not plain, or numpy does not keep all
    of its bytes out of band."""
    dtype, flags = array.dtype, array.flags
    if dtype.isbuiltin != 1 or dtype.hasobject or dtype.metadata:
        return None
    if not (flags.c_contiguous or flags.f_contiguous):
        return None
    buffers: list[pickle.PickleBuffer] = []
    keep: Callable[[pickle.PickleBuffer], object] = buffers.append
    pickled = pickle.dumps(array, 5, buffer_callback=keep)
    if len(buffers) != 1:
        return None
    laid_out = lay_out((pickled,), (buffers[0].raw(),), ())
    if len(_beginnings) >= MOST_KEPT:
        _beginnings.clear()
    beginning = dtype, b"".join(laid_out.pieces[:-1]), laid_out.size_bytes
    _beginnings[array.shape, array.strides, dtype] = beginning
    return beginning
