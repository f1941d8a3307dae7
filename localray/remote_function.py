"""`@ray.remote` on functions: what users hold instead of the function, and what becomes of its options.

Must not live here: submitting (`localray.client`), checking options (`localray.options`).
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping
from typing import NoReturn

from localray import options as option_table
from localray.client.arguments import pack_arguments
from localray.client.client import Client
from localray.client.current import connected_client
from localray.client.definitions import serialize_definition
from localray.protocol import CallMode, DefineTemplate, TaskKind
from localray.signatures import CallSignature
from localray.submission import count_returns, integer, one_or_all, serialize_retry_exceptions, template_resources


class RemoteFunction:
    """A function that runs as a task: call it with ``.remote()``.

    Args:
        function: the user's.
        options: as given to the decorator, checked.

    Example:
        >>> @ray.remote                         # doctest: +SKIP
        ... def square(x):
        ...     return x * x
        >>> ray.get(square.remote(4))           # doctest: +SKIP
        16
    """

    def __init__(self, function: Callable[..., object], options: Mapping[str, object]) -> None:
        if inspect.iscoroutinefunction(function):
            raise ValueError(
                "'async def' should not be used for remote tasks. You can wrap the async function with "
                "`asyncio.run(f())`, or make it a method of an actor."
            )
        self._function = function
        self._default_options = dict(options)
        self._is_generator = inspect.isgeneratorfunction(function)
        self._signature = CallSignature(function)
        self._function_name = f"{function.__module__}.{function.__qualname__}"
        self._definition: tuple[Client, bytes] | None = None
        self._submission = Submission(self, self._default_options)
        functools.update_wrapper(self, function, updated=())
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self._bind_remote()

    def _bind_remote(self) -> None:
        # `f.remote` itself looks like the function, as Ray's does, so that help() and IDEs show the user's parameters.
        submit = self._submission.submit

        @functools.wraps(self._function)
        def remote(*args: object, **kwargs: object) -> object:
            return submit(args, kwargs)

        self.remote = remote

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError(
            f"Remote functions cannot be called directly. Instead of running '{self._function_name}()', try "
            f"'{self._function_name}.remote()'. (The undecorated function is '{self.__name__}._function'.)"
        )

    def options(self, **options: object) -> Submission:
        """The same function with other options; ``self`` is not changed.

        Args:
            options: as for `ray.remote`.

        Returns:
            Something with ``.remote()`` and ``.bind()``.

        Raises:
            ValueError: an option is unknown or its value is wrong.
            TypeError: an option has the wrong type.
        """
        merged = option_table.override_task_options(self._default_options, options, self._is_generator)
        return Submission(self, merged)

    def _remote(
        self, args: tuple[object, ...] = (), kwargs: Mapping[str, object] | None = None, **options: object
    ) -> object:
        submission = self.options(**options) if options else self._submission
        return submission.submit(args, kwargs or {})

    def function_id(self, client: Client) -> bytes:
        """The function as this session knows it; serialized at its first use there."""
        if self._definition is None or self._definition[0] is not client:
            serialized = serialize_definition(self._function, self._function_name)
            function_id = client.define_function(self._function_name, serialized.to_bytes(), serialized.contained)
            self._definition = (client, function_id)
        return self._definition[1]

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...], dict[str, object]]:
        # Built empty and filled afterwards: a recursive function refers to itself through its globals.
        state: dict[str, object] = {"function": self._function, "options": self._default_options}
        return RemoteFunction._empty, (), state

    @staticmethod
    def _empty() -> RemoteFunction:
        return RemoteFunction.__new__(RemoteFunction)

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__(state["function"], state["options"])  # type: ignore[misc]


class Submission:
    """A remote function together with options: what ``.options()`` returns."""

    def __init__(self, function: RemoteFunction, options: Mapping[str, object]) -> None:
        self._function = function
        self._options = options
        self._template: tuple[Client, DefineTemplate] | None = None

    def remote(self, *args: object, **kwargs: object) -> object:
        """Submit a task with these arguments; returns a reference, a list of them, or None, by ``num_returns``."""
        return self.submit(args, kwargs)

    def submit(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
        """As `remote`, with the arguments as a tuple and a mapping."""
        function = self._function
        function._signature.check(args, kwargs)
        client = connected_client()
        known = self._template
        if known is None or known[0] is not client:
            known = self._template = (client, self._define(client))
        template = known[1]
        arguments = pack_arguments(client, template.name, args, kwargs)
        return one_or_all(client.submit_task(template.template, template.num_returns, arguments))

    def _define(self, client: Client) -> DefineTemplate:
        options = self._options
        option_table.check_task_submission(options)
        to_place, to_hold = template_resources(options, is_actor=False)
        max_retries = options.get("max_retries")
        template = DefineTemplate(
            template=client.new_template_number(),
            kind=TaskKind.TASK.value,
            function_id=self._function.function_id(client),
            name=str(options.get("name") or self._function.__name__),
            method="",
            num_returns=count_returns(options, self._function._is_generator),
            to_place=to_place,
            to_hold=to_hold,
            max_retries=option_table.default_max_retries(os.environ) if max_retries is None else integer(max_retries),
            retry_exceptions=serialize_retry_exceptions(options.get("retry_exceptions")),
            call_mode=CallMode.SERIAL.value,
            max_concurrency=1,
            max_calls=integer(options.get("max_calls")),
        )
        client.define_template(template)
        return template
