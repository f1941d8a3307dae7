"""`ray._private.runtime_env`: what test suites import of the setting up of environments."""

from __future__ import annotations

from localray.absent.catalogue import missing_in

__getattr__ = missing_in(__name__)
