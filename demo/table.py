"""What arrived in the warehouse, beside what the simulated account has."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Counts = dict[tuple[str, str], dict[str, int]]
"""Restores by (project, addon) and status."""

WAREHOUSE = """
    SELECT "projectId", "addonId", status, count(*)
    FROM northflank.restores
    GROUP BY 1, 2, 3
"""
TABLES = ("projects", "addons", "restores")
LAST_SYNC = """
    SELECT "projectId", "addonId", count(*)
    FROM northflank.restores
    WHERE _sdc_sync_started_at = (SELECT max(_sdc_sync_started_at) FROM northflank.restores)
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

    @property
    def equal(self) -> bool:
        """Whether the warehouse is what the account is, status by status."""
        return self.account == self.warehouse and all(a == b for a, b in self.rows.values())


def after_sync(world: Mapping[str, Any], dsn: str, before: Sync | None = None) -> Sync:
    """Count on both sides.

    Args:
        world: what the simulator says that it has.
        dsn: the warehouse.
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
    with psycopg.connect(dsn) as connection:
        for project, addon, status, count in connection.execute(WAREHOUSE):
            warehouse.setdefault((project, addon), {})[status] = count
        sent = {(row[0], row[1]): row[2] for row in connection.execute(LAST_SYNC)}
        rows = {name: (had[name], _count(connection, name)) for name in TABLES}
    return Sync(account, warehouse, sent, rows, set(lost))


def _count(connection: psycopg.Connection[tuple[int]], name: str) -> int:
    table = sql.Identifier("northflank", name)
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table)).fetchone()
    return row[0] if row else 0


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
