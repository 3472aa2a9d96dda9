"""What arrived in the warehouse, beside what the simulated account has."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from demo.warehouses import query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

Counts = dict[tuple[str, str], dict[str, int]]
"""Restores by (project, addon) and status."""

WAREHOUSE = """
    SELECT "projectId", "addonId", status, count(*)
    FROM northflank.restores
    GROUP BY 1, 2, 3
"""
TABLES = ("projects", "addons", "restores")
LOADED = """
    SELECT "projectId", "addonId", count(*), max(_sdc_batched_at)
    FROM northflank.restores
    {since}
    GROUP BY 1, 2
"""


class Sync(NamedTuple):
    """The account and the warehouse after a sync."""

    account: Counts
    """What the account has, and of addons that are gone what it had at the last sync."""
    warehouse: Counts
    sent: Mapping[tuple[str, str], int]
    """Rows that this sync has loaded, by (project, addon)."""
    rows: dict[str, tuple[int, int]]
    """What account and warehouse have, by table; the warehouse keeps what is gone."""
    gone: set[tuple[str, str]]
    """The addons that the account had at the last sync and has no more."""
    loaded_at: datetime | None
    """When the last row was loaded."""

    @property
    def equal(self) -> bool:
        """Whether the warehouse is what the account is, status by status."""
        return self.account == self.warehouse and all(a == b for a, b in self.rows.values())


def after_sync(world: Mapping[str, Any], url: str, before: Sync | None = None) -> Sync:
    """Count on both sides.

    Args:
        world: what the simulator says that it has.
        url: the warehouse.
        before: the account and the warehouse after the sync before.
    """
    there = {(a["projectId"], a["addonId"]): a["restores"] for a in world["byAddon"]}
    account = {**(before.account if before else {}), **there}
    lost: Counts = {addon: counts for addon, counts in account.items() if addon not in there}
    had = {
        "projects": world["projects"],
        "addons": len(account),
        "restores": world["restores"] + sum(sum(counts.values()) for counts in lost.values()),
    }
    warehouse: Counts = {addon: {} for addon in account}
    last = before.loaded_at if before else None
    since = f"WHERE _sdc_batched_at > '{last}'" if last else ""
    with query(url) as found:
        for project, addon, status, count in found(WAREHOUSE):
            warehouse.setdefault((project, addon), {})[status] = count
        loaded = found(LOADED.format(since=since))
        rows = {
            name: (had[name], found(f"SELECT count(*) FROM northflank.{name}")[0][0])  # noqa: S608
            for name in TABLES
        }
    sent = {(project, addon): count for project, addon, count, _ in loaded}
    loaded_at = max((moment for *_, moment in loaded), default=last)
    return Sync(account, warehouse, sent, rows, set(lost), loaded_at)


def lines(first: Sync, second: Sync) -> Iterator[str]:
    """Yield the table of both syncs: a row an addon, and one for all."""
    rows = [
        [*addon, *_cells(first, addon), *_cells(second, addon)]
        for addon in sorted(second.account.keys() | second.warehouse.keys())
    ]
    totals = [sum(int(row[n]) for row in rows) for n in range(2, 8)]
    heads = ["project", "addon", *["account", "sent", "warehouse"] * 2]
    table = [heads, *rows, ["all", "", *map(str, totals)]]
    widths = [max(len(row[n]) for row in table) for n in range(len(heads))]
    half = sum(widths[2:5]) + 4
    yield "Restores that the account has, that the sync sent, and that the warehouse has then."
    yield "Of an addon that is gone, the account's are those of the sync before:"
    yield f"{'':{widths[0] + widths[1] + 2}}  {'first sync':>{half}}  {'second sync':>{half + 2}}"
    for number, row in enumerate(table):
        if number in {1, len(table) - 1}:
            yield _rule(widths)
        yield _row(row, widths)


def _cells(sync: Sync, addon: tuple[str, str]) -> list[str]:
    account = sum(sync.account.get(addon, {}).values())
    warehouse = sum(sync.warehouse.get(addon, {}).values())
    return [str(account), str(sync.sent.get(addon, 0)), str(warehouse)]


def _row(row: Sequence[str], widths: Sequence[int]) -> str:
    names = [f"{cell:<{width}}" for cell, width in zip(row[:2], widths[:2], strict=True)]
    numbers = [f"{cell:>{width}}" for cell, width in zip(row[2:], widths[2:], strict=True)]
    return "  ".join([*names, *numbers[:3], "", *numbers[3:]])


def _rule(widths: Sequence[int]) -> str:
    return "-" * (sum(widths) + 2 * len(widths))


def summary(sync: Sync) -> str:
    """Say in one line what the warehouse has now."""
    status: Counter[str] = Counter()
    for counts in sync.warehouse.values():
        status.update(counts)
    restores = ", ".join(f"{count} {name}" for name, count in status.most_common())
    rows = ", ".join(f"{have} {name}" for name, (_, have) in sync.rows.items())
    return f"The warehouse has {rows} ({restores})."
