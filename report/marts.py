"""Reads the marts: everything that the report knows comes from here."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime

VERDICTS = ("never tested", "failing", "overdue", "slow", "proven")
"""The verdicts of `addon_recoverability`, the worst first."""

OUTCOMES = ("succeeded", "failed", "aborted", "running", "unknown")
"""The outcomes of `restore_attempts`."""

EVIDENCE = (
    "within target",
    "over target",
    "time not known",
    "only failures",
    "not tested",
    "not yet",
)
"""What `restore_drill_evidence` says of an addon in a quarter."""

TESTED = EVIDENCE[:3]

T = TypeVar("T")


class MartsError(Exception):
    """The marts cannot be read; the message is one line that says why and what to do."""


@dataclass(frozen=True)
class Info:
    """What the marts were computed for and from: the row of `refresh_info`."""

    as_of: datetime
    loaded_at: datetime | None
    database_name: str
    source_schema: str
    attempts: int
    undated_attempts: int
    later_attempts: int
    default_target_minutes: float
    overdue_after_days: int


@dataclass(frozen=True)
class Addon:
    """A row of `addon_recoverability`; times in UTC, durations in minutes, rates from 0 to 1."""

    addon_key: str
    project_id: str
    project_name: str
    addon_id: str
    addon_name: str
    database_type: str
    is_current: bool
    verdict: str
    verdict_rank: int
    reason: str
    last_success_at: datetime | None
    days_since_success: int | None
    is_overdue: bool
    last_success_backup_id: str | None
    last_success_backup_name: str | None
    last_success_minutes: float | None
    last_attempt_at: datetime | None
    attempts: int
    running: int
    attempts_90d: int
    successes_90d: int
    failures_90d: int
    attempts_365d: int
    successes_365d: int
    failures_365d: int
    median_minutes_365d: float | None
    p95_minutes_365d: float | None
    target_minutes: float
    as_of: datetime


@dataclass(frozen=True)
class Quarter:
    """A row of `restore_drill_evidence`."""

    addon_key: str
    quarter: str
    evidence: str
    tested_at: datetime | None
    backup_id: str | None
    duration_minutes: float | None
    attempts: int
    failures: int


@dataclass(frozen=True)
class Day:
    """The attempts of a day in all projects, by outcome."""

    day: date
    succeeded: int
    failed: int
    aborted: int
    running: int
    unknown: int


@dataclass(frozen=True)
class Durations:
    """How long the successful restores of a year took, in minutes; of all types without one."""

    database_type: str | None
    restores: int
    p05: float
    p25: float
    p50: float
    p75: float
    p95: float
    within: int
    shortest_target: float
    longest_target: float


class Findings(NamedTuple):
    """All that the report shows."""

    info: Info
    warehouse: str
    addons: list[Addon]
    quarters: list[Quarter]
    days: list[Day]
    durations: list[Durations]

    @property
    def current(self) -> list[Addon]:
        """Addons that are still there, the worst first."""
        return [addon for addon in self.addons if addon.is_current]

    @property
    def deleted(self) -> list[Addon]:
        """Addons that are gone."""
        return [addon for addon in self.addons if not addon.is_current]


ADDONS = """
select {columns} from addon_recoverability
order by is_current desc, verdict_rank, last_success_at nulls first, addon_key
"""
QUARTERS = "select {columns} from restore_drill_evidence order by quarter_start, addon_key"
DAYS = """
select day, sum(successes)::bigint as succeeded, sum(failures)::bigint as failed,
    sum(aborted)::bigint as aborted, sum(running)::bigint as running,
    sum(unknown)::bigint as unknown
from daily_restore_activity
group by day
order by day
"""
DURATIONS = """
select database_type, count(*) as restores,
    percentile_cont(0.05) within group (order by duration_minutes) as p05,
    percentile_cont(0.25) within group (order by duration_minutes) as p25,
    percentile_cont(0.5) within group (order by duration_minutes) as p50,
    percentile_cont(0.75) within group (order by duration_minutes) as p75,
    percentile_cont(0.95) within group (order by duration_minutes) as p95,
    count(*) filter (where within_target) as within,
    min(target_minutes) as shortest_target, max(target_minutes) as longest_target
