"""What an interpreter runs at its start whose parent has taken the name `ray` for localray: the package beside this
file answers for it, also where the program is started inside a copy of Ray's sources, whose folder would come first.

Another `sitecustomize` that this one hides runs after it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from os import path
from types import ModuleType

_SHIM = path.dirname(path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib would cost each interpreter 5 ms


class _First:
    """Answers for `ray` itself; the package then answers for what is below."""

    @staticmethod
    def find_spec(
        fullname: str, search: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The package beside this file."""
        return PathFinder.find_spec(fullname, [_SHIM]) if fullname == "ray" else None


def _run_the_hidden_one() -> None:
    """Run the `sitecustomize` that would have run without this."""
    others = [folder for folder in sys.path if path.abspath(folder) != _SHIM]  # noqa: PTH100
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        # Most interpreters need not pay for this.
        from importlib.util import module_from_spec

        hidden = module_from_spec(spec)
        sys.modules["sitecustomize"] = hidden
        spec.loader.exec_module(hidden)


sys.meta_path.insert(0, _First)
_run_the_hidden_one()
