"""Checks the seeds before anything is built: a rule that cannot be meant is one line."""

# ruff: noqa: INP001 - a dbt project, not a package
from __future__ import annotations

import csv
import os
import re
import sys
from datetime import date
from itertools import combinations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

POLICIES, DRILLS, OLD = "restore_policies.csv", "drill_addons.csv", "addon_targets.csv"
ATTESTATIONS = "restore_attestations.csv"
PATTERNS = ("project", "addon", "type", "tag")
COLUMNS = {
    POLICIES: (
        *("rule", *PATTERNS, "in_scope", "rto_minutes", "rpo_hours", "drill_interval_days"),
        *("owner", "waiver_reason", "waiver_until", "valid_from", "attestation_required"),
    ),
    DRILLS: ("project", "addon", "source_project", "source_addon"),
    ATTESTATIONS: (
        *("project", "addon", "restore_id", "drilled_on", "result", "checked_by", "checked_on"),
        *("minutes", "ticket", "note"),
    ),
}
OPTIONAL = {"attestation_required"}
"""Columns that a file of an earlier version does not have; empty then."""
NUMBERS = ("rto_minutes", "rpo_hours", "drill_interval_days")
DAYS = ("waiver_until", "valid_from")

Row = dict[str, str]
Addon = tuple[str, str, str, list[str]]
"""Project, id, type and tags."""


def check(seeds: Path) -> None:
    """End the program, with a line that names the rule, when a rule cannot be meant.

    Args:
        seeds: folder of the seeds.

    Raises:
        SystemExit: an unknown column, a value that cannot be, two rules that contradict each other,
            or a rule that matches nothing in the warehouse.
    """
    old = seeds / OLD
    if old.exists() and len(old.read_text(encoding="utf-8").split()) > 1:
        sys.exit(
            f"{OLD} is no longer read: write each of its lines into {POLICIES}, with a name of the "
            "rule, project, addon and rto_minutes, and remove the file"
        )
    policies, drills = _rows(seeds / POLICIES), _rows(seeds / DRILLS)
    attestations = _rows(seeds / ATTESTATIONS)
    for row in policies:
        _check_values(row)
    _check_contradictions(policies)
    _check_drills(drills)
    _check_attestations(attestations)
    if not policies and not drills and not attestations:
        return
    addons = _addons()
    if not addons:
        return  # Nothing was loaded yet.
    for row in policies:
        if not any(_matches(row, addon) for addon in addons):
            sys.exit(f"{POLICIES}: the rule {row['rule']} matches no addon of the warehouse")
    for row in drills:
        source = row["source_project"], row["source_addon"]
        if not any(source == addon[:2] for addon in addons):
            sys.exit(f"{DRILLS}: there is no addon {'/'.join(source)} in the warehouse")
    _check_that_attested_is_there(attestations, {addon[:2] for addon in addons})


def check_tables(seeds: Path) -> None:
    """End the program if an earlier release made a seed's table without a column of its file.

    Args:
        seeds: folder of the seeds.

    Raises:
        SystemExit: a table lacks a column.
    """
    for name in COLUMNS:
        _check_table(seeds / name)


def _check_table(path: Path) -> None:
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        asked = {name.lower() for name in next(rows, ())}
        if not any(rows):
            return  # Nothing is put into the table.
    marts = os.environ.get("DBT_SCHEMA", "restore_analytics")
    connection = _connect()
    if connection is None:
        return
    cursor = connection.cursor()
    cursor.execute(
        "select column_name from information_schema.columns "  # noqa: S608 - names of ours
        f"where table_schema = '{marts}' and table_name = '{path.stem}'"
    )
    there = {name.lower() for (name,) in cursor.fetchall()}
    connection.close()
    if there and not asked <= there and asked <= set(COLUMNS[path.name]):
        sys.exit(
            f"The table {marts}.{path.stem} is of another release of these models: build once with "
            "--full-refresh"
        )


def _rows(path: Path) -> list[Row]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        known = COLUMNS[path.name]
        for name in reader.fieldnames or ():
            if name not in known:
                sys.exit(
                    f"{path.name}: unknown column {name!r}; the columns are {', '.join(known)}"
                )
        for name in known:
            if name not in OPTIONAL and name not in (reader.fieldnames or ()):
                sys.exit(f"{path.name}: the column {name} is missing")
        rows = []
        for row in reader:
            if None in row or None in row.values():
                columns = len(reader.fieldnames or ())
                sys.exit(f"{path.name}: line {reader.line_num} does not have {columns} values")
            for name, value in row.items():
                if value != value.strip():
                    sys.exit(f"{path.name}: line {reader.line_num}: blanks around {name} {value!r}")
            rows.append(dict.fromkeys(known, "") | row)
        return rows


