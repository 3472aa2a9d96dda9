"""A plausible company: its databases, their backups, and the restores of months gone by.

What happens is planned month by month from the seed alone. The past is made by the same clock
that later moves the world on, so history and future follow the same rules.
"""

from __future__ import annotations

import math
import random
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from simulator.world import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.world import Item, World

UNITS = ("", "-eu", "-us", "-uk", "-ap", "-ca", "-br", "-jp")
"""Endings of the projects of each business unit; every unit has the databases of `CAST`."""

MINUTES_PER_GB = {
    "postgresql": 0.9,
    "mysql": 1.1,
    "mongodb": 0.8,
    "redis": 0.6,
    "minio": 0.45,
    "rabbitmq": 0.5,
}
VERSIONS = {
    "postgresql": "16.4",
    "mysql": "8.4.2",
    "mongodb": "7.0.14",
    "redis": "7.4.0",
    "minio": "2026.3.12",
    "rabbitmq": "4.0.2",
}
GROWTH_A_MONTH = 1.015
DAILY, WEEKLY = 30, 90
"""Days for which daily and weekly backups are kept."""
GIGABYTE = 10**9
DRILL_FAILS, DRILL_IS_ABORTED = 0.07, 0.04
"""Share of the drills whose first attempt goes wrong; they are tried again."""
AD_HOC = 0.06
"""Chance, in a month without a drill, that someone wants yesterday's data back."""
BACKUP_FAILS = 0.005
FRIDAY, SUNDAY = 4, 6


class Part(NamedTuple):
    """A database that each business unit has."""

    project: str
    addon: str
    type: str
    gigabytes: float
    drills: Literal["monthly", "quarterly", "half-yearly", "never"]
    tags: tuple[str, ...] = ()
    status: str = "running"
    given_up: int | None = None
    """Days before the company's present since which there are no drills."""
    backed_up_until: int | None = None
    """Days before the company's present since which there are no backups."""


CAST = (
    Part("shop", "orders", "postgresql", 150, "quarterly", ("production", "tier-1")),
    Part("shop", "catalog", "mysql", 55, "quarterly", ("production",)),
    Part("shop", "sessions", "redis", 6, "quarterly", ("production",)),
    Part("shop", "media", "minio", 320, "half-yearly", ("production",)),
    Part("payments", "ledger", "postgresql", 85, "monthly", ("production", "tier-1", "pci")),
    Part("payments", "risk-scores", "mongodb", 40, "quarterly", ("production", "pci")),
    Part("payments", "events", "rabbitmq", 4, "quarterly", ("production",)),
    Part("analytics", "staging", "postgresql", 160, "quarterly", given_up=240),
    Part("analytics", "clickstream", "mongodb", 110, "quarterly", ("tier-3",)),
    Part("analytics", "exports", "minio", 70, "never", ("tier-3",)),
    Part("internal", "wiki", "mysql", 5, "quarterly", (), "paused", 60, 60),
    Part("internal", "legacy-crm", "mysql", 22, "quarterly", (), "deleted", 150, 150),
)
DRILL_MONTHS = {
    "monthly": range(1, 13),
    "quarterly": (2, 5, 8, 11),
    "half-yearly": (5, 11),
    "never": (),
}
DESCRIPTIONS = {
    "shop": "Storefront, basket and order history",
    "payments": "Card payments and the general ledger",
    "analytics": "Event pipeline and reporting",
}


@dataclass(frozen=True)
class Database:
    """One addon of the company."""

    part: Part
    unit: int

    @property
    def project(self) -> str:
        """Id of its project."""
        ending = UNITS[self.unit] if self.unit < len(UNITS) else f"-unit{self.unit}"
        return self.part.project + ending

    @property
    def key(self) -> str:
        """Name that its random numbers are drawn by."""
        return f"{self.project}/{self.part.addon}"

    @property
    def backup_time(self) -> timedelta:
        """Time of day of its backups."""
        return timedelta(minutes=60 + zlib.crc32(self.key.encode()) % 240)


class Planned(NamedTuple):
    """A restore that is going to be started."""

    start: datetime
    takes: timedelta
    ends: str
    backup: str


