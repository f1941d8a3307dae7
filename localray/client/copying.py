"""Copying into shared memory: one thread for what a cache holds, several for what only memory does.

One core seldom uses all of a machine's memory bandwidth. Must not live here: where bytes go.
"""

from __future__ import annotations

import sys
import threading

from localray.host import default_cpu_count

SHARED_FROM_BYTES = 48 << 20
"""From here on a second thread pays: two copied 100 MiB 1.2 to 1.6 times as fast as one on a machine with two CPUs, and
32 MiB, which its caches hold, no faster."""
MOST_THREADS = 4


def copy_shared(target: memoryview, source: bytes | bytearray | memoryview) -> None:
    """Copy bytes on several threads, if that can be. Both are flat and of the same length."""
    threads = min(MOST_THREADS, default_cpu_count())
    # numpy copies without Python's lock, a memoryview does not; where the value is no array it may not be there at all.
    numpy = sys.modules.get("numpy")
    if threads == 1 or numpy is None:
        target[:] = source
        return
    to = numpy.frombuffer(target, dtype=numpy.uint8)
    of = numpy.frombuffer(source, dtype=numpy.uint8)
    share_bytes = -(-target.nbytes // threads // 4096) * 4096

    def copy(part: int) -> None:
        here = slice(part * share_bytes, (part + 1) * share_bytes)
        to[here] = of[here]

    helpers = [threading.Thread(target=copy, args=(part,), daemon=True) for part in range(1, threads)]
    for helper in helpers:
        helper.start()
    copy(0)
    for helper in helpers:
        helper.join()
