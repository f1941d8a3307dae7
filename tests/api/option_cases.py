"""What options a task, an actor or a method may be given, and what becomes of them: data for any backend.

What lives here: cases, each with the error it ends in and a part of the message that localray and Ray share. What must
not: anything that runs them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

Given = dict[str, Any]
TASK, TASK_OPTIONS, GENERATOR, ACTOR, ACTOR_OPTIONS = "task", "task.options", "generator", "actor", "actor.options"
TASKS, ACTORS = (TASK, TASK_OPTIONS), (ACTOR, ACTOR_OPTIONS)
BOTH = (*TASKS, *ACTORS)


@dataclass(frozen=True)
class Case:
    """`error` is the class raised, `phrase` a part of its message that localray and Ray share."""

    where: str
    given: Given
    error: type[Exception] | None = None
    phrase: str = ""

    def __str__(self) -> str:
        return f"{self.where}-{self.given}"


def _cases(where: tuple[str, ...], given: Given, error: type[Exception] | None = None, phrase: str = "") -> list[Case]:
    return [Case(each, given, error, phrase) for each in where]


_WHOLE = "whole number"
_INFINITE = "only accepts None, 0, -1 or a positive integer, where -1 represents infinity"
_COUNT = "only accepts None, 0 or a positive integer"
_LABEL = "beginning and ending with an alphanumeric"

CASES: list[Case] = [
    # resources
    *_cases(BOTH, {"num_cpus": 0.5}),
    *_cases(BOTH, {"num_cpus": 0}),
    *_cases(BOTH, {"num_cpus": None}),
    *_cases(BOTH, {"num_cpus": True}),
    *_cases(BOTH, {"num_cpus": 0.00015}),
    *_cases(BOTH, {"num_cpus": -1}, ValueError, "The quantity of resource num_cpus cannot be negative"),
    *_cases(BOTH, {"num_cpus": 0.00001}, ValueError, "resource num_cpus cannot go beyond 0.0001"),
    *_cases(BOTH, {"num_cpus": "1"}, TypeError, "keyword 'num_cpus' must be (<class 'float'>, <class 'int'>"),
    *_cases(BOTH, {"num_cpus": math.nan}, ValueError, "NaN"),
    *_cases(BOTH, {"num_cpus": math.inf}, OverflowError, "infinity"),
    *_cases(BOTH, {"num_gpus": 1.5}),
    *_cases(BOTH, {"num_gpus": -0.5}, ValueError, "The quantity of resource num_gpus cannot be negative"),
    *_cases(BOTH, {"memory": 0.5}),
    *_cases(BOTH, {"memory": -1}, ValueError, "The quantity of resource memory cannot be negative"),
    *_cases(BOTH, {"memory": 1e-5}, ValueError, "resource memory cannot go beyond 0.0001"),
    *_cases(BOTH, {"resources": {"x": 1.5}}),
    *_cases(BOTH, {"resources": {"memory": 1, "bundle": 1}}),
    *_cases(BOTH, {"resources": {"CPU": 1}}, ValueError, "Use the 'num_cpus' and 'num_gpus' keyword instead"),
    *_cases(BOTH, {"resources": {"GPU": 1}}, ValueError, "Use the 'num_cpus' and 'num_gpus' keyword instead"),
    *_cases(BOTH, {"resources": {"x": -1}}, ValueError, "The quantity of resource x cannot be negative"),
    *_cases(BOTH, {"resources": {"x": 1e-5}}, ValueError, "resource x cannot go beyond 0.0001"),
    *_cases(BOTH, {"resources": {"x": "a"}}, TypeError, "str"),
    *_cases(BOTH, {"resources": {"x": None}}, TypeError, "NoneType"),
    *_cases(BOTH, {"resources": []}, TypeError, "The type of keyword 'resources' must be (<class 'dict'>"),
    *_cases(BOTH, {"resources": {"TPU": 3}}, ValueError, "Supported configs: (1, 2, 4, 8)"),
    *_cases(BOTH, {"resources": {"HPU": 0.5}}, ValueError, _WHOLE),
    *_cases(BOTH, {"resources": {"neuron_cores": 1.5}}, ValueError, _WHOLE),
    *_cases(BOTH, {"resources": {"RBLN": 1.5}}, ValueError, _WHOLE),
    *_cases(BOTH, {"resources": {"FURIOSA": 1.5}}, ValueError, _WHOLE),
    *_cases(BOTH, {"resources": {"MBLT": 1.5}}, ValueError, _WHOLE),
    *_cases(BOTH, {"resources": {"TTNPU": 1.5}}, ValueError, "1.5"),
    *_cases(BOTH, {"resources": {"NPU": 1.5}}),
    *_cases(BOTH, {"accelerator_type": "T4"}),
    *_cases(BOTH, {"accelerator_type": 4}, TypeError, "The type of keyword 'accelerator_type' must be (<class 'str'>"),
    *_cases(TASKS, {"object_store_memory": 1}, ValueError, "'object_store_memory' is not implemented for tasks"),
    *_cases(BOTH, {"object_store_memory": None}),
    *_cases(ACTORS, {"object_store_memory": 1}),
    *_cases(ACTORS, {"object_store_memory": -1}, ValueError, _COUNT),
    # labels
    *_cases(BOTH, {"label_selector": {"a/b": "c", "d": "!e", "f": "in(g, h)", "i": "!in(j,k)", "l": None, "m": ""}}),
    *_cases(BOTH, {"label_selector": {"a": "(b)"}}),
    *_cases(BOTH, {"label_selector": {"-a": "b"}}, ValueError, "Invalid label key name `-a`"),
    *_cases(BOTH, {"label_selector": {"a" * 64: "b"}}, ValueError, _LABEL),
    *_cases(BOTH, {"label_selector": {"_/a": "b"}}, ValueError, "Invalid label key prefix `_`"),
    *_cases(BOTH, {"label_selector": {"a": "in()"}}, ValueError, "Invalid label selector value `in()`"),
    *_cases(BOTH, {"label_selector": {"a": "in(b, c!)"}}, ValueError, "Supported operators are: ! and {'in'}"),
    *_cases(BOTH, {"label_selector": {"a": "b\n"}}, ValueError, _LABEL),
    *_cases(BOTH, {"label_selector": {1: "a"}}, TypeError, "type"),
    *_cases(BOTH, {"label_selector": {"a": 1}}, TypeError, "'int'"),
    *_cases(BOTH, {"label_selector": "a"}, TypeError, "The type of keyword 'label_selector' must be (<class 'dict'>"),
    *_cases(BOTH, {"fallback_strategy": [{"label_selector": {"a": "b"}}, {"label_selector": None}]}),
    *_cases(BOTH, {"fallback_strategy": [1]}, ValueError, "Each element in fallback_strategy must be a dictionary"),
    *_cases(BOTH, {"fallback_strategy": [{}]}, ValueError, "Empty dictionary found"),
    *_cases(BOTH, {"fallback_strategy": [{"x": 1}]}, ValueError, "Unsupported option found: 'x'"),
    *_cases(BOTH, {"fallback_strategy": [{"label_selector": 3}]}, ValueError, "must be a dictionary"),
    *_cases(BOTH, {"fallback_strategy": [{"label_selector": {"-": "b"}}]}, ValueError, "Invalid label key name `-`"),
    *_cases(BOTH, {"fallback_strategy": {}}, TypeError, "must be (<class 'list'>"),
    # placement
    *_cases(BOTH, {"scheduling_strategy": "SPREAD", "placement_group": "default"}),
    *_cases(BOTH, {"scheduling_strategy": "no such"}),
    *_cases(BOTH, {"scheduling_strategy": 3}, TypeError, "must be (<class 'NoneType'>, <class 'str'>, "),
    *_cases(BOTH, {"placement_group": "x"}),
    *_cases(BOTH, {"placement_group": None, "scheduling_strategy": "SPREAD"}),
    *_cases(BOTH, {"placement_group": 3}, TypeError, "must be (<class 'NoneType'>, <class 'str'>, "),
    *_cases(
        BOTH,
        {"placement_group": "x", "scheduling_strategy": "SPREAD"},
        ValueError,
        "placement_group option is deprecated",
    ),
    *_cases(BOTH, {"placement_group_bundle_index": 3}),
    *_cases(BOTH, {"placement_group_bundle_index": None}, TypeError, "must be <class 'int'>, but received"),
    *_cases(BOTH, {"placement_group_capture_child_tasks": 1}, TypeError, "must be (<class 'bool'>, <class 'None"),
    # common
    *_cases(BOTH, {"name": ""}),
    *_cases(BOTH, {"name": 3}, TypeError, "The type of keyword 'name' must be (<class 'str'>"),
    *_cases(BOTH, {"runtime_env": {}}),
    *_cases(BOTH, {"runtime_env": 3}, TypeError, "The type of keyword 'runtime_env' must be (<class 'dict'>"),
    *_cases(BOTH, {"enable_task_events": None}, TypeError, "must be <class 'bool'>, but received"),
    *_cases(BOTH, {"enable_task_events": 1}, TypeError, "must be <class 'bool'>, but received type <class 'int'>"),
    *_cases(BOTH, {"_labels": {}}),
    *_cases(BOTH, {"_labels": 1}, TypeError, "The type of keyword '_labels' must be (<class 'dict'>"),
    # tasks only
    Case(TASK, {"max_calls": 1}),
    Case(TASK_OPTIONS, {"max_calls": 1}, ValueError, "Setting 'max_calls' is not supported in '.options()'"),
    *_cases(TASKS, {"max_calls": -1}, ValueError, _COUNT),
    *_cases(TASKS, {"max_calls": 1.0}, TypeError, "must be (<class 'int'>, <class 'NoneType'>)"),
    *_cases(TASKS, {"max_retries": -1}),
    *_cases(TASKS, {"max_retries": -2}, ValueError, _INFINITE),
    *_cases(TASKS, {"max_retries": "a"}, TypeError, "must be (<class 'int'>, <class 'NoneType'>)"),
    *_cases(TASKS, {"retry_exceptions": [ValueError, OSError]}),
    *_cases(TASKS, {"retry_exceptions": ()}),
    *_cases(TASKS, {"retry_exceptions": 1}, TypeError, "must be (<class 'bool'>, <class 'list'>, <class 'tuple'>)"),
    *_cases(TASKS, {"retry_exceptions": None}, TypeError, "but received type <class 'NoneType'>"),
    *_cases(TASKS, {"retry_exceptions": (1,)}, ValueError, "either a boolean or a list of exceptions"),
    *_cases(TASKS, {"retry_exceptions": [BaseException]}, ValueError, "either a boolean or a list of exceptions"),
    *_cases(TASKS, {"num_returns": 0}),
    *_cases(TASKS, {"num_returns": None}),
    *_cases(TASKS, {"num_returns": -1}, ValueError, "only accepts None, a non-negative integer"),
    *_cases(TASKS, {"num_returns": 1.0}, TypeError, "must be (<class 'int'>, <class 'str'>, <class 'NoneType'>)"),
    *_cases(TASKS, {"num_returns": "x"}, TypeError, "str"),
    *_cases(TASKS, {"num_returns": "streaming"}, ValueError, "can only be used with generator functions"),
    *_cases(TASKS, {"num_returns": "dynamic"}, ValueError, "can only be used with generator functions"),
    Case(GENERATOR, {"num_returns": "streaming"}),
    Case(GENERATOR, {"num_returns": "dynamic"}),
    Case(GENERATOR, {"num_returns": 2}),
    *_cases(TASKS, {"_generator_backpressure_num_objects": -5}),
    *_cases(TASKS, {"_generator_backpressure_num_objects": 0}, ValueError, "=0 is not allowed"),
    Case(TASK, {"_num_objects_per_yield": 2}),
    Case(TASK, {"_num_objects_per_yield": 0}, ValueError, "must be set to a positive integer"),
    Case(TASK_OPTIONS, {"_num_objects_per_yield": 1}),
    Case(TASK_OPTIONS, {"_num_objects_per_yield": 2}, ValueError, "cannot be overridden per task call"),
    Case(TASK_OPTIONS, {"_num_objects_per_yield": None}, ValueError, "cannot be overridden per task call"),
    # actors only
    *_cases(ACTORS, {"max_concurrency": 0}),
    *_cases(ACTORS, {"max_concurrency": -1}, ValueError, _COUNT),
    *_cases(ACTORS, {"max_restarts": -1}),
    *_cases(ACTORS, {"max_restarts": -2}, ValueError, _INFINITE),
    *_cases(ACTORS, {"max_task_retries": -2}, ValueError, _INFINITE),
    *_cases(ACTORS, {"max_pending_calls": -2}, ValueError, _INFINITE),
    *_cases(ACTORS, {"lifetime": "detached"}),
    *_cases(ACTORS, {"lifetime": "x"}, ValueError, "must be one of 'detached', 'non_detached' and 'None'"),
    *_cases(ACTORS, {"lifetime": 3}, TypeError, "must be (<class 'str'>, <class 'NoneType'>)"),
    *_cases(ACTORS, {"namespace": ""}),
    *_cases(ACTORS, {"namespace": 3}, TypeError, "must be (<class 'str'>, <class 'NoneType'>)"),
    *_cases(ACTORS, {"get_if_exists": True, "name": "a"}),
    *_cases(ACTORS, {"get_if_exists": True}, ValueError, "The actor name must be specified to use `get_if_exists`"),
    *_cases(ACTORS, {"get_if_exists": None}, TypeError, "must be <class 'bool'>"),
    *_cases(ACTORS, {"allow_out_of_order_execution": 3}, TypeError, "must be (<class 'bool'>, <class 'None"),
    *_cases(ACTORS, {"enable_tensor_transport": 3}, TypeError, "must be (<class 'bool'>, <class 'None"),
    *_cases(ACTORS, {"_actor_generator_backpressure_num_objects": -1}),
    *_cases(ACTORS, {"_actor_generator_backpressure_num_objects": 0}, ValueError, "must be > 0 to cap"),
    *_cases(ACTORS, {"_actor_generator_backpressure_num_objects": -2}, ValueError, "Got -2"),
    Case(ACTOR, {"concurrency_groups": {"a": 1}}),
    Case(ACTOR_OPTIONS, {"concurrency_groups": {"a": 1}}, ValueError, "is not supported in '.options()'"),
    *_cases(ACTORS, {"concurrency_groups": 3}, TypeError, "must be (<class 'list'>, <class 'dict'>"),
    # keywords of the other kind, and the order of checks
    *_cases(TASKS, {"max_restarts": 1}, ValueError, "keyword max_restarts for remote functions. Valid ones are"),
    *_cases(ACTORS, {"max_retries": 1}, ValueError, "keyword max_retries for actors. Valid ones are ["),
    *_cases(BOTH, {"foo": 1, "num_cpus": "x"}, ValueError, "Invalid option keyword foo"),
    *_cases(BOTH, {"num_cpus": "x", "foo": 1}, TypeError, "The type of keyword 'num_cpus'"),
    *_cases(BOTH, {"num_cpus": -1, "foo": 1}, ValueError, "The quantity of resource num_cpus"),
    Case(TASK_OPTIONS, {"max_calls": 1, "num_cpus": -1}, ValueError, "The quantity of resource num_cpus"),
]

EITHER = ("task", "actor")

SUBMISSION_CASES: list[Case] = [
    *_cases(EITHER, {"num_gpus": 1.5}, ValueError, "whole numbers. The specified quantity 1.5 is invalid"),
    *_cases(EITHER, {"num_gpus": 1.00001}, ValueError, "The specified quantity 1.00001 is invalid"),
    *_cases(EITHER, {"resources": {"NPU": 1.5}}, ValueError, "NPU resource quantities >1 must"),
    *_cases(EITHER, {"resources": {"memory": 1}}, ValueError, "must not contain the key 'memory' or"),
    *_cases(EITHER, {"resources": {"object_store_memory": 1}}, ValueError, "must not contain the key 'memory' or"),
    *_cases(EITHER, {"resources": {"bundle": 1}}, ValueError, "should not include `bundle`"),
    *_cases(EITHER, {"resources": {"bundle": 1, "memory": 1}}, ValueError, "must not contain the key 'memory' or"),
    *_cases(EITHER, {"resources": {"bundle": 1}, "num_gpus": 1.5}, ValueError, "should not include `bundle`"),
    *_cases(EITHER, {"scheduling_strategy": "x"}, ValueError, "scheduling_strategy value x. Valid values are ["),
    *_cases(EITHER, {"scheduling_strategy": "x", "num_gpus": 1.5}, ValueError, "Invalid scheduling_strategy"),
    Case("actor", {"name": ""}, ValueError, "Actor name cannot be an empty string."),
    Case("actor", {"name": "", "namespace": ""}, ValueError, "Actor name cannot be an empty string."),
    Case("actor", {"name": "a", "namespace": ""}, ValueError, '"" is not a valid namespace. Pass None'),
    Case("actor", {"name": "", "num_gpus": 1.5}, ValueError, "Actor name cannot be an empty string."),
    Case("actor", {"max_concurrency": 2, "allow_out_of_order_execution": False}, ValueError, "multi-threaded actors"),
    Case(
        "actor",
        {"max_concurrency": 2, "allow_out_of_order_execution": False, "scheduling_strategy": "x", "num_gpus": 1.5},
        ValueError,
        "multi-threaded actors",
    ),
    Case("asyncio", {"allow_out_of_order_execution": False}, ValueError, "async actors"),
]


@dataclass(frozen=True)
class Held:
    """What a task or actor of these options holds, as `get_assigned_resources()` says."""

    given: Given
    task: dict[str, float]
    actor: dict[str, float]


HELD_CASES: list[Held] = [
    Held({}, {"CPU": 1.0}, {}),
    Held({"num_cpus": None}, {}, {}),
    Held({"num_cpus": 0}, {}, {}),
    Held({"num_cpus": 1.5}, {"CPU": 1.5}, {"CPU": 1.5}),
    Held({"num_cpus": 0.00015}, {"CPU": 0.0001}, {"CPU": 0.0001}),
    Held({"num_cpus": 0.57}, {"CPU": 0.5699}, {"CPU": 0.5699}),
    Held({"num_cpus": 0.0003}, {"CPU": 0.0002}, {"CPU": 0.0002}),
    Held({"num_cpus": True}, {"CPU": 1.0}, {"CPU": 1.0}),
    Held({"num_gpus": 0.5}, {"CPU": 1.0, "GPU": 0.5}, {"CPU": 1.0, "GPU": 0.5}),
    Held({"num_gpus": 2}, {"CPU": 1.0, "GPU": 2.0}, {"CPU": 1.0, "GPU": 2.0}),
    Held({"num_gpus": 2.0, "num_cpus": 0}, {"GPU": 2.0}, {"GPU": 2.0}),
    Held({"num_gpus": 0}, {"CPU": 1.0}, {"CPU": 1.0}),
    Held({"memory": 1000.7}, {"CPU": 1.0, "memory": 1000.0}, {"memory": 1000.0}),
    Held({"memory": 0.5}, {"CPU": 1.0}, {}),
    Held({"memory": 100, "resources": {"x": 0}}, {"CPU": 1.0, "memory": 100.0}, {"CPU": 1.0, "memory": 100.0}),
    Held({"resources": {}}, {"CPU": 1.0}, {}),
    Held({"resources": {"x": 1}}, {"CPU": 1.0, "x": 1.0}, {"CPU": 1.0, "x": 1.0}),
    Held({"resources": {"x": 0}}, {"CPU": 1.0}, {"CPU": 1.0}),
    Held({"resources": {"x": 0.5}, "num_cpus": 0}, {"x": 0.5}, {"x": 0.5}),
    Held(
        {"accelerator_type": "T4"},
        {"CPU": 1.0, "accelerator_type:T4": 0.001},
        {"CPU": 1.0, "accelerator_type:T4": 0.001},
    ),
]

METHOD_CASES: list[Case] = [
    Case("decorator", {}),
    Case("decorator", {"num_returns": 2, "concurrency_group": "g", "max_task_retries": -1, "retry_exceptions": True}),
    Case("decorator", {"foo": 1}, AssertionError, "Unexpected keyword argument to @ray.method: 'foo'"),
    Case("decorator", {"name": "x"}, AssertionError, "Unexpected keyword argument to @ray.method: 'name'"),
    Case("decorator", {"num_returns": -1}, ValueError, "num_returns must be >= 0, but got -1."),
    Case("decorator", {"num_returns": "streaming"}, ValueError, "can only be used with generator functions"),
    Case("decorator", {"num_returns": "x"}),
    Case("decorator", {"max_task_retries": "a"}),
    Case("decorator", {"_num_objects_per_yield": 0}, ValueError, "must be set to a positive integer"),
    Case("decorator", {"_num_objects_per_yield": None}),
    Case("decorator", {"_num_objects_per_yield": "a"}, TypeError, "keyword '_num_objects_per_yield' must be"),
    Case("decorator", {"tensor_transport": "zz"}, ValueError, "Invalid tensor transport: "),
    Case("options", {"num_returns": 2, "name": "n", "_labels": {}, "enable_task_events": None}),
    Case("options", {"num_returns": -1}, ValueError, "num_returns must be >= 0, but got -1."),
    Case("options", {"num_returns": "dynamic"}, ValueError, "can only be used with generator functions"),
    Case("options", {"_num_objects_per_yield": 1}, ValueError, "cannot be overridden per actor method call"),
    Case("options", {"tensor_transport": "zz"}, ValueError, "Invalid tensor transport: "),
    Case("options", {"tensor_transport": None}),
    Case("options", {"foo": 1}),
    Case("options", {"name": 3}),
    Case("call", {"num_returns": 2}),
    Case("call", {"foo": 1}, TypeError, "got an unexpected keyword argument 'foo'"),
    Case("call", {"num_cpus": 1}, TypeError, "got an unexpected keyword argument 'num_cpus'"),
    Case("call", {"num_returns": "x"}, TypeError, "an integer"),
    Case("call", {"name": 3}, TypeError, "int"),
    Case("call", {"name": None}, TypeError, "NoneType"),
    Case("call", {"max_task_retries": "a"}, TypeError, "int"),
    Case("call", {"retry_exceptions": 1}, AssertionError, "retry_exceptions can either be"),
    Case("call", {"concurrency_group": 3}, TypeError, "int"),
    Case("call", {"_generator_backpressure_num_objects": "a"}, TypeError, "int"),
    Case("call", {"_labels": 3}, TypeError, "dict"),
]
