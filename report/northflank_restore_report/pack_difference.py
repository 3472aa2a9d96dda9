"""What differs between two evidence packs: the rows that were added, changed or removed."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from northflank_restore_report import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from northflank_restore_report.pack import Pack

SHOWN = 20
"""Rows of a file that are named, and then how many more there are."""

UNCOMPARED = {
    "age_hours",
    "as_of",
    "backups_read_at",
    "days_since_success",
    "last_read_at",
    "last_seen_at",
    "newest_age_hours",
    "newest_backup_age_hours",
    "read_at",
}
"""Columns that differ in each pack of another instant, with nothing that happened."""

Rows = dict[tuple[str, ...], dict[str, str]]


def differences(earlier: Pack, later: Pack) -> list[str]:
    """Return lines that name each row that the later pack has not as the earlier one."""
    before, after = (pack.manifest for pack in (earlier, later))
    period = f"{after['from']} to {after['to']}"
    lines = [f"Compared with {earlier.path.name} (as of {before['as_of']}):"]
    if (before["from"], before["to"]) != (after["from"], after["to"]):
        lines.append(f"  It is of another period, {before['from']} to {before['to']}.")
    of_period = list(_of_files(earlier, later, of_period=True))
    lines += [f"In the period, {period}:", *(of_period or ["  No row differs."])]
    of_state = list(_of_files(earlier, later, of_period=False))
    head = f"In what is not limited to it, now as of {after['as_of']}:"
    return [*lines, head, *(of_state or ["  No row differs."])]


def _of_files(earlier: Pack, later: Pack, *, of_period: bool) -> Iterator[str]:
    before, after = (
        {file["name"]: file for file in pack.manifest["files"] if "key" in file}
        for pack in (earlier, later)
    )
    for name, file in after.items():
        if file["of_period"] != of_period:
            continue
        if name not in before:
            yield f"  {name}: not in the earlier pack"
        elif before[name]["sha256"] != file["sha256"]:
            yield from _of_rows(name, _rows(earlier, name, file), _rows(later, name, file))
    yield from (
        f"  {name}: no longer there"
        for name, file in before.items()
        if name not in after and file["of_period"] == of_period
    )


def _rows(pack: Pack, name: str, file: dict[str, Any]) -> Rows:
    text = pack.read(name).decode("utf-8-sig")
    found = csv.DictReader(io.StringIO(text, newline=""))
    return {tuple(row.get(column, "") for column in file["key"]): row for row in found}


def _of_rows(name: str, before: Rows, after: Rows) -> Iterator[str]:
    told = [f"added {_name(key)}" for key in after if key not in before]
    added = len(told)
    told += [f"removed {_name(key)}" for key in before if key not in after]
    removed = len(told) - added
    for key in after:
        if key in before and (changes := _changes(before[key], after[key])):
            told.append(f"changed {_name(key)}: {changes}")
    if told:
        changed = len(told) - added - removed
        yield f"  {name}: {words.count(added, 'row')} added, {changed} changed, {removed} removed"
        yield from (f"    {line}" for line in told[:SHOWN])
        if len(told) > SHOWN:
            yield f"    … and {len(told) - SHOWN:,} more"


def _name(key: tuple[str, ...]) -> str:
    return ", ".join(key)


def _changes(before: dict[str, str], after: dict[str, str]) -> str:
    return "; ".join(
        f"{column} {before.get(column) or 'empty'} → {value or 'empty'}"
        for column, value in after.items()
        if column not in UNCOMPARED and before.get(column) != value
    )
