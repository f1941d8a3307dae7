"""`ray.util.metrics`: counters, gauges and histograms. Checked as in Ray, and kept in the memory of the process that
records them: nothing exports them."""

from __future__ import annotations

import bisect
import re
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

_VALID_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")

Self = TypeVar("Self", bound="Metric")


class Metric:
    """What the kinds of metrics have in common.

    Args:
        name: letters, digits and underscores. A metric of another name is told of, and records nothing.
        description: for people.
        tag_keys: the tags that each recorded value must have.

    Raises:
        ValueError: the name is empty.
        TypeError: the tag keys are not a tuple of strings.
    """

    def __init__(self, name: str, description: str = "", tag_keys: tuple[str, ...] | None = None) -> None:
        if not name:
            raise ValueError("Empty name is not allowed. Please provide a metric name.")
        self._discard_metric = not _VALID_NAME.fullmatch(name)
        if self._discard_metric:
            warnings.warn(
                f"Invalid metric name: {name}. Metric will be discarded and data will not be collected or published. "
                "Metric names can only contain letters, numbers, _, and :. Metric names cannot start with numbers.",
                UserWarning,
                stacklevel=3,
            )
        self._name = name
        self._description = description
        self._default_tags: dict[str, str] = {}
        self._tag_keys = tag_keys or ()
        if not isinstance(self._tag_keys, tuple):
            raise TypeError(f"tag_keys should be a tuple type, got: {type(self._tag_keys)}")
        for key in self._tag_keys:
            if not isinstance(key, str):
                raise TypeError(f"Tag keys must be str, got {type(key)}.")
        if ":" in name:
            warnings.warn(
                f"Metric name {name} contains a : character, which is no longer allowed. Please migrate to the new "
                "metric name format. This will be an error in the future.",
                FutureWarning,
                stacklevel=3,
            )
        self._recorded: dict[tuple[tuple[str, str], ...], Any] = {}

    def set_default_tags(self: Self, default_tags: dict[str, str]) -> Self:
        """Tags of every value that is recorded without them; returns the metric itself.

        Raises:
            ValueError: a key is none of the metric's.
            TypeError: a value is not a string.
        """
        for key, value in default_tags.items():
            if key not in self._tag_keys:
                raise ValueError(f"Unrecognized tag key {key}.")
            _check_tag_value(value)
        self._default_tags = default_tags
        return self

    @property
    def info(self) -> dict[str, Any]:
        """Name, description, tag keys and default tags."""
        return {
            "name": self._name,
            "description": self._description,
            "tag_keys": self._tag_keys,
            "default_tags": self._default_tags,
        }

    def _record(self, tags: dict[str, str] | None, change: Callable[[Any], Any]) -> None:
        """Replace what is recorded under these tags, None at first."""
        if self._discard_metric:
            return
        for value in (tags or {}).values():
            _check_tag_value(value)
        chosen = {**self._default_tags, **(tags or {})}
        missing = [key for key in self._tag_keys if key not in chosen]
        if missing:
            raise ValueError(f"Missing value for tag key(s): {','.join(missing)}.")
        key = tuple(sorted(chosen.items()))
        self._recorded[key] = change(self._recorded.get(key))

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self._name, self._description, self._tag_keys)


class Counter(Metric):
    """A number that only grows."""

    def inc(self, value: float = 1.0, tags: dict[str, str] | None = None) -> None:
        """Add to it.

        Raises:
            TypeError, ValueError: the value is not a number above 0, or tags are wrong or missing.
        """
        _check_number(value)
        if value <= 0:
            raise ValueError(f"value must be >0, got {value}")
        self._record(tags, lambda before: (before or 0) + value)


class Gauge(Metric):
    """A number that is what was set last."""

    def set(self, value: float | None, tags: dict[str, str] | None = None) -> None:
        """Set it; None is passed over.

        Raises:
            TypeError, ValueError: the value is not a number, or tags are wrong or missing.
        """
        if value is None:
            return
        _check_number(value)
        self._record(tags, lambda _: value)


class Histogram(Metric):
    """How many values fell between which boundaries.

    Args:
        name, description, tag_keys: as for `Metric`.
        boundaries: positive numbers, ascending.

    Raises:
        ValueError: there are no boundaries, or one is not positive.
    """

    def __init__(
        self,
        name: str,
        description: str = "",
        boundaries: Sequence[float] | None = None,
        tag_keys: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__(name, description, tag_keys)
        if not boundaries:
            raise ValueError(
                "boundaries argument should be provided when using the Histogram class. e.g., "
                'Histogram("name", boundaries=[1.0, 2.0])'
            )
        for index, boundary in enumerate(boundaries):
            if boundary <= 0:
                raise ValueError(
                    f"Invalid `boundaries` argument at index {index}, {boundaries}. Use positive values for the "
                    "arguments."
                )
        self.boundaries = boundaries

    def observe(self, value: float, tags: dict[str, str] | None = None) -> None:
        """Count a value.

        Raises:
            TypeError, ValueError: the value is not a number, or tags are wrong or missing.
        """
        _check_number(value)
        place = bisect.bisect_left(self.boundaries, value)

        def count(before: list[int] | None) -> list[int]:
            counts = before or [0] * (len(self.boundaries) + 1)
            counts[place] += 1
            return counts

        self._record(tags, count)

    @property
    def info(self) -> dict[str, Any]:
        """As of any metric, and the boundaries."""
        return {**super().info, "boundaries": self.boundaries}

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self._name, self._description, self.boundaries, self._tag_keys)


def _check_number(value: object) -> None:
    if not isinstance(value, (int, float)):
        raise TypeError(f"value must be int or float, got {type(value)}.")


def _check_tag_value(value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"Tag values must be str, got {type(value)}.")


if not TYPE_CHECKING:
    # What Ray has beside: private there, and no matter for type checkers.
    from localray.absent.catalogue import missing_in

    __getattr__ = missing_in(__name__)

__all__ = ["Counter", "Gauge", "Histogram", "Metric"]
