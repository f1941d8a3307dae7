"""The measuring parent's hold on runners: one `Link` per system, which starts its runner when it is first needed.

A runner that dies or goes silent is destroyed with all its processes, and the next row gets a fresh one. What is asked
of it, and what becomes of the answers, is decided in comparison.py.
"""

from __future__ import annotations

from .lines import LineReader
from .messages import ChildFailedError, Reply, Request, RequestKind
from .processes import Launcher, MarkedProcess
from .systems import SystemName
from .workloads import Workload

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0
ROW_TIMEOUT_S = 120.0
LONG_ROW_TIMEOUT_S = 900.0


class Link:
    """Measures workloads on one system, in a child process of its own.

    Attributes:
        version: of the system; empty until it has started.
    """

    def __init__(self, launcher: Launcher, python: str, name: SystemName, processors: int) -> None:
        self.name = name
        self.version = ""
        self._launcher = launcher
        self._python = python
        self._processors = processors
        self._child: MarkedProcess | None = None
        self._reader: LineReader | None = None
        self._start_error = ""

    def prepare(self, workload: Workload, warm_up_s: float) -> None:
        """Set a workload up and warm it, starting the system first if it does not run.

        Raises:
            ChildFailedError: the system failed, with its traceback.
        """
        if self._child is None:
            self._start()
        warm_up_s = -1.0 if workload.once else warm_up_s
        self._ask(Request(RequestKind.PREPARE, row=workload.row.key, seconds=warm_up_s), ROW_TIMEOUT_S)

    def measure(self, workload: Workload, seconds: float) -> float:
        """Measure the workload that is set up, and return operations a second.

        Raises:
            ChildFailedError: the system failed, with its traceback.
        """
        timeout_s = LONG_ROW_TIMEOUT_S if workload.once else ROW_TIMEOUT_S + 2 * seconds
        return self._ask(Request(RequestKind.MEASURE, seconds=0.0 if workload.once else seconds), timeout_s).rate

    def clear(self) -> None:
        """Clear away what `prepare` set up.

        Raises:
            ChildFailedError: the system failed, with its traceback.
        """
        if self._child is not None:
            self._ask(Request(RequestKind.CLOSE), ROW_TIMEOUT_S)

    def stop(self) -> None:
        """Stop the system in an orderly way, if it runs.

        Raises:
            ChildFailedError: it could not be.
        """
        if self._child is not None:
            self._ask(Request(RequestKind.STOP), STOP_TIMEOUT_S)
            self.destroy()

    def destroy(self) -> None:
        """Kill whatever is left."""
        if self._child is not None:
            child, self._child, self._reader = self._child, None, None
            child.destroy()

    def _start(self) -> None:
        if self._start_error:
            raise ChildFailedError(self._start_error)
        arguments = ["-m", "localray.benchmark.runner", "--system", self.name.value]
        self._child = self._launcher.start(self._python, arguments)
        self._reader = LineReader(self._child)
        try:
            self.version = self._ask(Request(RequestKind.START, processors=self._processors), START_TIMEOUT_S).version
        except ChildFailedError as error:
            # To try again for each row would take as long as it took to fail, and then fail in the same way.
            self._start_error = str(error)
            self.destroy()
            raise

    def _ask(self, request: Request, timeout_s: float) -> Reply:
        assert self._reader is not None
        try:
            self._reader.write(request.encode())
            reply = Reply.decode(self._reader.read_line(timeout_s))
        except ChildFailedError:
            self.destroy()
            raise
        if reply.error:
            raise ChildFailedError(reply.error.strip())
        return reply
