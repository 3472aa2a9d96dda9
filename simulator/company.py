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
KEPT = {"hourly": 2, "daily": 30, "weekly": 90}
"""Days for which the backups of each schedule are kept."""
GIGABYTE = 10**9
DRILL_FAILS, DRILL_IS_ABORTED = 0.07, 0.04
"""Share of the drills whose first attempt goes wrong; they are tried again."""
AD_HOC = 0.06
"""Chance, in a month without a drill, that someone wants yesterday's data back."""
BACKUP_FAILS = 0.005
HALF_AN_HOUR = timedelta(minutes=30)
"""From a daily backup to the weekly one on the same day."""
FRIDAY, SUNDAY = 4, 6
EPOCH = "1970-01-01T00:00:00.000Z"
ARCHIVE = {"destinationId": "archive", "retentionTime": 365, "type": "custom"}


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
    backups: Literal["daily", "hourly", "none"] = "daily"
    """`hourly` is beside the daily ones: at the hour of these the two schedules make one."""
    backed_up_at: tuple[int, int] | None = None
    """Hour and minute of its backups; some other time without it."""
    backups_fail_since: int | None = None
    """Days before the company's present since which each backup fails."""
    made: int | None = None
    """Days before the company's present at which it was made; at its beginning without it."""
    drilled_elsewhere: bool = False
    """Its drills restore into a scratch addon of the project `drills`, which is deleted later."""
    is_forked: bool = False
    """Previews in the project `previews` are made out of its backups, and deleted later."""


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
    Part(
        *("shop", "customers", "postgresql", 45, "monthly", ("production", "tier-1")),
        backups="hourly",
        backed_up_at=(2, 47),
        drilled_elsewhere=True,
        is_forked=True,
    ),
    Part("shop", "cache", "redis", 2, "never", ("cache",), backups="none"),
    Part("payments", "invoices", "postgresql", 12, "never", ("production",), made=24),
    Part(
        *("analytics", "reports", "mysql", 35, "quarterly", ("tier-3",)),
        backed_up_at=(2, 47),  # as customers, of another type
        backups_fail_since=12,
    ),
    Part(
        *("shop", "returns", "postgresql", 18, "quarterly", ("production",)),
        backed_up_at=(4, 15),
        drilled_elsewhere=True,
    ),
    Part(
        *("payments", "disputes", "postgresql", 9, "quarterly", ("production", "pci")),
        backed_up_at=(4, 15),  # as returns, of the same type: which of the two was restored?
    ),
)
SCRATCH, PREVIEWS = "drills", "previews"
"""Projects of the addons that are made out of backups and deleted again."""
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
    SCRATCH: "Where backups are restored to be looked at",
    PREVIEWS: "An environment for each pull request",
}
LIFECYCLE = {"legacy-crm": "discontinued", "wiki": "deprecated", "events": "deprecated"}
PLANS = ((8, "nf-compute-20"), (64, "nf-compute-100"), (1000, "nf-compute-400"))


@dataclass(frozen=True)
class Database:
    """One addon of the company."""

    part: Part
    unit: int

    @property
    def project(self) -> str:
        """Id of its project."""
        return self.in_unit(self.part.project)

    def in_unit(self, project: str) -> str:
        """Return the id that a project has in this one's business unit."""
        ending = UNITS[self.unit] if self.unit < len(UNITS) else f"-unit{self.unit}"
        return project + ending

    @property
    def key(self) -> str:
        """Name that its random numbers are drawn by."""
        return f"{self.project}/{self.part.addon}"

    @property
    def backup_time(self) -> timedelta:
        """Time of day of its backups."""
        if self.part.backed_up_at:
            hour, minute = self.part.backed_up_at
            return timedelta(hours=hour, minutes=minute)
        return timedelta(minutes=60 + zlib.crc32(self.key.encode()) % 240)


class Planned(NamedTuple):
    """A restore that is going to be started."""

    start: datetime
    takes: timedelta
    ends: str
    backup: str
    backed_up: datetime


