"""What the measuring parent and a runner say to each other: one JSON object a line, one reply for each request.

Only the messages and their encoding live here, on the standard library alone: the runner's half is imported by an
interpreter that may have nothing but the system it runs.
"""

from __future__ import annotations

import enum
import json
from dataclasses import asdict, dataclass


class ChildFailedError(Exception):
    """A measured process failed, died or went silent; the message says which, and ends with what it last wrote."""


class RequestKind(enum.Enum):
    """What a runner can be asked to do; each is answered before the next is read."""

    START = "start"
    PREPARE = "prepare"
    MEASURE = "measure"
    CLOSE = "close"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Request:
    """One order to a runner.

    Attributes:
        row: the key of the workload, for PREPARE.
        seconds: how long to warm up (PREPARE; negative: not at all) or to measure (MEASURE).
        processors: how many workers to start with, for START.
    """

    kind: RequestKind
    row: str = ""
    seconds: float = 0.0
    processors: int = 0

    def encode(self) -> bytes:
        """Return the line to send."""
        return json.dumps({**asdict(self), "kind": self.kind.value}).encode() + b"\n"

    @staticmethod
    def decode(line: bytes | str) -> Request:
        """Read a line that `encode` made."""
        fields = json.loads(line)
        return Request(
            RequestKind(fields["kind"]), str(fields["row"]), float(fields["seconds"]), int(fields["processors"])
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one request.

    Attributes:
        error: what went wrong, with its traceback; empty when nothing did.
        rate: operations a second, in answer to MEASURE.
        version: of the system, in answer to START.
    """

    error: str = ""
    rate: float = 0.0
    version: str = ""

    def encode(self) -> bytes:
        """Return the line to send."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @staticmethod
    def decode(line: bytes | str) -> Reply:
        """Read a line that `encode` made."""
        fields = json.loads(line)
        return Reply(str(fields["error"]), float(fields["rate"]), str(fields["version"]))
