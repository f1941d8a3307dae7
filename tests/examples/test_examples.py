"""Every example, run as a user runs it: a process of its own, its exit code, its last line, and what a terminal shows.

What the parts of the examples compute is tested in `test_example_parts.py`.
"""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = ("census", "parameter_server", "search")
LAST_LINE = "answer checked against the serial one: equal"
DEADLINE_S = 120


def run(name: str, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run an example with both of its streams captured, which is not a terminal."""
    return subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=DEADLINE_S,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **(environment or {})},
        check=False,
    )


@pytest.mark.parametrize("name", NAMES)
def test_example_gives_the_serial_answer_and_is_silent_otherwise(name: str) -> None:
    result = run(name, "--quick")
    assert result.stderr == ""
    assert result.stdout.splitlines()[-1] == LAST_LINE
    assert result.returncode == 0


def test_census_can_skip_the_check() -> None:
    result = run("census", "--quick", "--no-check")
    assert result.stderr == ""
    assert result.returncode == 0
    assert "answer checked" not in result.stdout


def test_example_runs_without_tqdm(tmp_path: Path) -> None:
    (tmp_path / "tqdm.py").write_text("raise ImportError('hidden by a test')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    result = run("search", "--quick", environment={"PYTHONPATH": path})
    assert result.stderr == ""
    assert result.stdout.splitlines()[-1] == LAST_LINE


def test_progress_bar_shows_on_a_terminal_and_leaves_the_report_alone() -> None:
    terminal, stderr = pty.openpty()
    fcntl.ioctl(stderr, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    with subprocess.Popen(
        [sys.executable, str(EXAMPLES / "search.py"), "--quick"],
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    ) as process:
        os.close(stderr)
        shown = _read_until_closed(terminal)
        report, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    assert "tree of tasks" in shown
    assert "serial check" in shown
    assert "\r" not in report.decode()
    assert report.decode().splitlines()[-1] == LAST_LINE


def _read_until_closed(terminal: int) -> str:
    chunks: list[bytes] = []
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # How Linux says that nobody has the other end open any more.
            chunk = b""
        if not chunk:
            os.close(terminal)
            return b"".join(chunks).decode()
        chunks.append(chunk)
