"""A worker process's main: forked from the warm fork server, it serves the kernel until told to go. It does what the
executor says and decides nothing."""

from __future__ import annotations

import _thread
import atexit
import importlib
import json
import mmap
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from localray.client.channel import Waiter
from localray.client.client import Client
from localray.client.current import set_process_client
from localray.client.executor import Executor
from localray.ids import JobID
from localray.protocol import CallMode, DefineRuntimeEnv, DefineTemplate, RunTask, SetUpJob, TaskKind, WorkerReady
from localray.runtime.breakpoints import answer_breakpoints
from localray.runtime.channel import SocketChannel
from localray.runtime.environment import TaskEnvironment
from localray.runtime.interrupts import guard
from localray.runtime.output import redirect_output
from localray.runtime.stacks import answer_stack_requests
from localray.runtime.titles import ProcessTitle
from localray.runtime.worker_progress import slot_of, write_printed, write_progress
from localray.shm.arenas import Arenas

FLUSH_AFTER_S = 0.0005
"""Answers wait at most about this long for those of the next tasks in the worker's line."""


class Worker:
    """One worker process.

    Args:
        number: its client number.
        stream: its end of the socket to the head.
        nudge: readable when the head wants the stream read, closed when the head is gone.
        progress: the page where it counts the tasks it starts.
        output: pipes for what is printed on its standard output and error.
    """

    def __init__(
        self, number: int, stream: socket.socket, nudge: int, progress: mmap.mmap, output: tuple[int, int]
    ) -> None:
        self._started = 0
        self._printed = 0
        self._environment = TaskEnvironment(os.environ)
        self._slot = slot_of(number)
        self._progress = progress
        self._channel = SocketChannel(stream, nudge, on_lost=_exit_now)
        write_progress(progress, self._slot, 0)
        write_printed(progress, self._slot, 0)
        self._streams = redirect_output(*output, self._prints)
        self.client = Client(self._channel, Arenas(), number, 0, b"", "", notify=_print_notice, stalls=True)
        self.executor = Executor(self.client, self._set_up_job, self._set_up_runtime_env, self._task_starts, self._exit)
        self.executor.accept = self._accept
        self.executor.interrupt = self._interrupt
        self._work = Waiter()
        self._title = ProcessTitle()
        self._channel.before_sleeping = self._rests

    def serve(self) -> None:
        """Run tasks until the process is told to end; never returns."""
        guard.install(self._raise_if_cancelled)
        os.register_at_fork(after_in_child=self._leave_to_parent)
        set_process_client(self.client)
        self._channel.start(self.client)
        self._channel.queue(WorkerReady(os.getpid()))
        executor, queue, work, channel = self.executor, self.executor.queue, self._work, self._channel
        flushed_at_s = 0.0
        while True:
            while queue:
                executor.run_next()
                now_s = time.perf_counter()
                if queue and now_s - flushed_at_s > FLUSH_AFTER_S:
                    channel.flush()
                    flushed_at_s = now_s
            if executor.asyncio_actor is not None:
                executor.asyncio_actor.run()
            work.ready = False
            if not queue:
                channel.wait(work, None)

    def _accept(self, message: RunTask) -> None:
        self.executor.queue.append(message)
        self._work.fire()

    def _task_starts(self, message: RunTask, template: DefineTemplate) -> None:
        self._started += 1
        write_progress(self._progress, self._slot, self._started)
        if template.kind == TaskKind.ACTOR_CREATION and template.call_mode != CallMode.SERIAL:
            self._drains_when_terminated()
        is_threaded = template.kind == TaskKind.ACTOR_CREATION and template.call_mode == CallMode.THREADED
        self._title.show(template.name, template.name.removesuffix(".__init__") if is_threaded else "")
        if template.kind != TaskKind.ACTOR_CALL:
            self._environment.prepare(template.to_hold, message.units)
        if self._printed and template.kind == TaskKind.TASK:
            for stream in self._streams:
                stream.task_starts(template.name)

    def _drains_when_terminated(self) -> None:
        """From now on calls that run beside each other are answered before SIGTERM ends the process, unless the user
        has a handler."""
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._terminated)

    def _terminated(self, number: int, stack: FrameType | None) -> None:
        # On a thread of its own: this one may hold any lock.
        _thread.start_new_thread(self.executor.leaving.drain, ("The process receives a SIGTERM.",))

    def _rests(self) -> None:
        """It waits for its next task, and not only for a moment."""
        if self.executor.running is None:
            actor = self.executor.actor
            self._title.show("IDLE" if actor is None else actor.actor_class.__name__)
            if not self.client.runs_several:
                for stream in self._streams:
                    stream.end_line()

    def _prints(self) -> None:
        before_speaking = self._channel.before_speaking
        if before_speaking is not None:
            # What it has printed is to be shown before its answer is: both go by the kernel.
            before_speaking()
        self._printed += 1
        write_printed(self._progress, self._slot, self._printed)

    def _set_up_job(self, job: SetUpJob) -> None:
        for stream in self._streams:
            stream.job = JobID.from_int(job.job).hex()
        if job.logging or "RAY_LOGGER_LEVEL" in os.environ:
            from localray.client.logs import configure, set_package_logger

            set_package_logger(os.environ.get("RAY_LOGGER_LEVEL"))
            if job.logging:
                configure(json.loads(job.logging))
        sys.path[:] = job.sys_path
        importlib.invalidate_caches()
        of_the_node = dict(job.environment)
        os.environ.update(of_the_node)
        self._environment.belongs_to_the_user(of_the_node)
        if not job.working_directory:
            return  # The driver's has been removed; the head's, and so ours, is the same.
        try:
            os.chdir(job.working_directory)
        except OSError as error:
            print(f"the driver's directory {job.working_directory} cannot be entered: {error}", file=sys.stderr)

    def _set_up_runtime_env(self, runtime_env: DefineRuntimeEnv, hook: Callable[[], object] | None) -> None:
        from localray.runtime_env.set_up import run_hook, set_up

        fields = json.loads(runtime_env.fields)
        set_up(fields, runtime_env.packages, os.environ)
        self._environment.belongs_to_the_user(fields.get("env_vars") or ())
        named = fields.get("worker_process_setup_hook")
        if hook is not None or named:
            run_hook(hook or named)

    def _interrupt(self, task_id: bytes) -> None:
        if self.executor.running == task_id:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def _raise_if_cancelled(self) -> None:
        """SIGINT is how a task is cancelled; it must only ever hit the user's code."""
        if self.executor.interruptible and self.executor.running in self.executor.cancelled:
            raise KeyboardInterrupt

    def _exit(self, reason: str, status: int) -> None:
        """End in an orderly way: exit handlers run, output is flushed."""
        try:
            self._channel.flush()
            # Not sys.exit: this may be any thread, and the fork server's own frames are below us.
            atexit._run_exitfuncs()
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
        finally:
            # Whatever the user's exit handlers or streams raised.
            os._exit(status)

    def _leave_to_parent(self) -> None:
        """In a process that the user's code forked: the session is its parent's. When that code returns here, it
        ends."""
        set_process_client(None)
        self._channel.abandon()
        if signal.getsignal(signal.SIGTERM) == self._terminated:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit_now() -> NoReturn:
    """The head is gone: nothing is left to do, and nobody to tell."""
    os._exit(1)


def _print_notice(text: str) -> None:
    print(text, file=sys.stderr)


def main(
    number: int,
    stream: socket.socket,
    nudge: int,
    progress: mmap.mmap,
    output: tuple[int, int],
    address: str,
    directory: Path,
) -> None:
    """Be a worker of the session that is joined at this address, empty if it can't be, and whose files are in this
    directory; never returns."""
    worker = Worker(number, stream, nudge, progress, output)
    if address:
        worker.client.address = address
    worker.client.directory = directory
    answer_breakpoints()
    answer_stack_requests()
    if "COVERAGE_PROCESS_START" in os.environ:
        from localray.runtime.measuring import measure

        measure(worker.executor)
    if "LOCALRAY_RECORDING" in os.environ:
        from localray.client.recording import recorder

        recorder()
    worker.serve()
