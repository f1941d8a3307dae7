"""What a task ends with as it travels: values packed, errors described. Must not live here: what an exception means for
the worker (`executor`), what a generator yields on its way (`yielding`)."""

from __future__ import annotations

from typing import NoReturn

from localray.client.client import Client
from localray.client.context import Actor
from localray.client.diagnosis import explain_value
from localray.client.failures import NeverBegan, pack_error, under_construction
from localray.client.layout import Serialized
from localray.client.serialization import serialize
from localray.object_ref import UnknownOwner
from localray.protocol import INLINE, DefineTemplate, Outcome, ReturnMode, Status, TaskKind, text_payload
from localray.tracebacks import is_of_our_own


def pack_returns(client: Client, template: DefineTemplate, result: object) -> tuple[Outcome, ...]:
    """What a function returned, as the outcomes of a fixed number of returns.

    Raises:
        ValueError: it is another number of them.
        Exception: it cannot be serialized.
    """
    pack = client.puts.pack
    if template.num_returns == 1:
        serialized = serialize_result(result, template)
        if serialized.contained and client.habits is not None and template.kind == TaskKind.TASK:
            client.habits.returns(template.name, serialized.contained)
        return (pack(serialized),)
    if template.num_returns == 0:
        return ()
    try:
        results = list(result)  # type: ignore[call-overload]
    except TypeError:
        results = [result]
    if len(results) != template.num_returns:
        raise ValueError(f"Task returned {len(results)} objects, but num_returns={template.num_returns}.")
    outcomes: list[Outcome] = []
    try:
        for position, item in enumerate(results):
            outcomes.append(pack(serialize_result(item, template, position)))
    except BaseException:
        for outcome in outcomes:
            if outcome[2] != INLINE:
                client.reservations.abandon(outcome[2], outcome[3], outcome[1])
        raise
    return tuple(outcomes)


def serialize_result(value: object, template: DefineTemplate, position: int | None = None) -> Serialized:
    """What a task returned, or the part of it at this position, taken apart for sending.

    Raises:
        Exception: it cannot be serialized; the text says so, and what is at fault.
    """
    try:
        return serialize(value)
    except UnknownOwner:
        raise
    except Exception as error:  # noqa: BLE001 - a __reduce__ of the user's may raise anything; it is raised again
        what = "the return value" if position is None else f"return value {position}"
        raise_explained(f"{what} of {template.name}", value, error)


def raise_explained(what: str, value: object, error: Exception) -> NoReturn:
    """Raise the error of a task for what it made and cannot be serialized."""
    explained = explain_value(what, value, error, is_returned=True)
    if explained is error:
        raise error
    # Where no code of the user's has raised, how it came about is all said.
    raise explained from None if is_of_our_own(error) else error


def cancelled(template: DefineTemplate, error: BaseException) -> Outcome:
    """The outcome of a task that was cancelled: interrupted, if any of its code has run."""
    status = Status.CANCELLED if isinstance(error, NeverBegan) else Status.INTERRUPTED
    payload = text_payload(f"Task {template.name} was cancelled.")
    return (status.value, payload, INLINE, len(payload), ())


def failed(error: BaseException, template: DefineTemplate, actor: Actor | None) -> Outcome:
    """The outcome of a task that raised."""
    if actor is None:
        payload = pack_error(error, template.name, None, None)
    else:
        instance = under_construction(error, actor.actor_class) if actor.instance is None else actor.instance
        payload = pack_error(error, template.name, actor.actor_id.hex(), instance)
    return (Status.TASK_ERROR.value, payload, INLINE, len(payload), ())


def not_a_generator(template: DefineTemplate) -> ValueError:
    """What a call that is to yield, and returned something else, raises."""
    mode = "dynamic" if template.return_mode == ReturnMode.DYNAMIC else "streaming"
    return ValueError(f'Functions with num_returns="{mode}" must return a generator; {template.name} did not.')
