"""Objects above 2 GiB, where sizes no longer fit in 32 bits. Only where there is memory for them."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import pytest

import localray as ray
from localray.runtime.host_memory import HostMemory

GIB = 2**30
SIZE_BYTES = 2 * GIB + 17


def free_bytes() -> int:
    usage = HostMemory().usage()
    return 0 if usage is None else usage[1] - usage[0]


pytestmark = pytest.mark.skipif(free_bytes() < 8 * GIB, reason="there are less than 8 GiB of free memory")


@pytest.fixture
def session() -> Iterator[None]:
    with ray.init(num_cpus=1, object_store_memory=3 * GIB):
        yield
    gc.collect()


@ray.remote
def ends(array: np.ndarray) -> tuple[int, int, int, bool]:
    return array.nbytes, int(array[0]), int(array[-1]), array.flags.writeable


@ray.remote
def make() -> object:
    array = np.zeros(SIZE_BYTES, dtype=np.uint8)
    array[-1] = 7
    return array


@pytest.mark.usefixtures("session")
def test_an_array_is_put_read_and_passed() -> None:
    array = np.zeros(SIZE_BYTES, dtype=np.uint8)
    array[0], array[-1] = 3, 9
    reference = ray.put(array)
    del array
    got = ray.get(reference)
    assert (got.nbytes, int(got[0]), int(got[-1]), got.flags.writeable) == (SIZE_BYTES, 3, 9, False)
    assert ray.get(ends.remote(reference)) == (SIZE_BYTES, 3, 9, False)


@pytest.mark.usefixtures("session")
def test_an_array_is_returned() -> None:
    got = ray.get(make.remote())
    assert (got.nbytes, int(got[0]), int(got[-1])) == (SIZE_BYTES, 0, 7)
