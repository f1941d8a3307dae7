"""The process that starts a job's entrypoint, ends it when that is asked for, and writes down how it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from localray.job_details import JobErrorType, JobStatus
from localray.job_submission.jobs import STOP, Job, Progress, Request, now_ms

_LOOK_EVERY_S = 0.05
_GRACE_S = 3.0
_LINES_SHOWN = 20


def main() -> None:
    """Supervise the job whose directory is the first argument."""
    supervise(Job(Path(sys.argv[1])))


def supervise(job: Job) -> None:
    """Run a job to its end."""
    request = job.request()
    started = Progress(supervisor=os.getpid(), start_time=now_ms())
    with job.log.open("ab") as log:
        try:
            process = subprocess.Popen(
                request.entrypoint,
                shell=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(request),
                cwd=request.runtime_env.get("working_dir") or None,
                # A group of its own: what the entrypoint starts ends with it.
                start_new_session=True,
            )
        except OSError as error:
            _end(
                job,
                replace(started, error_type=JobErrorType.JOB_ENTRYPOINT_COMMAND_START_ERROR.value),
                str(error),
                None,
            )
            return
    started = replace(started, status=JobStatus.RUNNING.value, process_id=process.pid)
    job.tell(started)
    while process.poll() is None:
        if not job.path.exists():
            _kill(process)
            return
        if (job.path / STOP).exists():
            _kill(process)
            stopped = replace(started, status=JobStatus.STOPPED.value, end_time=now_ms())
            job.tell(replace(stopped, message="Job was intentionally stopped."))
            return
        try:
            process.wait(_LOOK_EVERY_S)
        except subprocess.TimeoutExpired:
            continue
    if process.returncode == 0:
        succeeded = replace(started, status=JobStatus.SUCCEEDED.value, exit_code=0, end_time=now_ms())
        job.tell(replace(succeeded, message="Job finished successfully."))
    else:
        _end(job, replace(started, error_type=JobErrorType.JOB_ENTRYPOINT_COMMAND_ERROR.value), "", process.returncode)


def _environment(request: Request) -> dict[str, str]:
    environment = {**os.environ, **request.runtime_env.get("env_vars", {})}
    if request.address:
        environment["RAY_ADDRESS"] = request.address
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


def _end(job: Job, progress: Progress, text: str, exit_code: int | None) -> None:
    """The job failed: say with which of its last lines."""
    if exit_code is not None:
        lines = job.log.read_text(errors="replace").splitlines()[-_LINES_SHOWN:]
        last = "\n".join(lines)
        text = (
            f"Job entrypoint command failed with exit code {exit_code}, last available logs (truncated to 20,000 "
            f"chars):\n{last}"
        )
    failed = replace(progress, status=JobStatus.FAILED.value, exit_code=exit_code, end_time=now_ms())
    job.tell(replace(failed, message=text))


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the entrypoint and all that it has started: asked first, made to after a while."""
    for sign, wait_s in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            break  # All of them are gone.
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            continue
    process.wait()