class Company:
    """Plans what happens to each database, and puts it into a world as its clock moves."""

    def __init__(self, world: World, databases: list[Database], seed: int, now: datetime) -> None:
        """Plan for `databases`; `now` is the present that the company is built for."""
        self._world = world
        self._databases = databases
        self._seed = seed
        self._now = now

    def grow(self, before: datetime, until: datetime) -> None:
        """Let the world know of all that starts after `before` and not after `until`."""
        for database in self._databases:
            self._back_up(database, before, until)
            for plan in self._plans(database, before, until):
                if before < plan.start <= until:
                    self._world.at(plan.start, partial(self._restore, database, plan))

    def _restore(self, database: Database, plan: Planned) -> None:
        self._world.add_restore(
            database.project,
            database.part.addon,
            status="scheduled",
            takes=plan.takes,
            ends=plan.ends,
            backupId=plan.backup,
        )

    # Restores ---------------------------------------------------------------------------------

    def _plans(self, database: Database, before: datetime, until: datetime) -> Iterator[Planned]:
        month = _midnight(before).replace(day=1)
        while month <= until:
            yield from self._month(database, month)
            month = (month + timedelta(days=32)).replace(day=1)
        yield from self._incident(database)
        yield from self._unfinished(database)

    def _month(self, database: Database, month: datetime) -> Iterator[Planned]:
        rng = random.Random(f"{self._seed}/{database.key}/{month:%Y-%m}")  # noqa: S311
        if month.month in DRILL_MONTHS[database.part.drills]:
            yield from self._drill(database, _working_hour(rng, month), rng)
        elif rng.random() < AD_HOC and database.part.drills != "never":
            yield from self._attempt(database, _working_hour(rng, month), "completed", rng)

    def _drill(self, database: Database, start: datetime, rng: random.Random) -> Iterator[Planned]:
        fate = rng.random()
        if fate < DRILL_FAILS:
            yield from self._attempt(database, start, "failed", rng)
            start += timedelta(days=rng.randint(1, 3), minutes=rng.randint(-60, 60))
        elif fate < DRILL_FAILS + DRILL_IS_ABORTED:
            yield from self._attempt(database, start, "aborted", rng)
            start += timedelta(hours=rng.randint(3, 5))
        yield from self._attempt(database, start, "completed", rng)

    def _attempt(
        self, database: Database, start: datetime, ends: str, rng: random.Random
    ) -> Iterator[Planned]:
        given_up = database.part.given_up
        if given_up is not None:
            last = self._now - timedelta(days=given_up)
            if start > last:
                return
        gigabytes = self._gigabytes(database, start)
        minutes = 3 + gigabytes * MINUTES_PER_GB[database.part.type]
        minutes *= rng.lognormvariate(0, 0.2)
        if ends != "completed":
            minutes *= rng.uniform(0.2, 0.8)
        backup = self._backup_before(database, start - timedelta(hours=5))
        yield Planned(start, timedelta(milliseconds=round(minutes * 60_000)), ends, backup)

    def _incident(self, database: Database) -> Iterator[Planned]:
        """A bad release on one day: what the shop went through."""
        if database.part.project != "shop":
            return
        day = _midnight(self._now) - timedelta(days=140 + 11 * database.unit)
        rng = random.Random(f"{self._seed}/{database.key}/incident")  # noqa: S311
        tries = {
            "orders": (("failed", 9.2), ("aborted", 10.4), ("completed", 12.1)),
            "catalog": (("failed", 9.5), ("completed", 11)),
            "sessions": (("completed", 9.8), ("completed", 15.5)),
        }
        for ends, hour in tries.get(database.part.addon, ()):
            start = day + timedelta(hours=hour, milliseconds=rng.randrange(60_000))
            yield from self._attempt(database, start, ends, rng)

    def _unfinished(self, database: Database) -> Iterator[Planned]:
        """What stands out in the present: a drill under way, and one that failed long ago."""
        rng = random.Random(f"{self._seed}/{database.key}/present")  # noqa: S311
        if database.unit == 0 and database.part.addon == "ledger":
            start = self._now - timedelta(minutes=25, milliseconds=rng.randrange(60_000))
            yield from self._attempt(database, start, "completed", rng)
        if database.part.addon == "staging":
            last = self._now - timedelta(days=241)
            yield from self._attempt(database, last, "failed", rng)

    # Backups ----------------------------------------------------------------------------------

    def _back_up(self, database: Database, before: datetime, until: datetime) -> None:
        backups = self._world.backups(database.project, database.part.addon)
        kept = {"daily": until - timedelta(days=DAILY), "weekly": until - timedelta(days=WEEKLY)}
        oldest = {name: timestamp(moment) for name, moment in kept.items()}
        backups[:] = [b for b in backups if b["createdAt"] >= oldest[b["id"].partition("-")[0]]]
        stopped = until
        if database.part.backed_up_until is not None:
            stopped = min(until, self._now - timedelta(days=database.part.backed_up_until))
        for name, created in _backup_times(database, max(before, kept["weekly"]), stopped):
            if created >= kept[name]:
                self._world.at(created, partial(self._start_backup, database, name, created))

    def _start_backup(self, database: Database, name: str, created: datetime) -> None:
        ident = _backup_id(name, created)
        rng = random.Random(f"{self._seed}/{database.key}/{ident}")  # noqa: S311
        gigabytes = self._gigabytes(database, created)
        item = self._world.add_backup(
            database.project,
            database.part.addon,
            id=ident,
            name=f"{name.capitalize()} {created:%Y-%m-%d %H:%M}",
            uid=f"{int(created.timestamp()):08x}{rng.getrandbits(64):016x}",
            status="in-progress",
            createdAt=timestamp(created),
            completedAt=None,
            config={
                "source": {"type": "liveInstance" if name == "daily" else "snapshot"},
                "size": str(round(gigabytes * GIGABYTE * rng.uniform(0.3, 0.35))),
                **({"compressionType": "zstd"} if name == "daily" else {}),
                "addonVersion": VERSIONS[database.part.type],
            },
            customDestinationId="archive" if "pci" in database.part.tags else None,
        )
        takes = timedelta(minutes=1 + gigabytes * 0.15 * rng.uniform(0.8, 1.2))
        ends = "failed" if rng.random() < BACKUP_FAILS else "completed"
        self._world.ends_at(created + takes, item, ends)

    def _backup_before(self, database: Database, moment: datetime) -> str:
        """Return the id of the last daily backup made by then, kept still or not."""
        *_, (_, created) = (
            (name, created)
            for name, created in _backup_times(database, moment - timedelta(days=2), moment)
            if name == "daily"
        )
        return _backup_id("daily", created)

    def _gigabytes(self, database: Database, moment: datetime) -> float:
        """Return the size of a database, which is that of its part in the company's present."""
        months = (moment - self._now) / timedelta(days=30.44)
        return database.part.gigabytes * math.pow(GROWTH_A_MONTH, months)


