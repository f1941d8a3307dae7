"""`RayContext`: what `init` returns.

Must not live here: starting and ending sessions (`localray.session`).
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping

from localray.version import RAY_VERSION


class RayContext(Mapping[str, object]):
    """What `init` returns: facts about the session, and a context manager that ends it.

    Args:
        address_info: the facts, by Ray's names.
        end: ends the session.

    Example:
        >>> with ray.init(num_cpus=1) as context:       # doctest: +SKIP
        ...     print(context.address_info["node_id"])
    """

    def __init__(self, address_info: dict[str, object], end: Callable[[], None]) -> None:
        self.address_info = address_info
        self.dashboard_url: str | None = ""
        self.python_version = ".".join(str(part) for part in sys.version_info[:3])
        self.ray_version = RAY_VERSION
        self.ray_commit = "localray"
        self._end = end

    def __getitem__(self, key: str) -> object:
        warnings.warn(
            f'context["{key}"] is deprecated: use context.address_info["{key}"].', DeprecationWarning, stacklevel=2
        )
        return self.address_info[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.address_info)

    def __len__(self) -> int:
        return len(self.address_info)

    def __enter__(self) -> RayContext:
        return self

    def __exit__(self, *exception: object) -> None:
        self.disconnect()

    def disconnect(self) -> None:
        """End the session."""
        self._end()

    def __repr__(self) -> str:
        return f"RayContext(python_version={self.python_version!r}, ray_version={self.ray_version!r})"
