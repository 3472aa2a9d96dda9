"""Which tables go into an evidence pack, limited to which time, and which control each serves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from northflank_restore_report.evidence_queries import AT_THE_END, DURATIONS

BACKUPS = ("SOC 2 A1.2", "ISO 27001 A.8.13", "DORA art. 12(1)")
TESTS = ("SOC 2 A1.3", "ISO 27001 A.8.13", "DORA art. 12(1)")
RECOVERY = ("SOC 2 A1.3", "SOC 2 CC7.5", "ISO 27001 A.8.13", "DORA art. 12(2)")

CONTROLS = {
    "SOC 2 A1.2": "Backups are made, kept and watched as the policy asks.",
    "SOC 2 A1.3": "Recovery from backups is tested at the interval that the policy asks.",
    "SOC 2 CC7.5": "Systems are restored after an incident, and what fails is seen and mended.",
    "ISO 27001 A.8.13": "Backups are kept, and tested by restoring, in line with an agreed policy.",
    "DORA art. 12(1)": "There is a policy for backups, with their scope and least frequency, and "
    "there are procedures for restoring and recovering.",
    "DORA art. 12(2)": "Backups can be activated, and restoring from them is tested periodically.",
}
"""The controls, in words of ours: the standards' own words are theirs."""


class Period(NamedTuple):
    """The days that a pack is for, the last one included."""

    first: date
    last: date

    @property
    def quarters(self) -> tuple[str, str]:
        """The names of the first and the last quarter that have a day of it."""
        first, last = (f"{day.year:04}-Q{(day.month + 2) // 3}" for day in self)
        return first, last

    def values(self) -> dict[str, str]:
        """Return what the conditions of tables have in braces."""
        after = self.last + timedelta(days=1)
        first_quarter, last_quarter = self.quarters
        return {
            "first": f"date '{self.first}'",
            "last": f"date '{self.last}'",
            "start": f"cast('{self.first} 00:00:00+00' as timestamp with time zone)",
            "end": f"cast('{after} 00:00:00+00' as timestamp with time zone)",
            "first_quarter": f"'{first_quarter}'",
            "last_quarter": f"'{last_quarter}'",
        }


@dataclass(frozen=True)
class Table:
    """A table of the warehouse that is a CSV file of the pack.

    Attributes:
        name: that of the mart, or of its file if it has a query.
        key: the columns that name a row.
        order: how its rows are ordered.
        controls: keys of `CONTROLS` that it serves.
        about: what it says, for a reader who knows none of this.
        where: the condition of its rows, with what `Period.values` has; all rows without it.
        scope: which rows these are, in words.
        of_period: whether a closed period has the same rows for ever, unless something was found
            or changed later.
        left_out: columns that differ from run to run on the same data.
        query: what finds its rows, where no mart has them, with what `Period.values` has.
    """

    name: str
    key: tuple[str, ...]
    order: str
    controls: tuple[str, ...]
    about: str
    where: str = ""
    scope: str = "all rows, as of the instant above"
    of_period: bool = False
    left_out: tuple[str, ...] = ()
    query: str = ""

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}.csv"


