"""Options of tasks, actors and methods: which are refused, when, and with which words."""

from __future__ import annotations

import functools
from types import ModuleType

import pytest

from ..registry import program


def _function():
    return 1


class _Thing:
    def method(self):
        return 1


@program()
def unknown_options_are_refused_with_the_valid_ones(ray: ModuleType) -> None:
    """E7, surface 4.1: ValueError at decoration and at .options(), listing what is valid."""
    for use in (
        lambda: ray.remote(flavour=1)(_function),
        lambda: ray.remote(_function).options(flavour=1),
        lambda: ray.remote(flavour=1)(_Thing),
        lambda: ray.remote(_Thing).options(flavour=1),
    ):
        with pytest.raises(ValueError, match=r"(?s)flavour.*num_cpus.*resources"):
            use()


@program()
def options_of_the_other_kind_are_refused(ray: ModuleType) -> None:
    """E7, surface 4.1: task options on actors and actor options on tasks are ValueErrors that name them."""
    for name in ("max_restarts", "max_concurrency", "lifetime", "get_if_exists", "namespace", "max_pending_calls"):
        with pytest.raises(ValueError, match=name):
            ray.remote(**{name: 1})(_function)
    for name in ("max_retries", "max_calls", "num_returns", "retry_exceptions"):
        with pytest.raises(ValueError, match=name):
            ray.remote(**{name: 1})(_Thing)


@program()
def options_of_a_wrong_type_are_refused(ray: ModuleType) -> None:
    """E7, surface 4.1: TypeError that names the option."""
    wrong = {
        "num_cpus": "1", "num_gpus": [1], "memory": "1", "resources": [1], "max_retries": 1.5, "max_calls": "2",
        "name": 1, "runtime_env": 1, "retry_exceptions": 1, "scheduling_strategy": 1,
    }  # fmt: skip
    for name, value in wrong.items():
        with pytest.raises(TypeError, match=name):
            ray.remote(**{name: value})(_function)
    for name, value in {"max_restarts": "1", "name": 1, "namespace": 1, "max_concurrency": 1.5}.items():
        with pytest.raises(TypeError, match=name):
            ray.remote(**{name: value})(_Thing)


@program()
def options_with_a_bad_value_are_refused(ray: ModuleType) -> None:
    """E7, surface 4.1: ValueError at decoration that names the option."""
    bad = {
        "num_cpus": -1, "num_gpus": -1, "memory": -1, "max_retries": -2, "max_calls": -1, "num_returns": -1,
        "retry_exceptions": [1], "_generator_backpressure_num_objects": 0,
    }  # fmt: skip
    for name, value in bad.items():
        with pytest.raises(ValueError, match=name):
            ray.remote(**{name: value})(_function)
    bad_for_actors = {"max_restarts": -2, "max_task_retries": -2, "max_pending_calls": -2, "max_concurrency": -1}
    for name, value in bad_for_actors.items():
        with pytest.raises(ValueError, match=name):
            ray.remote(**{name: value})(_Thing)
    with pytest.raises(ValueError, match=r"(?s)lifetime.*detached"):
        ray.remote(lifetime="forever")(_Thing)


@program()
def resource_quantities_are_checked(ray: ModuleType) -> None:
    """E7, T7, surface 4.1: nothing finer than 0.0001, no CPU or GPU among the custom ones, no negative ones."""
    for options in ({"num_cpus": 0.00001}, {"num_gpus": 0.00001}, {"resources": {"widget": 0.00001}}):
        with pytest.raises(ValueError, match=r"0\.0001"):
            ray.remote(**options)(_function)
    for name in ("CPU", "GPU"):
        with pytest.raises(ValueError, match="num_cpus"):
            ray.remote(resources={name: 1})(_function)
    with pytest.raises(ValueError, match="widget"):
        ray.remote(resources={"widget": -1})(_Thing)


@program()
def some_resources_are_checked_only_at_submission(ray: ModuleType) -> None:
    """E7, surface 4.1: a fraction of more than one GPU and `memory` as a custom resource are refused by .remote()."""
    fractional = ray.remote(num_gpus=1.5)(_function)
    with pytest.raises(ValueError, match="whole"):
        fractional.remote()
    renamed = ray.remote(resources={"memory": 1})(_function)
    with pytest.raises(ValueError, match="memory"):
        renamed.remote()
    odd = ray.remote(scheduling_strategy="SOMEWHERE")(_function)
    with pytest.raises(ValueError, match="SOMEWHERE"):
        odd.remote()


@program()
def names_are_checked(ray: ModuleType) -> None:
    """E7, AC16, surface 4.1: empty names and namespaces are refused at .remote(), get_if_exists needs a name."""
    with pytest.raises(ValueError, match="empty"):
        ray.remote(_Thing).options(name="").remote()
    with pytest.raises(ValueError, match="namespace"):
        ray.remote(_Thing).options(name="thing", namespace="").remote()
    with pytest.raises(ValueError, match="name"):
        ray.remote(_Thing).options(get_if_exists=True).remote()
    for nothing in ("", None):
        with pytest.raises(ValueError, match="non-empty"):
            ray.get_actor(nothing)


