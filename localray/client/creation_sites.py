"""Where references are made: the user's lines that lead to a `put`, a call, or a value with references in it; and which
line a warning is about.

Sites are only for programs that ask for them, by ``RAY_record_ref_creation_sites=1`` or ``_system_config``, because
looking at the stack takes longer than a `put`. Must not live here: keeping them (the kernel does).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType

from localray.client.context import current_task

VARIABLE = "RAY_record_ref_creation_sites"
VARIABLE_OF_TASKS = "RAY_record_task_actor_creation_sites"
SETTINGS = tuple(name.removeprefix("RAY_") for name in (VARIABLE, VARIABLE_OF_TASKS))
"""What they are called in ``_system_config``."""
_NO = ("", "0", "false")
_PACKAGE_DIRECTORY = str(Path(__file__).resolve().parent.parent) + os.sep
_NOT_THE_USERS = (_PACKAGE_DIRECTORY, "<frozen")
_FRAMES = 4
_PUT_INDEX = b"\0\0\0\x40"
_NO_ACTOR = b"\xff" * 12


class _Session:
    asks = False


_session = _Session()


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether the program asks for creation sites, of references or of tasks: a task's is that of what it returns."""
    return _session.asks or any(environment.get(name, "").lower() not in _NO for name in (VARIABLE, VARIABLE_OF_TASKS))


def session_starts(system_config: Mapping[str, object]) -> None:
    """This process starts a session, whose settings may ask for sites: workers that are processes of their own are told
    by the variable."""
    _session.asks = any(str(system_config.get(name, "")).lower() not in _NO for name in SETTINGS)


def site_of_new(object_id: bytes) -> str:
    """The site of a reference to an object that is being made, which its id tells the kind of."""
    if object_id[24:28] == _PUT_INDEX:
        how = "put object"
    elif object_id[8:20] == _NO_ACTOR:
        how = "task call"
    else:
        how = "actor call"
    return f"({how}) {_stack()}"


def site_of_received() -> str:
    """The site of a reference that arrives inside a value."""
    task = current_task.get()
    if task is not None:
        return f"(deserialize {'actor task' if task.actor_id else 'task'} arg) {task.name}"
    return f"(deserialize object) {_stack()}"


def level_of_the_users_line() -> int:
    """The ``stacklevel`` with which a warning of the caller's points at the innermost line that is not ours."""
    level = 1
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_NOT_THE_USERS):
        level, frame = level + 1, frame.f_back
    return level


def _stack() -> str:
    return " | ".join(_frames())


def _frames() -> Iterator[str]:
    """The innermost frames that are not ours, as ``file:function:line``."""
    frame = sys._getframe(1)
    left = _FRAMES
    while frame is not None and left:
        code = frame.f_code
        if not code.co_filename.startswith(_NOT_THE_USERS) and not _is_main_of_a_worker(frame):
            yield f"{code.co_filename}:{code.co_name}:{frame.f_lineno}"
            left -= 1
        frame = frame.f_back  # type: ignore[assignment]


def _is_main_of_a_worker(frame: FrameType) -> bool:
    """A worker's main is a string, as a driver's may be."""
    return frame.f_back is None and frame.f_code.co_filename == "<string>" and current_task.get() is not None
