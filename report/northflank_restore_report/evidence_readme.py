"""The README of an evidence pack: what an auditor asks, answered for who opens the zip alone."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import TYPE_CHECKING

from northflank_restore_report import words
from northflank_restore_report.answers import answers
from northflank_restore_report.evidence_tables import CONTROLS, TABLES
from northflank_restore_report.marts import COUNTED, EVIDENCE, OUTCOMES, TESTED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from northflank_restore_report.evidence import Contents

WIDTH = 96


def readme(contents: Contents) -> str:
    """Return the text."""
    info, period = contents.findings.info, contents.period
    lines = [
        "Evidence of restores of Northflank databases",
        "=" * 44,
        "",
        *_wrapped(
            f"Period: {period.first} to {period.last} (UTC, both days included). "
            f"Computed as of {words.instant(info.as_of)}."
        ),
    ]
    if not contents.is_over:
        lines += _wrapped("The period was not over at that instant, so it may still change.")
    for title, body in (
        ("In the period", _in_the_period(contents)),
        ("Questions", _questions(contents)),
        ("Is it complete?", _complete(contents)),
        ("What it does not show", _limits()),
        ("Now: the answers as of that instant", answers(contents.findings)),
        ("Files", _files(contents)),
        ("Controls", _controls()),
        ("How to check the files", _checks()),
    ):
        lines += ["", title, "-" * len(title), "", *body]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _in_the_period(contents: Contents) -> Iterator[str]:
    period, findings = contents.period, contents.findings
    outcomes: Counter[str] = Counter()
    for day in findings.days:
        if period.first <= day.day <= period.last:
            for outcome in OUTCOMES:
                outcomes[outcome] += getattr(day, outcome)
    told = ", ".join(f"{outcomes[name]:,} {name}" for name in OUTCOMES if outcomes[name])
    attempts = words.count(sum(outcomes.values()), "restore")
    yield from _wrapped(f"{attempts}{f': {told}' if told else ''}.")
    finished = outcomes["succeeded"] + outcomes["failed"]
    yield from _wrapped(
        f"Failed: {outcomes['failed']:,} of {finished:,} that succeeded or failed "
        f"({words.share(outcomes['failed'], finished)})."
    )
    first, last = period.quarters
    quarters = [row for row in findings.quarters if first <= row.quarter <= last]
    for name in sorted({row.quarter for row in quarters}):
        of_quarter = Counter(row.evidence for row in quarters if row.quarter == name)
        tested = sum(of_quarter[evidence] for evidence in TESTED)
        counted = sum(of_quarter[evidence] for evidence in COUNTED)
        parts = ", ".join(f"{of_quarter[e]:,} {e}" for e in EVIDENCE if of_quarter[e])
        yield from _wrapped(
            f"{name}: {tested:,} of {words.count(counted, 'database')} that count were restored "
            f"successfully ({words.share(tested, counted)}): {parts}."
        )
    if contents.bases:
        known = ", ".join(f"{count:,} {basis}" for basis, count in contents.bases.items())
        yield from _wrapped(
            f"How it is known which database each of the successful restores proves: {known}."
        )
    yield from _wrapped(_at_the_end(contents))
    changed = [row for row in findings.changes if first <= row.quarter <= last]
    if changed:
        databases = words.count(len({row.addon_key for row in changed}), "database")
        yield from _wrapped(
            f"After they were closed, these quarters changed for {databases}: see "
            "evidence_changes.csv."
        )


def _at_the_end(contents: Contents) -> str:
    judged = contents.at_the_end
    overdue = sum(is_overdue for is_overdue, _ in judged.values())
    end = "at its end" if contents.is_over else "at the instant above"
    told = (
        f"Of {words.count(len(judged), 'database')} in scope and not waived, {overdue:,} "
        f"{'was' if overdue == 1 else 'were'} overdue {end}"
    )
    spans = [(days, addon) for addon, (_, days) in judged.items() if days is not None]
    if spans:
        days, addon = max(spans, key=lambda span: span[0])
        told += (
            f"; the longest time without a proof that reached into the period was "
            f"{words.count(days, 'day')} ({addon})"
        )
    return f"{told}: see state_at_period_end.csv."


def _questions(contents: Contents) -> Iterator[str]:
    attested = contents.tables["attestations"]["rows"]
    checked = (
        "attestations.csv: checked_by, checked_on, result, ticket."
        if attested
        else "No attestation of a check is in this pack: attestations.csv has no row."
    )
    for question, answer in (
        (
            "When was each database last restored successfully?",
            (
                "addon_recoverability.csv: last_success_at, for each database as of the instant "
                "above; state_at_period_end.csv: last_proof_at, as of the end of the period; "
                "restore_drill_evidence.csv: tested_at, for each database and quarter."
            ),
        ),
        (
            (
                "Which have not been restored in time "
                f"({contents.findings.info.overdue_after_days} days, or what its rule says)?"
            ),
            (
                "addon_recoverability.csv: is_overdue is true, where the verdict is not waived, "
                "out of scope or deleted; drill_interval_days is the interval, and reason says "
                "since when. At the end of the period: state_at_period_end.csv, the same way; "
                "longest_days_without_proof says how long each went without. For a quarter: "
                "restore_drill_evidence.csv, evidence 'not tested' or 'only failures'."
            ),
        ),
        (
            "How long do restores take, against the target?",
            (
                "durations_of_period.csv: p50_minutes and p95_minutes by type of database, "
                "within_target of restores; restore_durations.csv: the same of 365 days. Each one: "
                "restore_attempts.csv, duration_minutes and target_minutes. In the table below the "
                "slowest of fewer than 20 restores stands for p95: that is longest_minutes."
            ),
        ),
        (
            "How often do they fail, and where?",
            (
                "restore_attempts.csv: outcome is failed; addon_key says where it ran. Per day: "
                "restores_by_day.csv. Per database: addon_recoverability.csv, failures_365d."
            ),
        ),
        (
            "Which backup was used, and how old was it?",
            (
                "restore_attempts.csv: backup_id, backup_name, backup_created_at, and "
                "backup_age_hours when the restore began. Empty where Northflank no longer had the "
                "backup when it was read."
            ),
        ),
        (
            "Where did it run, and which database does it prove?",
            (
                "restore_attempts.csv: addon_key is where it ran, source_addon_key whose backup it "
                "restored, source_basis how that is known."
            ),
        ),
        (
            "Which target was in force?",
            (
                "restore_attempts.csv and restore_drill_evidence.csv: target_minutes and rule, "
                "those of the restore's own time. restore_policy_periods.csv: what was in force "
                "for each database, from when to when. restore_policy_rules.csv: the rules as "
                "written."
            ),
        ),
        (
            "Who answers for a database?",
            (
                "addon_recoverability.csv and restore_policy_periods.csv: owner, by the rule. Who "
                "started a restore is not told by Northflank."
            ),
        ),
        ("Who checked the restored data?", checked),
        (
            "Does a closed quarter still say what it said?",
            (
                "evidence_changes.csv: change_number 1 is what it said first, a higher one a "
                "change. Two packs are compared by the command below."
            ),
        ),
    ):
        yield from _wrapped(question)
        yield from _wrapped(answer, indent="  ")
        yield ""


def _complete(contents: Contents) -> Iterator[str]:
    info, findings = contents.findings.info, contents.findings
    yield from _wrapped(
        "completeness.csv sets what the API listed beside what is in the warehouse, and names "
        f"each difference. {findings.completeness}."
    )
    loaded = words.instant(info.loaded_at) if info.loaded_at else "an instant that is not known"
    read = findings.too_old or "No part of the account was read too long ago"
    yield from _wrapped(
        f"The warehouse was last loaded at {loaded}, and has "
        f"{words.count(info.attempts, 'restore')} in all. {read}: see "
        "load_freshness.csv."
    )
    yield from _wrapped(
        f"Not counted anywhere: {info.undated_attempts:,} without any time, "
        f"{info.ambiguous_attempts:,} whose source is ambiguous, {info.later_attempts:,} dated "
        f"after that instant. data_problems.csv names "
        f"{words.count(len(findings.problems), 'problem')} of the data."
    )
    if not info.backups_loaded:
        yield from _wrapped(
            "Backups were not loaded: nothing is said of their age, and a restore's backup is "
            "known by its id alone."
        )


def _limits() -> Iterator[str]:
    for limit in (
        (
            "That a restore completed shows that a backup could be restored. It does not show that "
            "somebody checked the data in it; an attestation does."
        ),
        "A copy of a database that was made as a new addon (a fork) leaves no restore.",
        "Northflank forgets the restores of a deleted addon. What was loaded before stays.",
        (
            "The page and addon_recoverability.csv show the state at the instant above. What each "
            "quarter and the end of the period showed does not depend on that instant, except by "
            "facts, rules and declarations that came later."
        ),
        "decisions.txt says what else is assumed, and why.",
    ):
        yield from _wrapped(f"- {limit}", indent="  ", first="")


def _files(contents: Contents) -> Iterator[str]:
    for name, about in (
        ("report.html", "The page, for reading and printing. It loads nothing."),
        ("decisions.txt", "What the figures assume, and why."),
        ("controls.csv", "Which control each file serves."),
        ("parameters.json", "The period, the instant, and the defaults."),
        ("versions.json", "Which versions read and computed this."),
    ):
        yield name
        yield from _wrapped(about, indent="  ")
    for table in TABLES:
        entry = contents.tables[table.name]
        yield f"{table.file}: {words.count(entry['rows'], 'row')}"
        yield from _wrapped(
            f"{table.about} Rows: {entry['scope']}. For {', '.join(table.controls)}.", indent="  "
        )
    yield ""
    yield from _wrapped(
        "The CSV files are UTF-8. Times are ISO 8601 in UTC, durations in minutes, ages in hours. "
        "An empty cell is what is not known. An apostrophe before a text that looks like a formula "
        "keeps a spreadsheet from running it."
    )


def _controls() -> Iterator[str]:
    yield from _wrapped("In our words; the text of the standards is theirs.")
    for control, asks in CONTROLS.items():
        yield from _wrapped(f"{control}: {asks}", indent="  ", first="")


def _checks() -> Iterator[str]:
    yield from _wrapped(
        "SHA256SUMS has the digest of each file. With any tool, in the folder of the files:"
    )
    yield "  sha256sum --check SHA256SUMS"
    yield from _wrapped(
        "The command that wrote the pack printed the SHA-256 of the whole zip. Whoever kept that "
        "in another place can tell whether somebody made the pack anew:"
    )
    yield "  northflank-restore-report evidence --verify PACK.zip --digest SHA256"
    yield "What differs from an earlier pack:"
    yield "  northflank-restore-report evidence --verify PACK.zip --compare EARLIER.zip"


def _wrapped(text: str, indent: str = "", first: str | None = None) -> list[str]:
    start = indent if first is None else first
    return textwrap.wrap(
        text, WIDTH, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False
    )
