"""`ray._common.formatters`: log records as lines of text or JSON, for handlers that programs set up themselves. The
lines are those of `localray.client.logs`."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from localray.absent.catalogue import missing_in
from localray.client.logs import RecordFormatter

_FLATTENED = "ray_serve_extra_fields"
"""What a record has in a dictionary of this name stands among its other fields."""


class _Formatter(RecordFormatter):
    def __init__(self, encoding: str) -> None:
        super().__init__(encoding, ())

    def set_additional_log_standard_attrs(self, additional_log_standard_attrs: Sequence[str]) -> None:
        """Which attributes of records are to be told too."""
        self._attributes = additional_log_standard_attrs

    def format(self, record: logging.LogRecord) -> str:
        """The line.

        Raises:
            ValueError: the record's further fields are no dictionary.
        """
        more = vars(record).get(_FLATTENED, {})
        if not isinstance(more, dict):
            raise ValueError(f"Expected a dictionary of further fields in {_FLATTENED}, got {type(more)}.")
        facts = {name: value for name, value in vars(record).items() if name not in (_FLATTENED, "_ray_timestamp_ns")}
        return super().format(logging.makeLogRecord({**facts, **more}))


class JSONFormatter(_Formatter):
    """One JSON object for a record."""

    def __init__(self) -> None:
        super().__init__("JSON")


class TextFormatter(_Formatter):
    """One line of text for a record."""

    def __init__(self) -> None:
        super().__init__("TEXT")


__getattr__ = missing_in(__name__)

__all__ = ["JSONFormatter", "TextFormatter"]
