"""The text of a remote traceback: a header, the user's frames and no others, causes, contexts and nested tasks."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from localray import exceptions as errors
from localray.exceptions import RayTaskError, format_remote_traceback

NOWHERE = str(Path(os.sep, "nowhere"))
needs_groups = pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with Python 3.11")


def _raised(do: Any, *arguments: object) -> BaseException:
    try:
        do(*arguments)
    except BaseException as error:  # noqa: BLE001 - it is what is asked for
        return error
    raise AssertionError(f"{do} did not raise")


def _group_class() -> Any:
    import builtins

    return getattr(builtins, "ExceptionGroup")  # noqa: B009 - not there in Python 3.10


def _format(error: BaseException, hidden: str = NOWHERE, **actor: str) -> list[str]:
    lines = format_remote_traceback(error, "ray::f()", 7, "127.0.0.1", hidden, **actor).splitlines()
    # Which part of a line is underlined differs between versions of Python.
    return [line for line in lines if line.strip(" ^~")]


HEADER = "ray::f() (pid=7, ip=127.0.0.1)"


def _fail() -> None:
    raise ValueError("a\nb")


def _from() -> None:
    try:
        _fail()
    except ValueError as error:
        raise KeyError("k") from error


def _during() -> None:
    try:
        _fail()
    except ValueError:
        raise KeyError("k")  # noqa: B904 - the context is what is tested


def _from_none() -> None:
    try:
        _fail()
    except ValueError:
        raise KeyError("k") from None


def _frame(function: Any, offset: int) -> str:
    return f'  File "{__file__}", line {function.__code__.co_firstlineno + offset}, in {function.__name__}'


FAIL_LINES = [_frame(_fail, 1), '    raise ValueError("a\\nb")', "ValueError: a", "b"]


def _compiled(path: str, source: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"fail": _fail}
    exec(compile(source, path, "exec"), namespace)
    return namespace


def test_traceback_of_the_users_frames(tmp_path: Path) -> None:
    hidden = _compiled(str(tmp_path / "runner.py"), "def run(user): user()")
    error = _raised(hidden["run"], _fail)
    assert any("runner.py" in line for line in _format(error))
    # The frame of `_raised` itself is the test's, and so counts as the user's.
    shown = _format(error, str(tmp_path))
    assert shown[0] == HEADER
    assert shown[1].startswith(f'  File "{__file__}"')
    assert shown[3:] == FAIL_LINES


def test_a_directory_of_a_similar_name_is_not_hidden(tmp_path: Path) -> None:
    kept = _compiled(f"{tmp_path}x/runner.py", "def run(user): user()")
    assert any("runner.py" in line for line in _format(_raised(kept["run"], _fail), str(tmp_path)))


def test_all_frames_hidden_leaves_the_header() -> None:
    assert _format(_raised(_fail), str(Path(__file__).parent)) == [HEADER, "ValueError: a", "b"]
    assert _format(ValueError("never raised")) == [HEADER, "ValueError: never raised"]


@pytest.mark.parametrize(
    ("function", "between"),
    [
        (_from, "The above exception was the direct cause of the following exception:"),
        (_during, "During handling of the above exception, another exception occurred:"),
    ],
)
def test_causes_and_contexts(function: Any, between: str) -> None:
    lines = _format(_raised(function))
    cut = lines.index(between)
    assert lines[0] == HEADER
    assert lines[cut - 4 : cut] == FAIL_LINES
    assert lines[cut + 1] == HEADER
    assert lines[-3] == _frame(function, 4)
    assert lines[-1] == "KeyError: 'k'"
    assert lines.count(HEADER) == 2


def test_a_suppressed_context_is_not_shown() -> None:
    lines = _format(_raised(_from_none))
    assert lines.count(HEADER) == 1
    assert not any("ValueError: a" in line for line in lines)


def test_actor_in_the_header() -> None:
    lines = _format(_raised(_fail), actor_id="abcd", actor_repr="A()")
    assert lines[0] == "ray::f() (pid=7, ip=127.0.0.1, actor_id=abcd, repr=A())"
    assert _format(_raised(_fail), actor_id="abcd", actor_repr="")[0] == HEADER


def _outer(inner: BaseException) -> None:
    raise inner


def _from_exception(error: BaseException, name: str, pid: int) -> RayTaskError:
    return RayTaskError.from_exception(error, name, f"ray::{name}", pid, "127.0.0.1", NOWHERE)


def test_nested_tasks_read_from_the_outermost_to_the_innermost() -> None:
    inner = _from_exception(_raised(_fail), "f", 8).as_instanceof_cause()
    outer = _from_exception(_raised(_outer, inner), "g", 9)
    # The cause stays the user's own exception, however deep.
    assert outer.cause is inner.cause
    lines = [line for line in str(outer).splitlines() if line.strip(" ^~")]
    assert lines[0] == "ray::g() (pid=9, ip=127.0.0.1)"
    assert lines[3] == _frame(_outer, 1)
    assert lines[5] == "localray.exceptions.RayTaskError(ValueError): ray::f() (pid=8, ip=127.0.0.1)"
    assert lines[-4:] == FAIL_LINES
    assert isinstance(outer.as_instanceof_cause(), ValueError)


def test_a_failed_argument() -> None:
    inner = _from_exception(_raised(_fail), "f", 8)
    error = RayTaskError.from_dependency(inner, "dep", "ray::dep", 9, "127.0.0.1")
    assert str(error).splitlines()[:3] == [
        "ray::dep() (pid=9, ip=127.0.0.1)",
        "  At least one of the input arguments for this task could not be computed:",
        "localray.exceptions.RayTaskError: ray::f() (pid=8, ip=127.0.0.1)",
    ]
    assert str(error).endswith(str(inner).partition("\n")[2])
    assert error.cause is inner.cause
    lost = RayTaskError.from_dependency(errors.ObjectFreedError("ab", None, ""), "dep", "ray::dep", 9, "127.0.0.1")
    assert isinstance(lost.as_instanceof_cause(), errors.ObjectFreedError)


def test_our_exceptions_have_the_names_that_programs_know(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `ray` means us, `ray.exceptions` is where they are; not in what the user's own text says."""
    monkeypatch.setenv("LOCALRAY_PYTHON", sys.executable)
    inner = _from_exception(_raised(_fail), "f", 8)
    error = RayTaskError.from_dependency(inner, "dep", "ray::dep", 9, "127.0.0.1")
    assert str(error).splitlines()[2] == "ray.exceptions.RayTaskError: ray::f() (pid=8, ip=127.0.0.1)"
    outer = _from_exception(_raised(_outer, inner.as_instanceof_cause()), "g", 9)
    assert "ray.exceptions.RayTaskError(ValueError): ray::f() (pid=8, ip=127.0.0.1)" in str(outer).splitlines()
    told = _format(_raised(_outer, ValueError("see localray.exceptions.RayError")))
    assert told[-1] == "ValueError: see localray.exceptions.RayError"


