"""`ray.LoggingConfig`: how drivers and workers log.

Must not live here: setting loggers up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

ENCODINGS = ("TEXT", "JSON")
RECORD_ATTRIBUTES = frozenset(
    (
        *("args", "asctime", "created", "exc_info", "exc_text", "filename", "funcName", "levelname", "levelno"),
        *("lineno", "message", "module", "msecs", "msg", "name", "pathname", "process", "processName"),
        *("relativeCreated", "stack_info", "taskName", "thread", "threadName"),
    )
)
"""What the standard library's log records have."""


@dataclass
class LoggingConfig:
    """How a job logs.

    Args:
        encoding: TEXT or JSON.
        log_level: of the root logger.
        additional_log_standard_attrs: attributes of log records that each line is to have.

    Raises:
        ValueError: there is no such encoding or attribute.
    """

    encoding: str = "TEXT"
    log_level: str = "INFO"
    additional_log_standard_attrs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise ValueError(
                f"Invalid encoding type: {self.encoding}. Valid encoding types are: {list(ENCODINGS)}"
            )
        for attribute in self.additional_log_standard_attrs:
            if attribute not in RECORD_ATTRIBUTES:
                raise ValueError(
                    f"Unknown python logging standard attribute: {attribute}. The valid attributes are: "
                    f"{set(RECORD_ATTRIBUTES)}"
                )

    def to_dict(self) -> dict[str, object]:
        """As a dictionary that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, d: Mapping[str, object]) -> LoggingConfig:
        """From such a dictionary; keys that are not known are passed over."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in d.items() if name in known})  # type: ignore[arg-type]
