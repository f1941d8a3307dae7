"""Which rows fit what a user asks for: filters by column, with values as programs and command lines give them."""

from __future__ import annotations

from typing import Any

from localray.util.state.common import Filter, StateSchema
from localray.util.state.exception import RayStateApiException


class BadRequestError(RayStateApiException, ValueError):
    """The user asked for something that there is not: in Ray it arrives as an error of the server."""


_TRUE = ("true", "1")
_FALSE = ("false", "0")


def check(filters: list[Filter], schema: type[StateSchema]) -> list[Filter]:
    """The filters with their values as the columns have them.

    Raises:
        BadRequestError: a column is unknown or can't be filtered by, or a value is none of its column's.
    """
    allowed = schema.filterable_columns()
    types = schema.column_types()
    checked = []
    for column, predicate, value in filters:
        name = column.lower()
        if name not in allowed:
            raise BadRequestError(
                f"The given filter column {column} is not supported. Enter filters with –-filter key=value or –-filter "
                f"key!=value Supported filter columns: {sorted(allowed)}"
            )
        checked.append((name, predicate, _converted(name, value, types[name])))
    return checked


def _converted(column: str, value: Any, column_type: str) -> Any:
    if not isinstance(value, str):
        return value
    kind = column_type.split(" ")[0]
    if kind == "int":
        try:
            return int(value)
        except ValueError:
            raise BadRequestError(f"Failed to convert a value {value} of type {type(value)} to <class 'int'>") from None
    if kind == "bool":
        if value.lower() in _TRUE or value.lower() in _FALSE:
            return value.lower() in _TRUE
        raise BadRequestError(
            f"Invalid filter `--filter {column} {value}` for a boolean type column. Please provide `--filter {column} "
            f"[True|true|1]` for True or `--filter {column} [False|false|0]` for False."
        )
    return value


def fits(columns: dict[str, Any], filters: list[Filter]) -> bool:
    """Whether a row fits all of them; texts are compared without regard to case."""
    for column, predicate, value in filters:
        found = columns.get(column)
        is_equal = found == value
        if isinstance(value, str) and isinstance(found, str):
            is_equal = str(found).lower() == value.lower()
        if is_equal != (predicate == "="):
            return False
    return True
