"""`localray logs` and `localray stack` on the session of a program that runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from localray.runtime.stacks import stacks_of

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0

PROGRAM = """
import os, sys, time
import localray as ray
ray.init(num_cpus=2, log_to_driver=False)
@ray.remote(num_cpus=0)
class Speaker:
    def speak(self):
        print("from the actor")
        print("to the other stream", file=sys.stderr)
        return os.getpid()
@ray.remote
def crawling(started):
    open(started, "w").close()
    # One bytecode that never lets another thread of its process run.
    return len(str(7 ** (10 ** 8)))
speaker = Speaker.remote()
pid = ray.get(speaker.speak.remote())
started = os.path.join(os.environ["TMPDIR"], "started")
ref = crawling.remote(started)
while not os.path.exists(started):
    time.sleep(0.01)
os.remove(started)
print(pid, speaker._actor_id.hex(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="localray-") as directory:
        given = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": directory}
        given.pop("RAY_ADDRESS", None)
        yield given


@pytest.fixture
def speaker(environment: dict[str, str]) -> Iterator[tuple[int, str]]:
    """The process and the id of an actor that has printed, while a task runs."""
    driver = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    )
    try:
        assert driver.stdout is not None
        process, actor_id = driver.stdout.readline().split()
        yield int(process), actor_id
    finally:
        driver.kill()
        driver.communicate()


def localray(environment: dict[str, str], *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "localray.cli.main", *words],
        capture_output=True,
        text=True,
        env=environment,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_logs(environment: dict[str, str], speaker: tuple[int, str]) -> None:
    process, actor_id = speaker
    names = localray(environment, "logs").split()
    assert len([name for name in names if name.endswith(f"-{process}.out")]) == 1
    [err] = localray(environment, "logs", f"*-{process}.err").split()
    assert localray(environment, "logs", err, "--tail", "1") == "to the other stream\n"
    assert localray(environment, "logs", "--actor-id", actor_id).endswith("from the actor\n")
    assert localray(environment, "logs", "--pid", str(process), "--err").endswith("to the other stream\n")
    assert "there is no log file nothing*" in localray(environment, "logs", "nothing*", code=1)
    assert "no actor" in localray(environment, "logs", "--actor-id", "00" * 16, code=1)


def test_stacks(environment: dict[str, str], speaker: tuple[int, str]) -> None:
    process, actor_id = speaker
    shown = localray(environment, "stack")
    assert f"Worker {process}: actor Speaker {actor_id}, waits for calls" in shown
    busy = next(part for part in shown.split("Worker ") if "runs crawling" in part)
    assert "in crawling" in busy and "executor.py" not in busy
    assert "executor.py" in localray(environment, "stack", "--full")
    assert "Not in the program's code" in shown
    assert "crawling" not in localray(environment, "stack", "--pid", str(process))
    assert "there is no worker 1; `localray list workers`" in localray(environment, "stack", "--pid", "1", code=1)
    # It goes on undisturbed, and can be asked again.
    os.kill(process, signal.SIGSTOP)
    assert "did not answer" in localray(environment, "stack", "--pid", str(process), code=1)
    os.kill(process, signal.SIGCONT)
    assert "Thread" in stacks_of(process)


def test_who_is_no_worker_is_left_alone() -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with pytest.raises(RuntimeError, match="no worker"):
            stacks_of(stranger.pid)
        with pytest.raises(ProcessLookupError if not Path("/proc/self").exists() else FileNotFoundError):
            stacks_of(2**22 + 1)
    finally:
        stranger.communicate(b"\n")
    assert stranger.returncode == 0


def test_without_a_session(environment: dict[str, str]) -> None:
    for command in ("logs", "stack"):
        assert "There is no running session to join." in localray(environment, command, code=1)
