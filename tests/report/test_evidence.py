"""The evidence pack: the same bytes each time, each changed byte found, each difference named."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import zipfile
from datetime import date, datetime, timedelta, timezone
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING

import duckdb
import pytest

from northflank_restore_report.__main__ import main
from northflank_restore_report.evidence_tables import CONTROLS, TABLES, Period
from northflank_restore_report.pack import MANIFEST, SUMS, Pack, PackError, verify
from northflank_restore_report.pack_difference import differences
from tests.report.duckdb_copy import copy_marts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.report.conftest import Report

DAYS = "2026-04-01", "2026-06-30"
PERIOD = Period(*map(date.fromisoformat, DAYS))
GIVEN = ("--from", DAYS[0], "--to", DAYS[1])


@pytest.fixture(scope="module")
def made(report_of: Callable[[str], Report], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of the simulated company."""
    out = tmp_path_factory.mktemp("packs") / "pack.zip"
    assert main(["evidence", report_of("company").warehouse.url, *GIVEN, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def copied(report_of: Callable[[str], Report], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same marts in a DuckDB file."""
    path = tmp_path_factory.mktemp("copy") / "copy.duckdb"
    copy_marts(report_of("company").warehouse, path)
    return path


def text(pack: Path, name: str) -> str:
    return zipfile.ZipFile(pack).read(name).decode("utf-8-sig")


def rows(pack: Path, mart: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text(pack, f"{mart}.csv"), newline="")))


def failure(*arguments: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(["evidence", *arguments])
    assert isinstance(end.value.code, str)
    assert "\n" not in end.value.code
    return end.value.code


def test_a_pack_twice_is_the_same_bytes(
    made: Path, report_of: Callable[[str], Report], tmp_path: Path
) -> None:
    out = tmp_path / "again.zip"
    command = [sys.executable, "-m", "northflank_restore_report", "evidence"]
    url = report_of("company").warehouse.url
    environment = {**os.environ, "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}
    subprocess.run(  # noqa: S603 - our own
        [*command, url, *GIVEN, "--out", str(out)], env=environment, check=True
    )
    assert out.read_bytes() == made.read_bytes()


def test_each_engine_gives_the_same_files(made: Path, copied: Path, tmp_path: Path) -> None:
    out = tmp_path / "pack.zip"
    main(["evidence", f"duckdb:///{copied}", *GIVEN, "--out", str(out)])
    names = set(zipfile.ZipFile(made).namelist())
    assert names == set(zipfile.ZipFile(out).namelist())
    of_engine = {"report.html", MANIFEST, SUMS}  # The page names the warehouse.
    assert {n for n in names if text(made, n) != text(out, n)} == of_engine


def test_files_are_limited_to_the_period(made: Path, report_of: Callable[[str], Report]) -> None:
    warehouse = report_of("company").warehouse
    inside = warehouse.query("""
        select restore_key from restore_attempts where counted_at is null
        or counted_at >= '2026-04-01T00:00Z' and counted_at < '2026-07-01T00:00Z'
    """)
    found = rows(made, "restore_attempts")
    assert sorted(row["restore_key"] for row in found) == sorted(
        row["restore_key"] for row in inside
    )
    assert 0 < len(found) < len(warehouse.query("select 1 from restore_attempts"))
    assert {row["quarter"] for row in rows(made, "restore_drill_evidence")} == {"2026-Q2"}
    days = {row["day"] for row in rows(made, "restores_by_day")}
    assert days
    assert all(DAYS[0] <= day <= DAYS[1] for day in days)
    addons = warehouse.query("select addon_key from addon_recoverability")
    for mart in ("addon_recoverability", "backup_status", "restore_policy_periods"):
        assert {row["addon_key"] for row in rows(made, mart)} == {a["addon_key"] for a in addons}


def test_the_policy_in_force_is_there(made: Path) -> None:
    periods = {row["addon_key"]: row for row in rows(made, "restore_policy_periods")}
    (rule,) = [row for row in rows(made, "restore_policy_rules") if row["rule"] == "default"]
    assert (rule["rto_minutes"], rule["rpo_hours"]) == ("60.000", "26.000")
    for attempt in rows(made, "restore_attempts"):
        of_addon = periods[attempt["source_addon_key"] or attempt["addon_key"]]
        assert attempt["target_minutes"] == of_addon["rto_minutes"]
        assert attempt["rule"] == of_addon["rule"]


def test_the_manifest_has_each_file(made: Path) -> None:
    pack = verify(made)
    files = {file["name"]: file for file in pack.manifest["files"]}
    assert {*files, MANIFEST, SUMS} == set(zipfile.ZipFile(made).namelist())
    for name, file in files.items():
        content = zipfile.ZipFile(made).read(name)
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["bytes"] == len(content)
        if "rows" in file:
            assert file["rows"] == len(rows(made, name.removesuffix(".csv")))
    versions = json.loads(text(made, "versions.json"))
    assert versions["dbt package"] == "1.0.0"
    assert re.match(r"1\.1[01]\.", versions["dbt"])
    assert "refreshed_at" not in rows(made, "refresh_info")[0]


def test_the_sums_are_those_that_sha256sum_reads(made: Path, tmp_path: Path) -> None:
    program = shutil.which("sha256sum")
    if not program:
        pytest.skip("There is no sha256sum on this machine")
    zipfile.ZipFile(made).extractall(tmp_path)
    check = [program, "--check", "--strict", SUMS]
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.count(": OK\n") == len(list(tmp_path.iterdir())) - 1


def test_the_readme_answers_who_opens_the_zip_alone(made: Path) -> None:
    readme = text(made, "README.txt")
    for asked in (
        "When was each database last restored successfully?",
        "Which have not been restored in time",
        "How long do restores take, against the target?",
        "How often do they fail, and where?",
        "Which backup was used, and how old was it?",
        "Where did it run",
        "Which target was in force?",
        "Who answers for a database?",
        "Who checked the restored data?",
        "Is it complete?",
    ):
        assert asked in readme
    # What it sends a reader to is there.
    for name, columns in re.findall(r"(\w+)\.csv: ((?:\w+(?:, | and )?)+)", readme):
        assert f"{name}.csv" in readme
        known = set(rows(made, name)[0]) if rows(made, name) else set()
        named = {word for word in re.findall(r"\w+", columns) if "_" in word}
        assert not known or named <= known, (name, named - known)
    for control in CONTROLS:
        assert f"{control}: " in readme
    (tested,) = re.findall(r"2026-Q2: (\d+) of (\d+) databases", readme)
    evidence = [row["evidence"] for row in rows(made, "restore_drill_evidence")]
    proven = sum(e in {"within target", "over target", "time not known"} for e in evidence)
    assert tested == (str(proven), str(len([e for e in evidence if e != "out of scope"])))
    assert "not known whether the warehouse has all that the API listed" in " ".join(readme.split())
    assert "No attestation of a check is in this pack" in " ".join(readme.split())


def test_state_at_the_end_is_that_of_the_attempts(
    made: Path, report_of: Callable[[str], Report]
) -> None:
    warehouse = report_of("company").warehouse
    start, end = (datetime(2026, month, 1, tzinfo=timezone.utc) for month in (4, 7))
    states = rows(made, "state_at_period_end")
    assert states
    overdue = set()
    for addon in warehouse.query("select * from addon_recoverability"):
        key = addon["addon_key"]
        attempts = warehouse.query(
            f"select * from restore_attempts where source_addon_key = '{key}' "  # noqa: S608
            "and counted_at < '2026-07-01T00:00Z' order by counted_at"
        )
        found = [state for state in states if state["addon_key"] == key]
        if addon["known_since"] >= end or (
            not addon["is_current"] and addon["last_seen_at"] < start
        ):
            assert not found
            continue
        (state,) = found
        proofs = [attempt["counted_at"] for attempt in attempts if attempt["is_proof"]]
        moments = [min([addon["known_since"], *proofs]), *proofs, end]
        gaps = [
            (later.date() - one.date()).days for one, later in pairwise(moments) if later >= start
        ]
        assert state["longest_days_without_proof"] == str(max(gaps)), key
        assert state["proofs"] == str(sum(proof >= start for proof in proofs)), key
        assert state["failures"] == str(
            sum(a["outcome"] == "failed" and a["counted_at"] >= start for a in attempts)
        )
        days = (end.date() - proofs[-1].date()).days if proofs else None
        assert state["days_since_proof"] == ("" if days is None else str(days)), key
        (interval,) = warehouse.query(
            "select drill_interval_days as days from restore_policy_periods "  # noqa: S608
            f"where addon_key = '{key}' and valid_before is null"
        )
        is_overdue = not proofs or end - proofs[-1] > timedelta(days=float(interval["days"]))
        assert state["is_overdue"] == str(is_overdue).lower(), key
        if is_overdue and state["in_scope"] == "true" and state["is_waived"] == "false":
            overdue.add(key)
    assert overdue
    readme = " ".join(text(made, "README.txt").split())
    assert f" in scope and not waived, {len(overdue)} were overdue at its end" in readme


def test_durations_of_the_period_are_those_of_its_attempts(made: Path) -> None:
    minutes = sorted(
        float(row["duration_minutes"])
        for row in rows(made, "restore_attempts")
        if row["outcome"] == "succeeded" and row["duration_minutes"] and row["source_addon_key"]
    )
    of_types = {row["durations_key"]: row for row in rows(made, "durations_of_period")}
    every = of_types.pop("all")
    assert (
        int(every["restores"]) == len(minutes) == sum(int(r["restores"]) for r in of_types.values())
    )
    assert float(every["p50_minutes"]) == minutes[ceil(len(minutes) / 2) - 1]
    assert float(every["longest_minutes"]) == minutes[-1]


def test_what_came_after_the_period_changes_nothing_of_it(copied: Path, tmp_path: Path) -> None:
    packs = []
    for name, queries in (
        ("as-it-was", ()),
        (
            "later",
            (
                "update refresh_info set as_of = as_of + interval 3000 days",
                "update addon_recoverability set as_of = as_of + interval 3000 days",
                """
                    insert into restore_attempts select * replace (
                        restore_key || '/later' as restore_key,
                        counted_at + interval 1000 days as counted_at
                    ) from restore_attempts
                """,
                "update refresh_info set attempts = (select count(*) from restore_attempts)",
            ),
        ),
    ):
        url = changed(copied, tmp_path / f"{name}.duckdb", *queries)
        packs.append(tmp_path / f"{name}.zip")
        main(
            ["evidence", url, "--from", "2025-10-01", "--to", "2025-12-31", "--out", str(packs[-1])]
        )
    for table in TABLES:
        if table.query:
            assert rows(packs[0], table.name)
            assert text(packs[0], table.file) == text(packs[1], table.file)


def test_state_of_a_period_that_is_not_over_is_that_of_the_instant(
    copied: Path, tmp_path: Path
) -> None:
    instant = "2026-05-15T12:00:00.000Z"
    moved = [
        f"update {mart} set as_of = timestamp with time zone '{instant}'"  # noqa: S608
        for mart in ("refresh_info", "addon_recoverability")
    ]
    moved += [
        "update restore_policy_periods set valid_before = date '2026-06-01'",
        """
            insert into restore_policy_periods select * replace (
                date '2026-06-01' as valid_from,
                null as valid_before,
                'next' as rule,
                period_key || '/next' as period_key
            ) from restore_policy_periods
        """,
    ]
    out = tmp_path / "pack.zip"
    main(["evidence", changed(copied, tmp_path / "m.duckdb", *moved), *GIVEN, "--out", str(out)])
    states = rows(out, "state_at_period_end")
    assert states
    assert "next" not in {row["rule"] for row in states}
    known = re.findall(
        r"successful restores proves: ([^.]+)", " ".join(text(out, "README.txt").split())
    )
    told = sum(map(int, re.findall(r"[0-9]+", known[0])))
    assert told == sum(int(row["proofs"]) for row in states)
    proofs = [row["last_proof_at"] for row in rows(out, "state_at_period_end")]
    assert "2026-05" in max(proofs)
    assert max(proofs) <= instant
    assert "were overdue at the instant above" in " ".join(text(out, "README.txt").split())


def test_each_control_has_files(made: Path) -> None:
    served = list(csv.DictReader(io.StringIO(text(made, "controls.csv"), newline="")))
    assert {row["control"] for row in served} == set(CONTROLS)
    assert all(table.controls for table in TABLES)


def changed(copied: Path, path: Path, *queries: str) -> str:
    """Return the URL of a copy of the marts that these queries have changed."""
    shutil.copy(copied, path)
    with duckdb.connect(path) as connection:
        connection.execute("set schema = 'restore_analytics'")
        connection.execute("set TimeZone = 'UTC'")
        for query in queries:
            connection.execute(query)
    return f"duckdb:///{path}"


def test_attestations_and_the_ledger_are_told(copied: Path, tmp_path: Path) -> None:
    url = changed(
        copied,
        tmp_path / "more.duckdb",
        "drop table attestations",
        """
            create table attestations as
            select
                'r' || n as restore_key, date '2026-03-01' + cast(n * 60 as integer) as checked_on,
                cast(null as timestamp with time zone) as counted_at, 'Ana' as checked_by
            from range(4) as numbers(n)
        """,
        "drop table completeness",
        """
            create table completeness as
            select
                'restores/shop/orders' as completeness_key, 'shop/orders' as addon_key,
                'rows missing' as answer, 3 as listed, 2 as present, 1 as missing,
                '9.9' as tap_version, true as is_current,
                timestamp with time zone '2026-07-01T00:00Z' as read_at
        """,
    )
    out = tmp_path / "pack.zip"
    main(["evidence", url, *GIVEN, "--out", str(out)])
    assert [row["restore_key"] for row in rows(out, "attestations")] == ["r1", "r2"]
    assert rows(out, "completeness")[0]["present"] == "2"
    assert json.loads(text(out, "versions.json"))["tap"] == ["9.9"]
    readme = text(out, "README.txt")
    assert "attestations.csv: checked_by" in readme
    assert "completeness.csv sets what the API listed" in readme
    assert "restores/shop/orders (rows missing: 1)" in " ".join(readme.split())


def test_any_changed_byte_is_refused(made: Path, tmp_path: Path) -> None:
    content = made.read_bytes()
    other = tmp_path / "other.zip"
    opened = zipfile.ZipFile(made)
    headers = [entry.header_offset for entry in opened.infolist()]
    small = [e for e in opened.infolist() if e.filename in {MANIFEST, SUMS, "versions.json"}]
    places = {n for start in headers[:2] + headers[-2:] for n in range(start, start + 30)}
    places |= {e.header_offset + 30 + n for e in small for n in range(0, e.file_size + 20, 61)}
    places |= set(range(len(content) - 250, len(content)))
    places |= set(random.Random(1).sample(range(len(content)), 40))  # noqa: S311
    for place in sorted(places):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        other.write_bytes(changed)
        with pytest.raises(PackError):
            verify(other)


def rewritten(pack: Path, out: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Write a pack anew with other files."""
    opened = zipfile.ZipFile(pack)
    files = {name: opened.read(name) for name in opened.namelist()}
    change(files)
    with zipfile.ZipFile(out, "w") as written:
        for name, content in files.items():
            written.writestr(zipfile.ZipInfo(name), content)
    return out


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda files: files.pop("data_problems.csv"), "'data_problems.csv' is missing"),
        (lambda files: files.update({"more.csv": b""}), "'more.csv' was added"),
        (lambda files: files.update({"README.txt": b"All is well"}), "README.txt has another"),
        (lambda files: files.pop(SUMS), "is not a pack"),
        (lambda files: files.update({MANIFEST: b"{}"}), "manifest.json has another content"),
        (lambda _: None, "the zip around its files"),
    ],
)
def test_what_was_changed_is_named(
    change: Callable[[dict[str, bytes]], None], told: str, made: Path, tmp_path: Path
) -> None:
    other = rewritten(made, tmp_path / "other.zip", change)
    assert told in failure("--verify", str(other))


