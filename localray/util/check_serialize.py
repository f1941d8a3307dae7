"""`ray.util.check_serialize`: why something cannot be sent, at the path where Ray has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localray.util.serialization import FailureTuple, inspect_serializability

if not TYPE_CHECKING:
    # What Ray has beside: private there, and no matter for type checkers.
    from localray.absent.catalogue import missing_in

    __getattr__ = missing_in(__name__)

__all__ = ["FailureTuple", "inspect_serializability"]
