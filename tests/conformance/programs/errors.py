"""Exceptions of tasks and methods: types, causes, texts, chains."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import ModuleType

import pytest

from ..helpers import make_recorder
from ..registry import program


@program()
def an_error_is_both_ray_error_and_the_users_type(ray: ModuleType) -> None:
    """E1, surface 5: caught as RayTaskError, as RayError, as the user's class, and as its base."""

    class Mine(LookupError):
        pass

    @ray.remote
    def fail():
        raise Mine("text")

    for kind in (ray.exceptions.RayTaskError, ray.exceptions.RayError, LookupError):
        with pytest.raises(kind):
            ray.get(fail.remote())

    @ray.remote
    def fail_builtin():
        raise KeyError("key")

    with pytest.raises(KeyError) as caught:
        ray.get(fail_builtin.remote())
    assert isinstance(caught.value, ray.exceptions.RayTaskError)
    assert type(caught.value).__name__ == "RayTaskError(KeyError)"


@program()
def an_error_carries_its_cause(ray: ModuleType) -> None:
    """E1, surface 5: .cause is the exception itself, args is (cause,), its attributes are forwarded."""

    @ray.remote
    def fail():
        error = ValueError("text", 7)
        error.detail = {"line": 3}
        raise error

    with pytest.raises(ValueError, match="text") as caught:
        ray.get(fail.remote())
    error = caught.value
    assert type(error.cause) is ValueError
    assert error.cause.args == ("text", 7)
    assert error.args == (error.cause,)
    assert error.detail == {"line": 3}


@program()
def an_errors_text_is_the_remote_traceback(ray: ModuleType) -> None:
    """E3, surface 5: str() names the task, shows the user's frames and the message."""

    @ray.remote
    def outer_step():
        return inner_step()

    def inner_step():
        raise RuntimeError("deep trouble")

    with pytest.raises(RuntimeError) as caught:
        ray.get(outer_step.remote())
    text = str(caught.value)
    assert "ray::outer_step()" in text
    assert "in inner_step" in text
    assert "in outer_step" in text
    assert "RuntimeError: deep trouble" in text
    assert 'raise RuntimeError("deep trouble")' in text


@program()
def an_error_hides_the_engines_own_frames(ray: ModuleType) -> None:
    """E3, surface 5: of the files in the traceback only the user's is shown."""

    @ray.remote
    def fail():
        raise RuntimeError("here")

    with pytest.raises(RuntimeError) as caught:
        ray.get(fail.remote())
    files = [line.split('"')[1] for line in str(caught.value).splitlines() if line.strip().startswith('File "')]
    assert [Path(file).name for file in files] == ["errors.py"]


@program()
def a_methods_error_shows_the_actor(ray: ModuleType) -> None:
    """E3, surface 5: class and method, actor id and repr are in the text."""

    @ray.remote
    class Cat:
        def __repr__(self):
            return "Cat(Tom)"

        def purr(self):
            raise ValueError("hoarse")

    cat = Cat.remote()
    with pytest.raises(ValueError, match="hoarse") as caught:
        ray.get(cat.purr.remote())
    text = str(caught.value)
    assert "ray::Cat.purr()" in text
    assert "repr=Cat(Tom)" in text
    assert f"actor_id={cat._actor_id.hex()}" in text


@program()
def a_chained_cause_is_in_the_text(ray: ModuleType) -> None:
    """E3, surface 5: `raise ... from ...` shows both exceptions."""

    @ray.remote
    def fail():
        try:
            return 1 / 0
        except ZeroDivisionError as error:
            raise ValueError("wrapped") from error

    with pytest.raises(ValueError, match="wrapped") as caught:
        ray.get(fail.remote())
    text = str(caught.value)
    assert "ZeroDivisionError: division by zero" in text
    assert "The above exception was the direct cause of the following exception" in text


@program()
def a_nested_error_keeps_its_inner_type(ray: ModuleType) -> None:
    """E6, surface 5: through three tasks the user's type stays, and every task is named in the text."""

    @ray.remote
    def innermost():
        raise KeyError("deep")

    @ray.remote
    def middle():
        return ray.get(innermost.remote())

    @ray.remote
    def outermost():
        return ray.get(middle.remote())

    with pytest.raises(KeyError) as caught:
        ray.get(outermost.remote())
    assert type(caught.value.cause) is KeyError
    assert caught.value.cause.args == ("deep",)
    for name in ("innermost", "middle", "outermost"):
        assert f"ray::{name}()" in str(caught.value)


@program()
def a_task_can_catch_a_subtasks_error(ray: ModuleType) -> None:
    """E6, surface 5: inside workers errors have the same dual type as in the driver."""

    @ray.remote
    def fail():
        raise FileNotFoundError("gone")

    @ray.remote
    def recover():
        try:
            ray.get(fail.remote())
        except OSError as error:
            return type(error).__name__, isinstance(error, ray.exceptions.RayTaskError), str(error.cause)
        return None

    assert ray.get(recover.remote()) == ("RayTaskError(FileNotFoundError)", True, "gone")