def test_a_pack_that_was_made_anew_is_told_by_its_digest(
    made: Path, copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    assert main(["evidence", "--verify", str(made), "--digest", digest.upper()]) == 0
    assert "is as it was written" in capsys.readouterr().out
    forged = tmp_path / "forged.zip"
    main(["evidence", f"duckdb:///{copied}", *GIVEN, "--out", str(forged)])
    assert main(["evidence", "--verify", str(forged)]) == 0
    assert "is not the pack of that digest" in failure("--verify", str(forged), "--digest", digest)


def test_what_differs_from_an_earlier_pack_is_named(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "later.duckdb"
    shutil.copy(copied, path)
    earlier, later = tmp_path / "earlier.zip", tmp_path / "later.zip"
    main(["evidence", f"duckdb:///{path}", *GIVEN, "--out", str(earlier)])
    with duckdb.connect(path) as connection:
        connection.execute("set schema = 'restore_analytics'")
        ((gone,), (slower,)) = connection.execute("""
            select restore_key from restore_attempts
            where counted_at between timestamptz '2026-04-01' and timestamptz '2026-06-30'
                and duration_minutes is not null
            order by restore_key limit 2
        """).fetchall()
        connection.execute("delete from restore_attempts where restore_key = ?", [gone])
        connection.execute("update refresh_info set attempts = attempts - 1")
        connection.execute(
            "update restore_attempts set duration_minutes = 999 where restore_key = ?", [slower]
        )
        connection.execute("update backup_status set rule = 'another'")
    capsys.readouterr()
    given = ("--out", str(later), "--compare", str(earlier))
    assert main(["evidence", f"duckdb:///{path}", *GIVEN, *given]) == 0
    told = capsys.readouterr().out
    of_period, of_state = told.split("In what is not limited to it")
    assert "restore_attempts.csv: 0 rows added, 1 changed, 1 removed" in of_period
    assert f"    removed {gone}\n" in of_period
    assert re.search(rf"changed {re.escape(slower)}: duration_minutes [\d.]+ → 999\.000", of_period)
    assert "restore_drill_evidence.csv" not in of_period
    assert re.search(r"backup_status.csv: 0 rows added, \d+ changed, 0 removed", of_state)
    assert "more\n" in of_state

    assert main(["evidence", "--verify", str(later), "--compare", str(later)]) == 0
    assert capsys.readouterr().out.count("No row differs") == 2
    assert "a pack is not written over" in failure(
        f"duckdb:///{copied}", *GIVEN, "--out", str(later)
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "which period?"),
        (["--from", "2026-04-01"], "which period?"),
        (["--from", "2026-13-01", "--to", "2026-06-30"], "is no day such as"),
        (["--from", "2026-01-01", "--to", "9999-12-31"], "is no day such as"),
        (["--from", "2026-07-01", "--to", "2026-06-30"], "before it begins"),
        (["--verify", "x.zip", "--to", "2026-06-30"], "writes no pack"),
        ([*GIVEN, "--digest", "x"], "what --verify must find"),
    ],
)
def test_wrong_options_are_told(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["evidence", *arguments])
    assert end.value.code == 2
    assert told in capsys.readouterr().err