def _check_values(row: Row) -> None:
    if not row["rule"] or row["rule"] == "default":
        sys.exit(f"{POLICIES}: a rule needs a name, other than default: {','.join(row.values())}")
    wrong = f"{POLICIES}: the rule {row['rule']} has {{}} {{!r}}; it takes {{}}"
    for name in ("in_scope", "attestation_required"):
        if row[name].lower() not in {"", "true", "false"}:
            sys.exit(wrong.format(name, row[name], "true or false"))
    for name in NUMBERS:
        given = row[name]
        if given and not _is_positive(given):
            sys.exit(wrong.format(name, given, "a number greater than 0"))
    for name in DAYS:
        if row[name] and not _is_day(row[name]):
            sys.exit(wrong.format(name, row[name], "a day such as 2026-12-31"))
    if bool(row["waiver_reason"]) != bool(row["waiver_until"]):
        sys.exit(
            f"{POLICIES}: the rule {row['rule']} has one of waiver_reason and waiver_until; a "
            "waiver needs both"
        )


def _is_positive(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,7}([.][0-9]{1,3})?", text) and float(text))


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", text))


def _check_contradictions(rows: Iterable[Row]) -> None:
    for one, other in combinations(rows, 2):
        if one["rule"] == other["rule"]:
            sys.exit(f"{POLICIES}: two rules have the name {one['rule']}")
        if all(one[name] == other[name] for name in (*PATTERNS, "valid_from")):
            sys.exit(
                f"{POLICIES}: the rules {one['rule']} and {other['rule']} match the same addons "
                "from the same day on: keep one"
            )


def _check_drills(rows: list[Row]) -> None:
    for row in rows:
        line = ",".join(row.values())
        if not all(row.values()):
            sys.exit(f"{DRILLS}: a value is missing in the line {line}")
        if "*" in row["source_project"] + row["source_addon"]:
            sys.exit(f"{DRILLS}: the source must be one addon, without a star: {line}")
    for one, other in combinations(rows, 2):
        if (one["project"], one["addon"]) == (other["project"], other["addon"]):
            sys.exit(f"{DRILLS}: {one['project']}/{one['addon']} is declared twice")


def _check_attestations(rows: list[Row]) -> None:
    seen = set()
    for row in rows:
        line = ",".join(row.values())
        if not all(row[name] for name in ("project", "addon", "result", "checked_by")):
            sys.exit(f"{ATTESTATIONS}: a value is missing in the line {line}")
        if bool(row["restore_id"]) == bool(row["drilled_on"]):
            sys.exit(
                f"{ATTESTATIONS}: a line has either restore_id, or drilled_on for a drill that "
                f"left no restore: {line}"
            )
        _check_attestation(row)
        what = _attested(row)
        if what in seen:
            sys.exit(f"{ATTESTATIONS}: {what} is attested twice: keep one line")
        seen.add(what)


def _check_attestation(row: Row) -> None:
    wrong = f"{ATTESTATIONS}: the attestation of {_attested(row)} has {{}} {{!r}}; it takes {{}}"
    if row["result"] not in {"passed", "failed"}:
        sys.exit(wrong.format("result", row["result"], "passed or failed"))
    for name in ("checked_on", "drilled_on"):
        if not _is_day(row[name]) and (row[name] or name == "checked_on"):
            sys.exit(wrong.format(name, row[name], "a day such as 2026-12-31"))
    if row["checked_on"] < row["drilled_on"]:
        sys.exit(wrong.format("checked_on", row["checked_on"], "no day before drilled_on"))
    if row["minutes"] and not _is_positive(row["minutes"]):
        sys.exit(wrong.format("minutes", row["minutes"], "a number greater than 0"))
    if row["minutes"] and row["restore_id"]:
        nothing = "nothing, as the restore has its times"
        sys.exit(wrong.format("minutes", row["minutes"], nothing))


def _attested(row: Row) -> str:
    what = row["restore_id"] or f"drill of {row['drilled_on']}"
    return f"{row['project']}/{row['addon']}/{what}"


def _check_that_attested_is_there(rows: list[Row], addons: set[tuple[str, str]]) -> None:
    restores = _restores({row["restore_id"] for row in rows if row["restore_id"]})
    for row in rows:
        if row["restore_id"]:
            if restores is not None and _attested(row) not in restores:
                sys.exit(f"{ATTESTATIONS}: there is no restore {_attested(row)} in the warehouse")
        elif (row["project"], row["addon"]) not in addons:
            addon = f"{row['project']}/{row['addon']}"
            sys.exit(f"{ATTESTATIONS}: there is no addon {addon} in the warehouse")


