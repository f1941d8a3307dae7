"""Lets the tests here use what `tests/crash` and `tests/conformance` have for driver programs and leaks."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from crash.conftest import nothing_left  # noqa: F401  (a fixture)
