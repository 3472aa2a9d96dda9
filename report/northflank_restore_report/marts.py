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

from northflank_restore_report import words
from northflank_restore_report.errors import ReportError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime

VERDICTS = (
    "no backup",
    "stale backup",
    "never tested",
    "failing",
    "not validated",
    "overdue",
    "slow",
    "proven",
    "waived",
    "out of scope",
    "deleted",
)
"""The verdicts of `addon_recoverability`: the first seven need action, the worst first."""

NEED_ACTION = VERDICTS[:7]

OUTCOMES = ("succeeded", "failed", "aborted", "running", "unknown")
"""The outcomes of `restore_attempts`."""

EVIDENCE = (
    "within target",
    "over target",
    "time not known",
    "not validated",
    "only failures",
    "not tested",
    "not yet",
    "waived",
    "out of scope",
)
"""What `restore_drill_evidence` says of an addon in a quarter."""

TESTED = EVIDENCE[:3]
COUNTED = EVIDENCE[:7]
"""Evidence that counts as a database to be tested."""

STALE_SHOWN = 3

FEW = 20
"""Of fewer restores the slowest is shown, as a 95th percentile would be made up between two."""

T = TypeVar("T")


class MartsError(ReportError):
    """The marts cannot be read."""


@dataclass(frozen=True)
class Info:
    """What the marts were computed for and from: the row of `refresh_info`."""

    as_of: datetime
    loaded_at: datetime | None
    database_name: str
    source_schema: str
    attempts: int
    undated_attempts: int
    ambiguous_attempts: int
    backups_loaded: bool
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
    needs_action: bool
    owner: str | None
    rule: str
    in_scope: bool
    last_success_at: datetime | None
    days_since_success: int | None
    is_overdue: bool
    last_success_restored_into: str | None
    last_success_source_basis: str | None
    last_success_backup_age_hours: float | None
    newest_backup_age_hours: float | None
    rpo_hours: float | None
    backups_known: bool
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
    quarter_start: date
    evidence: str
    restored_into: str | None
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
    longest: float
    within: int
    shortest_target: float
    longest_target: float

    @property
    def late(self) -> str:
        """The 95th percentile as text, or of few restores the slowest."""
        if self.restores < FEW:
            return f"{words.duration(self.longest)} (slowest)"
        return words.duration(self.p95)


@dataclass(frozen=True)
class Part:
    """A part of the account that was read too long ago: a row of `load_freshness`."""

    stream: str
    project_id: str | None
    last_read_at: datetime
    age_hours: float


@dataclass(frozen=True)
class Problem:
    """A row of `data_problems`."""

    restore_key: str
    problem: str
    value_as_read: str | None
    consequence: str


@dataclass(frozen=True)
class Change:
    """What a closed quarter says now, and what it said before: a row of `evidence_changes`."""

    addon_key: str
    quarter: str
    seen_at: datetime
    evidence_before: str
    evidence: str


@dataclass(frozen=True)
class Reading:
    """What `restoreTimestamp` is in a team: a row of `restore_timestamp_readings`."""

    team_id: str
    reading: str
    basis: str
    compared: int
    equal: int


class Findings(NamedTuple):
    """All that the report shows."""

    info: Info
    warehouse: str
    addons: list[Addon]
    quarters: list[Quarter]
    days: list[Day]
    durations: list[Durations]
    stale: list[Part]
    problems: list[Problem]
    changes: list[Change]
    readings: list[Reading]

    @property
    def current(self) -> list[Addon]:
        """Addons that are still there, the worst first."""
        return [addon for addon in self.addons if addon.is_current]

    @property
    def too_old(self) -> str:
        """Which parts of the account were read too long ago, in one line; empty without any."""
        parts = [
            f"{part.stream}{f' of {part.project_id}' if part.project_id else ''} "
            f"({words.days_ago(int(part.age_hours // 24))})"
            for part in self.stale[:STALE_SHOWN]
        ]
        more = len(self.stale) - STALE_SHOWN
        told = ", ".join(parts) + (f" and {more:,} more" if more > 0 else "")
        return f"Read too long ago: {told}" if parts else ""

    @property
    def judged(self) -> list[Addon]:
        """Those of them that need proof: in scope, and not waived."""
        return [a for a in self.current if a.verdict not in {"waived", "out of scope"}]

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
    max(duration_minutes) as longest,
    count(*) filter (where within_target) as within,
    min(target_minutes) as shortest_target, max(target_minutes) as longest_target
from restore_attempts, refresh_info
where outcome = 'succeeded' and duration_minutes is not null
    and source_addon_key is not null
    and counted_at <= as_of and counted_at > as_of - interval '8760 hours'
group by grouping sets ((database_type), ())
having count(*) > 0
order by grouping(database_type), p95 desc, database_type
"""

STALE = "select {columns} from load_freshness where is_stale order by last_read_at, part_key"
PROBLEMS = "select {columns} from data_problems order by problem, restore_key"
CHANGES = """
select {columns} from evidence_changes where change_number > 1
order by seen_at desc, quarter desc, addon_key
"""
READINGS = """
select {columns} from restore_timestamp_readings
where team_id in (select coalesce(team_id, '') from addon_recoverability where attempts > 0)
order by team_id
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
        except psycopg.errors.InsufficientPrivilege as error:
            raise MartsError(
                f"The user of the URL may not read the marts of {name} ({_one_line(error)}): grant "
                "it what docs/dbt-package.md lists"
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
        stale=_rows(connection, Part, STALE),
        problems=_rows(connection, Problem, PROBLEMS),
        changes=_rows(connection, Change, CHANGES),
        readings=_rows(connection, Reading, READINGS),
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
