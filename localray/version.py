"""Two version numbers: this package's own, and that of the Ray whose behaviour it follows."""

from __future__ import annotations

VERSION = "0.1.0"
RAY_VERSION = "2.60.0"
"""What ``ray.__version__`` answers where `ray` means localray."""
