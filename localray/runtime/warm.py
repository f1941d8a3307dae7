"""Starting the fork server: forked off the head before that has connections, then warmed up with what every worker
needs."""

from __future__ import annotations

import gc
import importlib
import mmap
import os
import socket
import sys

from localray.runtime.environment import THREADS_ARE_OURS
from localray.runtime.forkserver import ForkServer


def start_fork_server(
    arena_descriptor: int,
    capacity_bytes: int,
    progress: mmap.mmap,
    driver: socket.socket,
    preload: list[str],
    import_path: list[str],
) -> socket.socket:
    """Fork the fork server.

    Args:
        arena_descriptor, capacity_bytes: the node's shared memory; the fork server keeps its own copy of the
            descriptor.
        progress: the page where workers count what they start.
        driver: the driver's stream, which the fork server must not hold open.
        preload: modules that the driver has imported and that are worth importing once for all workers.
        import_path: where the driver finds modules.

    Returns:
        The head's end of the control stream.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    if os.fork() == 0:
        try:
            ours.close()
            driver.close()
            sys.path[:] = import_path
            _serve(theirs, arena_descriptor, capacity_bytes, progress, preload)
        finally:
            os._exit(0)
    theirs.close()
    return ours


def _serve(
    control: socket.socket, arena_descriptor: int, capacity_bytes: int, progress: mmap.mmap, preload: list[str]
) -> None:
    # One thread each is what Ray gives its tasks, and what keeps this process forkable: BLAS starts its threads on
    # import.
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ["OMP_NUM_THREADS"] = "1"
        os.environ[THREADS_ARE_OURS] = "1"
    from localray.runtime import worker
    from localray.shm.arena import Arena

    for module in preload:
        try:
            importlib.import_module(module)
        except ImportError as error:
            print(f"localray: could not preload {module}: {error}", file=sys.stderr)
    arena = Arena(arena_descriptor, capacity_bytes)
    gc.collect()
    # What is here stays: shared pages of the workers are not to be touched by their collectors.
    gc.freeze()

    def run_worker(number: int, stream: socket.socket, nudge: int) -> None:
        worker.main(number, stream, nudge, arena, progress)

    ForkServer(control, run_worker).serve()
