"""The fork server's warm-up: what every worker needs is imported here once, then workers are forked until the head is
gone."""

from __future__ import annotations

import gc
import importlib
import mmap
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from localray.host import keeps_session_directories, session_directory
from localray.runtime.environment import THREADS_ARE_OURS
from localray.runtime.forkserver import ForkServer
from localray.runtime.session_home import SessionHome, remove_home

if TYPE_CHECKING:
    from localray.runtime.options import HeadOptions


def serve(control: socket.socket, options: HeadOptions, progress: mmap.mmap, home: SessionHome | None) -> None:
    """Be the fork server.

    Args:
        control: the stream to the head.
        options: of the session; says where the driver finds modules, and which are worth importing once for all.
        progress: the page where workers count the tasks they start.
        home: by which others find the session; None if nobody can.
    """
    sys.path[:] = options["import_path"]
    # One thread each is what Ray gives its tasks, and what keeps this process forkable: BLAS starts its threads on
    # import.
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ["OMP_NUM_THREADS"] = "1"
        os.environ[THREADS_ARE_OURS] = "1"
    from localray.runtime import worker
    from localray.shm.session_directories import remove

    for module in options["preload"]:
        try:
            importlib.import_module(module)
        except ImportError as error:
            print(f"localray: could not preload {module}: {error}", file=sys.stderr)
    gc.collect()
    # What is here stays: shared pages of the workers are not to be touched by their collectors.
    gc.freeze()
    gc.enable()

    directory = session_directory(bytes.fromhex(options["node_id"]), options["directory"])
    address = "" if home is None else home.address

    def run_worker(number: int, stream: socket.socket, nudge: int, output: tuple[int, int]) -> None:
        worker.main(number, stream, nudge, progress, output, address, directory)

    ForkServer(control, run_worker).serve()
    # The head has removed them, unless it was killed.
    if not (options["directory"] or keeps_session_directories()):
        remove(directory)
    for directory in options["store"]["directories"]:  # type: ignore[attr-defined]
        remove(Path(directory))
    if home is not None:
        remove_home(home.path)
