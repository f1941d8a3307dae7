"""`ray._common.ray_option_utils`: the options of tasks and actors, by their keywords, and how a value is checked.

Must not live here: the table itself (`localray.options`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localray.absent.catalogue import missing_in
from localray.options import ACTOR_OPTIONS, TASK_OPTIONS
from localray.options import validate_actor_options as _validate_actor_options
from localray.options import validate_task_options as _validate_task_options
from localray.options.table import Option as _Row

_OWN = ("checkpoint_interval",)
"""Keywords that Ray has not."""


@dataclass
class Option:
    """What a keyword's values may be: of which types, and what else is asked of them, which gives the text of the
    error or None; and the default."""

    type_constraint: type | tuple[type, ...] | None = None
    value_constraint: Callable[[Any], str | None] | None = None
    default_value: Any = None

    def validate(self, keyword: str, value: Any) -> None:
        """Raises:
        TypeError: the value has another type.
        ValueError: it is none of those that are allowed.
        """
        if self.type_constraint is not None and not isinstance(value, self.type_constraint):
            raise TypeError(
                f"The type of keyword '{keyword}' must be {self.type_constraint}, but received type {type(value)}"
            )
        problem = self.value_constraint(value) if self.value_constraint is not None else None
        if problem:
            raise ValueError(problem)


def _options(table: Mapping[str, _Row]) -> dict[str, Option]:
    return {name: _option(row) for name, row in table.items() if name not in _OWN}


def _option(row: _Row) -> Option:
    rule = row.rule
    checked = None if rule is None else lambda value: rule(row.name, value)
    return Option(row.types if len(row.types) > 1 else row.types[0], checked, row.default)


task_options = _options(TASK_OPTIONS)
actor_options = _options(ACTOR_OPTIONS)
valid_options = {**actor_options, **task_options}


def validate_task_options(options: dict[str, Any], in_options: bool) -> None:
    """Check the options of a task; ``in_options`` is for those of ``.options()``.

    Raises:
        ValueError, TypeError: one is wrong.
    """
    _validate_task_options(options, in_options=in_options)


def validate_actor_options(options: dict[str, Any], in_options: bool) -> None:
    """Check the options of an actor; ``in_options`` is for those of ``.options()``.

    Raises:
        ValueError, TypeError: one is wrong.
    """
    _validate_actor_options(options, in_options=in_options)


def update_options(original_options: dict[str, Any], new_options: dict[str, Any]) -> dict[str, Any]:
    """Options with others over them."""
    return {**original_options, **new_options}


__getattr__ = missing_in(__name__)
