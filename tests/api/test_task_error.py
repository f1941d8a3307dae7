"""A task's error, which is the user's own exception too."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import sys
import threading
from dataclasses import dataclass
from typing import Any

import cloudpickle
import pytest

from localray import exceptions as errors
from localray.exceptions import RayError, RayTaskError

needs_groups = pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with Python 3.11")


class TwoArguments(Exception):
    """Pickles, but can't be loaded: `args` does not match `__init__`."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__("message")
        self.first = first


class Final(Exception):
    def __init_subclass__(cls, **_: object) -> None:
        raise TypeError("no subclasses")


class Stubborn(Exception):
    def __init_subclass__(cls, **_: object) -> None:
        raise RuntimeError("never")


@dataclass(frozen=True)
class Frozen(Exception):
    code: int = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return Frozen, (self.code,)


class WithDefault(Exception):
    code = 0

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Slotted(Exception):
    __slots__ = ("code",)

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return Slotted, (self.code,)


class OwnNew(Exception):
    def __new__(cls, value: object) -> OwnNew:
        return super().__new__(cls, value)


class WithProperty(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self._code = code

    @property
    def code(self) -> int:
        return self._code

    def twice(self) -> int:
        return 2 * self._code


class Unpicklable(Exception):
    def __reduce__(self) -> tuple[Any, ...]:
        raise ZeroDivisionError("no pickles here")


def _task_error(cause: BaseException, text: str = "Traceback (most recent call last):\n  here\nE: x") -> RayTaskError:
    return RayTaskError("f", text, cause, "ray::f", 7, "127.0.0.1")


def _dual(cause: BaseException) -> Any:
    dual = _task_error(cause).as_instanceof_cause()
    assert isinstance(dual, type(cause))
    return dual


def test_dual() -> None:
    cause = ValueError("x")
    cause.code = 5  # type: ignore[attr-defined]
    error = _task_error(cause)
    dual: Any = error.as_instanceof_cause()
    assert [cls.__name__ for cls in type(dual).__mro__][:4] == [
        "RayTaskError(ValueError)",
        "RayTaskError",
        "RayError",
        "ValueError",
    ]
    assert type(dual).__qualname__ == "RayTaskError(ValueError)"
    assert dual.cause is cause
    assert dual.args == (cause,)
    assert str(dual) == str(error) == "ray::f() (pid=7, ip=127.0.0.1)\n  here\nE: x"
    assert repr(dual) == "RayTaskError(ValueError)(ValueError('x'))"
    assert dual.code == 5
    assert (dual.pid, dual.function_name) == (7, "f")
    with pytest.raises(AttributeError, match="no_such"):
        _ = dual.no_such
    with pytest.raises(ValueError, match="here"):
        raise dual


def test_the_cause_hides_the_task_errors_own_attributes() -> None:
    cause = ValueError("x")
    cause.pid = 42  # type: ignore[attr-defined]
    assert _dual(cause).pid == 42


@pytest.mark.parametrize(
    ("cause", "attributes"),
    [
        (FileNotFoundError(2, "no", "/a"), {"errno": 2, "strerror": "no", "filename": "/a"}),
        (SyntaxError("bad", ("f", 3, 4, "text")), {"lineno": 3, "msg": "bad", "offset": 4}),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why"), {"reason": "why", "start": 0, "end": 1}),
        (StopIteration(5), {"value": 5}),
        (SystemExit(3), {"code": 3}),
        (ImportError("x", name="m"), {"name": "m"}),
        (KeyError("k"), {}),
        (Frozen(9), {"code": 9}),
        (Slotted(8), {"code": 8}),
        (WithDefault(6), {"code": 6}),
        (WithProperty(4), {"code": 4}),
        (OwnNew("v"), {}),
        (errors.ActorDiedError.from_text("killed", "ab"), {"actor_id": "ab", "preempted": False}),
        (errors.GetTimeoutError("slow"), {}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_dual_has_the_attributes_of_its_cause(cause: BaseException, attributes: dict[str, object]) -> None:
    dual = _dual(cause)
    for same in (dual, pickle.loads(pickle.dumps(dual)), cloudpickle.loads(cloudpickle.dumps(dual)), copy.copy(dual)):
        assert {name: getattr(same, name) for name in attributes} == attributes
        assert type(same).__mro__[1:] == type(dual).__mro__[1:]
        assert str(same) == str(dual)
        assert repr(same.cause) == repr(cause)
        assert repr(same.args) == repr((cause,))
    if isinstance(cause, WithProperty):
        assert dual.twice() == 8


def test_dual_keeps_what_was_added_to_it() -> None:
    dual = _dual(ValueError("x"))
    dual.added = [1]
    same = pickle.loads(pickle.dumps(dual))
    assert same.added == [1]
    again = RayError.from_bytes(same.to_bytes())
    assert again.added == [1]  # type: ignore[attr-defined]
    assert isinstance(again, ValueError)


@pytest.mark.parametrize(
    "cause", [RayError("x"), Exception("x"), BaseException("x"), _task_error(ValueError("y"))], ids=repr
)
def test_nothing_to_do_when_the_cause_is_of_a_base_class(cause: BaseException) -> None:
    error = _task_error(cause)
    assert error.as_instanceof_cause() is error


@pytest.mark.parametrize(
    ("cause", "reason"), [(Final("x"), "no subclasses"), (Stubborn("x"), "never")], ids=["TypeError", "RuntimeError"]
)
def test_a_class_that_cannot_be_subclassed(cause: Exception, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    error = _task_error(cause)
    with caplog.at_level(logging.WARNING, "ray.exceptions"):
        assert error.as_instanceof_cause() is error
    assert error.cause is cause
    assert "can't be subclassed" in caplog.text
    assert reason in caplog.text


@needs_groups
def test_a_group_keeps_its_members() -> None:
    group: Any = _group_class()("g", [ValueError(1), KeyError("k")])
    dual = _dual(group)
    for same in (dual, pickle.loads(pickle.dumps(dual))):
        assert type(same).__name__ == "RayTaskError(ExceptionGroup)"
        assert (same.message, repr(same.exceptions)) == ("g", "(ValueError(1), KeyError('k'))")
        matched, rest = same.split(ValueError)
        assert (repr(matched.exceptions), repr(rest.exceptions)) == ("(ValueError(1),)", "(KeyError('k'),)")
    namespace: dict[str, Any] = {"error": dual}
    exec(
        "try:\n    raise error\nexcept* KeyError as caught:\n    found = caught\nexcept* ValueError:\n    pass",
        namespace,
    )
    assert repr(namespace["found"].exceptions) == "(KeyError('k'),)"


def _group_class() -> Any:
    import builtins

    return getattr(builtins, "ExceptionGroup")  # noqa: B009 - not there in Python 3.10


@pytest.mark.parametrize("how", ["lock", "reduce"])
def test_a_cause_that_cannot_be_pickled_becomes_text(how: str) -> None:
    cause: Exception = Unpicklable("x")
    if how == "lock":
        cause = ValueError("x")
        cause.lock = threading.Lock()  # type: ignore[attr-defined]
    error = _task_error(cause, "the text")
    assert type(error.cause) is RayError
    assert f"{type(cause).__name__} isn't serializable: " in str(error.cause)
    assert "the text" in str(error.cause)
    same = RayError.from_bytes(error.to_bytes())
    assert (type(same), str(same)) == (RayTaskError, "the text")


def test_a_cause_that_cannot_be_loaded_arrives_as_text() -> None:
    error = RayError.from_bytes(_task_error(TwoArguments(1, 2)).to_bytes())
    assert type(error) is errors.UnserializableException
    assert "ray::f() (pid=7, ip=127.0.0.1)\n  here\nE: x" in str(error)


def test_defaults_of_task_error() -> None:
    error = RayTaskError("f", "", ValueError())
    assert (error.proctitle, error.pid, error.ip) == ("ray::f", os.getpid(), "127.0.0.1")
    assert (error.actor_repr, error._actor_id) == (None, None)
    assert repr(error.args) == "('f', '', ValueError(), None, None, None)"


CAUSES_ON_RAY: list[BaseException] = [
    ValueError("x"),
    KeyError("k"),
    OSError(2, "no"),
    WithProperty(4),
    OwnNew("v"),
    SystemExit(3),
    Final("x"),
    RayError("x"),
]


@pytest.mark.ray
@pytest.mark.parametrize("cause", CAUSES_ON_RAY, ids=lambda value: type(value).__name__)
def test_dual_as_in_ray(cause: BaseException) -> None:
    theirs = pytest.importorskip("ray.exceptions")
    shared = theirs.RayError(*cause.args) if isinstance(cause, RayError) else cause
    text = "Traceback (most recent call last):\n  here\nE: x"
    real = theirs.RayTaskError("f", text, shared, "ray::f", 7, "127.0.0.1")
    expected, dual = real.as_instanceof_cause(), _task_error(cause).as_instanceof_cause()
    assert [cls.__name__ for cls in type(dual).__mro__] == [cls.__name__ for cls in type(expected).__mro__]
    assert repr(dual) == repr(expected)
    assert repr(dual.args) == repr(expected.args)
    # Ray colours the name of what ran.
    assert str(dual) == str(expected).replace("\x1b[36m", "").replace("\x1b[39m", "")
    assert getattr(dual, "code", None) == getattr(expected, "code", None) or isinstance(cause, SystemExit)
