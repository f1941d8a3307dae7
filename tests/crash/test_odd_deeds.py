"""Whatever a task or a method does to its own worker, the head stays up and the session answers the next ordinary task."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import localray

from .survival import DEADLINE_S, LONE_SURROGATE, survive


def _close_descriptors() -> None:
    os.closerange(3, 1000)


def _close_output() -> str:
    os.close(1)
    os.close(2)
    return "closed"


def _forget_output() -> str:
    sys.stdout = sys.stderr = None  # type: ignore[assignment]
    print("nobody hears")
    return "none"


def _print_bytes() -> str:
    os.write(1, b"\xff\xfe\x00binary\n")
    sys.stdout.buffer.write(b"\xff\xfe\x00binary\n")
    print("no end of line", end="")
    return "printed"


def _print_surrogate() -> str:
    print(LONE_SURROGATE)
    return "printed"


def _fork_and_return() -> int:
    return os.fork()


def _fork_and_raise() -> None:
    if os.fork() == 0:
        raise ValueError("in the child")


def _fork_and_use_ray() -> int:
    child = os.fork()
    if child == 0:
        try:
            localray.get(localray.put(1))
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1]


def _multiprocess() -> list[int]:
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(abs, [-1, -2, -3])


def _change_directory() -> None:
    os.chdir("/")
    os.environ.clear()
    sys.path.clear()
    os.umask(0o777)


def _leave_threads() -> str:
    for _ in range(5):
        threading.Thread(target=time.sleep, args=(1000,)).start()
    return "left"


def _leave_thread_that_submits() -> str:
    def submit() -> None:
        while True:
            localray.get(localray.put(1))

    threading.Thread(target=submit, daemon=True).start()
    return "left"


def _raise_at_exit() -> str:
    import atexit

    atexit.register(_raise, ValueError)
    atexit.register(_raise, SystemExit)
    return "registered"


def _hang_at_exit() -> str:
    import atexit

    atexit.register(time.sleep, 1000)
    return "registered"


def _ignore_signals() -> str:
    import signal

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)
    return "ignored"


def _break_builtins() -> str:
    import builtins

    builtins.len = builtins.isinstance = None  # type: ignore[assignment]
    return "broken"


def _trace() -> str:
    sys.settrace(lambda *args: None)
    sys.setrecursionlimit(150)
    return "traced"


def _limit_memory() -> str:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (300 << 20, resource.RLIM_INFINITY))
    try:
        bytearray(1 << 30)
    except MemoryError:
        return "no memory"
    return "memory"


def _limit_files() -> str:
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (8, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return "limited"


def _stop_the_world() -> None:
    import gc

    gc.disable()
    sys.setswitchinterval(100)


def _init_and_shutdown() -> str:
    localray.shutdown()
    return str(localray.is_initialized())


def _own_stream() -> Any:
    import gc

    from localray.runtime.channel import SocketChannel

    return next(thing for thing in gc.get_objects() if isinstance(thing, SocketChannel))._stream


def _garbage() -> None:
    os.write(_own_stream().fileno(), os.urandom(5000))
    time.sleep(1000)


def _garbage_of_zeros() -> None:
    os.write(_own_stream().fileno(), bytes(5000))
    time.sleep(1000)


def _long_frame() -> None:
    os.write(_own_stream().fileno(), b"\xff\xff\xff\x7f\0\0\0\0" * 2)
    time.sleep(1000)


def _right_header_wrong_body() -> None:
    body = os.urandom(100)
    os.write(_own_stream().fileno(), (100).to_bytes(8, "little") + ((1 << 64) - 101).to_bytes(8, "little") + body)
    time.sleep(1000)


def _right_marshal_wrong_message() -> None:
    import marshal

    for body in (marshal.dumps([(10_000, 1)]), marshal.dumps(5), marshal.dumps([5]), marshal.dumps([(0,)]), marshal.dumps([()])):
        header = len(body).to_bytes(8, "little") + ((1 << 64) - 1 - len(body)).to_bytes(8, "little")
        os.write(_own_stream().fileno(), header + body)
    time.sleep(1000)


def _steal_messages() -> None:
    stream = _own_stream()
    ref = localray.put(1)
    for _ in range(3):
        localray.remote(lambda: 1).remote()
    del ref
    stream.setblocking(False)
    give_up_s = time.monotonic() + 0.2
    while time.monotonic() < give_up_s:
        try:
            stream.recv(7)
        except BlockingIOError:
            continue
    stream.setblocking(True)


def _shut_stream() -> None:
    import socket

    _own_stream().shutdown(socket.SHUT_RDWR)
    time.sleep(1000)


def _close_stream_and_go_on() -> None:
    os.close(_own_stream().fileno())
    while True:
        pass


DEEDS: list[Callable[[], object]] = [
    _close_descriptors, _close_output, _forget_output, _print_bytes, _print_surrogate, _fork_and_return, _fork_and_raise, _fork_and_use_ray,
    _multiprocess, _change_directory, _leave_threads, _leave_thread_that_submits, _raise_at_exit, _hang_at_exit, _ignore_signals, _break_builtins,
    _trace, _limit_memory, _limit_files, _stop_the_world, _init_and_shutdown, _garbage, _garbage_of_zeros, _long_frame, _right_header_wrong_body,
    _right_marshal_wrong_message, _shut_stream, _close_stream_and_go_on,
]


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
@pytest.mark.parametrize("kind", ["task", "actor"])
def test_odd_deeds(nothing_left: None, deed: Callable[[], object], kind: str) -> None:
    """In a session of its own, because what it breaks in its worker may show in a later task; the head is always the same."""
    import localray as ray
    from localray.session import _session

    ray.init(num_cpus=2)
    assert _session.engine is not None
    head = _session.engine.head_process_id  # type: ignore[attr-defined]

    class Actor:
        def run(self) -> object:
            return deed()

    for _ in range(3):
        actor = ray.remote(Actor).remote() if kind == "actor" else None
        ref = actor.run.remote() if actor is not None else ray.remote(max_retries=0)(deed).remote()
        ray.wait([ref], timeout=DEADLINE_S)
        survive(lambda ref=ref: ray.get(ref, timeout=1))
        # A worker that somebody's code has ruined may fail tasks; retried, they end up on a good one.
        ray.get([ray.remote(max_retries=-1, retry_exceptions=True)(lambda: 1).remote() for _ in range(4)], timeout=DEADLINE_S)
    assert _session.engine.head_process_id == head  # type: ignore[attr-defined]