class Copy(NamedTuple):
    """An addon that is going to be made for a backup, and deleted later."""

    project: str
    addon: str
    tag: str
    attempts: list[Planned]
    """What is restored into it; it is made when the first begins."""
    deleted: datetime
    completed_at: str | None = None
    """The `completedAt` of restores that have not come to their end."""


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
            for copy in self._copies(database, before, until):
                if before < copy.attempts[0].start <= until:
                    self._world.at(copy.attempts[0].start, partial(self._copy, database, copy))

    def _restore(self, database: Database, plan: Planned) -> None:
        self._world.add_restore(
            database.project,
            database.part.addon,
            status="scheduled",
            takes=plan.takes,
            ends=plan.ends,
            backup_created=plan.backed_up,
            backupId=plan.backup,
        )

    def _copy(self, database: Database, copy: Copy) -> None:
        """Make the addon, and let the clock restore into it and delete it."""
        world, part = self._world, database.part
        if all(item["id"] != copy.project for item in world.projects()):
            world.add_project(copy.project, description=DESCRIPTIONS[copy.tag + "s"])
        world.add_addon(
            copy.project, copy.addon, part.type, tags=[copy.tag], config=_config(database)
        )
        for plan in copy.attempts:
            world.at(plan.start, partial(self._restore_into, copy, database, plan))
        world.at(copy.deleted, partial(world.remove_addon, copy.project, copy.addon))

    def _restore_into(self, copy: Copy, database: Database, plan: Planned) -> None:
        self._world.add_restore(
            copy.project,
            copy.addon,
            status="scheduled",
            takes=plan.takes,
            ends=plan.ends,
            source=(database.project, database.part.addon),
            is_fork=copy.tag == "preview",
            backup_created=plan.backed_up,
            backupId=plan.backup,
            completedAt=copy.completed_at,
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
        if database.part.drilled_elsewhere:
            return
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
        backed_up = self._backup_before(database, start - timedelta(hours=5))
        takes = timedelta(milliseconds=round(minutes * 60_000))
        yield Planned(start, takes, ends, _backup_id("daily", backed_up), backed_up)

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

    # Restores elsewhere -----------------------------------------------------------------------

    def _copies(self, database: Database, before: datetime, until: datetime) -> Iterator[Copy]:
        month = _midnight(before).replace(day=1)
        while month <= until:
            rng = random.Random(f"{self._seed}/{database.key}/{month:%Y-%m}")  # noqa: S311
            if (
                database.part.drilled_elsewhere
                and month.month in DRILL_MONTHS[database.part.drills]
            ):
                yield self._scratch(database, _working_hour(rng, month), rng)
            if database.part.is_forked:
                yield self._preview(database, _working_hour(rng, month), rng)
            month = (month + timedelta(days=32)).replace(day=1)
        yield from self._present_copies(database)

    def _scratch(self, database: Database, start: datetime, rng: random.Random) -> Copy:
        attempts = list(self._drill(database, start, rng))
        end = attempts[-1].start + attempts[-1].takes
        return self._named_scratch(database, attempts, end + timedelta(hours=rng.randint(1, 100)))

    def _named_scratch(
        self,
        database: Database,
        attempts: list[Planned],
        deleted: datetime,
        completed_at: str | None = None,
    ) -> Copy:
        name = f"{database.part.addon}-drill-{attempts[0].start:%Y%m%d}"
        project = database.in_unit(SCRATCH)
        return Copy(project, name, "drill", attempts, deleted, completed_at)

    def _preview(self, database: Database, start: datetime, rng: random.Random) -> Copy:
        attempts = list(self._attempt(database, start, "completed", rng))
        name = f"pr-{rng.randint(1000, 9999)}-{database.part.addon}"
        deleted = start + timedelta(hours=rng.randint(20, 200))
        return Copy(database.in_unit(PREVIEWS), name, "preview", attempts, deleted)

    def _present_copies(self, database: Database) -> Iterator[Copy]:
        """What there is in the present: scratch addons that are still there, and a preview."""
        rng = random.Random(f"{self._seed}/{database.key}/copies")  # noqa: S311
        if database.unit or not database.part.drilled_elsewhere:
            return
        start = self._now - timedelta(days=2, milliseconds=rng.randrange(60_000))
        done = list(self._attempt(database, start, "completed", rng))
        yield self._named_scratch(database, done, start + timedelta(days=5))
        if database.part.is_forked:
            start = self._now - timedelta(minutes=20, milliseconds=rng.randrange(60_000))
            under_way = list(self._attempt(database, start, "completed", rng))
            deleted = start + timedelta(days=3)
            yield self._named_scratch(database, under_way, deleted, completed_at=EPOCH)
            start = self._now - timedelta(days=1, milliseconds=rng.randrange(60_000))
            yield self._preview(database, start, rng)

    # Backups ----------------------------------------------------------------------------------

    def _back_up(self, database: Database, before: datetime, until: datetime) -> None:
        part = database.part
        kept = {name: until - timedelta(days=days) for name, days in KEPT.items()}
        oldest = {name: timestamp(moment) for name, moment in kept.items()}
        if self._world.has_addon(database.project, part.addon):
            backups = self._world.backups(database.project, part.addon)
            backups[:] = [b for b in backups if b["createdAt"] >= oldest[b["id"].partition("-")[0]]]
        first, last = before, until
        if part.made is not None:
            first = max(before, self._now - timedelta(days=part.made))
        if part.backed_up_until is not None:
            last = min(until, self._now - timedelta(days=part.backed_up_until))
        for name, created in _backup_times(database, max(first, kept["weekly"]), last):
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
                "source": {"type": "snapshot" if name == "weekly" else "liveInstance"},
                "size": str(round(gigabytes * GIGABYTE * rng.uniform(0.3, 0.35))),
                **({} if name == "weekly" else {"compressionType": "zstd"}),
                **({"additionalDestinations": [ARCHIVE]} if _is_archived(database, name) else {}),
                "addonVersion": VERSIONS[database.part.type],
            },
            customDestinationId="archive" if "pci" in database.part.tags else None,
        )
        takes = timedelta(minutes=1 + gigabytes * 0.15 * rng.uniform(0.8, 1.2))
        ends = "failed" if rng.random() < BACKUP_FAILS else "completed"
        since = database.part.backups_fail_since
        if since is not None and created > self._now - timedelta(days=since):
            ends = "failed"
        self._world.ends_at(created + takes, item, ends)

    def _backup_before(self, database: Database, moment: datetime) -> datetime:
        """Return when the last daily backup was made by then, kept still or not."""
        since = database.part.backups_fail_since
        if since is not None:
            moment = min(moment, self._now - timedelta(days=since))
        *_, (_, created) = (
            (name, created)
            for name, created in _backup_times(database, moment - timedelta(days=2), moment)
            if name == "daily"
        )
        return created

    def _gigabytes(self, database: Database, moment: datetime) -> float:
        """Return the size of a database, which is that of its part in the company's present."""
        months = (moment - self._now) / timedelta(days=30.44)
        return database.part.gigabytes * math.pow(GROWTH_A_MONTH, months)


