"""`ray._private`: names that programs, and test suites above all, import although they are private there.

Modules are loaded when they are first used, also as attributes: with Ray, `import ray` has loaded them all.
"""

from __future__ import annotations

from localray.absent.catalogue import missing_in

__getattr__ = missing_in(__name__)