def test_an_exception_that_cannot_be_shown_is_still_reported() -> None:
    class NoText(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    lines = _format(_raised(_outer, NoText()))
    assert lines[0] == HEADER
    assert "NoText: <" in lines[-1]


def test_deep_recursion_is_folded_and_long_chains_are_shown() -> None:
    def recur(depth: int) -> int:
        return recur(depth + 1)

    lines = _format(_raised(recur, 0))
    assert len(lines) < 20
    assert any("[Previous line repeated" in line for line in lines)
    chain: BaseException = ValueError(0)
    for number in range(1, 200):
        link = ValueError(number)
        link.__cause__ = chain
        chain = link
    assert [line for line in _format(chain) if line.startswith("ValueError")] == [
        f"ValueError: {n}" for n in range(200)
    ]


@needs_groups
def test_a_groups_members_are_drawn_under_the_header(tmp_path: Path) -> None:
    hidden = _compiled(str(tmp_path / "runner.py"), "def run(user): user()")
    group = _group_class()("g", [_raised(hidden["run"], _fail), KeyError("k")])
    lines = _format(_raised(_outer, group), str(tmp_path))
    assert lines[0] == f"  + {HEADER}"
    assert "  | ExceptionGroup: g (2 sub-exceptions)" in lines
    assert f"    | {HEADER}" in lines
    assert "    | KeyError: 'k'" in lines
    assert not any("runner.py" in line for line in lines)
