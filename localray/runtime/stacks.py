"""Python stacks of running workers, for whoever asks from another process: also of one that is busy in native code, or
stuck.

Each worker keeps a nameless file, into which the interpreter's own handler of a real-time signal writes all threads'
stacks; that takes neither the lock of the interpreter nor memory, so it works whatever the worker does. Whoever asks
sends the signal, and reads the file by /proc: only where that and nameless files are, and only processes of the same
user. Must not live here: which processes are workers (`localray.cli.stack`).
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import time
from pathlib import Path

_FILE_NAME = "localray-stacks"
_PROCESSES = Path("/proc")
_LOOK_AGAIN_S = 0.005
_IS_WHOLE_AFTER_S = 0.05


def answer_stack_requests() -> None:
    """From now on this process can be asked for its stacks, where the system has what that takes; and when it crashes
    in native code, its standard error says where it was."""
    faulthandler.enable(2, all_threads=False)
    if not hasattr(os, "memfd_create") or not hasattr(signal, "SIGRTMAX"):
        return
    # Kept open as long as the process: the handler writes to the number.
    descriptor = os.memfd_create(_FILE_NAME, os.MFD_CLOEXEC)
    faulthandler.register(_signal_number(), file=descriptor, all_threads=True)


def stacks_of(process: int, timeout_s: float = 2.0) -> str:
    """The stacks of a worker's threads, the innermost frame first.

    Args:
        process: its process id.
        timeout_s: how long to wait for its answer.

    Raises:
        ProcessLookupError: there is no such process.
        PermissionError: it is another user's.
        RuntimeError: it cannot be asked, or does not answer.
    """
    written = _file_of(process)
    if written is None or not _catches(process):
        raise RuntimeError(f"Process {process} cannot be asked for its stacks: it is no worker of a localray session.")
    before = written.stat().st_size
    os.kill(process, _signal_number())
    give_up_at_s = time.monotonic() + timeout_s
    size = before
    while time.monotonic() < give_up_at_s:
        # It is written in many small pieces: whole when nothing has come for a while.
        time.sleep(_LOOK_AGAIN_S if size == before else _IS_WHOLE_AFTER_S)
        grown = written.stat().st_size
        if grown == size and grown > before:
            with written.open("rb") as file:
                file.seek(before)
                return file.read().decode(errors="replace")
        size = grown
    raise RuntimeError(f"Process {process} did not answer in {timeout_s:g} s: it is stopped, or blocks signals.")


def _signal_number() -> int:
    """One that programs hardly use, and no terminal sends."""
    return int(signal.SIGRTMAX) - 1


def _file_of(process: int) -> Path | None:
    for entry in (_PROCESSES / str(process) / "fd").iterdir():
        # Some are gone before they are looked at.
        with contextlib.suppress(FileNotFoundError):
            if str(entry.readlink()).startswith(f"/memfd:{_FILE_NAME}"):
                return entry
    return None


def _catches(process: int) -> bool:
    """Whether it has a handler: the signal would end it otherwise."""
    for line in (_PROCESSES / str(process) / "status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (_signal_number() - 1) & 1)
    return False
