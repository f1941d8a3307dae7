"""What options become on their way into a template: shared by functions, actors and methods. Below them, above the
client."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import cast

from localray import options as option_table
from localray.client.client import Client
from localray.client.definitions import serialize_definition
from localray.client.generators import ObjectRefGenerator
from localray.object_ref import ObjectRef
from localray.protocol import DefineTemplate, Resources, ReturnMode


def integer(value: object, default: int = 0) -> int:
    """An option that the table has checked to be an integer or None."""
    return value if isinstance(value, int) else default


def handed_back(
    client: Client, template: DefineTemplate, references: list[ObjectRef[object]], stream_limit: int = -1
) -> object:
    """What ``.remote()`` returns: one reference, a list of several, None for none, a generator of those that will
    come. An actor may have a limit for all of its streams together."""
    if template.return_mode == ReturnMode.STREAM:
        return ObjectRefGenerator(client, references[0], template.backpressure > 0 or stream_limit > 0)
    if len(references) == 1:
        return references[0]
    return references or None


def returns(options: Mapping[str, object], is_generator: bool) -> tuple[ReturnMode, int]:
    """How a call returns its objects, and how many references to them are known from the start."""
    num_returns = options.get("num_returns")
    if num_returns == "streaming" or (num_returns is None and is_generator):
        return ReturnMode.STREAM, 1
    if num_returns == "dynamic":
        return ReturnMode.DYNAMIC, 1
    return ReturnMode.FIXED, 1 if num_returns is None else integer(num_returns)


def serialize_retry_exceptions(choice: object) -> bytes:
    """The option as it travels to the worker, which decides by it whether an error is to be retried: True, or a tuple
    of classes."""
    if not choice:
        return b""
    kinds = True if choice is True else tuple(cast("Iterable[type]", choice))
    return serialize_definition(kinds, "retry_exceptions").to_bytes()


def template_resources(name: str, options: Mapping[str, object], *, is_actor: bool) -> tuple[Resources, Resources]:
    """What a task of that name needs to be placed and what it then holds, sorted, in 1/10000 units."""
    to_place, to_hold = option_table.resources_from_options(options, is_actor)
    if "LOCALRAY_RECORDING" in os.environ:
        from localray.client.recording import recorder

        if (listening := recorder()) is not None:
            listening.needs(name, to_place)
    return tuple(sorted(to_place.items())), tuple(sorted(to_hold.items()))


def with_checked_runtime_env(options: Mapping[str, object]) -> Mapping[str, object]:
    """The options with their ``runtime_env``, if any, checked and as it is kept.

    Raises:
        TypeError, ValueError: it is none, or it names local files.
    """
    given = options.get("runtime_env")
    if not given:
        return options
    from localray.runtime_env.runtime_env import for_task_or_actor

    return {**options, "runtime_env": for_task_or_actor(given)}


def runtime_env_key(client: Client, options: Mapping[str, object]) -> bytes:
    """The name of the environment of what is submitted: the submitter's, with what the options say over it."""
    given = options.get("runtime_env")
    if not isinstance(given, dict) or not given:
        return client.runtime_envs.own.key
    from localray.runtime_env.runtime_env import merge

    fields, hook = without_callable(client, given)
    if "worker_process_setup_hook" not in given:
        hook = client.runtime_envs.own.hook
    return client.runtime_envs.key_of(client.channel, merge(client.runtime_envs.fields, fields), hook)


def without_callable(client: Client, fields: Mapping[str, object]) -> tuple[dict[str, object], bytes]:
    """An environment's fields as they can be written as JSON, and the id of its hook if that is a function.

    Raises:
        TypeError: the hook is neither a function nor the name of one.
    """
    hook = fields.get("worker_process_setup_hook")
    if hook is None or isinstance(hook, str):
        return dict(fields), b""
    if not callable(hook):
        raise TypeError(f"worker_process_setup_hook must be a function or the name of one, got {type(hook)}.")
    name = str(getattr(hook, "__name__", hook))
    serialized = serialize_definition(hook, name)
    function_id = client.define_function(name, serialized.to_bytes(), serialized.contained)
    return {**fields, "worker_process_setup_hook": name}, function_id