def test_files_that_cannot_be_are_told(made: Path, tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    assert "There is no file" in failure("--verify", str(tmp_path / "none.zip"))
    assert "is not a pack" in failure("--verify", str(tmp_path / "text.zip"))
    out = str(tmp_path / "text.zip" / "pack.zip")
    url = "duckdb:///" + str(tmp_path / "none.duckdb")
    assert "There is no file" in failure(url, *GIVEN, "--out", out)
    assert "There is no file" in failure(url, *GIVEN, "--compare", str(tmp_path / "none.zip"))
    assert made.exists()


def test_a_period_that_is_not_over_says_so(copied: Path, tmp_path: Path) -> None:
    out = tmp_path / "pack.zip"
    given = ("--from", "2026-06-01", "--to", "2026-07-31", "--out", str(out))
    main(["evidence", f"duckdb:///{copied}", *given])
    assert "The period was not over" in text(out, "README.txt")
    assert {row["quarter"] for row in rows(out, "restore_drill_evidence")} == {"2026-Q2", "2026-Q3"}


def test_a_full_disk_is_not_taken_for_a_change(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "not-there"))
    with pytest.raises(PackError, match="cannot be checked: no copy of it could be written"):
        verify(made)


def test_sums_are_those_that_were_written(made: Path, tmp_path: Path) -> None:
    """Also where the zip was made anew around them: `sha256sum` would not take these lines."""
    opened = zipfile.ZipFile(made)
    names = opened.namelist()
    sums = opened.read(SUMS)
    other = {
        "crlf": sums.replace(b"\n", b"\r\n"),
        "twice": b"0" * 64 + b"  README.txt\n" + sums,
    }
    for name, content in other.items():
        out = tmp_path / f"{name}.zip"
        with zipfile.ZipFile(out, "w") as written:
            for each in names:
                entry = zipfile.ZipInfo(each, (1980, 1, 1, 0, 0, 0))
                entry.create_system, entry.external_attr = 3, 0o644 << 16
                with written.open(entry, "w") as place:
                    place.write(content if each == SUMS else opened.read(each))
        with pytest.raises(PackError, match="SHA256SUMS is not as it was written"):
            verify(out)