from restore_attempts, refresh_info
where outcome = 'succeeded' and duration_minutes is not null
    and counted_at <= as_of and counted_at > as_of - interval '8760 hours'
group by grouping sets ((database_type), ())
having count(*) > 0
order by grouping(database_type), p95 desc, database_type
"""


@contextmanager
def marts(dsn: str, schema: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """Connect to a warehouse, for one consistent look at its marts.

    Args:
        dsn: URL of a PostgreSQL, also as SQLAlchemy has them (`postgresql+driver://`).
        schema: the one that holds the marts.

    Raises:
        MartsError: the warehouse cannot be reached, or has no marts in that schema.
    """
    dsn, parts = _parts(dsn)
    name = f"{parts.get('dbname', '')} on {parts.get('host', 'this machine')}"
    try:
        connection = psycopg.connect(dsn, row_factory=dict_row, application_name="restore report")
    except psycopg.Error as error:
        message = f"Cannot connect to the warehouse {name}: {_one_line(error)}"
        raise MartsError(message) from error
    with connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        search_path = sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(schema))
        try:
            connection.execute(search_path)
            connection.execute("SET LOCAL timezone TO 'UTC'")
            yield connection
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            raise MartsError(
                f"The schema {schema} of {name} does not have the marts of this version "
                f"({_one_line(error)}): make them with ./dev meltano run dbt-postgres:build"
            ) from error


def _parts(url: str) -> tuple[str, dict[str, Any]]:
    """Return a URL as libpq takes it, and its parts.

    Raises:
        MartsError: it cannot be read, or its parts cannot be told apart; no part of it is shown, as
            that may be the password.
    """
    scheme, separator, rest = url.partition("://")
    dsn = scheme.partition("+")[0] + separator + rest
    try:
        parts = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        parts = {}
    place, _, _ = rest.partition("?")
    # With such a character in the password, libpq takes what is behind it for host or database.
    odd = place.count("@") > 1 or "@" in place.partition("/")[2]
    if not parts or odd or not re.fullmatch(r"[\d,]*", str(parts.get("port", ""))):
        raise MartsError(
            "The warehouse's URL is none such as postgresql://user:password@host:port/database; in "
            "user and password write @ as %40, / as %2F, ? as %3F and % as %25"
        )
    return dsn, parts


def read(connection: psycopg.Connection[dict[str, Any]]) -> Findings:
    """Read all that the report shows.

    Raises:
        MartsError: they were not computed to the end, or one half by a later run.
    """
    infos = _rows(connection, Info, "select {columns} from refresh_info")
    if not infos:
        raise MartsError("The mart refresh_info is empty: make the marts anew")
    addons = _rows(connection, Addon, ADDONS)
    if any(addon.as_of != infos[0].as_of for addon in addons):
        raise MartsError(
            "The marts are of two runs, of which the later one failed or is not done yet: make "
            "them anew with ./dev meltano run dbt-postgres:build"
        )
    host = connection.info.host
    return Findings(
        info=infos[0],
        warehouse=f"{connection.info.dbname} on {'this machine' if host[:1] in '/@' else host}",
        addons=addons,
        quarters=_rows(connection, Quarter, QUARTERS),
        days=_rows(connection, Day, DAYS),
        durations=_rows(connection, Durations, DURATIONS),
    )


def _rows(connection: psycopg.Connection[dict[str, Any]], kind: type[T], query: str) -> list[T]:
    """Return the rows of a query as instances of a dataclass with those columns."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    found = connection.execute(sql.SQL(query).format(columns=columns))
    return [kind(**{name: _plain(row[name]) for name in names}) for row in found]


def _plain(value: object) -> Any:  # noqa: ANN401 - of a column
    return float(value) if isinstance(value, Decimal) else value


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split("LINE 1")[0].split())
