"""The runtime environments that a client knows by name: its own, which what it submits inherits, and those that it has
told the session of.

Must not live here: what a field means (`localray.runtime_env`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from localray.client.channel import Channel
from localray.protocol import DefineRuntimeEnv

NONE = DefineRuntimeEnv(b"", "{}", "", b"")
"""Workers as they are."""


class RuntimeEnvs:
    """The environments of one client."""

    def __init__(self) -> None:
        self.own = NONE
        self._told: set[bytes] = set()

    def key_of(self, channel: Channel, fields: Mapping[str, Any], hook: bytes) -> bytes:
        """The name of an environment, made known to the session.

        Args:
            channel: to the session.
            fields: complete, what is inherited included.
            hook: id of the function that sets workers up; empty for none.
        """
        wanted = define(fields, self.own.packages, hook)
        if wanted.key and wanted.key != self.own.key and wanted.key not in self._told:
            self._told.add(wanted.key)
            channel.send(wanted)
        return wanted.key

    @property
    def fields(self) -> dict[str, Any]:
        """Of its own environment."""
        fields: dict[str, Any] = json.loads(self.own.fields)
        return fields


def define(fields: Mapping[str, Any], packages: str, hook: bytes) -> DefineRuntimeEnv:
    """An environment as it travels; of equal ones the keys are equal."""
    if not fields:
        return NONE
    # Not for every program: it loads a library of ciphers.
    import hashlib

    text = json.dumps(fields, sort_keys=True)
    key = hashlib.blake2b(f"{text}\0{packages}\0".encode(errors="surrogateescape") + hook, digest_size=8).digest()
    return DefineRuntimeEnv(key, text, packages, hook)