TABLES = (
    Table(
        "restore_drill_evidence",
        ("evidence_key",),
        'quarter_start, addon_key collate "C"',
        TESTS,
        "One row a database and quarter: was it restored, when, from which backup, into which "
        "addon, how fast, by which rule and target.",
        "quarter >= {first_quarter} and quarter <= {last_quarter}",
        "the quarters that have a day of the period",
        of_period=True,
    ),
    Table(
        "restore_attempts",
        ("restore_key",),
        'counted_at, restore_key collate "C"',
        RECOVERY,
        "One row a restore: where it ran, whose backup it restored and how that is known, how old "
        "that backup was, start, end, duration, outcome, and the target of its time.",
        "counted_at is null or (counted_at >= {start} and counted_at < {end})",
        "restores that ended (or began, without an end) in the period, and those without any time",
        of_period=True,
    ),
    Table(
        "state_at_period_end",
        ("addon_key",),
        'addon_key collate "C"',
        TESTS,
        "One row a database: when it was last proven before the period ended, how long ago that "
        "was then, the longest time that it went without a proof, and the rule of the last day. A "
        "proof is a successful restore, with a check where the rule asks for one.",
        scope="databases that were there in the period, as of its end or, if it is not over, as "
        "of the instant above",
        of_period=True,
        query=AT_THE_END,
    ),
    Table(
        "durations_of_period",
        ("durations_key",),
        'durations_key collate "C"',
        RECOVERY,
        "How long restores took, by type of database: percentiles, and how many within the target "
        "of their time.",
        scope="successful restores of the period of which a duration is known",
        of_period=True,
        query=DURATIONS,
    ),
    Table(
        "attestations",
        ("restore_key",),
        'checked_on, restore_key collate "C"',
        TESTS,
        "One row a check of restored data: who checked, when, with what result, and the ticket.",
        "(counted_at >= {start} and counted_at < {end})"
        " or (checked_on >= {first} and checked_on <= {last})",
        "checks made in the period, or of restores in it",
        of_period=True,
    ),
    Table(
        "restores_by_day",
        ("day",),
        "day",
        RECOVERY,
        "One row a day: how many restores succeeded, failed, were aborted, or ran.",
        "day >= {first} and day <= {last}",
        "the days of the period",
        of_period=True,
    ),
    Table(
        "evidence_changes",
        ("change_key",),
        'seen_at, change_key collate "C"',
        TESTS,
        "What each closed quarter said when it was first computed, and each change since.",
        "quarter >= {first_quarter} and quarter <= {last_quarter}",
        "the quarters that have a day of the period, whenever they changed",
        of_period=True,
    ),
    Table(
        "restore_policy_periods",
        ("period_key",),
        'addon_key collate "C", valid_from nulls first',
        (*TESTS, "SOC 2 A1.2"),
        "One row a database and time: which rule judged it then, and what that asks: target (RTO), "
        "age of the newest backup (RPO), drill interval, owner, waiver.",
        "(valid_from is null or valid_from <= {last})"
        " and (valid_before is null or valid_before > {first})",
        "what was in force on a day of the period",
        of_period=True,
    ),
    Table(
        "restore_policy_rules",
        ("rule_key",),
        'rule_key collate "C"',
        (*TESTS, "SOC 2 A1.2"),
        "The policy as it was written, and the defaults of each time.",
        scope="all rules and all defaults, with their history",
    ),
    Table(
        "verdict_changes",
        ("change_key",),
        'seen_at, change_key collate "C"',
        ("SOC 2 CC7.5",),
        "Since when each database has which verdict, from what it changed, and why.",
        "seen_at < {end}",
        "all changes up to the end of the period",
        of_period=True,
    ),
    Table(
        "addon_recoverability",
        ("addon_key",),
        'verdict_rank, addon_key collate "C"',
        RECOVERY,
        "One row a database: the verdict and its reason, the last success, from which backup, the "
        "counts of 90 and 365 days, target, interval, owner and rule.",
    ),
    Table(
        "restore_durations",
        ("durations_key",),
        'durations_key collate "C"',
        RECOVERY,
        "How long restores took, by type of database: percentiles, and how many within the target.",
        scope="successful restores of the 365 days up to the instant above",
    ),
    Table(
        "backup_status",
        ("addon_key",),
        'addon_key collate "C"',
        BACKUPS,
        "One row a database: its newest backup and its age, what failed, what the schedules ask.",
    ),
    Table(
        "completeness",
        ("completeness_key",),
        'completeness_key collate "C"',
        (*TESTS, "SOC 2 A1.2"),
        "The reconciliation: what the API listed beside the rows that are in the warehouse.",
    ),
    Table(
        "load_freshness",
        ("part_key",),
        'part_key collate "C"',
        (*TESTS, "SOC 2 A1.2"),
        "When each part of the account was last read.",
    ),
    Table(
        "data_problems",
        ("problem_key",),
        'problem collate "C", problem_key collate "C"',
        TESTS,
        "What was read and cannot be, and what that means for the figures.",
    ),
    Table(
        "restore_timestamp_readings",
        ("team_id",),
        'team_id collate "C"',
        TESTS,
        "What the API's restoreTimestamp is in each team, and what that rests on.",
    ),
    Table(
        "refresh_info",
        ("as_of",),
        "as_of",
        TESTS,
        "What all of this was computed for and from: parameters and versions.",
        left_out=("refreshed_at",),
    ),
)
"""The tables of a pack, the most telling first."""