@program()
def a_failed_dependency_fails_its_dependents(ray: ModuleType) -> None:
    """T11, surface 5: dependents never run; their error names the original failure, at any depth."""
    recorder = make_recorder(ray)

    @ray.remote
    def fail():
        raise KeyError("origin")

    @ray.remote
    def step(recorder, value):
        ray.get(recorder.add.remote(value))
        return value

    ref = fail.remote()
    for _ in range(5):
        ref = step.remote(recorder, ref)
    with pytest.raises(KeyError, match="origin") as caught:
        ray.get(ref)
    assert type(caught.value.cause) is KeyError
    assert "ray::fail()" in str(caught.value)
    assert ray.get(recorder.count.remote()) == 0


@program()
def an_error_tells_how_it_came_by(ray: ModuleType) -> None:
    """Surface 5: which task failed because of which argument, from the outermost to the one that raised; the same of a
    method, and of an actor whose constructor fails."""

    @ray.remote
    def fail():
        raise KeyError("origin")

    @ray.remote
    def inner(value):
        return value

    @ray.remote
    def outer(value):
        return value

    @ray.remote
    class Keeper:
        def keep(self, value):
            return value

    @ray.remote
    class Unborn:
        def __init__(self):
            self.begun = True
            raise KeyError("origin")

        def ping(self):
            return None

    def text_of(reference) -> str:
        with pytest.raises((KeyError, ray.exceptions.RayActorError)) as caught:
            ray.get(reference)
        return str(caught.value)

    def in_order(text: str, *parts: str) -> bool:
        places = [text.find(part) for part in parts]
        return -1 not in places and places == sorted(places)

    note = "At least one of the input arguments for this task could not be computed"
    text = text_of(outer.remote(inner.remote(fail.remote())))
    assert in_order(text, "ray::outer()", note, "RayTaskError: ", "ray::inner()", "ray::fail()", "KeyError: 'origin'")
    assert text.count(note) == 2
    text = text_of(Keeper.remote().keep.remote(inner.remote(fail.remote())))
    assert in_order(text, "ray::Keeper.keep()", "ray::inner()", "ray::fail()", "KeyError: 'origin'")
    unborn = Unborn.remote()
    text = text_of(unborn.ping.remote())
    assert in_order(text, "ray::Unborn.__init__()", f"actor_id={unborn._actor_id.hex()}", "repr=<", "KeyError: 'origin'")


@program()
def a_failed_dependency_does_not_fail_siblings(ray: ModuleType) -> None:
    """T11, surface 5: only what takes the failed ref as an argument fails; nested in a list it arrives as a ref."""

    @ray.remote
    def fail():
        raise ValueError("bad")

    @ray.remote
    def show(value):
        return value

    @ray.remote
    def look(box):
        try:
            return ray.get(box[0])
        except ValueError:
            return "seen inside"

    bad = fail.remote()
    sibling, dependent, looker = show.remote(1), show.remote(bad), look.remote([bad])
    with pytest.raises(ValueError, match="bad"):
        ray.get(dependent)
    assert ray.get([sibling, looker]) == [1, "seen inside"]


@program()
def an_unpicklable_exception_still_arrives_as_text(ray: ModuleType) -> None:
    """E2, surface 5: RayTaskError with the traceback, not a hang."""

    class Locked(Exception):
        def __init__(self, message):
            super().__init__(message)
            self.guard = threading.Lock()

    @ray.remote
    def fail():
        raise Locked("cannot travel")

    with pytest.raises(ray.exceptions.RayTaskError, match="cannot travel") as caught:
        ray.get(fail.remote())
    assert "Locked" in str(caught.value)
    assert "in fail" in str(caught.value)


@program()
def an_exception_that_cannot_be_rebuilt_still_arrives(ray: ModuleType) -> None:
    """E2, surface 5: when unpickling fails (an __init__ that wants more than args) a RayError with the text is raised."""

    class Picky(Exception):
        def __init__(self, message, code):
            super().__init__(message)
            self.code = code

    @ray.remote
    def fail():
        raise Picky("broken on arrival", 5)

    with pytest.raises(ray.exceptions.UnserializableException, match="broken on arrival") as caught:
        ray.get(fail.remote())
    assert "in fail" in str(caught.value)


