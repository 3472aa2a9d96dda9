"""Reads the marts: everything that the report knows comes from here."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from northflank_restore_report import words
from northflank_restore_report.warehouse import MartsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from northflank_restore_report.warehouse import Warehouse

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
INCOMPLETE_SHOWN = 5

FEW = 20
"""Of fewer restores the slowest is shown, as a 95th percentile would be made up between two."""

OF_TWO_RUNS = (
    "The marts are of two runs, of which the later one failed or is not done yet: make them anew "
    "with ./dev meltano run dbt-postgres:build"
)
"""What ends a command that finds marts of different instants."""

T = TypeVar("T")


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
class _Counts:
    """What `refresh_info` says of `restore_attempts`, which is made long before it."""

    attempts: int
    undated_attempts: int
    ambiguous_attempts: int


@dataclass(frozen=True)
class Addon:
    """A row of `addon_recoverability`; times in UTC, durations in minutes, rates from 0 to 1."""

    addon_key: str
    team_id: str | None
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
    """The attempts of a day in all projects, by outcome: a row of `restores_by_day`."""

    day: date
    succeeded: int
    failed: int
    aborted: int
    running: int
    unknown: int


@dataclass(frozen=True)
class Durations:
    """How long the successful restores of a year took: a row of `restore_durations`."""

    database_type: str | None
    restores: int
    p05_minutes: float
    p25_minutes: float
    p50_minutes: float
    p75_minutes: float
    p95_minutes: float
    longest_minutes: float
    within_target: int
    shortest_target_minutes: float
    longest_target_minutes: float

    @property
    def late(self) -> str:
        """The 95th percentile as text, or of few restores the slowest."""
        if self.restores < FEW:
            return f"{words.duration(self.longest_minutes)} (slowest)"
        return words.duration(self.p95_minutes)


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
class Verdict:
    """A verdict, and what it was at two earlier times: a row of `addon_verdicts`."""

    addon_key: str
    verdict: str
    reason: str
    last_run_at: datetime | None
    verdict_at_last_run: str | None
    quarter_ended_on: date
    verdict_at_quarter_end: str | None


class Turn(NamedTuple):
    """A verdict that is another one than at an earlier time."""

    addon_key: str
    before: str
    verdict: str
    reason: str


class Turns(NamedTuple):
    """The verdicts that changed since an earlier time; None if there was none of that time."""

    since: str
    turns: list[Turn] | None


@dataclass(frozen=True)
class Answer:
    """How many lists have the same answer in `completeness`."""

    answer: str
    lists: int
    earliest_read_at: datetime | None = None


@dataclass(frozen=True)
class Incomplete:
    """A list of which rows are missing or differ, or that was never read: of `completeness`."""

    completeness_key: str
    answer: str
    missing: int | None


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
    engine: str
    warehouse: str
    addons: list[Addon]
    quarters: list[Quarter]
    days: list[Day]
    durations: list[Durations]
    stale: list[Part]
    problems: list[Problem]
    changes: list[Change]
    readings: list[Reading]
    verdicts_then: list[Verdict]
    answers: list[Answer]
    incomplete: list[Incomplete]

    @property
    def since_last_run(self) -> Turns:
        """What changed since the last run for an earlier instant."""
        then = {row.addon_key: row.verdict_at_last_run for row in self.verdicts_then}
        (at,) = {row.last_run_at for row in self.verdicts_then} or {None}
        return self._turns(f"the last run, for {words.instant(at)}" if at else "the last run", then)

    @property
    def since_quarter(self) -> Turns:
        """What changed since the last closed quarter."""
        then = {row.addon_key: row.verdict_at_quarter_end for row in self.verdicts_then}
        ended = {row.quarter_ended_on - timedelta(days=1) for row in self.verdicts_then}
        names = [f"the end of {day.year}-Q{(day.month + 2) // 3}" for day in ended]
        return self._turns("".join(names) or "the last closed quarter", then)

    def _turns(self, since: str, then: Mapping[str, str | None]) -> Turns:
        if not any(then.values()):
            return Turns(since, None)
        found = [
            Turn(row.addon_key, before, row.verdict, row.reason)
            for row in self.verdicts_then
            if (before := then[row.addon_key]) and before != row.verdict
        ]
        return Turns(since, found)

    @property
    def completeness(self) -> str:
        """Whether the warehouse has what the API listed, in one line."""
        lists = {row.answer: row.lists for row in self.answers}
        if not lists or "ledger not loaded" in lists:
            return (
                "It is not known whether the warehouse has all that the API listed: "
                "select the stream list_reads"
            )
        whole = lists.get("complete", 0) + lists.get("nothing listed", 0)
        of = words.count(sum(lists.values()), "list")
        if not self.incomplete:
            dates = [row.earliest_read_at for row in self.answers if row.earliest_read_at]
            earliest = min(dates, default=None)
            # Not for a simulated account, whose instant is another one than the clock's.
            is_known = earliest is not None and earliest <= self.info.as_of
            when = f"; the earliest was read on {words.day(earliest)}" if is_known else ""
            return f"The warehouse has all that the API listed, in {of}{when}"
        rest = [
            f"{row.completeness_key} ({row.answer}{f': {row.missing:,}' if row.missing else ''})"
            for row in self.incomplete[:INCOMPLETE_SHOWN]
        ]
        more = len(self.incomplete) - INCOMPLETE_SHOWN
        told = ", ".join(rest) + (f" and {more:,} more" if more > 0 else "")
        return f"Of {of} of the API, the warehouse has {whole:,} as they were read. Others: {told}"

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


# Texts are ordered by their characters, so that the order is the same on each engine and server.
ADDONS = """
select {columns} from addon_recoverability
order by is_current desc, verdict_rank, last_success_at nulls first, addon_key collate "C"
"""
QUARTERS = """
select {columns} from restore_drill_evidence order by quarter_start, addon_key collate "C"
"""
DAYS = "select {columns} from restores_by_day order by day"
DURATIONS = """
select {columns} from restore_durations
order by database_type is null, p95_minutes desc, database_type collate "C"
"""
STALE = """
select {columns} from load_freshness where is_stale order by last_read_at, part_key collate "C"
"""
PROBLEMS = """
select {columns} from data_problems order by problem collate "C", restore_key collate "C"
"""
CHANGES = """
select {columns} from evidence_changes where change_number > 1
order by seen_at desc, quarter collate "C" desc, addon_key collate "C"
"""
VERDICTS_THEN = """
select {columns} from addon_verdicts order by verdict_rank, addon_key collate "C"
"""
ANSWERS = """
select {columns} from (
    select answer, count(*) as lists, min(case when is_current then read_at end) as earliest_read_at
    from completeness group by answer
) as answers order by answer collate "C"
"""
INCOMPLETE = """
select {columns} from completeness where answer not in ('complete', 'nothing listed')
order by coalesce(missing, 0) desc, completeness_key collate "C"
"""
READINGS = 'select {columns} from restore_timestamp_readings order by team_id collate "C"'


COUNTS = """
select
    count(*) as attempts,
    count(case when counted_at is null then 1 end) as undated_attempts,
    count(case when source_basis = 'ambiguous' then 1 end) as ambiguous_attempts
