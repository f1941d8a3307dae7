"""Bytes-like objects, alone and inside other values: what arrives equals what was sent, and what is shared cannot be
written to."""

from __future__ import annotations

import array
import pickle
from types import ModuleType

import numpy as np
import pytest

from ..registry import program

_SIZES = (0, 1, 10, 100_000, 300_000)


class _Box:
    def __init__(self, content: object) -> None:
        self.content = content


@program()
def bytes_like_objects_survive(ray: ModuleType) -> None:
    """V4: bytes, byte arrays, arrays of the standard library and pickle's buffers, of no, little and much content.

    Of a memory view, and of a byte array that nothing but lists and dictionaries surround, only the content is
    promised: real Ray makes bytes of them.
    """
    for size in _SIZES:
        content = bytes(range(256)) * (size // 256 + 1)
        for sent in (
            content,
            bytearray(content),
            memoryview(content),
            array.array("B", content),
            pickle.PickleBuffer(bytearray(content)),
        ):
            assert bytes(ray.get(ray.put({"deep": [sent]}))["deep"][0]) == content
            if not isinstance(sent, memoryview):
                assert bytes(ray.get(ray.put(_Box((sent, sent)))).content[1]) == content


@program()
def byte_arrays_can_be_written_by_their_receiver(ray: ModuleType) -> None:
    """V4: a byte array or a standard array inside an object is the receiver's own; the stored value does not change."""
    reference = ray.put(_Box([bytearray(b"a" * 200_000), array.array("d", [1.0] * 50_000)]))
    first = ray.get(reference).content
    first[0][0] = 0
    first[1][0] = 2.0
    second = ray.get(reference).content
    assert second[0][0] == ord("a")
    assert second[1][0] == 1.0


@program()
def pickle_buffers_arrive_read_only(ray: ModuleType) -> None:
    """V4: they are views of what is stored, whatever they were made from."""
    for size in _SIZES:
        for source in (bytearray(size), bytes(size)):
            view = memoryview(ray.get(ray.put(_Box(pickle.PickleBuffer(source)))).content)
            assert view.readonly
            assert view.nbytes == size


@program()
def every_way_of_writing_to_a_shared_array_is_refused(ray: ModuleType) -> None:
    """V4: the errors that numpy's users know; the array's flags cannot be turned back."""
    for array_ in (np.zeros(3), np.zeros(200_000), np.asfortranarray(np.zeros((300, 300)))):
        shared = ray.get(ray.put({"k": [array_]}))["k"][0]
        assert shared.shape == array_.shape
        with pytest.raises(ValueError, match="assignment destination is read-only"):
            shared[0] = 1
        with pytest.raises(ValueError, match="read-only"):
            shared += 1
        with pytest.raises(ValueError, match="read-only"):
            shared.sort()
        with pytest.raises(ValueError, match="cannot set WRITEABLE flag to True"):
            shared.setflags(write=True)
        own = shared.copy()
        own[0] = 1
        assert np.array_equal(ray.get(ray.put(shared)), array_)
    # What is not in one piece is copied on the way, and the copy is the receiver's own.
    strided = ray.get(ray.put(np.zeros((900, 900))[::2, ::3]))
    strided[0] = 1
    assert strided[0].all()


@program()
def arrays_of_no_length_of_every_kind(ray: ModuleType) -> None:
    """V4: no elements, but a type, a shape and an order."""
    for empty in (
        np.zeros(0),
        np.zeros((0, 5)),
        np.zeros((5, 0), order="F"),
        np.zeros(0, dtype=object),
        np.zeros(0, dtype=[("a", "i4"), ("b", "U3")]),
        np.zeros(10)[5:5],
    ):
        got = ray.get(ray.put([empty, {"again": empty}]))
        assert got[0].shape == empty.shape
        assert got[0].dtype == empty.dtype
        assert got[1]["again"].size == 0