def found(world: World, *, seed: int, addons: int, months: int, now: datetime) -> World:
    """Fill an empty world whose clock stands anywhere with a company, and set it to `now`."""
    databases = [Database(CAST[n % len(CAST)], n // len(CAST)) for n in range(addons)]
    world.now = now - timedelta(days=30.44) * months
    for database in databases:
        if database.part.made is None:
            _set_up(world, database)
        else:
            made = now - timedelta(days=database.part.made)
            world.at(max(world.now, made), partial(_set_up, world, database))
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
        config=_config(database),
        tags=list(part.tags),
        description=f"{part.addon.capitalize()} of {project}" if part.tags else None,
        status=part.status,
    )
    if part.backups != "none":
        world.schedules(project, part.addon).extend(_schedules(world, database))


def _schedules(world: World, database: Database) -> Iterator[Item]:
    hour, minute = divmod(database.backup_time // timedelta(minutes=1), 60)
    weekly_hour, weekly_minute = divmod((database.backup_time + HALF_AN_HOUR).seconds // 60, 60)
    times = {"createdAt": timestamp(world.now), "updatedAt": timestamp(world.now)}
    dump = {"backupType": "dump", "backupCompressionType": "zstd"}
    yield {
        "id": world.new_id(),
        **dump,
        "scheduling": {"interval": "daily", "minute": [minute], "hour": [hour]},
        "retentionTime": KEPT["daily"],
        **times,
    }
    if database.part.backups == "hourly":
        yield {
            "id": world.new_id(),
            **dump,
            "scheduling": {"interval": "hourly", "minute": [minute]},
            "retentionTime": KEPT["hourly"],
            **times,
        }
    yield {
        "id": world.new_id(),
        "backupType": "snapshot",
        **({"additionalDestinations": [ARCHIVE]} if _is_archived(database, "weekly") else {}),
        "scheduling": {
            "interval": "weekly",
            "minute": [weekly_minute],
            "hour": [weekly_hour],
            "day": [SUNDAY],
        },
        "retentionTime": KEPT["weekly"],
        **times,
    }


def _is_archived(database: Database, schedule: str) -> bool:
    return schedule == "weekly" and database.part.drilled_elsewhere


def _config(database: Database) -> Item:
    """Return what the detail of an addon says of its version and its size."""
    part = database.part
    return {
        "versionTag": VERSIONS[part.type],
        "lifecycleStatus": LIFECYCLE.get(part.addon, "active"),
        "deployment": {
            "replicas": 3 if "tier-1" in part.tags else 1,
            "storageClass": "nvme",
            "storageSize": 1024 * 2 ** math.ceil(math.log2(part.gigabytes * 1.3)),
            "planId": next(plan for size, plan in PLANS if part.gigabytes < size),
            "region": "us-central" if database.project.endswith("-us") else "europe-west",
        },
    }


def _backup_times(
    database: Database, after: datetime, until: datetime
) -> Iterator[tuple[str, datetime]]:
    """Yield (schedule, time) of the backups after one instant and not after another."""
    if database.part.backups == "none":
        return
    day = _midnight(after)
    while day <= until:
        daily = day + database.backup_time
        times = [("daily", daily)]
        if database.part.backups == "hourly":
            times += [
                ("hourly", daily + timedelta(hours=n))
                for n in range(-daily.hour, 24 - daily.hour)
                if n
            ]
        if day.weekday() == SUNDAY:
            times.append(("weekly", daily + HALF_AN_HOUR))
        yield from (time for time in times if after < time[1] <= until)
        day += timedelta(days=1)


def _backup_id(schedule: str, created: datetime) -> str:
    return f"{schedule}-{created:%Y%m%d-%H%M}"


def _working_hour(rng: random.Random, month: datetime) -> datetime:
    day = month + timedelta(days=rng.randint(2, 22))  # and its retries fall in this month
    day += timedelta(days=max(0, 7 - day.weekday()) if day.weekday() > FRIDAY else 0)
    return day + timedelta(minutes=rng.randint(8 * 60, 14 * 60), milliseconds=rng.randrange(60_000))


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
