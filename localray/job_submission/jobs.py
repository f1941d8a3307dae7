"""Jobs on disk: a directory for each, with what was asked for, what became of it, and what it printed.

A supervisor process starts the entrypoint and writes down how it ends, so that a job outlives whoever submitted it, and
any process that knows the directory can ask. Must not live here: the supervisor's loop (`supervisor`), Ray's names for
all of this (`client`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from localray.job_details import JobStatus

LOG = "job.log"
STOP = "stop"
_REQUEST = "request.json"
_STATUS = "status.json"


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for."""

    submission_id: str
    entrypoint: str
    metadata: dict[str, str] = field(default_factory=dict)
    runtime_env: dict[str, Any] = field(default_factory=dict)
    address: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """What has become of it so far; times in milliseconds since 1970."""

    status: str = JobStatus.PENDING.value
    message: str = ""
    error_type: str = ""
    process_id: int = 0
    supervisor: int = 0
    start_time: int = 0
    end_time: int = 0
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One job's directory."""

    path: Path

    @property
    def log(self) -> Path:
        """What it has printed."""
        return self.path / LOG

    def request(self) -> Request:
        """What was asked for."""
        return Request(**json.loads((self.path / _REQUEST).read_text()))

    def progress(self) -> Progress:
        """What has become of it; a supervisor that is gone without a word has failed."""
        progress = Progress(**json.loads((self.path / _STATUS).read_text()))
        if JobStatus(progress.status).is_terminal() or not progress.supervisor or _lives(progress.supervisor):
            return progress
        # It may have ended in between, and said so.
        progress = Progress(**json.loads((self.path / _STATUS).read_text()))
        if JobStatus(progress.status).is_terminal():
            return progress
        return Progress(JobStatus.FAILED.value, "The job's supervisor process was killed.", end_time=now_ms())

    def tell(self, progress: Progress) -> None:
        """Write down what has become of it."""
        _write(self.path / _STATUS, asdict(progress))

    def ask_to_stop(self) -> None:
        """Tell the supervisor to end it."""
        (self.path / STOP).touch()

    def remove(self) -> None:
        """Forget it."""
        shutil.rmtree(self.path, ignore_errors=True)


def now_ms() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)


def submit(directory: Path, request: Request) -> Job:
    """Start a job.

    Raises:
        FileExistsError: there is one of this id.
    """
    path = directory / request.submission_id
    path.mkdir(parents=True, mode=0o700)
    job = Job(path)
    _write(path / _REQUEST, asdict(request))
    job.log.touch(mode=0o600)
    root = str(Path(__file__).resolve().parent.parent.parent)
    code = f"import sys; sys.path.insert(0, {root!r}); from localray.job_submission.supervisor import main; main()"
    job.tell(Progress())
    supervisor = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _watched.append(supervisor)
    return job


_watched: list[subprocess.Popen[bytes]] = []
"""Supervisors that this process has started: it hears of their ends, so that none stays a zombie."""


def all_jobs(directory: Path) -> list[Job]:
    """The jobs there are, oldest first."""
    if not directory.is_dir():
        return []
    return [Job(path) for path in sorted(directory.iterdir(), key=lambda path: path.stat().st_ctime)]


def _write(path: Path, content: dict[str, Any]) -> None:
    """In one step: readers see all of it or what was there before."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(content))
    draft.rename(path)


def _lives(process_id: int) -> bool:
    for supervisor in list(_watched):
        if supervisor.poll() is not None:
            _watched.remove(supervisor)
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
