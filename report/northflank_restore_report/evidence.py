"""Makes an evidence pack: the page, CSV files, policy, decisions and versions, with a manifest."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from northflank_restore_report import pack
from northflank_restore_report.csv_files import cells, write_csv
from northflank_restore_report.evidence_queries import BASES, JUDGED_AT_THE_END, TAPS
from northflank_restore_report.evidence_readme import readme
from northflank_restore_report.evidence_tables import CONTROLS, TABLES, Period, Table
from northflank_restore_report.marts import read
from northflank_restore_report.page import page
from northflank_restore_report.warehouse import MartsError

if TYPE_CHECKING:
    from northflank_restore_report.marts import Findings
    from northflank_restore_report.warehouse import Warehouse

README, PAGE, DECISIONS = "README.txt", "report.html", "decisions.txt"
CONTROLS_FILE, PARAMETERS, VERSIONS = "controls.csv", "parameters.json", "versions.json"

NOT_KNOWN = "not known: no ledger of what was read is loaded"


@dataclass
class Contents:
    """What a pack is about to have.

    Attributes:
        period: the days that it is for.
        findings: what the page shows.
        info: the row of `refresh_info`, as text.
        tables: what the manifest says of each table by its name.
        bases: how many proofs of the period have a source that is known in each way.
        at_the_end: of each database that was judged when the period ended: whether it was overdue,
            and the longest time in the period that it went without a proof, in days.
        taps: the versions of the tap that read the account, as far as is known.
    """

    period: Period
    findings: Findings
    info: dict[str, str]
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    taps: list[str] = field(default_factory=list)
    bases: dict[str, int] = field(default_factory=dict)
    at_the_end: dict[str, tuple[bool, int | None]] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether the period had ended at the instant of the marts."""
        return self.findings.info.as_of.date() > self.period.last


def make(warehouse: Warehouse, period: Period, out: Path) -> str:
    """Write a pack, and return the SHA-256 of the zip.

    Raises:
        MartsError: the marts cannot be read, or are of another version.
        PackError: another pack is there under this name.
    """
    contents = Contents(
        period,
        read(warehouse),
        _info(warehouse),
        taps=[tap for (tap,) in _rows(warehouse, TAPS, period)],
        bases=dict(_rows(warehouse, BASES, period)),
        at_the_end={
            addon: (is_overdue, days)
            for addon, is_overdue, days in _rows(warehouse, JUDGED_AT_THE_END, period)
        },
    )
    with TemporaryDirectory(prefix="evidence-") as name:
        folder = Path(name)
        for table in TABLES:
            _add(table, warehouse, contents, folder)
        texts = {
            README: readme(contents),
            PAGE: page(contents.findings, _note(contents)),
            CONTROLS_FILE: _controls(contents),
            PARAMETERS: _json(_parameters(contents)),
            VERSIONS: _json(_versions(contents)),
            DECISIONS: (Path(__file__).parent / DECISIONS).read_text(encoding="utf-8"),
        }
        for file, text in texts.items():
            (folder / file).write_text(text, encoding="utf-8", newline="\n")
        tables = {f"{mart}.csv": entry for mart, entry in contents.tables.items()}
        manifest = {
            "from": str(period.first),
            "to": str(period.last),
            "as_of": contents.info["as_of"],
            "files": {**{name: {} for name in texts}, **tables},
        }
        return pack.write(folder, [*texts, *tables], manifest, out)


def _info(warehouse: Warehouse) -> dict[str, str]:
    with warehouse.select("select * from refresh_info") as (names, rows):
        for row in rows:
            return dict(zip(names, map(str, cells(row)), strict=True))
    raise MartsError("The mart refresh_info is empty: make the marts anew")


def _add(table: Table, warehouse: Warehouse, contents: Contents, folder: Path) -> None:
    """Write the file of a table and note what the manifest says of it."""
    rows = table.query or _named(table, warehouse.columns(table.name))
    where = f" where {table.where}" if table.where else ""
    query = f"select * from ({rows}) as found{where} order by {table.order}"  # noqa: S608 - of our own
    with (folder / table.file).open("w", newline="", encoding="utf-8-sig") as file:
        count = write_csv(warehouse, query.format(**contents.period.values()), file)
    contents.tables[table.name] = {
        "rows": count,
        "key": list(table.key),
        "of_period": table.of_period,
        "scope": table.scope,
        "controls": list(table.controls),
    }


def _named(table: Table, columns: list[str]) -> str:
    """Return what finds the rows of a mart; without columns, the mart is not there."""
    named = ", ".join(f'"{name}"' for name in columns if name not in table.left_out) or "*"
    return f"select {named} from {table.name}"  # noqa: S608 - of our own


def _rows(warehouse: Warehouse, query: str, period: Period) -> list[tuple[Any, ...]]:
    with warehouse.select(query.format(**period.values())) as (_, found):
        return list(found)


def _note(contents: Contents) -> str:
    period = contents.period
    return (
        f"This page is part of an evidence pack for {period.first} to {period.last}. It shows the "
        "state at the instant below; what is limited to the period is in the CSV files."
    )


def _controls(contents: Contents) -> str:
    """Return which control each file serves, a line each."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["control", "what it asks, in our words", "file", "rows"])
    for control, asks in CONTROLS.items():
        for mart, entry in contents.tables.items():
            if control in entry["controls"]:
                writer.writerow([control, asks, f"{mart}.csv", entry["rows"]])
    return text.getvalue()


def _parameters(contents: Contents) -> dict[str, Any]:
    info = contents.info
    named = (
        "as_of",
        "default_target_minutes",
        "default_rpo_hours",
        "overdue_after_days",
        "restore_timestamp",
        "plausible_since",
        "source_schema",
        "engine",
    )
    return {
        "from": str(contents.period.first),
        "to": str(contents.period.last),
        "period_was_over": contents.is_over,
        **{name: info[name] for name in named},
    }


def _versions(contents: Contents) -> dict[str, Any]:
    return {
        "report": version("northflank-restore-report"),
        "dbt package": contents.info["package_version"],
        "dbt": contents.info["dbt_version"],
        "tap": contents.taps or NOT_KNOWN,
    }


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
