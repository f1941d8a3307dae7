"""`ray._common`: what Ray's libraries share; here, what test suites import of it."""

from __future__ import annotations
