"""`JobSubmissionClient`: entrypoints that run as jobs against a session, by Ray's names.

A job is a process of this machine that finds the session by ``RAY_ADDRESS``. A session that nobody can join has no
address: then its jobs start sessions of their own. Must not live here: running jobs (`jobs`, `supervisor`).
"""

from __future__ import annotations

import asyncio
import atexit
import os
import secrets
import shutil
import string
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from localray.client.client import PRIVATE_ADDRESS
from localray.client.current import current_client
from localray.job_details import DriverInfo, JobDetails, JobInfo, JobStatus, JobType
from localray.job_submission.jobs import Job, Progress, Request, all_jobs, submit
from localray.node_description import NODE_ADDRESS
from localray.session import cluster_of_this_process
from localray.version import RAY_VERSION

_ID_LETTERS = string.ascii_letters + string.digits
_LOOK_EVERY_S = 0.05
_own_directory: Path | None = None


def _jobs_without_address() -> Path:
    """Where the jobs are of a process whose session has no address; gone with the process."""
    global _own_directory
    if _own_directory is None:
        _own_directory = Path(tempfile.mkdtemp(prefix="localray-jobs-"))
        atexit.register(shutil.rmtree, _own_directory, ignore_errors=True)
    return _own_directory


class JobSubmissionClient:
    """Submits jobs, and asks what becomes of them.

    Args:
        address: of a session: "auto", "127.0.0.1:6379", or an address of Ray's dashboard on this machine, which stands
            for the session that runs; by default ``RAY_ADDRESS``, else this process's session, else the youngest.
        create_cluster_if_needed: accepted.
        cookies, metadata, headers, verify: accepted; nothing goes over HTTP. ``metadata`` is every job's.

    Raises:
        ConnectionError: there is no session.
        TypeError: an argument has the wrong type.

    Example:
        >>> client = JobSubmissionClient()                                  # doctest: +SKIP
        >>> job = client.submit_job(entrypoint="python program.py")         # doctest: +SKIP
        >>> client.get_job_status(job)                                      # doctest: +SKIP
        <JobStatus.RUNNING: 'RUNNING'>
    """

    def __init__(
        self,
        address: str | None = None,
        create_cluster_if_needed: bool = False,
        cookies: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        headers: dict[str, Any] | None = None,
        verify: str | bool | None = True,
        **kwargs: object,
    ) -> None:
        if address is not None and not isinstance(address, str):
            raise TypeError(f"address must be a string, got {type(address)}")
        for name, value in (("cookies", cookies), ("metadata", metadata), ("headers", headers)):
            if value is not None and not isinstance(value, dict):
                raise TypeError(f"{name} must be a dict, got {type(value)}")
        if not isinstance(verify, (str, bool)):
            raise TypeError(f"verify must be a str or bool, got {type(verify)}")
        self._metadata = dict(metadata or {})
        self._address, self._directory = _find(address)

    def get_address(self) -> str:
        """The session's address; empty when nobody can join it."""
        return self._address

    def get_version(self) -> str:
        """The version of Ray whose behaviour this follows."""
        return RAY_VERSION

    def submit_job(
        self,
        *,
        entrypoint: str,
        job_id: str | None = None,
        runtime_env: dict[str, Any] | None = None,
        metadata: dict[str, str] | None = None,
        submission_id: str | None = None,
        entrypoint_num_cpus: float | None = None,
        entrypoint_num_gpus: float | None = None,
        entrypoint_memory: int | None = None,
        entrypoint_resources: dict[str, float] | None = None,
        entrypoint_label_selector: dict[str, str] | None = None,
    ) -> str:
        """Run a command of the shell as a job.

        Args:
            entrypoint: the command.
            job_id: the older name of ``submission_id``.
            runtime_env: ``env_vars`` and ``working_dir`` of the command; see `ray.runtime_env`.
            metadata: texts to be kept with it.
            submission_id: its name; by default a new one.
            entrypoint_num_cpus, entrypoint_num_gpus, entrypoint_memory, entrypoint_resources: accepted; the command
                itself takes none of the session's resources.
            entrypoint_label_selector: accepted; there is one machine.

        Returns:
            Its name.

        Raises:
            RuntimeError: there is a job of this name.
            TypeError: an argument has the wrong type.
        """
        if not isinstance(entrypoint, str):
            raise TypeError(f"entrypoint must be a string, got {type(entrypoint)}")
        for key, value in (metadata or {}).items():
            if not isinstance(key, str) or not isinstance(value, str):
                raise TypeError(f"metadata must be a dict of strings, got {key!r}: {value!r}")
        name = submission_id or job_id or "raysubmit_" + "".join(secrets.choice(_ID_LETTERS) for _ in range(16))
        request = Request(
            name, entrypoint, {**self._metadata, **(metadata or {})}, dict(runtime_env or {}), self._address
        )
        try:
            submit(self._directory, request)
        except FileExistsError:
            raise RuntimeError(
                f"Job with submission_id {name} already exists. Please use a different submission_id."
            ) from None
        return name

    def stop_job(self, job_id: str) -> bool:
        """Ask a job to end; returns whether it was running. Raises RuntimeError when there is none."""
        job = self._job(job_id)
        if JobStatus(job.progress().status).is_terminal():
            return False
        job.ask_to_stop()
        return True

    def delete_job(self, job_id: str) -> bool:
        """Forget a job that is over.

        Raises:
            RuntimeError: there is none, or it is not over.
        """
        job = self._job(job_id)
        status = job.progress().status
        if not JobStatus(status).is_terminal():
            raise RuntimeError(
                f"Attempted to delete job '{job_id}', but it is in a non-terminal state {status}. Stop it first."
            )
        job.remove()
        return True

    def get_job_info(self, job_id: str) -> JobDetails:
        """All that is known of a job. Raises RuntimeError when there is none."""
        return _details(self._job(job_id))

    def list_jobs(self) -> list[JobDetails]:
        """The jobs that were submitted, oldest first."""
        return [_details(job) for job in all_jobs(self._directory)]

    def get_job_status(self, job_id: str) -> JobStatus:
        """Where a job is in its life. Raises RuntimeError when there is none."""
        return JobStatus(self._job(job_id).progress().status)

    def get_job_logs(self, job_id: str) -> str:
        """What a job has printed so far. Raises RuntimeError when there is none."""
        return self._job(job_id).log.read_text(errors="replace")

    async def tail_job_logs(self, job_id: str) -> AsyncIterator[str]:
        """What a job prints, as it comes, until it is over. Raises RuntimeError when there is none."""
        job = self._job(job_id)
        with job.log.open(errors="replace") as log:
            while True:
                is_over = JobStatus(job.progress().status).is_terminal()
                lines = log.read()
                if lines:
                    yield lines
                elif is_over:
                    return
                else:
                    await asyncio.sleep(_LOOK_EVERY_S)

    def _job(self, job_id: str) -> Job:
        job = Job(self._directory / job_id)
        if not job_id or not job.path.is_dir():
            raise RuntimeError(f"Job {job_id} does not exist")
        return job


