"""Names of packages: what may be given as ``working_dir`` or in ``py_modules`` besides local paths.

Must not live here: reading or writing packages (`localray.runtime_env.packages`).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

STAGED = "gcs"
"""The scheme of what a driver has brought along; Ray's own name, which programs look for."""
IN_PLACE = "local"
"""The scheme of a directory that is used where it is."""
FILE = "file"
ELSEWHERE = ("http", "https", "s3", "gs", "azure", "abfss")
"""Schemes of packages that would have to be fetched from somewhere."""

ARCHIVES = {
    "working_dir": (".zip", ".tar.gz", ".tgz", ".tar.xz"),
    "py_modules": (".zip", ".whl", ".tar.gz", ".tgz", ".tar.xz"),
}


class Uri(NamedTuple):
    """A scheme, and what comes after ``://`` without a query."""

    scheme: str
    path: str


def split(text: str) -> Uri | None:
    """The parts of an URI; None for a path.

    Example:
        >>> split("gcs://_ray_pkg_1.zip")
        Uri(scheme='gcs', path='_ray_pkg_1.zip')
        >>> split("/data/x") is None
        True
    """
    scheme, colon, rest = text.partition(":")
    if not colon or not scheme.isidentifier() or not rest.startswith("//"):
        return None
    return Uri(scheme.lower(), rest[2:].partition("?")[0])


def check_uri(text: str, field: str) -> None:
    """Raise unless this names a package of this field.

    Raises:
        ValueError: it is a path, its scheme is not known, or it is no archive.
    """
    uri = split(text)
    if uri is None or uri.scheme not in (STAGED, IN_PLACE, FILE, *ELSEWHERE):
        raise ValueError(
            f"{text} is not a valid URI. Local directories and modules can be given to ray.init(runtime_env=...) "
            "only, where they are brought along for the whole job."
        )
    if uri.scheme == IN_PLACE:
        if not uri.path.startswith("/"):
            raise ValueError(f"{text} must name an absolute path: local:///path/of/the/directory.")
    elif not uri.path.endswith(ARCHIVES[field]):
        raise ValueError(f"Only {', '.join(ARCHIVES[field])} files are supported for {field} URIs; got {text}.")


def check_path_or_uri(text: str, field: str) -> None:
    """As `check_uri`, but a path will do if there is something there.

    Raises:
        ValueError: neither.
    """
    if split(text) is not None:
        check_uri(text, field)
    elif not Path(text).exists():
        raise ValueError(f"{text} is not a valid path.")
