"""Coverage of what runs in workers: where `coverage` measures subprocesses (the variable COVERAGE_PROCESS_START, and
its hook in the interpreter's start-up), a worker writes down what it has seen before each answer.

At each answer, because a worker may be killed at any time after: the session's end does not wait for it. That costs
milliseconds, and only who measures pays. Must not live here: measuring drivers, which `coverage run` does.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import Any

from localray.client.executor import Executor

WANTED = "COVERAGE_PROCESS_START"


def measure(executor: Executor, variables: Mapping[str, str] = os.environ) -> None:
    """Let `coverage` see what this worker runs, if that is wanted.

    Args:
        executor: of the worker.
        variables: of the process.
    """
    if not variables.get(WANTED):
        return
    try:
        coverage: Any = importlib.import_module("coverage")
    except ImportError:
        return  # The variable is somebody else's.
    # The fork server's interpreter has begun to measure, and this process goes on with it; else it begins here.
    running = coverage.Coverage.current() or coverage.process_startup()
    if running is None:
        return
    answer = executor.answer

    def write_down_and_answer(*arguments: Any, **keywords: Any) -> None:
        running.save()
        answer(*arguments, **keywords)

    executor.answer = write_down_and_answer  # type: ignore[method-assign]
