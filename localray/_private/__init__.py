"""The few names of `ray._private` that programs import although they are private there: what Ray's own documentation
tells them to use."""

from __future__ import annotations
