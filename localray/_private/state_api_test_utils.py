"""`ray._private.state_api_test_utils`: what suites check of tasks by the state API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localray._common.test_utils import wait_for_condition
from localray.absent.catalogue import missing_in
from localray.util.state import list_tasks
from localray.util.state.common import DEFAULT_LIMIT, DEFAULT_RPC_TIMEOUT, Filter, ListApiOptions, StateSchema


def verify_failed_task(name: str, error_type: str, error_message: str | list[str] | None = None) -> bool:
    """Check that there is one task of this name, which has failed so.

    Args:
        name: of the task.
        error_type: what it must have failed of.
        error_message: what must be in the error's text; several, if it is a list.

    Raises:
        AssertionError: it is not so.
    """
    tasks = list_tasks(filters=[("name", "=", name)], detail=True)
    assert len(tasks) == 1, tasks
    task = tasks[0]
    assert task["state"] == "FAILED", task
    assert task["error_type"] == error_type, task
    parts = [error_message] if isinstance(error_message, str) else error_message or []
    assert all(part in (task["error_message"] or "") for part in parts), task
    return True


def _is_actor_task_running(actor_pid: int, task_name: str) -> bool:
    """Whether this process is called by a task of this name: by all of its name, or by the short one of its first
    thread. Needs psutil.

    Args:
        actor_pid: of the process.
        task_name: of the task; may be a part of the name.
    """
    import psutil

    try:
        process = psutil.Process(actor_pid)
        titles = [process.name(), *process.cmdline()[:1]]
    except psutil.NoSuchProcess:
        return False
    return any(title.startswith("ray::") and task_name in title for title in titles)


def wait_for_task_states(name_to_state: Mapping[str, str], timeout: float = 30) -> None:
    """Return when of each name there is one task in this state.

    Raises:
        RuntimeError: it was not so in this many seconds.
    """

    def are_there() -> bool:
        return all(
            len(list_tasks(filters=[("name", "=", name), ("state", "=", state)])) == 1
            for name, state in name_to_state.items()
        )

    wait_for_condition(are_there, timeout=timeout)


def verify_schema(state: type[StateSchema], result_dict: Mapping[str, Any], detail: bool = False) -> None:
    """Check that a row has a state's columns, and that the state can be made of it.

    Args:
        state: the class of states.
        result_dict: the row.
        detail: whether it has the details too.

    Raises:
        AssertionError: it has others.
    """
    wanted = state.columns() if detail else state.base_columns()
    assert set(result_dict) == wanted, set(result_dict) ^ wanted
    state(**result_dict)


def create_api_options(
    timeout: int = DEFAULT_RPC_TIMEOUT,
    limit: int = DEFAULT_LIMIT,
    filters: list[Filter] | None = None,
    detail: bool = False,
    exclude_driver: bool = True,
) -> ListApiOptions:
    """How to list: as `ListApiOptions`, with the whole of the seconds."""
    return ListApiOptions(limit, timeout, detail, filters or [], exclude_driver, 1.0)


__getattr__ = missing_in(__name__)

__all__ = ["create_api_options", "verify_failed_task", "verify_schema", "wait_for_task_states"]
