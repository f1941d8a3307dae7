"""Notices what a session left behind: processes, shared memory, threads, file descriptors.

What lives here: looking, comparing, and waiting a bounded time for the difference to vanish. What must not: cleaning
up. A leak is the finding; hiding it would defeat the point.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

DEADLINE_S = 5.0
_SHARED_MEMORY = Path("/dev/shm")
_MARK_VARIABLE = "LOCALRAY_LEAK_MARK"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What exists at one moment, keyed so that two snapshots can be subtracted."""

    processes: dict[int, str]
    shared_memory: frozenset[str]
    threads: dict[int, str]
    descriptors: dict[int, str]


def mark_environment() -> None:
    """Puts a mark into the environment that processes started from now on inherit.

    A worker whose parent has died is no longer anybody's child; by its mark it is still found.
    """
    os.environ[_MARK_VARIABLE] = str(os.getpid())


def take_snapshot() -> Snapshot:
    """Returns what exists now."""
    return Snapshot(_processes(), _shared_memory(), _threads(), _descriptors())


def check_no_leaks(before: Snapshot, deadline_s: float = DEADLINE_S) -> None:
    """Waits until nothing exists that was not in `before`.

    Args:
        before: taken ahead of `init`.
        deadline_s: seconds the session's last traces have to go away after `shutdown` has returned.

    Raises:
        AssertionError: something is left; the message lists it.
    """
    give_up_at = time.monotonic() + deadline_s
    while True:
        leaked = _difference(before, take_snapshot())
        if not leaked:
            return
        if time.monotonic() > give_up_at:
            waited = f"left behind (waited for {deadline_s:g} s after shutdown, but these did not go away):"
            raise AssertionError("\n  ".join([waited, *leaked]))
        time.sleep(0.02)


def _difference(before: Snapshot, after: Snapshot) -> list[str]:
    leaked = [f"process {pid}: {text}" for pid, text in after.processes.items() if pid not in before.processes]
    segments = after.shared_memory - before.shared_memory
    leaked += [f"shared memory: {name}" for name in sorted(segments - _used_by_strangers(segments))]
    leaked += [f"thread: {name}" for ident, name in after.threads.items() if ident not in before.threads]
    leaked += [
        f"descriptor {number}: {target}"
        for number, target in after.descriptors.items()
        if before.descriptors.get(number) != target
    ]
    return leaked


def _processes() -> dict[int, str]:
    found: dict[int, str] = {}
    for child in psutil.Process().children(recursive=True):
        _describe_into(found, child)
    for process in psutil.process_iter():
        if process.pid != os.getpid() and _carries_mark(process):
            _describe_into(found, process)
    return found


def _describe_into(found: dict[int, str], process: psutil.Process) -> None:
    try:
        command = " ".join(process.cmdline())[:120]
        found[process.pid] = f"{process.status()}, parent {process.ppid()}, {command or process.name()}"
    except psutil.NoSuchProcess:
        return


def _carries_mark(process: psutil.Process) -> bool:
    mark = os.environ.get(_MARK_VARIABLE)
    if mark is None:
        return False
    try:
        return process.environ().get(_MARK_VARIABLE) == mark
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _shared_memory() -> frozenset[str]:
    # A segment is a file. Folders are other programs', such as joblib's for arrays that it maps.
    if not _SHARED_MEMORY.is_dir():
        return frozenset()
    return frozenset(entry.name for entry in _SHARED_MEMORY.iterdir() if not entry.is_dir())


def _used_by_strangers(segments: frozenset[str]) -> frozenset[str]:
    """Segments that a process which is not ours maps or holds open: another program on the machine, not a leak."""
    if not segments:
        return frozenset()
    ours = {os.getpid(), *_processes()}
    used: set[str] = set()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) in ours:
            continue
        try:
            text = (process / "maps").read_text()
            text += "\n".join(f"{descriptor.readlink()}\n" for descriptor in (process / "fd").iterdir())
        except OSError:
            continue
        used.update(name for name in segments if f"{_SHARED_MEMORY}/{name}\n" in text)
    return frozenset(used)


def _threads() -> dict[int, str]:
    return {thread.ident: thread.name for thread in threading.enumerate() if thread.ident is not None}


def _descriptors() -> dict[int, str]:
    found: dict[int, str] = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found[int(entry.name)] = str(entry.readlink())
        except FileNotFoundError:
            # The descriptor that lists this directory is gone by the time it is looked up.
            continue
    return found
