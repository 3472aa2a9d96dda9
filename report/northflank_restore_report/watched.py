"""Reads of the marts what alerts, checks and metrics need: databases, and parts of a load."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from northflank_restore_report.marts import OF_TWO_RUNS, in_utc
from northflank_restore_report.warehouse import MartsError

if TYPE_CHECKING:
    from northflank_restore_report.warehouse import Warehouse

T = TypeVar("T")


@dataclass(frozen=True)
class Database:
    """A row of `addon_recoverability`; times in UTC."""

    addon_key: str
    project_id: str
    project_name: str
    addon_name: str
    database_type: str
    is_current: bool
    in_scope: bool
    verdict: str
    verdict_rank: int
    needs_action: bool
    reason: str
    owner: str | None
    rule: str
    last_success_at: datetime | None
    drill_interval_days: float | None
    newest_backup_at: datetime | None
    rpo_hours: float | None
    as_of: datetime

    @property
    def is_watched(self) -> bool:
        """Whether somebody has to hear of it: it is there, and in scope."""
        return self.is_current and self.in_scope


@dataclass(frozen=True)
class Part:
    """A row of `load_freshness`: when a stream of a project was last read."""

    part_key: str
    stream: str
    team_id: str | None
    project_id: str | None
    last_read_at: datetime | None
    stale_after_hours: float
    is_stale: bool


@dataclass(frozen=True)
class _Info:
    """The row of `refresh_info`, as far as it is read here."""

    as_of: datetime
    refreshed_at: datetime


@dataclass(frozen=True)
class Watched:
    """One consistent look at the marts.

    Attributes:
        as_of: the instant that they were computed for.
        refreshed_at: when they were computed.
        databases: all that are known, the worst first.
        parts: what was read when, the least recent first.
    """

    as_of: datetime
    refreshed_at: datetime
    databases: list[Database]
    parts: list[Part]

    @property
    def current(self) -> list[Database]:
        """Databases that are there and in scope."""
        return [database for database in self.databases if database.is_watched]


INFO = "select {columns} from refresh_info"
DATABASES = "select {columns} from addon_recoverability order by verdict_rank, addon_key"
PARTS = "select {columns} from load_freshness order by last_read_at, part_key"


def look(warehouse: Warehouse) -> Watched:
    """Read the marts.

    Raises:
        MartsError: they were not computed to the end, or one half by a later run.
    """
    infos = _rows(warehouse, _Info, INFO)
    if not infos:
        raise MartsError("The mart refresh_info is empty: make the marts anew")
    as_of, refreshed_at = infos[0].as_of, infos[0].refreshed_at
    databases = _rows(warehouse, Database, DATABASES)
    if any(database.as_of != as_of for database in databases):
        raise MartsError(OF_TWO_RUNS)
    return Watched(as_of, refreshed_at, databases, _rows(warehouse, Part, PARTS))


def _rows(warehouse: Warehouse, kind: type[T], query: str) -> list[T]:
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    with warehouse.select(query.format(columns=", ".join(names))) as (_, rows):
        return [kind(*map(_plain, row)) for row in rows]


def _plain(value: object) -> Any:  # noqa: ANN401 - of a column
    if isinstance(value, datetime):
        return in_utc(value)
    return float(value) if isinstance(value, Decimal) else value
