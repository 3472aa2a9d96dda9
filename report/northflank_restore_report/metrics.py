"""The command `northflank-restore-report metrics`: a file for Prometheus' node exporter.

Times are given as times and not as ages, so that a query has the age at any moment. What a verdict
rests on is of `northflank_restores_marts_as_of_timestamp_seconds`.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from northflank_restore_report import asking
from northflank_restore_report.errors import ReportError
from northflank_restore_report.marts import VERDICTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from northflank_restore_report.watched import Database, Watched

FILE = "NORTHFLANK_METRICS_FILE"
"""Variable with the path of the file."""

SUFFIX = ".prom"
"""The node exporter reads no other files."""

READABLE = 0o022
"""The umask of the file: the node exporter reads it as a user of its own."""

DAY, HOUR = 86400, 3600
KEY = ["addon_key"]
PART = ["stream", "team_id", "project_id"]


class Marts(Collector):
    """What the marts say, as gauges."""

    def __init__(self, watched: Watched) -> None:
        """Take a look at the marts."""
        self._watched = watched

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return the gauges."""
        yield _gauge(
            "northflank_restores_marts_as_of_timestamp_seconds",
            "The instant that the verdicts were computed for.",
            [],
            [([], self._watched.as_of.timestamp())],
        )
        yield _gauge(
            "northflank_restores_marts_refreshed_timestamp_seconds",
            "When the verdicts were computed.",
            [],
            [([], self._watched.refreshed_at.timestamp())],
        )
        yield from self._databases()
        yield from self._parts()

    def _databases(self) -> Iterator[GaugeMetricFamily]:
        rows = [row for row in self._watched.databases if row.is_current]
        counts = Counter(dict.fromkeys(VERDICTS, 0))
        counts.update(row.verdict for row in self._watched.databases)
        yield _gauge(
            "northflank_restores_databases",
            "Databases by verdict.",
            ["verdict"],
            [([verdict], number) for verdict, number in counts.items()],
        )
        yield _gauge(
            "northflank_restores_database_info",
            "1; the labels say what the database is, and its verdict.",
            [*KEY, "project_id", "project", "addon", "type", "owner", "rule", "verdict"],
            [([row.addon_key, *_labels(row)], 1) for row in rows],
        )
        yield _gauge(
            "northflank_restores_database_verdict_rank",
            "Place of the verdict in their order: the lower, the worse.",
            KEY,
            [([row.addon_key], row.verdict_rank) for row in rows],
        )
        yield _gauge(
            "northflank_restores_database_needs_action",
            "1 if the verdict is one to act on, or else 0.",
            KEY,
            [([row.addon_key], row.needs_action) for row in rows],
        )
        yield _times(
            "northflank_restores_database_last_restore_timestamp_seconds",
            "When a backup of the database was last restored with success.",
            KEY,
            [([row.addon_key], row.last_success_at) for row in rows],
        )
        yield _gauge(
            "northflank_restores_database_drill_interval_seconds",
            "How long ago the last successful restore may be.",
            KEY,
            _times_of(((row.addon_key, row.drill_interval_days) for row in rows), DAY),
        )
        yield _times(
            "northflank_restores_database_newest_backup_timestamp_seconds",
            "When the newest completed backup was made, as far as backups are loaded.",
            KEY,
            [([row.addon_key], row.newest_backup_at) for row in rows],
        )
        yield _gauge(
            "northflank_restores_database_rpo_seconds",
            "How old the newest backup may be.",
            KEY,
            _times_of(((row.addon_key, row.rpo_hours) for row in rows), HOUR),
        )

    def _parts(self) -> Iterator[GaugeMetricFamily]:
        rows = self._watched.parts
        parts = [[row.stream, row.team_id or "", row.project_id or ""] for row in rows]
        yield _times(
            "northflank_restores_load_last_read_timestamp_seconds",
            "When a sync last read this part of the account.",
            PART,
            [(part, row.last_read_at) for part, row in zip(parts, rows, strict=True)],
        )
        yield _gauge(
            "northflank_restores_load_stale_after_seconds",
            "How long ago it may have been read.",
            PART,
            [(p, row.stale_after_hours * HOUR) for p, row in zip(parts, rows, strict=True)],
        )
        yield _gauge(
            "northflank_restores_load_stale",
            "1 if it was read too long ago, or else 0.",
            PART,
            [(part, row.is_stale) for part, row in zip(parts, rows, strict=True)],
        )


def main(arguments: list[str], prog: str) -> int:
    """Write the file in place of an older one, as a whole.

    Raises:
        ReportError: the marts cannot be read, or the file cannot be written.
    """
    parser = asking.parser(prog, (main.__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(os.environ.get(FILE) or f"output/northflank{SUFFIX}"),
        help=f"the file, which ends in {SUFFIX}; ${FILE} or %(default)s",
    )
    options, url = asking.read(parser, arguments)
    if options.out.suffix != SUFFIX:
        parser.error(f"the node exporter reads only files that end in {SUFFIX}")
    watched = asking.watched(url, options.schema)
    try:
        write(watched, options.out)
    except OSError as error:
        raise ReportError(f"The file cannot be written: {error}") from None
    return 0


def write(watched: Watched, path: Path) -> None:
    """Write the file."""
    registry = CollectorRegistry()
    registry.register(Marts(watched))
    path.parent.mkdir(parents=True, exist_ok=True)
    before = os.umask(READABLE)
    try:
        write_to_textfile(str(path), registry)
    finally:
        os.umask(before)


def _labels(row: Database) -> list[str]:
    return [
        row.project_id,
        row.project_name,
        row.addon_name,
        row.database_type,
        row.owner or "",
        row.rule,
        row.verdict,
    ]


def _gauge(
    name: str, text: str, labels: list[str], values: Iterable[tuple[list[str], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family


def _times(
    name: str, text: str, labels: list[str], values: Iterable[tuple[list[str], datetime | None]]
) -> GaugeMetricFamily:
    return _gauge(name, text, labels, [(of, at.timestamp()) for of, at in values if at])


def _times_of(
    values: Iterable[tuple[str, float | None]], unit: int
) -> list[tuple[list[str], float]]:
    return [([key], number * unit) for key, number in values if number is not None]
