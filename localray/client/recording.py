"""What tasks touch of this machine, written down while a program runs: for `localray doctor`, which says what of it a
cluster would not have.

With ``LOCALRAY_RECORDING`` set to a file, each process of the session hears of files, connections and programs through
Python's audit events, and appends what its tasks did, each thing once. Without, nothing of this is imported. Must not
live here: what follows from it (`localray.doctor`).
"""

from __future__ import annotations

import ast
import dis
import inspect
import json
import os
import sys
import sysconfig
import textwrap
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from types import CodeType

from localray.client.context import current_task

VARIABLE = "LOCALRAY_RECORDING"
_CHANGE = frozenset(
    ("append", "appendleft", "extend", "insert", "add", "update", "setdefault", "remove", "discard", "pop", "clear")
)
"""Methods that change a list, a set, a dictionary or a deque."""


class Touched(Enum):
    """What kind of thing was touched."""

    READS = "reads"
    WRITES = "writes"
    CONNECTS = "connects"
    STARTS = "starts"
    SETS_GLOBAL = "sets_global"
    CHANGES_GLOBAL = "changes_global"
    NEEDS = "needs"
    CARRIES = "carries"


class Recorder:
    """Writes down what happens in this process.

    Args:
        path: of the file; made if need be.
    """

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._written: set[tuple[str, Touched, str]] = set()
        own = Path(__file__).resolve().parent.parent
        paths = [sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()]
        # What every machine with this Python and these packages has.
        self._everywhere = tuple({os.path.join(path, "") for path in [*paths, str(own)]} | {"/proc/", "/sys/", "/dev/"})  # noqa: PTH118

    def install(self) -> None:
        """Listen from now on; that cannot be undone."""
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[object, ...]) -> None:
        context = current_task.get()
        if context is None:
            return
        if event == "open":
            self._opened(context.name, *arguments[:3])
        elif event == "socket.connect":
            self._write(context.name, Touched.CONNECTS, str(arguments[1]))
        elif event == "subprocess.Popen":
            self._write(context.name, Touched.STARTS, os.fsdecode(arguments[0]))  # type: ignore[arg-type]

    def _opened(self, task: str, path: object, mode: object, flags: object) -> None:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return  # A descriptor: whoever opened the file was heard.
        full = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - links are the user's own names for things
        if not full.startswith(self._everywhere):
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
            self._write(task, Touched.WRITES if writes else Touched.READS, full)

    def defined(self, name: str, definition: object, size_bytes: int) -> None:
        """A function or class is on its way to the workers."""
        self._write(name, Touched.CARRIES, str(size_bytes))
        functions = vars(definition).values() if isinstance(definition, type) else [definition]
        for function in functions:
            for variable in _globals_set(getattr(function, "__code__", None)):
                self._write(name, Touched.SETS_GLOBAL, variable)
            for variable in _containers_changed(function):
                self._write(name, Touched.CHANGES_GLOBAL, variable)

    def needs(self, name: str, resources: Iterable[str]) -> None:
        """A task or actor asks for resources; CPUs and memory every node has."""
        for resource in resources:
            if resource not in ("CPU", "memory", "object_store_memory") and not resource.startswith("node:"):
                self._write(name, Touched.NEEDS, resource)

    def _write(self, task: str, touched: Touched, what: str) -> None:
        entry = (task, touched, what)
        if entry not in self._written:
            self._written.add(entry)
            line = json.dumps({"task": task, "touched": touched.value, "what": what})
            # One write of less than a page to a file opened for appending: lines of several processes do not mix.
            os.write(self._descriptor, line.encode() + b"\n")


def _globals_set(code: CodeType | None) -> Iterator[str]:
    """The global variables that a function gives values to, in what is nested in it too."""
    if code is None:
        return
    yield from (step.argval for step in dis.get_instructions(code) if step.opname == "STORE_GLOBAL")
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals_set(constant)


def _containers_changed(function: object) -> Iterator[str]:
    """The global lists, dictionaries and the like in which a function puts, or from which it takes. Found in its
    source, and so not where there is none."""
    code, variables = getattr(function, "__code__", None), getattr(function, "__globals__", {})
    if code is None:
        return
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
    except (OSError, SyntaxError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, (ast.Store, ast.Del)):
            changed: ast.expr | None = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGE:
            changed = node.func.value
        else:
            continue
        name = changed.id if isinstance(changed, ast.Name) else ""
        # What can be cleared is a container that can be changed.
        if name in code.co_names and hasattr(variables.get(name), "clear"):
            yield name


_recorder: Recorder | None = None


def recorder() -> Recorder | None:
    """This process's recorder, which is made at the first call; None where nobody asked for one."""
    global _recorder
    path = os.environ.get(VARIABLE)
    if _recorder is None and path:
        _recorder = Recorder(path)
        _recorder.install()
    return _recorder
