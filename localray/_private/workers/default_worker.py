"""`ray._private.workers.default_worker`: imported by who looks at what a worker imports before its first task. That is
`localray.runtime.worker`."""

from __future__ import annotations

from localray.runtime import worker

__all__ = ["worker"]