from restore_attempts
"""


def read(warehouse: Warehouse) -> Findings:
    """Read all that the report shows.

    Raises:
        MartsError: they were not computed to the end, or one half by a later run.
    """
    infos = _rows(warehouse, Info, "select {columns} from refresh_info")
    if not infos:
        raise MartsError("The mart refresh_info is empty: make the marts anew")
    addons = _rows(warehouse, Addon, ADDONS)
    if any(addon.as_of != infos[0].as_of for addon in addons):
        raise MartsError(OF_TWO_RUNS)
    quarters = _rows(warehouse, Quarter, QUARTERS)
    said = {addon.verdict for addon in addons} | {quarter.evidence for quarter in quarters}
    if unknown := sorted(said.difference(VERDICTS, EVIDENCE)):
        raise MartsError(
            f"The marts are of another version of the models, which says {unknown[0]!r}: take the "
            "report and the models of one version"
        )
    counts = _rows(warehouse, _Counts, COUNTS)
    info = infos[0]
    if counts != [_Counts(info.attempts, info.undated_attempts, info.ambiguous_attempts)]:
        raise MartsError(OF_TWO_RUNS)
    restored = {addon.team_id or "" for addon in addons if addon.attempts}
    readings = _rows(warehouse, Reading, READINGS)
    return Findings(
        info=infos[0],
        engine=warehouse.engine,
        warehouse=warehouse.name,
        addons=addons,
        quarters=quarters,
        days=_rows(warehouse, Day, DAYS),
        durations=_rows(warehouse, Durations, DURATIONS),
        stale=_rows(warehouse, Part, STALE),
        problems=_rows(warehouse, Problem, PROBLEMS),
        changes=_rows(warehouse, Change, CHANGES),
        readings=[reading for reading in readings if reading.team_id in restored],
        verdicts_then=_rows(warehouse, Verdict, VERDICTS_THEN),
        answers=_rows(warehouse, Answer, ANSWERS),
        incomplete=_rows(warehouse, Incomplete, INCOMPLETE),
    )


def _rows(warehouse: Warehouse, kind: type[T], query: str) -> list[T]:
    """Return the rows of a query as instances of a dataclass with those columns."""
    columns = ", ".join(f'"{field.name}"' for field in fields(kind))  # type: ignore[arg-type]
    with warehouse.select(query.format(columns=columns)) as (_, rows):
        return [kind(*map(_plain, row)) for row in rows]


def _plain(value: object) -> Any:  # noqa: ANN401 - of a column
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return in_utc(value)
    return value


def in_utc(moment: datetime) -> datetime:
    """Return an instant in UTC; one without a zone, as DuckDB may have it, is one of UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(
        timezone.utc
    )
