"""What a worker prints: its standard streams are pipes that the head reads. Lines of ours in them say whose the next
lines are, as in Ray's log files.

Must not live here: reading the pipes (`localray.runtime.worker_output`), prefixes and colours
(`localray.client.worker_output`).
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable

from localray.client.context import TaskContext, current_task

JOB_MARK = ":job_id:"
ACTOR_MARK = ":actor_name:"
TASK_MARK = ":task_name:"
LINES_MARK = ":task_lines:"
"""Before the lines of one attempt of one task. The head takes it out: it is in no log file."""
TASK_LINES = "task_lines"
"""The directory, beside that of the log files, that tells whose their lines are: in a file of the same name a line for
each place where an attempt of a task begins to print: the place, the task's id, and which attempt it is; and one with
the place and a dash where the lines of nobody begin."""


class MarkedOutput(io.TextIOWrapper):
    """A worker's standard output or error. Before the first line of a task, and of another, comes one that names it.

    Args:
        descriptor: 1 or 2.
        printed: called for each complete line, before it is on its way.

    Attributes:
        job: of the worker, in hexadecimal digits, when it is known.
    """

    def __init__(self, descriptor: int, printed: Callable[[], None]) -> None:
        # Kept open: the user's code may close or replace the stream, and what C code prints must go somewhere.
        raw = io.FileIO(descriptor, "wb", closefd=False)
        super().__init__(io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True)
        self._printed = printed
        self._mark = ""
        self._announced: TaskContext | None = None
        self._mid_line = False
        self.job = ""

    def write(self, text: str) -> int:
        """As of any text stream: a line is on its way when it is complete."""
        if not text:
            return 0
        context = current_task.get()
        whose = ""
        if context is not self._announced and context is not None and not self._mid_line:
            self._announced = context
            mark = _mark_of(context)
            if mark != self._mark:
                self._announce(mark)
            whose = f"{LINES_MARK}{context.task_id.hex()}:{context.attempt}\n"
        self._mid_line = text[-1] != "\n"
        if "\n" in text:
            self._printed()
        return super().write(whose + text) - len(whose)

    def end_line(self) -> None:
        """Nothing more is printed for now: a line without its end gets one, so that it is shown."""
        if self._mid_line:
            self.write("\n")

    def _announce(self, mark: str) -> None:
        first = f"{JOB_MARK}{self.job}\n" if not self._mark else ""
        self._mark = mark
        super().write(f"{first}{mark}\n")

    def task_starts(self, name: str) -> None:
        """Another task starts: what code below Python prints from now on is its. Where nothing was printed yet
        that need not be said: the head knows what is running."""
        if self._mark and self._mark != f"{TASK_MARK}{name}":
            self._announce(f"{TASK_MARK}{name}")


def _mark_of(context: TaskContext) -> str:
    """The line that names a running task or actor. In a thread of the user's none is known."""
    return f"{ACTOR_MARK}{context.actor_label}" if context.actor_id else f"{TASK_MARK}{context.name}"


def redirect_output(output: int, error: int, printed: Callable[[], None]) -> tuple[MarkedOutput, MarkedOutput]:
    """Make these pipes the process's standard output and error; returns the streams that write to them.

    Args:
        output: of the one.
        error: of the other.
        printed: called when lines are printed, before they are on their way.
    """
    for descriptor, place in ((output, 1), (error, 2)):
        os.dup2(descriptor, place)
        os.close(descriptor)
    streams = MarkedOutput(1, printed), MarkedOutput(2, printed)
    sys.stdout, sys.stderr = streams
    sys.__stdout__, sys.__stderr__ = streams  # type: ignore[misc]
    return streams
