"""Random lives of databases: the verdicts are those of plain Python that knows the truth."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from simulator.world import timestamp
from tests.transform.test_lineage import engine
from tests.transform.warehouse import ROOT

if TYPE_CHECKING:
    from tests.transform.warehouse import Row, Rows, Warehouse

__all__ = ["engine"]

AS_OF = datetime(2026, 7, 1, 12, tzinfo=timezone.utc)
MIDDLE = AS_OF - timedelta(days=40)
RTO, RPO_HOURS, INTERVAL = 60, 26, 90
FORKED, CHECKED = 0.2, 0.5
UNTESTED = "--exclude-resource-type=test"
MARTS = [path.stem for path in (ROOT / "transform" / "models" / "marts").glob("*.sql")]


@dataclass
class Drill:
    """A restore: of which database, into which addon, and what became of it."""

    target: str
    backup: str
    backup_made: datetime
    started: datetime
    minutes: float
    status: str
    check: str | None = None
    is_fork: bool = False

    @property
    def ended(self) -> datetime:
        return self.started + timedelta(minutes=self.minutes)


@dataclass
class Database:
    """A database with all that ever happened to it."""

    key: str
    backups: dict[str, datetime] = field(default_factory=dict)
    completed: set[str] = field(default_factory=set)
    must_be_checked: bool = False
    drills: list[Drill] = field(default_factory=list)


def lives(chance: random.Random, databases: int = 40) -> list[Database]:
    """Make databases, some drilled in place and some elsewhere, some hardly backed up."""
    found = []
    for n in range(databases):
        database = Database(f"shop/db-{n}")
        newest = chance.choice([0.3, 0.9, 1.5, 60])
        for k in range(chance.randrange(6)):
            name, made = f"b-{n}-{k}", AS_OF - timedelta(days=newest + 30 * k)
            database.backups[name] = made
            if chance.random() < 0.8:
                database.completed.add(name)
        for name in chance.sample(sorted(database.completed), min(3, len(database.completed))):
            made = database.backups[name]
            room = (AS_OF - made) / timedelta(minutes=1) - 300
            if room < 10:
                continue
            kind = chance.choice(["own", "declared", "scratch"])
            target = database.key if kind == "own" else f"drills/{kind}-{n}"
            database.drills.append(
                Drill(
                    target,
                    name,
                    made,
                    made + timedelta(minutes=round(chance.uniform(5, room))),
                    chance.choice([20, 59, 61, 200]),
                    chance.choice(["completed", "completed", "failed", "aborted"]),
                    chance.choice([None, None, "passed", "failed"]),
                )
            )
        if chance.random() < FORKED:
            # A drill in a fork leaves no restore: only an attestation tells of it.
            day = AS_OF.replace(hour=0) - timedelta(days=chance.choice([5, 60, 120]))
            check = chance.choice(["passed", "failed"])
            minutes = chance.choice([20, 200])
            start = day - timedelta(minutes=minutes)
            database.drills.append(
                Drill(database.key, "", day, start, minutes, "completed", check, is_fork=True)
            )
        database.must_be_checked = chance.random() < CHECKED
        found.append(database)
    return found


def rows_until(
    found: list[Database], moment: datetime, *, second_reading: bool, backups: bool
) -> Rows:
    """Return what the account lists at some time; scratch addons are deleted after a week."""
    keys = [database.key for database in found]
    restores: list[Row] = []
    for database in found:
        for n, drill in enumerate(database.drills):
            if drill.ended > moment or drill.is_fork:
                continue
            if drill.target not in keys:
                keys.append(drill.target)
            project, addon = drill.target.split("/")
            start = drill.backup_made if second_reading else drill.started
            restores.append(
                {
                    "projectId": project,
                    "addonId": addon,
                    "id": f"{drill.backup}-{n}",
                    "status": drill.status,
                    "backupId": drill.backup,
                    "restoreTimestamp": timestamp(start),
                    "completedAt": timestamp(drill.ended),
                }
            )
    addons = [
        {
            "projectId": key.split("/")[0],
            "id": key.split("/")[1],
            "name": key,
            "spec": {"type": "postgresql"},
        }
        for key in keys
    ]
    rows: Rows = {"addons": addons, "restores": restores}
    if backups:
        rows["backups"] = [
            {
                "projectId": "shop",
                "addonId": database.key.split("/")[1],
                "id": name,
                "status": "completed" if name in database.completed else "failed",
                "createdAt": timestamp(made),
            }
            for database in found
            for name, made in database.backups.items()
            if made <= moment
        ]
    return rows


def attestations(found: list[Database]) -> list[dict[str, object]]:
    """Return the attestations; each check was made three days after its restore, at most."""
    rows = []
    for database in found:
        for n, drill in enumerate(database.drills):
            if not drill.check:
                continue
            project, addon = drill.target.split("/")
            day = drill.ended.date()
            row: dict[str, object] = {
                "project": project,
                "addon": addon,
                "result": drill.check,
                "checked_by": "Ada",
                "checked_on": min(day + timedelta(days=3), AS_OF.date()),
            }
            what = {"drilled_on": day, "minutes": drill.minutes}
            rows.append(row | (what if drill.is_fork else {"restore_id": f"{drill.backup}-{n}"}))
    return rows


def outcome(drill: Drill) -> str:
    """Return what became of a drill: nothing was restored if its data did not pass the check."""
    failed = drill.status == "completed" and drill.check == "failed"
    return "failed" if failed else drill.status


def verdict(  # noqa: PLR0911 - one for each verdict
    database: Database, *, second_reading: bool, backups: bool
) -> str:
    """Judge a database by what really happened, as far as what is loaded can tell."""
    if backups:
        made = [database.backups[name] for name in database.completed]
        if not made:
            return "no backup"
        if AS_OF - max(made) > timedelta(hours=RPO_HOURS):
            return "stale backup"
    of_it = [
        drill
        for drill in database.drills
        if backups or drill.target == database.key or "declared" in drill.target
    ]
    finished = [drill for drill in of_it if outcome(drill) in {"completed", "failed"}]
    finished.sort(key=lambda drill: (drill.ended, outcome(drill) == "failed"))
    if not finished:
        return "never tested"
    if outcome(finished[-1]) == "failed":
        return "failing"
    proofs = [
        drill
        for drill in finished
        if outcome(drill) == "completed" and (drill.check or not database.must_be_checked)
    ]
    if not proofs or AS_OF - proofs[-1].ended > timedelta(days=INTERVAL):
        return "overdue" if proofs and proofs[-1] is finished[-1] else "not validated"
    measured = [drill for drill in proofs if drill.is_fork or not second_reading]
    if measured and AS_OF - measured[-1].ended <= timedelta(days=INTERVAL):
        return "slow" if measured[-1].minutes > RTO else "proven"
    return "proven"


@pytest.mark.parametrize("second_reading", [False, True], ids=["started", "backup-created"])
@pytest.mark.parametrize("backups", [True, False], ids=["backups", "no-backups"])
def test_verdicts_are_those_of_the_truth(
    backups: bool,
    second_reading: bool,
    engine: Warehouse,
) -> None:
    found = lives(random.Random(f"{backups} {second_reading}"))  # noqa: S311 - a dice
    declared = [
        f"drills,declared-{n},shop,db-{n}"
        for n, database in enumerate(found)
        if any("declared" in drill.target for drill in database.drills)
    ]
    how = {"second_reading": second_reading, "backups": backups}
    variables: dict[str, Any] = {
        "restore_timestamp": "backup_created" if second_reading else "auto"
    }
    engine.load(rows_until(found, MIDDLE, **how))
    engine.set_drill_addons(*declared)
    rules: list[dict[str, object]] = [
        {"rule": each.key, "addon": each.key.split("/")[1], "attestation_required": "true"}
        for each in found
        if each.must_be_checked
    ]
    engine.set_rules(*rules)
    engine.build(UNTESTED, as_of=MIDDLE, **variables)
    # Since then backups expired that nobody restored, and scratch addons were deleted with theirs.
    engine.load(rows_until(found, AS_OF, **how))
    engine.set_attestations(*attestations(found))
    engine.build(UNTESTED, as_of=AS_OF, **variables)
    if backups:
        newest = 'select max("createdAt") as at from backups as b where b."addonId" = '
        engine.query(
            "delete from backups where status = 'completed' and \"createdAt\" < "  # noqa: S608
            f"({newest} backups.\"addonId\" and status = 'completed')"
        )
    engine.query("delete from addons where \"projectId\" = 'drills' and id like 'scratch%'")
    engine.build(UNTESTED, as_of=AS_OF, **variables)

    addons = engine.mart("addon_recoverability", "addon_key")
    assert {database.key: addons[database.key]["verdict"] for database in found} == {
        database.key: verdict(database, **how) for database in found
    }
    # A run equals a full refresh; what history keeps on purpose is in the models of that name.
    before = {mart: contents(engine, mart) for mart in MARTS}
    engine.build(UNTESTED, "--full-refresh", as_of=AS_OF, **variables)
    for mart in MARTS:
        assert contents(engine, mart) == before[mart]


def contents(engine: Warehouse, mart: str) -> Counter[tuple[object, ...]]:
    rows = engine.query(f"select * from {mart}")  # noqa: S608 - a name from below
    return Counter(
        tuple(value for name, value in row.items() if name != "refreshed_at") for row in rows
    )
