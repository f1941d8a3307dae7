"""`ray._common`: what Ray's libraries share; here, what test suites import of it.

Modules are loaded when they are first used, also as attributes.
"""

from __future__ import annotations

from localray.absent.catalogue import missing_in

__getattr__ = missing_in(__name__)