def _find(address: str | None) -> tuple[str, Path]:
    """A session's address, and where its jobs are kept."""
    from localray.runtime.session_home import find

    named = address if address is not None and address not in ("auto", "local") and "://" not in address else None
    wanted = named or os.environ.get("RAY_ADDRESS") or cluster_of_this_process()
    client = current_client()
    if wanted is None and client is not None:
        if client.address == PRIVATE_ADDRESS:
            return "", _jobs_without_address()
        wanted = client.address
    home = find(wanted or "auto")
    return home.address, home.path / "jobs"


def _details(job: Job) -> JobDetails:
    request, progress = job.request(), job.progress()
    return JobDetails(
        type=JobType.SUBMISSION,
        status=JobStatus(progress.status),
        entrypoint=request.entrypoint,
        submission_id=request.submission_id,
        driver_info=_driver(request, progress),
        message=progress.message or JobInfo(JobStatus(progress.status), request.entrypoint).message,
        error_type=progress.error_type or None,
        start_time=progress.start_time or None,
        end_time=progress.end_time or None,
        metadata=request.metadata,
        runtime_env=request.runtime_env,
        driver_exit_code=progress.exit_code,
    )


def _driver(request: Request, progress: Progress) -> DriverInfo | None:
    if not progress.process_id:
        return None
    return DriverInfo(request.submission_id, NODE_ADDRESS, str(progress.process_id))
