"""The child process in which one system is measured: `python -m localray.benchmark.runner --system ray`.

It reads requests from its standard input and answers each on what was its standard output. It needs the standard
library, numpy and the system itself, nothing else, so that any interpreter that has the system can run it. What to
measure and when is the parent's affair.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from typing import BinaryIO

from .measure import measure_rate
from .messages import Reply, Request, RequestKind
from .systems import System, SystemName, make_system
from .workloads import WORKLOADS, Loop

_WORKLOADS = {workload.row.key: workload for workload in WORKLOADS}


class Runner:
    """One system, and at most one workload prepared on it."""

    def __init__(self, system_name: SystemName) -> None:
        self._system_name = system_name
        self._system: System | None = None
        self._prepared = ExitStack()
        self._loop: Loop | None = None

    def answer(self, request: Request) -> Reply:
        """Do what is asked; whatever goes wrong is told to the parent, which decides what becomes of the row."""
        try:
            return self._do(request)
        except Exception:  # noqa: BLE001 - the parent shows it; a system under test may raise anything
            return Reply(error=traceback.format_exc())

    def _do(self, request: Request) -> Reply:
        if request.kind is RequestKind.START:
            self._system = make_system(self._system_name)
            self._system.start(request.processors)
            return Reply(version=self._system.version())
        if request.kind is RequestKind.PREPARE:
            self._prepare(request.row, request.seconds)
            return Reply()
        if request.kind is RequestKind.MEASURE:
            assert self._loop is not None
            return Reply(rate=measure_rate(self._loop.run, self._loop.operations, request.seconds))
        if request.kind is RequestKind.CLOSE:
            self._loop = None
            self._prepared.close()
            return Reply()
        assert request.kind is RequestKind.STOP
        self._stop()
        return Reply()

    def _prepare(self, row: str, warm_up_s: float) -> None:
        assert self._system is not None
        self._loop = self._prepared.enter_context(_WORKLOADS[row].prepare(self._system))
        if warm_up_s >= 0:
            measure_rate(self._loop.run, self._loop.operations, warm_up_s)

    def _stop(self) -> None:
        if self._system is not None:
            system, self._system = self._system, None
            system.stop()


def serve(runner: Runner, requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until STOP, or until the parent is gone; either way the system is stopped."""
    for line in requests:
        request = Request.decode(line)
        replies.write(runner.answer(request).encode())
        replies.flush()
        if request.kind is RequestKind.STOP:
            return
    runner.answer(Request(RequestKind.STOP))


def take_standard_output() -> BinaryIO:
    """Keep standard output for the replies and send what anyone prints to standard error: workers' logs, mostly."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return replies


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop."""
    parser = argparse.ArgumentParser(description="Measure one system; spoken to by `localray microbenchmark`.")
    parser.add_argument("--system", required=True, choices=[name.value for name in SystemName])
    options = parser.parse_args(arguments)
    with take_standard_output() as replies:
        serve(Runner(SystemName(options.system)), sys.stdin.buffer, replies)
    return 0


if __name__ == "__main__":
    sys.exit(main())
