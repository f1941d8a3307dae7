"""Driver programs as subprocesses, and the question that every test here ends with: is anything left of them?

What lives here: starting a program, reading what it prints, ending it, finding what it left. Must not live here: what a test expects.

Every process of a session inherits its driver's environment, and in it a mark that no other driver has: by it a process is found even when its parent is dead.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

PROMISED_S = 1.0
"""Within this, on a machine with a free processor, nothing is left of a session."""
HARD_DEADLINE_S = 15.0
OUTPUT_DEADLINE_S = 60.0

_MARK = "LOCALRAY_CRASH_TEST_MARK"
_SHARED_MEMORY = Path("/dev/shm")

PREAMBLE = """\
import os, signal, sys, threading, time
import localray as ray
"""


def wait_until(condition: Callable[[], bool], what: str, deadline_s: float = HARD_DEADLINE_S) -> float:
    """Waits for `condition`; returns the seconds it took.

    Raises:
        AssertionError: it still does not hold after `deadline_s` seconds.
    """
    started_s = time.monotonic()
    while not condition():
        if time.monotonic() - started_s > deadline_s:
            raise AssertionError(f"still not true after {deadline_s} s: {what}")
        time.sleep(0.005)
    return time.monotonic() - started_s


def allowed_s(promised_s: float = PROMISED_S) -> float:
    """What a promise about seconds means while other programs want the processors as well."""
    runnable_for_each = os.getloadavg()[0] / (os.cpu_count() or 1)
    return promised_s * max(1.0, 2 * runnable_for_each)


def is_alive(process_id: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        text = Path(f"/proc/{process_id}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


def processes_with(variable: str, value: str) -> dict[int, str]:
    """The living processes that were started with this environment variable, with their command lines."""
    wanted = f"{variable}={value}".encode()
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:160]
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


@dataclass(frozen=True, slots=True)
class Ended:
    """How a driver ended and how long its session took to be gone after that."""

    code: int
    output: str
    cleaned_up_s: float


class Driver:
    """A driver program that runs in a process of its own.

    Args:
        program: Python source; indentation is taken off, and the usual imports are put in front.
        arguments: of the interpreter, instead of a script with the program.
        temporary: its directory for temporary files; by default one of its own.
        options: for `subprocess.Popen`.

    Example:
        >>> with Driver("ray.init(); print('ready')") as driver:        # doctest: +SKIP
        ...     driver.wait_for("ready")
        ...     assert driver.end().code == 0
    """

    def __init__(
        self, program: str, arguments: list[str] | None = None, temporary: Path | None = None, **options: object
    ) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="localray-crash-test-")
        root = Path(self._directory.name)
        self.temporary = temporary or root / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.working_directory = root / "work"
        self.working_directory.mkdir()
        self.script = self.working_directory / "program.py"
        self.script.write_text(PREAMBLE + textwrap.dedent(program))
        self._mark = uuid.uuid4().hex
        self._segments = _segments()
        environment = {**os.environ, _MARK: self._mark, "TMPDIR": str(self.temporary), "PYTHONUNBUFFERED": "1", "RAY_DEDUP_LOGS": "0"}
        environment.pop("PYTEST_CURRENT_TEST", None)
        settings: dict[str, object] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "cwd": self.working_directory,
            "env": environment,
        }
        settings.update(options)
        command = [sys.executable, *(arguments if arguments is not None else [str(self.script)])]
        self.process: subprocess.Popen[bytes] = subprocess.Popen(command, **settings)  # type: ignore[call-overload]
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._seen: list[str] = []
        self._reader = threading.Thread(target=self._read, name="driver output")
        self._reader.start()

    def __enter__(self) -> Driver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print("the driver had printed:\n" + self.output())
        for process_id in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
        self.process.wait()
        self._reader.join(HARD_DEADLINE_S)
        for stream in (self.process.stdout, self.process.stdin):
            if stream is not None:
                stream.close()
        self._directory.cleanup()

    def _read(self) -> None:
        if self.process.stdout is not None:
            for line in self.process.stdout:
                self._lines.put(line.decode(errors="backslashreplace").rstrip("\n"))
        self._lines.put(None)

    # ---------------------------------------------------------------- output

    def wait_for(self, text: str, count: int = 1) -> list[str]:
        """Waits until so many lines with `text` in them have been printed since the last call; returns these lines.

        Raises:
            AssertionError: the driver's output ended first, or nothing came for long.
        """
        found: list[str] = []
        give_up_at_s = time.monotonic() + OUTPUT_DEADLINE_S
        while len(found) < count:
            try:
                line = self._lines.get(timeout=max(0.0, give_up_at_s - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {text!r} within {OUTPUT_DEADLINE_S} s") from None
            if line is None:
                self._lines.put(None)
                raise AssertionError(f"the output ended without {text!r} (exit code {self.process.poll()})")
            self._seen.append(line)
            if text in line:
                found.append(line)
        return found

    def wait_for_all(self, counts: Mapping[str, int]) -> None:
        """Waits until each of several texts has been printed so many times, in any order."""
        missing = {text: count for text, count in counts.items() if count}
        while missing:
            line = self.wait_for("")[0]
            for text in [text for text in missing if text in line]:
                missing[text] -= 1
                if not missing[text]:
                    del missing[text]

    def say(self, line: str) -> None:
        """Sends a line to the driver's standard input, which must be a pipe."""
        if self.process.stdin is None:
            raise ValueError("the driver was started without a pipe as standard input")
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def wait_for_number(self, name: str) -> int:
        """Waits for a line ``name=number``; returns the number."""
        line = self.wait_for(f"{name}=")[0]
        return int(line.partition(f"{name}=")[2].split()[0])

    def output(self) -> str:
        """All that has been printed so far."""
        while True:
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                break
            if line is None:
                self._lines.put(None)
                break
            self._seen.append(line)
        return "\n".join(self._seen)

    # ---------------------------------------------------------------- processes

    def processes(self) -> dict[int, str]:
        """The living processes of the driver and its session."""
        return processes_with(_MARK, self._mark)

    def signal(self, number: int) -> None:
        """Sends the driver's process a signal."""
        self.process.send_signal(number)

    def end(self, *, promised_s: float = PROMISED_S) -> Ended:
        """Waits for the driver to end and checks that nothing is left of it or its session soon after.

        Raises:
            AssertionError: something is left, or it took longer than promised.
        """
        code = self.process.wait(OUTPUT_DEADLINE_S)
        cleaned_up_s = self.wait_until_gone(promised_s)
        self._reader.join(HARD_DEADLINE_S)
        return Ended(code, self.output(), cleaned_up_s)

    def wait_until_gone(self, promised_s: float = PROMISED_S) -> float:
        """Waits until no process, shared memory or temporary file is left; returns the seconds it took.

        Raises:
            AssertionError: something is left, or it took longer than promised.
        """
        started_s = time.monotonic()
        while left := self.processes():
            if time.monotonic() - started_s > HARD_DEADLINE_S:
                raise AssertionError(f"left {HARD_DEADLINE_S} s after the driver: {left}")
            time.sleep(0.005)
        took_s = time.monotonic() - started_s
        segments = _segments() - self._segments
        files = sorted(path.name for path in self.temporary.iterdir())
        assert not [name for name in segments if "localray" in name], f"left in shared memory: {segments}"
        assert not files, f"temporary files left: {files}"
        assert took_s <= allowed_s(promised_s), f"cleaning up took {took_s:.2f} s"
        return took_s


def _segments() -> frozenset[str]:
    return frozenset(entry.name for entry in _SHARED_MEMORY.iterdir()) if _SHARED_MEMORY.is_dir() else frozenset()
