"""The head's main: puts its parts together from what its driver says, and runs until the session is over.

Must not live here: the loop (`localray.runtime.head`).
"""

from __future__ import annotations

import gc
import mmap
import os
import resource
import socket
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from localray.host import keeps_session_directories, session_directory
from localray.kernel import Kernel
from localray.kernel.effects import NodeAdded
from localray.runtime.arenas import FIRST_NODE, HeadArenas
from localray.runtime.head import Head
from localray.runtime.session_home import remove_home
from localray.runtime.spilling import Spiller
from localray.sched import survival
from localray.sched.memory import settings_from
from localray.shm.session_directories import SessionDirectory
from localray.shm.settings import StoreSettings

if TYPE_CHECKING:
    from localray.kernel.kept_documents import KeptActor
    from localray.runtime.keeping import Keeper
    from localray.runtime.options import HeadOptions
    from localray.runtime.session_claim import ClaimedHome


def run(
    options: HeadOptions,
    driver: socket.socket,
    control: socket.socket,
    progress: mmap.mmap,
    claimed: ClaimedHome | None,
) -> None:
    """Be the head of a session until it is over.

    Args:
        options: from the driver that started this process.
        driver: the stream to that driver.
        control: the stream to the fork server.
        progress: the page where workers count the tasks they start.
        claimed: where others find the session; None if nobody can.
    """
    _allow_many_files()
    capacity_bytes = options["store_capacity_bytes"]
    arenas = HeadArenas()
    arenas.make(FIRST_NODE, capacity_bytes)
    keeper, kept = _kept(arenas, options["state_directory"])
    kernel = _make_kernel(options["seed"], kept, standing=not options["keeps"])
    store = StoreSettings(**options["store"])  # type: ignore[arg-type]
    spiller = Spiller(arenas, list(store.directories), store.local_fs_capacity_threshold)
    session = SessionDirectory(str(session_directory(bytes.fromhex(options["node_id"]), options["directory"])))
    session.make()
    head = Head(kernel, control, arenas, spiller, keeper, progress, partial(_logs, session))
    head.step(
        NodeAdded(
            bytes.fromhex(options["node_id"]),
            tuple(sorted(options["resources"].items())),
            tuple(sorted(options["labels"].items())),
            capacity_bytes,
            options["prestart"],
            store,
            options["node_name"],
            tuple(sorted(options["node_environment"].items())),
        )
    )
    head.add_driver(driver, options["driver_process"], keeps=options["keeps"])
    if claimed is not None:
        head.listen(claimed.door, claimed.home.key())
        # From now on the session is found by those who look for any.
        keeper_process = options["driver_process"] if options["keeps"] else 0
        claimed.home.tell(keeper_process, session.path, of_driver=options["of_driver"])
    # What was imported stays: collections need not look at it again.
    gc.freeze()
    gc.enable()
    try:
        head.run()
    finally:
        kernel.close()
        if keeper is not None:
            keeper.finish()
        spiller.close()
        if not (options["directory"] or keeps_session_directories()):
            session.remove()
        if claimed is not None:
            remove_home(claimed.home.path)
    # The fork server sees the control socket close, kills what is left and ends; then so do we.
    try:
        control.shutdown(socket.SHUT_WR)
        control.setblocking(True)
        while control.recv(4096):
            continue
    except OSError:
        return  # It is dead already, and its workers with it.


def _make_kernel(seed: int, kept: tuple[KeptActor, ...] | None, *, standing: bool) -> Kernel:
    """The kernel that the environment asks for: one whose events are written down, or an ordinary one."""
    memory, survive = settings_from(os.environ), survival.settings_from(os.environ)
    path = os.environ.get("LOCALRAY_KERNEL_LOG", "")
    if not path:
        return Kernel(Random(seed), memory, standing=standing, survival=survive, kept=kept)
    # Imported only where it is asked for: every session waits for its head.
    from localray.kernel_log.format import KernelSetup
    from localray.kernel_log.recorder import RecordingKernel

    return RecordingKernel(path, KernelSetup(seed, memory, survive, standing, kept))


def _allow_many_files() -> None:
    """Each worker takes four descriptors here: so many may be open as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    except (ValueError, OSError):
        return  # Some systems take less than they say; what there is is enough for most programs.


def _logs(session: SessionDirectory) -> Path:
    """The directory of a session's log files, made if need be."""
    session.make()
    logs = session.path / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    return logs


def _kept(arenas: HeadArenas, directory: str) -> tuple[Keeper | None, tuple[KeptActor, ...] | None]:
    """Who writes to the state directory and what was there; what that takes is not imported where there is none."""
    if not directory:
        return None, None
    from localray.runtime.keeping import Keeper, kept_actors

    return Keeper(arenas, directory), kept_actors(directory)
