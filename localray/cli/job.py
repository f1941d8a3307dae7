"""The command `localray job`: submit commands as jobs of a running session, and ask what becomes of them. The words for
the outcome are Ray's: scripts look for them.

Must not live here: running jobs (`localray.job_submission`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localray.job_details import JobStatus
from localray.job_submission.client import JobSubmissionClient

_DESCRIPTION = """Run commands as jobs of a running session.

examples:
  localray job submit -- python program.py
  localray job submit --no-wait --submission-id nightly -- python program.py
  localray job logs nightly --follow
  localray job list"""

_LOOK_EVERY_S = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.description = _DESCRIPTION
    actions = parser.add_subparsers(metavar="ACTION", required=True, dest="action")
    submit = actions.add_parser("submit", help="run a command, and show what it prints until it is over")
    submit.add_argument("--submission-id", "--job-id", help="its name (default: a new one)")
    submit.add_argument("--runtime-env", metavar="FILE", help="its runtime environment, in JSON or YAML")
    submit.add_argument("--runtime-env-json", metavar="JSON", help="its runtime environment")
    submit.add_argument("--working-dir", help="where it runs")
    submit.add_argument("--metadata-json", metavar="JSON", help="texts to be kept with it")
    submit.add_argument("--no-wait", action="store_true", help="do not wait for its end")
    submit.add_argument("entrypoint", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the command")
    for name, text in (
        ("status", "say how a job is"),
        ("logs", "show what a job has printed"),
        ("stop", "ask a job to end"),
        ("delete", "forget a job that is over"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("id", help="the job's name")
        if name == "logs":
            action.add_argument("-f", "--follow", action="store_true", help="go on until it is over")
        if name == "stop":
            action.add_argument("--no-wait", action="store_true", help="do not wait for its end")
    actions.add_parser("list", help="list the jobs")
    for action in actions.choices.values():
        action.add_argument("--address", help="of the session (default: the youngest)")
        action.add_argument("--verify", "--headers", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Do what is asked for; 1 without a session or such a job, when something is wrong, and for a job that failed."""
    try:
        client = JobSubmissionClient(options.address)
        print(f"Job submission server address: {client.get_address()}")
        return _ACTIONS[options.action](client, options)
    except (ConnectionError, RuntimeError, TypeError, ValueError) as error:
        print(f"localray job: {error}", file=sys.stderr)
        return 1


def _submit(client: JobSubmissionClient, options: argparse.Namespace) -> int:
    words = options.entrypoint[1:] if options.entrypoint[:1] == ["--"] else options.entrypoint
    if not words:
        raise ValueError("there is no command; write `localray job submit -- COMMAND`.")
    job = client.submit_job(
        entrypoint=shlex.join(words),
        submission_id=options.submission_id,
        runtime_env=_runtime_env(options),
        metadata=None if options.metadata_json is None else _read("--metadata-json", options.metadata_json),
    )
    _headline(f"Job '{job}' submitted successfully")
    print("\nNext steps")
    for text, action in (("Query the logs of", "logs"), ("Query the status of", "status"), ("Stop", "stop")):
        print(f"  {text} the job:\n    localray job {action} {job}")
    if options.no_wait:
        return 0
    print("\nTailing logs until the job exits (disable with --no-wait):")
    return _follow(client, job)


def _runtime_env(options: argparse.Namespace) -> dict[str, Any]:
    if options.runtime_env is not None and options.runtime_env_json is not None:
        raise ValueError("only one of --runtime-env and --runtime-env-json can be given.")
    runtime_env: dict[str, Any] = {}
    if options.runtime_env_json is not None:
        runtime_env = _read("--runtime-env-json", options.runtime_env_json)
    elif options.runtime_env is not None:
        runtime_env = _read_file(Path(options.runtime_env))
    if options.working_dir is not None:
        runtime_env["working_dir"] = options.working_dir
    return runtime_env


def _read(option: str, text: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{option} {text!r} is no JSON: {error}") from error
    if not isinstance(read, dict):
        raise ValueError(f"{option} must be a dictionary, got {text!r}.")
    return read


def _read_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"--runtime-env: {error}") from error
    try:
        return _read("--runtime-env", text)
    except ValueError:
        try:
            import yaml
        except ImportError:
            raise ValueError(f"{path} is no JSON; to read YAML, pip install pyyaml.") from None
        try:
            read = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f"{path} is neither JSON nor YAML: {error}") from error
        if not isinstance(read, dict):
            raise ValueError(f"{path} must hold a dictionary.") from None
        return read


def _follow(client: JobSubmissionClient, job: str) -> int:
    async def show() -> None:
        async for lines in client.tail_job_logs(job):
            print(lines, end="", flush=True)

    asyncio.run(show())
    return _tell(client, job)


def _tell(client: JobSubmissionClient, job: str) -> int:
    """Say how a job is; 1 where it has failed."""
    info = client.get_job_info(job)
    if info.status == JobStatus.SUCCEEDED:
        _headline(f"Job '{job}' succeeded")
    elif info.status == JobStatus.FAILED:
        _headline(f"Job '{job}' failed")
        print(f"Status message: {info.message}")
        return 1
    elif info.status == JobStatus.STOPPED:
        print(f"Job '{job}' was stopped")
    else:
        print(f"Status for job '{job}': {info.status}\nStatus message: {info.message}")
    return 0


def _headline(text: str) -> None:
    line = "-" * len(text)
    print(f"\n{line}\n{text}\n{line}")


def _status(client: JobSubmissionClient, options: argparse.Namespace) -> int:
    _tell(client, options.id)
    return 0


def _logs(client: JobSubmissionClient, options: argparse.Namespace) -> int:
    if options.follow:
        return _follow(client, options.id)
    print(client.get_job_logs(options.id), end="")
    return 0


def _stop(client: JobSubmissionClient, options: argparse.Namespace) -> int:
    print(f"Attempting to stop job '{options.id}'")
    client.stop_job(options.id)
    if options.no_wait:
        return 0
    print(f"Waiting for job '{options.id}' to exit (disable with --no-wait):", flush=True)
    while not client.get_job_status(options.id).is_terminal():
        time.sleep(_LOOK_EVERY_S)
    _tell(client, options.id)
    return 0


def _delete(client: JobSubmissionClient, options: argparse.Namespace) -> int:
    client.delete_job(options.id)
    print(f"Job '{options.id}' deleted successfully")
    return 0


def _list(client: JobSubmissionClient, options: argparse.Namespace) -> int:
    jobs = client.list_jobs()
    if not jobs:
        print("No job has been submitted.")
    width = max((len(str(job.submission_id)) for job in jobs), default=0)
    for job in jobs:
        print(f"{job.submission_id:<{width}}  {job.status!s:<9}  {job.entrypoint}")
    return 0


_ACTIONS: dict[str, Callable[[JobSubmissionClient, argparse.Namespace], int]] = {
    "submit": _submit,
    "status": _status,
    "logs": _logs,
    "stop": _stop,
    "delete": _delete,
    "list": _list,
}
