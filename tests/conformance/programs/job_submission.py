"""Jobs: commands that run against a session, with their states and logs."""

from __future__ import annotations

import asyncio
import importlib
import sys
from types import ModuleType
from typing import Any

import pytest

from ..helpers import wait_until
from ..registry import NOT_SIMULATED, program

WORLDLY = {"engines": NOT_SIMULATED, "reason": "a job is a process", "dashboard": True}


def _client(ray: ModuleType) -> Any:
    return importlib.import_module(f"{ray.__name__}.job_submission").JobSubmissionClient()


def _run(client: Any, code: str, **options: Any) -> str:
    return client.submit_job(entrypoint=f'{sys.executable} -c "{code}"', **options)


def _await_end(client: Any, job: str) -> str:
    wait_until(lambda: client.get_job_status(job).is_terminal(), f"job {job} is over", 60.0)
    return str(client.get_job_status(job))


@program(**WORLDLY)
def job_succeeds(ray: ModuleType) -> None:
    """Surface 10: A job ends in SUCCEEDED; its output, metadata and environment are kept."""
    client = _client(ray)
    job = _run(
        client,
        "import os; print('said', os.environ['JOB_WORD'])",
        metadata={"who": "me"},
        runtime_env={"env_vars": {"JOB_WORD": "word"}},
    )
    assert job.startswith("raysubmit_")
    assert _await_end(client, job) == "SUCCEEDED"
    assert "said word" in client.get_job_logs(job)
    info = client.get_job_info(job)
    assert (info.submission_id, info.status, info.type) == (job, "SUCCEEDED", "SUBMISSION")
    assert info.metadata["who"] == "me"
    assert info.runtime_env["env_vars"] == {"JOB_WORD": "word"}
    assert info.message == "Job finished successfully."
    assert info.start_time <= info.end_time
    assert info.driver_exit_code == 0
    assert job in [each.submission_id for each in client.list_jobs()]


@program(**WORLDLY)
def job_fails(ray: ModuleType) -> None:
    """Surface 10: A job whose command fails is FAILED, with its exit code and last lines."""
    client = _client(ray)
    job = _run(client, "import sys; print('last words'); sys.exit(3)", submission_id="job_fails")
    assert job == "job_fails"
    assert _await_end(client, job) == "FAILED"
    info = client.get_job_info(job)
    assert "exit code 3" in info.message
    assert "last words" in info.message
    assert info.error_type == "JOB_ENTRYPOINT_COMMAND_ERROR"
    with pytest.raises(RuntimeError, match="already exists"):
        _run(client, "pass", submission_id="job_fails")
    assert client.delete_job(job) is True
    with pytest.raises(RuntimeError):
        client.get_job_info(job)


@program(**WORLDLY)
def job_is_stopped(ray: ModuleType) -> None:
    """Surface 10: A job that is stopped is STOPPED; one that runs can't be deleted; one that is over can't be stopped."""
    client = _client(ray)
    job = _run(client, "import time; time.sleep(600)")
    wait_until(lambda: str(client.get_job_status(job)) == "RUNNING", "the job runs", 60.0)
    with pytest.raises(RuntimeError):
        client.delete_job(job)
    assert client.stop_job(job) is True
    assert _await_end(client, job) == "STOPPED"
    assert client.stop_job(job) is False


@program(**WORLDLY)
def job_logs_as_they_come(ray: ModuleType) -> None:
    """Surface 10: tail_job_logs() gives what is printed until the job is over."""
    client = _client(ray)
    job = _run(client, "print('one'); print('two')")

    async def read() -> str:
        return "".join([lines async for lines in client.tail_job_logs(job)])

    text = asyncio.run(read())
    assert "one" in text
    assert "two" in text
    assert _await_end(client, job) == "SUCCEEDED"


@program(**WORLDLY)
def job_misuse(ray: ModuleType) -> None:
    """Surface 10: Jobs that there are not; arguments of the wrong kind; states."""
    module = importlib.import_module(f"{ray.__name__}.job_submission")
    client = _client(ray)
    for ask in (client.get_job_status, client.get_job_logs, client.stop_job, client.delete_job):
        with pytest.raises(RuntimeError):
            ask("job_that_is_not")
    with pytest.raises(TypeError, match="address must be a string"):
        module.JobSubmissionClient(5)
    with pytest.raises(TypeError, match="metadata must be a dict"):
        module.JobSubmissionClient(metadata=5)
    assert [str(each) for each in module.JobStatus] == ["PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"]
    assert module.JobStatus.FAILED.is_terminal()
    assert not module.JobStatus.PENDING.is_terminal()
    info = module.JobInfo(status="PENDING", entrypoint="echo")
    assert info.message.startswith("Job has not started yet.")