@program()
def the_decorator_refuses_what_is_not_its_form(ray: ModuleType) -> None:
    """E7, surface 4.1: empty parentheses, a value, or a function together with options are AssertionErrors."""
    for use in (lambda: ray.remote(), lambda: ray.remote(1), lambda: ray.remote(_function, num_cpus=1)):
        with pytest.raises((AssertionError, TypeError), match=r"@ray\.remote"):
            use()


@program()
def the_decorator_refuses_what_is_neither_function_nor_class(ray: ModuleType) -> None:
    """E7, surface 4.1: builtins, partials, instances and what is remote already are TypeErrors."""
    for wrong in (len, functools.partial(_function), ray.remote(_function), ray.remote(_Thing)):
        with pytest.raises(TypeError, match="function or a class"):
            ray.remote(wrong)
        with pytest.raises(TypeError, match="function or a class"):
            ray.remote(num_cpus=1)(wrong)


@program()
def async_functions_are_refused_as_tasks(ray: ModuleType) -> None:
    """T19, surface 4.1: `async def` is a ValueError at decoration."""

    async def coroutine():
        return 1

    with pytest.raises(ValueError, match="async"):
        ray.remote(coroutine)


@program()
def generator_only_options_are_refused_elsewhere(ray: ModuleType) -> None:
    """R4, surface 4.1: "streaming" and "dynamic" need a generator function."""
    for name in ("streaming", "dynamic"):
        with pytest.raises(ValueError, match="generator"):
            ray.remote(num_returns=name)(_function)


@program()
def some_options_cannot_be_changed_later(ray: ModuleType) -> None:
    """E7, surface 4.1: max_calls and concurrency_groups belong to the decorator."""
    with pytest.raises(ValueError, match=r"max_calls.*options"):
        ray.remote(_function).options(max_calls=1)
    with pytest.raises(ValueError, match=r"concurrency_groups.*options"):
        ray.remote(_Thing).options(concurrency_groups={"io": 1})


@program()
def method_decorator_is_checked(ray: ModuleType) -> None:
    """E7, surface 4.1: @ray.method takes its known keywords; empty parentheses and the bare form are fine."""
    for use in (lambda: ray.method(flavour=1), lambda: ray.method(1)):
        with pytest.raises((AssertionError, TypeError), match=r"@ray\.method"):
            use()

    @ray.remote
    class Marked:
        @ray.method()
        def empty(self):
            return "empty"

        @ray.method
        def bare(self):
            return "bare"

        @ray.method(num_returns=2)
        def two(self):
            return "a", "b"

    marked = Marked.remote()
    assert ray.get([marked.empty.remote(), marked.bare.remote(), *marked.two.remote()]) == ["empty", "bare", "a", "b"]


@program()
def none_is_allowed_where_the_type_says_so(ray: ModuleType) -> None:
    """E7, surface 4.1: None is the default; only a task's num_cpus=None, given explicitly, asks for no CPU at all."""

    @ray.remote(**dict.fromkeys(("num_gpus", "memory", "resources", "name", "runtime_env", "num_returns")))
    def assigned():
        return ray.get_runtime_context().get_assigned_resources()

    @ray.remote(**dict.fromkeys(("num_cpus", "num_gpus", "resources", "name", "lifetime", "max_concurrency")))
    class Thing:
        def assigned(self):
            return ray.get_runtime_context().get_assigned_resources()

    assert ray.get(assigned.remote()) == {"CPU": 1.0}
    assert ray.get(assigned.options(num_cpus=None).remote()) == {}
    assert ray.get(Thing.remote().assigned.remote()) == {}


@program()
def actor_options_do_not_alter_the_class(ray: ModuleType) -> None:
    """T14, surface 4.1: .options of a class gives something new; later actors of the class are unaffected."""

    @ray.remote(num_cpus=1)
    class Sized:
        def assigned(self):
            return ray.get_runtime_context().get_assigned_resources()

        def name(self):
            return ray.get_runtime_context().get_actor_name()

    small = Sized.options(num_cpus=0.5, name="conformance-small").remote()
    assert ray.get([small.assigned.remote(), small.name.remote()]) == [{"CPU": 0.5}, "conformance-small"]
    plain = Sized.remote()
    assert ray.get([plain.assigned.remote(), plain.name.remote()]) == [{"CPU": 1.0}, ""]


@program()
def actor_classes_cannot_be_subclassed(ray: ModuleType) -> None:
    """AC23, surface 4.1: a subclass of a decorated class is an error; a decorated subclass of a plain class works."""

    class Base:
        def who(self):
            return "base"

        def both(self):
            return self.who() + "!"

    remote_base = ray.remote(Base)
    with pytest.raises(ray.actor.ActorClassInheritanceException, match="Inheriting from actor classes"):

        class Derived(remote_base):
            pass

    @ray.remote
    class Decorated(Base):
        def who(self):
            return "derived " + super().who()

    assert isinstance(remote_base, ray.actor.ActorClass)
    assert ray.get(Decorated.remote().both.remote()) == "derived base!"
