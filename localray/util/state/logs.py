"""`list_logs` and `get_log` of `ray.util.state`: the log files of a session, one for each worker and stream. Must not
live here: who writes them (`localray.runtime.worker_output`)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

from localray.client.current import current_client
from localray.runtime.output import ACTOR_MARK, JOB_MARK, TASK_MARK
from localray.session import find_session
from localray.util.state.api import get_actor, get_task, list_nodes
from localray.util.state.common import DEFAULT_RPC_TIMEOUT, RAY_MAX_LIMIT_FROM_API_SERVER
from localray.util.state.exception import RayStateApiException, ServerUnavailable
from localray.util.state.task_lines import pieces

_CATEGORIES = {".out": "worker_out", ".err": "worker_err"}
_ESCAPE_CODES = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")
_FOLLOW_S = 0.5
_MARKS = tuple(mark.encode() for mark in (JOB_MARK, ACTOR_MARK, TASK_MARK))


def list_logs(
    address: str | None = None,
    node_id: str | None = None,
    node_ip: str | None = None,
    glob_filter: str | None = None,
    timeout: int = DEFAULT_RPC_TIMEOUT,
) -> dict[str, list[str]]:
    """The names of log files, by what is in them: ``worker_out``, ``worker_err``, ``internal``.

    Args:
        address: of a session; by default the own one.
        node_id: the hexadecimal id of a node. Nodes of one session share the directory of their log files.
        node_ip: a node's address.
        glob_filter: only names that match.
        timeout: accepted.

    Raises:
        AssertionError: neither ``node_id`` nor ``node_ip`` is given.
        ServerUnavailable: there is no session.
        RayStateApiException: it has no such node.
    """
    assert node_ip is not None or node_id is not None, "At least one of node ip and node id is required"
    found: dict[str, list[str]] = {}
    for path in sorted(_directory(address, node_id).glob(glob_filter or "*")):
        category = _CATEGORIES.get(path.suffix, "internal") if path.name.startswith("worker") else "internal"
        found.setdefault(category, []).append(path.name)
    return found


def get_log(
    address: str | None = None,
    node_id: str | None = None,
    node_ip: str | None = None,
    filename: str | None = None,
    actor_id: str | None = None,
    task_id: str | None = None,
    pid: int | None = None,
    follow: bool = False,
    tail: int = -1,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    suffix: str = "out",
    encoding: str | None = "utf-8",
    errors: str | None = "strict",
    submission_id: str | None = None,
    attempt_number: int = 0,
    _interval: float | None = None,
    filter_ansi_code: bool = False,
) -> Iterator[str | bytes]:
    """What stands in a log file, in pieces.

    Args:
        address: of a session; by default the own one.
        node_id, node_ip: of the node; nodes of one session share the directory of their log files.
        filename: the file's name, as `list_logs` tells it.
        actor_id: instead: the file of the process in which this actor lives or lived.
        pid: instead: the file of this process.
        task_id: instead: only what this task has printed by Python's streams.
        attempt_number: which attempt of the task; 0 is the first.
        follow: go on with what is written later, until the session ends.
        tail: only so many lines at the end; all by default.
        suffix: of an actor's, a process's or a task's output: out or err.
        encoding: of the text; None for bytes.
        errors: what to do about bytes that are no text, as `bytes.decode` has it.
        filter_ansi_code: leave out colours and the like.
        _interval: seconds between two looks, when following.
        submission_id, timeout: for signatures like Ray's: jobs' output is read by their `JobSubmissionClient`.

    Raises:
        ServerUnavailable: there is no session.
        RayStateApiException: there is no such file, or it is asked for in a way that is not possible here.
    """
    logs = _directory(address, node_id)
    if task_id is not None:
        content = b"".join(_lines_of(logs, task_id, attempt_number, suffix, address, follow=follow))
        if content:
            yield _shown(_last(content, tail), encoding, errors, filter_ansi_code)
        return
    path = _file(logs, filename, _process(actor_id, pid, address), suffix, submission_id)
    with path.open("rb") as file:
        content = _last(file.read(), tail)
        while True:
            if content:
                yield _shown(content, encoding, errors, filter_ansi_code)
            if not follow or not path.exists():
                return
            content = file.read()
            if not content:
                time.sleep(_FOLLOW_S if _interval is None else _interval)


def _shown(content: bytes, encoding: str | None, errors: str | None, filter_ansi_code: bool) -> str | bytes:
    shown = _ESCAPE_CODES.sub(b"", content) if filter_ansi_code else content
    return shown if encoding is None else shown.decode(encoding, errors or "strict")


def _last(content: bytes, lines: int) -> bytes:
    if lines < 0:
        return content
    return b"".join(content.splitlines(keepends=True)[-lines:] if lines else [])


def _directory(address: str | None, node_id: str | None) -> Path:
    """Where a session's log files are."""
    nodes = {node.node_id for node in list_nodes(address, limit=RAY_MAX_LIMIT_FROM_API_SERVER)}
    if node_id is not None and node_id not in nodes:
        raise RayStateApiException(f"There is no node {node_id}: the session's nodes are {sorted(nodes)}.")
    client = current_client()
    if client is not None and address in (None, "auto", "local", client.address):
        return client.directory / "logs"
    home = find_session(address)
    facts = home.facts()
    if facts is None:
        raise ServerUnavailable(f"The session at {home.address} has ended.")
    return Path(facts.directory) / "logs"


def _lines_of(
    logs: Path, task_id: str, attempt: int, suffix: str, address: str | None, *, follow: bool
) -> Iterator[bytes]:
    """What an attempt of a task has printed: the places where its lines begin are noted, and end where others' do."""
    if follow:
        raise RayStateApiException("What a task prints cannot be followed: give filename, actor_id or pid.")
    _check_suffix(suffix)
    found = get_task(task_id, address)
    attempts = found if isinstance(found, list) else [found]
    if attempt not in [each.attempt_number for each in attempts if each is not None]:
        raise RayStateApiException(f"There is no task {task_id}, or no attempt {attempt} of it is known any more.")
    for piece in pieces(logs, suffix):
        if (piece.task_id, piece.attempt) == (task_id, attempt):
            lines = piece.file.read_bytes()[piece.start : piece.end].splitlines(keepends=True)
            yield from (line for line in lines if not line.startswith(_MARKS))


def _process(actor_id: str | None, pid: int | None, address: str | None) -> int | None:
    if actor_id is None:
        return pid
    actor = get_actor(actor_id, address)
    if actor is None or not actor.pid:
        raise RayStateApiException(f"There is no actor {actor_id}, or it has not been in a process yet.")
    return int(actor.pid)


def _check_suffix(suffix: str) -> None:
    if suffix not in ("out", "err"):
        raise RayStateApiException(f"A log file's suffix is out or err, not {suffix!r}.")


def _file(logs: Path, name: str | None, process: int | None, suffix: str, job: str | None) -> Path:
    _check_suffix(suffix)
    if name is None and process is None:
        why = "A job's output is read by its JobSubmissionClient" if job else "Say which file"
        raise RayStateApiException(f"{why}: give filename, actor_id, pid or task_id.")
    found = logs / name if name is not None else next(logs.glob(f"worker-*-{process}.{suffix}"), None)
    if found is None or not found.is_file() or found.parent != logs:
        wanted = name or f"of process {process}, {suffix}"
        raise RayStateApiException(f"There is no log file {wanted} in {logs}. A worker has one once it has printed.")
    return found
