"""Options: one table of cases, answered by localray and, where it is installed, by real Ray."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from option_cases import (
    ACTOR,
    CASES,
    GENERATOR,
    HELD_CASES,
    METHOD_CASES,
    SUBMISSION_CASES,
    TASK,
    TASK_OPTIONS,
    Case,
    Held,
)

from localray import options as opts


class _Plain:
    def method(self) -> None: ...


def _function() -> None: ...


def _generator() -> Iterator[int]:
    yield 1


# --- localray --------------------------------------------------------------------------------------------------------


def _declare(case: Case) -> None:
    if case.where in (TASK, GENERATOR):
        opts.validate_task_options(case.given, in_options=False, is_generator=case.where == GENERATOR)
    elif case.where == TASK_OPTIONS:
        opts.override_task_options({}, case.given, is_generator=False)
    elif case.where == ACTOR:
        opts.validate_actor_options(case.given, in_options=False)
    else:
        opts.override_actor_options({}, case.given)


def _submit(case: Case) -> None:
    if case.where == "task":
        opts.check_task_submission(opts.override_task_options({}, case.given, is_generator=False))
    else:
        is_asyncio = case.where == "asyncio"
        opts.check_actor_submission(opts.override_actor_options({}, case.given), is_asyncio=is_asyncio)


def _expect(case: Case, do: Callable[[Case], None]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        if case.error is None:
            do(case)
            return
        with pytest.raises(case.error) as caught:
            do(case)
    assert caught.type is case.error
    assert case.phrase in _one_line(caught.value)


def _one_line(error: BaseException) -> str:
    # Some of Ray's messages are tuples of two strings by mistake.
    parts = error.args[0] if error.args and isinstance(error.args[0], tuple) else (str(error),)
    return "".join(str(part) for part in parts)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_declaration(case: Case) -> None:
    _expect(case, _declare)


@pytest.mark.parametrize("case", SUBMISSION_CASES, ids=str)
def test_submission(case: Case) -> None:
    _expect(case, _submit)


@pytest.mark.parametrize("held", HELD_CASES, ids=lambda held: str(held.given))
def test_resources(held: Held) -> None:
    to_place, to_hold = opts.resources_from_options(held.given, is_actor=False)
    assert {name: opts.from_units(units) for name, units in to_hold.items()} == held.task
    assert to_place == to_hold
    to_place, to_hold = opts.resources_from_options(held.given, is_actor=True)
    assert {name: opts.from_units(units) for name, units in to_hold.items()} == held.actor
    asked = set(held.given) - {"memory"} and any(value not in (None, {}) for value in held.given.values())
    assert to_place == (to_hold if asked else {**to_hold, "CPU": opts.RESOURCE_UNIT})


def test_actor_that_asks_for_memory_only_needs_a_cpu_to_be_placed() -> None:
    to_place, to_hold = opts.resources_from_options({"memory": 1000}, is_actor=True)
    assert to_place == {"memory": 1000 * opts.RESOURCE_UNIT, "CPU": opts.RESOURCE_UNIT}
    assert to_hold == {"memory": 1000 * opts.RESOURCE_UNIT}


def test_resource_name_must_be_a_string() -> None:
    with pytest.raises(TypeError, match="The name of a resource must be a string"):
        opts.check_task_submission({"resources": {1: 1}})


def test_unknown_keyword_lists_all_valid_ones() -> None:
    with pytest.raises(ValueError, match="foo") as caught:
        opts.validate_task_options({"foo": 1}, in_options=False)
    assert all(f"'{name}'" in str(caught.value) for name in opts.TASK_OPTIONS)


def test_override_leaves_the_base_alone_and_drops_what_the_decorator_alone_takes() -> None:
    base = {"num_cpus": 2, "max_calls": 3, "resources": {"x": 1}}
    merged = opts.override_task_options(base, {"resources": {"y": 1}}, is_generator=False)
    assert merged == {"num_cpus": 2, "resources": {"y": 1}}
    assert base == {"num_cpus": 2, "max_calls": 3, "resources": {"x": 1}}
    groups = {"concurrency_groups": {"a": 1}, "name": "n"}
    assert opts.override_actor_options(groups, {"max_restarts": 1}) == {"name": "n", "max_restarts": 1}


def test_override_may_clash_with_the_base() -> None:
    with pytest.raises(ValueError, match="placement_group option is deprecated"):
        opts.override_actor_options({"placement_group": "x"}, {"scheduling_strategy": "SPREAD"})


def test_defaults() -> None:
    assert opts.TASK_OPTIONS["num_cpus"].default == 1
    assert opts.ACTOR_OPTIONS["num_cpus"].default is None
    assert opts.default_max_retries({}) == opts.TASK_OPTIONS["max_retries"].default == 3
    assert opts.default_max_retries({"RAY_TASK_MAX_RETRIES": "0"}) == 0
    assert opts.ACTOR_OPTIONS["max_restarts"].default == opts.ACTOR_OPTIONS["max_task_retries"].default == 0


def test_strategies_and_groups_derive_from_the_marker_classes() -> None:
    class Strategy(opts.SchedulingStrategyOption): ...

    class Group(opts.PlacementGroupOption): ...

    opts.validate_task_options({"scheduling_strategy": Strategy()}, in_options=True)
    opts.validate_actor_options({"placement_group": Group()}, in_options=True)
    with pytest.raises(ValueError, match="placement_group option is deprecated"):
        opts.validate_task_options({"placement_group": Group(), "scheduling_strategy": Strategy()}, in_options=True)


def test_warnings() -> None:
    with pytest.warns(DeprecationWarning, match="object_store_memory"):
        opts.validate_actor_options({"object_store_memory": 1}, in_options=False)
    with pytest.warns(DeprecationWarning, match="num_returns='dynamic' is deprecated"):
        opts.validate_task_options({"num_returns": "dynamic"}, in_options=False, is_generator=True)
    with pytest.warns(DeprecationWarning) as caught:
        opts.warn_of_deprecated_placement({"placement_group": "x", "placement_group_bundle_index": 0}, stacklevel=1)
    assert [str(each.message).split()[0] for each in caught] == ["placement_group", "placement_group_bundle_index"]
    assert {each.filename for each in caught} == {__file__}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opts.warn_of_deprecated_placement({"num_cpus": 1}, stacklevel=1)


def _method(case: Case) -> None:
    if case.where == "decorator":
        opts.validate_method_options(case.given, in_options=False, is_generator=False)
    else:
        opts.validate_method_options(case.given, in_options=True, is_generator=False)
        if case.where == "call":
            opts.check_method_call(case.given)


@pytest.mark.parametrize("case", METHOD_CASES, ids=str)
def test_method(case: Case) -> None:
    _expect(case, _method)


def test_method_backpressure_of_zero_is_refused_where_ray_loses_the_actor() -> None:
    with pytest.raises(ValueError, match="=0 is not allowed"):
        opts.check_method_call({"_generator_backpressure_num_objects": 0})


# --- the same tables on real Ray -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    real = pytest.importorskip("ray")
    real.init(
        num_cpus=2,
        num_gpus=4,
        resources={"x": 4, "accelerator_type:T4": 1},
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield real
    real.shutdown()


@pytest.mark.ray
def test_declaration_in_ray(ray: Any) -> None:
    def declare(case: Case) -> None:
        target: Any = {TASK: _function, GENERATOR: _generator, ACTOR: _Plain}.get(case.where)
        if target:
            ray.remote(**case.given)(target)
        else:
            ray.remote(_function if case.where == TASK_OPTIONS else _Plain).options(**case.given)

    for case in CASES:
        _expect(case, declare)


@pytest.mark.ray
def test_submission_in_ray(ray: Any) -> None:
    class Asyncio:
        async def method(self) -> None: ...

    def submit(case: Case) -> None:
        target: Any = {"task": _function, "actor": _Plain, "asyncio": Asyncio}[case.where]
        ray.remote(target).options(**case.given).remote()

    for case in SUBMISSION_CASES:
        _expect(case, submit)


@pytest.mark.ray
def test_method_in_ray(ray: Any) -> None:
    handle = ray.remote(_Plain).remote()

    def method(case: Case) -> None:
        if case.where == "decorator":
            if case.given:
                ray.method(**case.given)(lambda self: None)
            return
        with_options = handle.method.options(**case.given)
        if case.where == "call" and case.error:
            with_options.remote()

    for case in METHOD_CASES:
        _expect(case, method)
    ray.kill(handle)


@pytest.mark.ray
def test_resources_in_ray(ray: Any) -> None:
    def held_by_task() -> dict[str, float]:
        return dict(ray.get_runtime_context().get_assigned_resources())

    class Actor:
        def held(self) -> dict[str, float]:
            return dict(ray.get_runtime_context().get_assigned_resources())

    task, actor_class = ray.remote(held_by_task), ray.remote(Actor)
    for held in HELD_CASES:
        assert ray.get(task.options(**held.given).remote(), timeout=60) == held.task, held
        actor = actor_class.options(**held.given).remote()
        assert ray.get(actor.held.remote(), timeout=60) == held.actor, held
        ray.kill(actor)
