"""A driver that takes nothing, because it is stopped, costs the head little, and its workers nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
LINES, LINE_BYTES = 10_000, 6_000
PROGRAM = f"""
import os, sys
from pathlib import Path
import localray as ray
ray.init(num_cpus=1)
@ray.remote
def talk(started, go, done):
    Path(started).touch()
    while not os.path.exists(go):
        pass
    for number in range({LINES}):
        print(str(number) * ({LINE_BYTES} // len(str(number))))
    Path(done).touch()
ref = talk.remote(*sys.argv[1:])
ray.get(ref)
ray.get(ray.remote(lambda: print("at last")).remote())
ray.shutdown()
"""


def wait_for(path: Path, deadline_s: float = 60.0) -> None:
    give_up_at = time.monotonic() + deadline_s
    while not path.exists():
        assert time.monotonic() < give_up_at, f"{path.name} does not come"
        time.sleep(0.01)


def test_output_for_a_stopped_driver_does_not_pile_up(tmp_path: Path) -> None:
    started, go, done = tmp_path / "started", tmp_path / "go", tmp_path / "done"
    driver = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(started), str(go), str(done)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        # Not until the task runs: a call may still be in the driver when `remote` returns, and would stay there.
        wait_for(started)
        (head,) = psutil.Process(driver.pid).children()
        before = head.memory_info().rss
        driver.send_signal(signal.SIGSTOP)
        go.touch()
        wait_for(done)
        assert head.memory_info().rss - before < LINES * LINE_BYTES * 0.75
        driver.send_signal(signal.SIGCONT)
        out, _ = driver.communicate(timeout=60)
    finally:
        driver.kill()
    assert "lines that workers printed are not shown" in out
    assert ") at last" in out
