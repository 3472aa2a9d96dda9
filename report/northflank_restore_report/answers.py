"""The five answers, as lines for a terminal."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from northflank_restore_report import words
from northflank_restore_report.page import failures_by

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from northflank_restore_report.marts import Addon, Findings, Turns

SHOWN = 12
"""Rows of a list, and then how many more there are."""


def answers(findings: Findings) -> list[str]:
    """Return the lines."""
    info, current = findings.info, findings.current
    act = sum(addon.needs_action for addon in current)
    head = f"As of {words.instant(info.as_of)}, {words.count(len(current), 'database')}:"
    return [
        head,
        f"{words.count(act, 'database needs', 'databases need')} action now.",
        *([f"{findings.too_old}."] if findings.too_old else []),
        "",
        "1. and 5. When was each database last restored successfully, and from which backup?",
        *_table(
            ("database", "last restored", "took", "backup", "verdict"), map(_restored, current)
        ),
        *_drills(current),
        "",
        "2. Which have not been restored in time?",
        *_not_restored(findings),
        "",
        "3. How long do restores take, against the target? (365 days)",
        *_table(("type", "p50", "p95", "target", "within target"), _durations(findings)),
        "",
        "4. How often do they fail, and where? (365 days)",
        *_failures(findings),
        "",
        *_turned(findings.since_last_run),
        *_turned(findings.since_quarter),
        "",
        f"{findings.completeness}.",
    ]


def _restored(addon: Addon) -> tuple[str, ...]:
    backup = addon.last_success_backup_id or words.NONE
    took = words.duration(addon.last_success_minutes)
    return addon.addon_key, words.day(addon.last_success_at), took, backup, addon.verdict


def _drills(current: list[Addon]) -> list[str]:
    """Say which of the shown databases were restored elsewhere."""
    elsewhere = [
        f"{addon.addon_key} into {addon.last_success_restored_into}"
        for addon in current
        if addon.last_success_restored_into not in {None, addon.addon_key}
    ]
    return ["   Restored elsewhere:", *(f"   {line}" for line in _some(elsewhere))][
        : None if elsewhere else 0
    ]


def _not_restored(findings: Findings) -> list[str]:
    if not findings.current:
        return ["   There is no database yet."]
    late = [
        f"{addon.addon_key} ({words.days_ago(addon.days_since_success)})"
        for addon in findings.judged
        if addon.is_overdue
    ]
    return [f"   {line}" for line in _some(late)] or ["   None: all have been."]


def _durations(findings: Findings) -> Iterator[tuple[str, ...]]:
    for row in findings.durations:
        targets = {
            words.duration(row.shortest_target_minutes): 0,
            words.duration(row.longest_target_minutes): 0,
        }
        share = words.share(row.within_target, row.restores)
        within = f"{row.within_target:,} of {row.restores:,}, {share}"
        name = row.database_type or "all"
        yield name, words.duration(row.p50_minutes), row.late, " to ".join(targets), within


def _failures(findings: Findings) -> list[str]:
    if not any(addon.attempts_365d for addon in findings.addons):
        return ["   There was no restore."]
    (total,) = failures_by(findings.addons, lambda _: "all")
    finished = words.count(total.successes + total.failures, "finished restore")
    attempts = words.count(total.attempts, "attempt")
    lines = [f"   {total.failures:,} of {finished} ({total.rate}); {attempts} in all"]
    failed = [row for row in failures_by(findings.addons, lambda a: a.addon_key) if row.failures]
    where = (f"{row.name}: {row.failures} of {row.successes + row.failures}" for row in failed)
    return lines + [f"   {line}" for line in _some(list(where))]


def _turned(turns: Turns) -> list[str]:
    if turns.turns is None:
        return [f"Changed since {turns.since}: not known, no verdict of that time is on record."]
    if not turns.turns:
        return [f"Changed since {turns.since}: no verdict."]
    lines = [f"{turn.addon_key}: {turn.verdict}, was {turn.before}" for turn in turns.turns]
    return [f"Changed since {turns.since}:", *(f"   {line}" for line in _some(lines))]


def _some(lines: list[str]) -> list[str]:
    more = len(lines) - SHOWN
    return lines[:SHOWN] + ([f"… and {more:,} more, see the page"] if more > 0 else [])


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    found = list(rows)
    if not found:
        return ["   None yet."]
    shown = [head, *islice(found, SHOWN)]
    widths = [max(len(row[i]) for row in shown) for i in range(len(head))]
    lines = [
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in shown
    ]
    if len(found) > SHOWN:
        lines.append(f"… and {len(found) - SHOWN:,} more, see the page")
    return [f"   {line}".rstrip() for line in lines]