def found(world: World, *, seed: int, addons: int, months: int, now: datetime) -> World:
    """Fill an empty world whose clock stands anywhere with a company, and set it to `now`."""
    databases = [Database(CAST[n % len(CAST)], n // len(CAST)) for n in range(addons)]
    world.now = now - timedelta(days=30.44) * months
    for database in databases:
        _set_up(world, database)
    company = Company(world, databases, seed, now)
    world.grow = company.grow
    world.advance(seconds=(now - world.now).total_seconds())
    return world


def _set_up(world: World, database: Database) -> None:
    part, project = database.part, database.project
    if all(item["id"] != project for item in world.projects()):
        world.add_project(project, description=DESCRIPTIONS.get(part.project))
    world.add_addon(
        project,
        part.addon,
        part.type,
        tags=list(part.tags),
        description=f"{part.addon.capitalize()} of {project}" if part.tags else None,
        status=part.status,
    )
    at = database.backup_time
    hour, minute = divmod(at // timedelta(minutes=1), 60)
    created = timestamp(world.now)
    daily: Item = {
        "id": world.new_id(),
        "backupType": "dump",
        "backupCompressionType": "zstd",
        "scheduling": {"interval": "daily", "minute": [minute], "hour": [hour]},
        "retentionTime": DAILY,
        "createdAt": created,
        "updatedAt": created,
    }
    weekly: Item = {
        "id": world.new_id(),
        "backupType": "snapshot",
        "scheduling": {"interval": "weekly", "minute": [minute], "hour": [hour], "day": [SUNDAY]},
        "retentionTime": WEEKLY,
        "createdAt": created,
        "updatedAt": created,
    }
    world.schedules(project, part.addon).extend([daily, weekly])


def _backup_times(
    database: Database, after: datetime, until: datetime
) -> Iterator[tuple[str, datetime]]:
    """Yield (schedule, time) of the backups after one instant and not after another."""
    day = _midnight(after)
    while day <= until:
        created = day + database.backup_time
        if after < created <= until:
            yield "daily", created
        created += timedelta(minutes=30)
        if day.weekday() == SUNDAY and after < created <= until:
            yield "weekly", created
        day += timedelta(days=1)


def _backup_id(schedule: str, created: datetime) -> str:
    return f"{schedule}-{created:%Y%m%d-%H%M}"


def _working_hour(rng: random.Random, month: datetime) -> datetime:
    day = month + timedelta(days=rng.randint(2, 22))  # and its retries fall in this month
    day += timedelta(days=max(0, 7 - day.weekday()) if day.weekday() > FRIDAY else 0)
    return day + timedelta(minutes=rng.randint(8 * 60, 14 * 60), milliseconds=rng.randrange(60_000))


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