def test_a_file_that_cannot_be_read_is_told() -> None:
    assert "cannot be read: " in failure("--verify", "/proc/self/mem") or sys.platform != "linux"


def test_a_verdict_of_another_version_is_one_line(copied: Path, tmp_path: Path) -> None:
    query = "update addon_recoverability set verdict = 'at risk'"
    url = changed(copied, tmp_path / "other.duckdb", query)
    assert "which says 'at risk'" in failure(url, *GIVEN, "--out", str(tmp_path / "pack.zip"))


def test_what_only_follows_the_instant_is_no_difference(made: Path, tmp_path: Path) -> None:
    later = tmp_path / "later.zip"
    earlier = verify(made)

    def age(files: dict[str, bytes]) -> None:
        text = files["addon_recoverability.csv"].decode("utf-8-sig")
        found = list(csv.DictReader(io.StringIO(text, newline="")))
        for row in found:
            row["days_since_success"] = "999"
        out = io.StringIO(newline="")
        writer = csv.DictWriter(out, found[0])
        writer.writeheader()
        writer.writerows(found)
        files["addon_recoverability.csv"] = out.getvalue().encode()

    rewritten(made, later, age)
    manifest = json.loads(json.dumps(earlier.manifest))
    for file in manifest["files"]:
        if file["name"] == "addon_recoverability.csv":
            file["sha256"] = "another"
    lines = differences(earlier, Pack(later, "", manifest))
    assert not any("addon_recoverability" in line for line in lines)