@program()
def exceptions_with_their_own_constructor_arrive(ray: ModuleType) -> None:
    """E2, surface 5: arguments kept in args, or a __reduce__, are enough."""

    class Plain(Exception):
        def __init__(self, message, code):
            self.message = message
            self.code = code

    class Reducing(Exception):
        def __init__(self, message, *, code):
            super().__init__(message)
            self.code = code

        def __reduce__(self):
            return _rebuild, (self.args[0], self.code)

    def _rebuild(message, code):
        return Reducing(message, code=code)

    @ray.remote
    def fail(kind):
        raise Plain("plain", 1) if kind == "plain" else Reducing("reducing", code=2)

    for kind, code in (("plain", 1), ("reducing", 2)):
        with pytest.raises(ray.exceptions.RayTaskError) as caught:
            ray.get(fail.remote(kind))
        assert caught.value.code == code
        assert caught.value.cause.code == code
        assert type(caught.value.cause).__name__ == kind.capitalize()


@program()
def a_class_that_refuses_subclasses_gives_a_plain_error(ray: ModuleType) -> None:
    """E2, surface 5: the error cannot be of both types; it is a RayTaskError with the cause."""

    class Final(Exception):
        def __init_subclass__(cls):
            raise TypeError("no subclasses")

    @ray.remote
    def fail():
        raise Final("alone")

    with pytest.raises(ray.exceptions.RayTaskError, match="alone") as caught:
        ray.get(fail.remote())
    assert type(caught.value) is ray.exceptions.RayTaskError
    assert type(caught.value.cause).__name__ == "Final"


@program()
def exceptions_are_values_too(ray: ModuleType) -> None:
    """V, surface 5: a plain exception that is put, returned or passed is not raised."""

    @ray.remote
    def give_back(error):
        return error

    error = ValueError("just a value", 3)
    for back in (ray.get(ray.put(error)), ray.get(give_back.remote(error)), ray.get(give_back.remote([error]))[0]):
        assert type(back) is ValueError
        assert back.args == ("just a value", 3)


@program()
def each_get_of_a_failed_ref_raises(ray: ModuleType) -> None:
    """E1, surface 5: the error can be read again and again, alone and in a list."""

    @ray.remote
    def fail():
        raise ArithmeticError("always")

    ref = fail.remote()
    for _ in range(3):
        with pytest.raises(ArithmeticError, match="always"):
            ray.get(ref)
        with pytest.raises(ArithmeticError, match="always"):
            ray.get([ray.put(1), ref])


@program()
def the_exception_classes_have_rays_bases(ray: ModuleType) -> None:
    """E, surface 5: programs catch these by their base classes."""
    errors = ray.exceptions
    for name in ("RayTaskError", "WorkerCrashedError", "RayActorError", "ObjectLostError", "ObjectStoreFullError"):
        assert issubclass(getattr(errors, name), errors.RayError)
    assert issubclass(errors.ActorDiedError, errors.RayActorError)
    assert issubclass(errors.ActorUnavailableError, errors.RayActorError)
    assert issubclass(errors.GetTimeoutError, TimeoutError)
    assert issubclass(errors.OwnerDiedError, errors.ObjectLostError)
    assert issubclass(errors.ObjectFreedError, errors.ObjectLostError)
    assert issubclass(errors.ActorAlreadyExistsError, ValueError)
    assert issubclass(errors.ActorHandleNotFoundError, ValueError)
    assert not issubclass(errors.WorkerCrashedError, errors.RayTaskError)


@program()
def a_generators_exit_is_an_error_like_others(ray: ModuleType) -> None:
    """E1, surface 3: `GeneratorExit` from a task, a method and a coroutine reaches who asked, and the actor lives on."""

    def leave():
        raise GeneratorExit("left")

    @ray.remote(max_retries=0)
    def task():
        leave()

    @ray.remote
    class Serial:
        def method(self):
            leave()

        def alive(self):
            return True

    @ray.remote
    class Asyncio:
        async def method(self):
            leave()

        async def alive(self):
            return True

    actors = [Serial.remote(), Asyncio.remote()]
    for ref in [task.remote(), *[actor.method.remote() for actor in actors]]:
        with pytest.raises(ray.exceptions.RayTaskError) as caught:
            ray.get(ref, timeout=60)
        assert isinstance(caught.value.cause, GeneratorExit)
    assert ray.get([actor.alive.remote() for actor in actors]) == [True, True]


@program()
def asyncios_cancellation_is_an_error_of_plain_code(ray: ModuleType) -> None:
    """`asyncio.CancelledError` that a task or a method raises cancels nothing: it is an error like others. Of a
    coroutine it is how one ends that was cancelled."""

    @ray.remote
    def task():
        raise asyncio.CancelledError

    @ray.remote
    class Actor:
        def method(self):
            raise asyncio.CancelledError

    @ray.remote
    class Loop:
        async def method(self):
            raise asyncio.CancelledError

    for reference in (task.remote(), Actor.remote().method.remote()):
        with pytest.raises(ray.exceptions.RayTaskError) as told:
            ray.get(reference)
        assert isinstance(told.value, asyncio.CancelledError)
        assert not isinstance(told.value, ray.exceptions.TaskCancelledError)
    with pytest.raises(ray.exceptions.TaskCancelledError):
        ray.get(Loop.remote().method.remote())
