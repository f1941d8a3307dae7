"""The objects of a session for somebody who looks: a line for each, the largest first, with who holds it and why.

Pure. Must not live here: Ray's table of the same (`localray._private.memory_table`), asking.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from localray.cli.fitting import fit, said_below
from localray.cli.short_ids import shortened
from localray.cli.state_tables import table
from localray.cli.words import count_of, size_of
from localray.protocol import HeldObject, ReferenceKind, StoreTotals

_TITLES = ("OBJECT ID", "SIZE", "HELD BY", "TASK", "MADE AT")
_LEAST = ("TASK", "MADE AT")
_WHY = {
    ReferenceKind.LOCAL_REFERENCE.name: "{}",
    ReferenceKind.PINNED_IN_MEMORY.name: "read by {}",
    ReferenceKind.USED_BY_PENDING_TASK.name: "argument of a task of {}",
    ReferenceKind.CAPTURED_IN_OBJECT.name: "within an object of {}",
    ReferenceKind.ACTOR_HANDLE.name: "actor handle of {}",
}
_SCALES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_PLACE = re.compile(r"\((?P<how>[^)]*)\) (?:[^|]*/)?(?P<file>[^|/:]+):[^|:]*:(?P<line>\d+)(?: \||$)")
_RECORDS = "RAY_record_ref_creation_sites=1 in the program's environment records where objects are made."


class Wishes(NamedTuple):
    """What the command line asks for: by what the table is grouped and sorted, in Ray's words; a unit, or none for
    whichever suits; how many rows of each group, or none for all; how wide it may be."""

    group_by: str
    sort_by: str
    unit: str | None
    most: int | None
    width: int | None


def describe(entries: Sequence[HeldObject], totals: StoreTotals, wishes: Wishes) -> str:
    """The store in a line, then the objects."""
    objects: dict[bytes, list[HeldObject]] = {}
    for entry in entries:
        objects.setdefault(entry.object_id, []).append(entry)
    held = sorted(objects.values(), key=lambda one: _rank(one, wishes.sort_by))
    groups: dict[str, list[list[HeldObject]]] = {}
    for one in held:
        groups.setdefault(_site(one) if wishes.group_by == "STACK_TRACE" else "", []).append(one)
    short = shortened(identity.hex() for identity in objects)
    parts = [_prose(store_line(totals, wishes.unit), wishes.width)]
    for site, group in sorted(groups.items(), key=lambda item: -_bytes(item[1])):
        parts.append(_group(site, group, short, wishes))
    if not objects:
        parts.append(["Nobody holds an object."])
    elif not any(entry.site for entry in entries):
        parts.append(_prose(_RECORDS, wishes.width))
    return "\n\n".join("\n".join(part) for part in parts)


def store_line(totals: StoreTotals, unit: str | None) -> str:
    """How full the store is, and what is or was on disk."""
    share = totals.used_bytes / max(1, totals.capacity_bytes)
    used, capacity = _size(totals.used_bytes, unit), _size(totals.capacity_bytes, unit)
    text = f"{used} of the store's {capacity} are in use ({share:.1%}), by {count_of(totals.objects, 'object')}"
    if totals.own_files:
        objects = count_of(totals.own_files, "object")
        where = "is in a file of its own" if totals.own_files == 1 else "are in files of their own"
        text += f"; {objects} of {_size(totals.own_files_bytes, unit)} {where}"
    if totals.spilled_objects:
        objects = count_of(totals.spilled_objects, "object")
        text += f"; {objects} of {_size(totals.spilled_bytes, unit)} went to disk so far"
    return f"{text}."


def _prose(text: str, width: int | None) -> list[str]:
    return [text] if width is None else textwrap.wrap(text, width)


def _group(site: str, group: Sequence[Sequence[HeldObject]], short: dict[str, str], wishes: Wishes) -> list[str]:
    """The table of one group, under what its objects have in common."""
    rows = [_row(one, short, wishes.unit, whole=wishes.width is None) for one in group[: wishes.most]]
    titles = [title for place, title in enumerate(_TITLES) if any(row[place] != "-" for row in rows)]
    is_by_site = wishes.group_by == "STACK_TRACE"
    if is_by_site and site:
        titles.remove("MADE AT")
    cells = [[row[place] for place, title in enumerate(_TITLES) if title in titles] for row in rows]
    if wishes.width is None:
        lines = table(titles, cells)
    else:
        fitted = fit(titles, cells, wishes.width, [title for title in _LEAST if title in titles])
        lines = fitted.lines + said_below(fitted, wishes.width, ids_are_short=False)
    unshown = group[len(rows) :]
    if unshown:
        lines.append(f"and {count_of(len(unshown), 'more object')}{_comma_size(unshown, wishes.unit)}")
    if is_by_site:
        title = f"{site or 'Where these were made is not known'}: {count_of(len(group), 'object')}"
        lines[:0] = _prose(title + _comma_size(group, wishes.unit), wishes.width)
    return lines


def _row(one: Sequence[HeldObject], short: dict[str, str], unit: str | None, *, whole: bool) -> list[str]:
    """The cells of one object."""
    identity = one[0].object_id.hex()
    size = _bytes([one])
    known = _size(size, unit) if any(entry.size_bytes >= 0 for entry in one) else "-"
    place = "on disk " if one[0].is_spilled else "own file " if one[0].has_own_file else ""
    waits = next((entry.status for entry in one if entry.status not in ("-", "NIL", "FINISHED")), "-")
    site = _site(one)
    return [
        identity if whole else short[identity],
        place + known,
        "; ".join(_holders(one)),
        waits,
        (site if whole else _short_site(site)) or "-",
    ]


def _site(one: Sequence[HeldObject]) -> str:
    """Where an object was made, by whoever made it; else where one that holds it has got it."""
    known = sorted((entry for entry in one if entry.site), key=lambda entry: entry.status == "-")
    return known[0].site if known else ""


def _short_site(site: str) -> str:
    """The innermost line of a place, without folders.

    Example:
        >>> _short_site("(put object) /home/me/train.py:load:19 | /home/me/train.py:<module>:40")
        'train.py:19 (put)'
    """
    found = _PLACE.match(site)
    return f"{found['file']}:{found['line']} ({found['how'].split()[0]})" if found else site


def _holders(one: Sequence[HeldObject]) -> list[str]:
    """Who holds an object, a text for each reason."""
    texts = []
    for kind, why in _WHY.items():
        in_order = sorted(one, key=lambda entry: (not entry.is_driver, entry.process_id))
        who = dict.fromkeys(_named(entry) for entry in in_order if entry.kind == kind)
        if who:
            texts.append(why.format(", ".join(who)))
    return texts


def _named(entry: HeldObject) -> str:
    return f"{'driver' if entry.is_driver else entry.actor or 'worker'} {entry.process_id}"


def _rank(one: Sequence[HeldObject], sort_by: str) -> tuple[object, ...]:
    """Sorts objects: the largest first, or by who holds them, or why."""
    size = -_bytes([one])
    if sort_by == "PID":
        return (min(entry.process_id for entry in one), size, one[0].object_id)
    if sort_by == "REFERENCE_TYPE":
        return (min(list(_WHY).index(entry.kind) for entry in one), size, one[0].object_id)
    return (size, one[0].object_id)


def _bytes(group: Sequence[Sequence[HeldObject]]) -> int:
    """What objects take together, each counted once, whoever holds it."""
    return sum(max(0, *(entry.size_bytes for entry in one)) for one in group)


def _comma_size(group: Sequence[Sequence[HeldObject]], unit: str | None) -> str:
    """The size of objects after a comma, if that of any is known."""
    return f", {_size(_bytes(group), unit)}" if _bytes(group) else ""


def _size(size_bytes: float, unit: str | None) -> str:
    if unit is not None:
        return f"{size_bytes / _SCALES[unit]:.4g} {unit}"
    return size_of(size_bytes)