def _fits(text: str, pattern: str) -> bool:
    return not pattern or bool(
        re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL)
    )


def _matches(row: Row, addon: Addon) -> bool:
    project, name, kind, tags = addon
    return (
        _fits(project, row["project"])
        and _fits(name, row["addon"])
        and _fits(kind, row["type"])
        and (not row["tag"] or any(_fits(tag, row["tag"]) for tag in tags))
    )


def _addons() -> list[Addon]:
    """Return the addons of the warehouse that were listed, restored or known at some time."""
    source = os.environ.get("TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA", "northflank")
    marts = os.environ.get("DBT_SCHEMA", "restore_analytics")
    connection = _connect()
    if connection is None:
        return []
    cursor = connection.cursor()
    found: dict[tuple[str, str], Addon] = {}
    for schema, table, names in (
        (marts, "known_addons", ("project_id", "addon_id", "database_type", "tags")),
        (source, "restores", ("projectId", "addonId", None, None)),
        (source, "addons", ("projectId", "id", "spec", "tags")),
    ):
        cursor.execute(
            "select column_name from information_schema.columns "  # noqa: S608 - names of ours
            f"where table_schema = '{schema}' and table_name = '{table}'"
        )
        there = {name.lower(): name for (name,) in cursor.fetchall()}
        columns = [there.get(name.lower()) if name else None for name in names]
        if not columns[0] or not columns[1]:
            continue
        listed = ", ".join(f'"{name}"' if name else "null" for name in columns)
        distinct = "distinct" if table == "restores" else ""
        cursor.execute(f'select {distinct} {listed} from "{schema}"."{table}"')  # noqa: S608
        for project, addon, kind, tags in cursor.fetchall():
            before = found.get((project, addon), (project, addon, "unknown", []))
            now = (project, addon, _type(kind) or before[2], _tags(tags) or before[3])
            found[project, addon] = now
    connection.close()
    return list(found.values())


def _restores(ids: set[str]) -> set[str] | None:
    """Return the keys of the restores with these ids; None where the table cannot be read here."""
    source = os.environ.get("TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA", "northflank")
    connection = _connect() if ids else None
    if connection is None:
        return None
    cursor = connection.cursor()
    cursor.execute(
        "select column_name from information_schema.columns "  # noqa: S608 - names of ours
        f"where table_schema = '{source}' and table_name = 'restores'"
    )
    there = {name.lower(): name for (name,) in cursor.fetchall()}
    columns = [there.get(name) for name in ("projectid", "addonid", "id")]
    if None in columns:
        connection.close()
        return None
    project, addon, id_ = (f'"{name}"' for name in columns)
    texts = ", ".join("'{}'".format(each.replace("'", "''")) for each in sorted(ids))
    cursor.execute(
        f"select {project} || '/' || {addon} || '/' || {id_} "  # noqa: S608 - quoted
        f'from "{source}"."restores" where {id_} in ({texts})'
    )
    found = {key for (key,) in cursor.fetchall()}
    connection.close()
    return found


def _connect() -> Any:  # noqa: ANN401 - of either engine
    """Connect where dbt will; None where that is not possible, which dbt says better."""
    try:
        if os.environ.get("DBT_TARGET", "postgres") == "postgres":
            import psycopg2  # type: ignore[import-untyped] # noqa: PLC0415 - dbt's own

            return psycopg2.connect("")
        import duckdb  # noqa: PLC0415 - of another engine

        return duckdb.connect(os.environ.get("DBT_DUCKDB_PATH", "warehouse.duckdb"))
    except Exception:  # noqa: BLE001 - of any driver
        return None


def _type(value: Any) -> str:  # noqa: ANN401 - JSON, parsed or not
    if isinstance(value, str):
        if not value.startswith("{"):
            return value
        import json  # noqa: PLC0415 - for DuckDB only

        value = json.loads(value)
    return str((value or {}).get("type") or "")


def _tags(value: Any) -> list[str]:  # noqa: ANN401 - a list, JSON of one, or lines of text
    if isinstance(value, str) and value.startswith("["):
        import json  # noqa: PLC0415 - for DuckDB only

        value = json.loads(value)
    if isinstance(value, str):
        return value.split("\n")
    return [str(tag) for tag in value or ()]
