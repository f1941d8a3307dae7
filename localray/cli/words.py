"""Figures as sentences and tables of the command line have them.

Must not live here: Ray's own ways to write them (`localray.util.state.common.Humanify`).
"""

from __future__ import annotations


def count_of(number: int, noun: str) -> str:
    """How many there are of something.

    Example:
        >>> count_of(1, "node"), count_of(2, "node")
        ('1 node', '2 nodes')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def size_of(size_bytes: float) -> str:
    """Bytes in the unit that suits, in three digits.

    Example:
        >>> size_of(10), size_of(3 * 2**20), size_of(1_023_600), size_of(2**43)
        ('10 B', '3 MiB', '0.976 MiB', '8192 GiB')
    """
    for name in ("B", "KiB", "MiB"):
        # From there on three digits round to four.
        if size_bytes < 999.5:
            return f"{size_bytes:.3g} {name}"
        size_bytes /= 1024
    return f"{size_bytes:.3g} GiB" if size_bytes < 999.5 else f"{size_bytes:.0f} GiB"
