"""`ray._private.external_storage`: how Ray names parts of files with several objects. Must not live here: spilling
(`localray.kernel.spilling`, `localray.runtime.spilling`)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import parse_qs, urlparse

from localray.absent.catalogue import missing_in


class ParsedURL(NamedTuple):
    """A part of a file, in bytes."""

    base_url: str
    offset: int
    size: int


def create_url_with_offset(*, url: str, offset: int, size: int) -> str:
    """Name a part of a file.

    Example:
        >>> create_url_with_offset(url="file:///objects", offset=5, size=10)
        'file:///objects?offset=5&size=10'
    """
    return f"{url}?offset={offset}&size={size}"


def parse_url_with_offset(url_with_offset: str) -> ParsedURL:
    """The part of a file that `create_url_with_offset` has named.

    Raises:
        ValueError: this is no such name.
    """
    asked = parse_qs(urlparse(url_with_offset).query)
    if "offset" not in asked or "size" not in asked:
        raise ValueError(f"Failed to parse URL: {url_with_offset}")
    return ParsedURL(url_with_offset.partition("?")[0], int(asked["offset"][0]), int(asked["size"][0]))


def _get_unique_spill_filename(object_refs: Sequence[object]) -> str:
    return f"{uuid.uuid4().hex}-multi-{len(object_refs)}"


__getattr__ = missing_in(__name__)
