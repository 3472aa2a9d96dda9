"""What exists in the simulated account, and the clock that moves it on; no HTTP here."""

from __future__ import annotations

import heapq
import random
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from simulator.truth import Key, Life, Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Item = dict[str, Any]
K = TypeVar("K")
V = TypeVar("V")
ListKind = Literal[
    "projects",
    "addons",
    "addon-details",
    "backups",
    "restores",
    "backup-restores",
    "backup-schedules",
]
"""What a GET gives: a list of the API, or the detail of one addon."""

START = datetime(2026, 7, 1, 6, tzinfo=timezone.utc)
"""Where every clock starts unless it is told otherwise, so that results are reproducible."""

TEAM = "acme"
"""The team whose account this is; addons carry it in their `appId`."""

UNFINISHED = frozenset({"scheduled", "in-progress", "aborting"})
"""Statuses of a restore or backup that time still changes."""


class NotFoundError(Exception):
    """Something in a path does not exist; the message says what."""


def timestamp(moment: datetime) -> str:
    """Write an instant as the API does: ISO 8601 in UTC, milliseconds, `Z`."""
    text = moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def instant(text: str) -> datetime:
    """Read an ISO 8601 time with an offset or `Z`, and with any fraction or none."""
    head, _, tail = text.replace("Z", "+00:00").partition(".")
    if not tail:
        return datetime.fromisoformat(head)
    digits = tail[: len(tail) - 6]
    return datetime.fromisoformat(f"{head}.{digits[:6]:0<6}{tail[-6:]}")


class World:
    """Projects, addons, backups and restores of one team, as the API would serve them.

    Items are plain dicts in the API's own shape. The lists that `projects`, `addons`, `backups`
    and `restores` give are the ones served: change them, and the next response changes. Whether
    an addon exists does not depend on the listing but on `add_addon` and `remove_addon`, so an
    item taken out of a listing can still be read, and one put in by hand answers 404.
    """

    def __init__(self, now: datetime = START, team: str = TEAM) -> None:
        """Start an empty world.

        Args:
            now: where the clock stands, an aware datetime.
            team: id of the team that owns everything.
        """
        self.now = now
        self.team = team
        self.lock = threading.RLock()
        """Held while a response is computed and while the clock moves."""
        self.grow: Callable[[datetime, datetime], None] | None = None
        """Called by `advance` with the old and the new time, to add what happens in between."""
        self._projects: list[Item] = []
        self._addons: dict[str, list[Item]] = {}
        self._backups: dict[tuple[str, str], list[Item]] = {}
        self._restores: dict[tuple[str, str], list[Item] | Generated] = {}
        self._schedules: dict[tuple[str, str], list[Item]] = {}
        self._details: dict[tuple[str, str], Item] = {}
        self.truths: list[Truth] = []
        """What really happened in each restore that `add_restore` made, in that order."""
        self.lives: list[Life] = []
        """Each addon that ever was, in the order of their making."""
        self._truth: dict[tuple[str, str, str], Truth] = {}
        self._events: list[tuple[datetime, int, Callable[[], None]]] = []
        self._ids = count(1)
        self._order = count(1)

    @classmethod
    def company(
        cls, seed: int = 7, addons: int = 12, months: int = 18, now: datetime = START
    ) -> World:
        """Build a plausible company, the same one for the same arguments.

        Args:
            seed: seed of all that is random in it.
            addons: how many databases it has; projects grow with them. The first 12 are restored
                in place. The 18 of `company.CAST` also have what is drilled in scratch addons,
                forked, not backed up, new, and odd in other ways.
            months: how far its history goes back.
            now: where its clock stands when this returns.
        """
        from simulator.company import found  # noqa: PLC0415 - it is built of a World

        return found(cls(now=now), seed=seed, addons=addons, months=months, now=now)

    @classmethod
    def fan_out(
        cls,
        projects: int = 1,
        addons: int = 400,
        restores: int = 100,
        *,
        seed: int = 7,
        failed_every: int | None = None,
        now: datetime = START,
    ) -> World:
        """Build a regular world for load tests; its restores are made when they are read.

        Args:
            projects: number of projects, `p0`, `p1`, …
            addons: number of addons in each project, `a0`, `a1`, …
            restores: number of restores of each addon, all completed.
            seed: shifts the times of the restores.
            failed_every: every n-th restore has failed, and has no `completedAt`.
            now: where the clock stands; all restores are older.
        """
        world = cls(now=now)
        shift = random.Random(seed).randrange(1000)  # noqa: S311 - nothing secret
        for p in range(projects):
            world.add_project(f"p{p}")
            for a in range(addons):
                world.add_addon(f"p{p}", f"a{a}")
                world._restores[f"p{p}", f"a{a}"] = Generated(
                    p * addons + a, restores, now, shift, failed_every
                )
        return world

    # What exists ------------------------------------------------------------------------------

    def projects(self) -> list[Item]:
        """Return the projects as served."""
        return self._projects

    def addons(self, project: str) -> list[Item]:
        """Return the addons of a project as served; raise `NotFoundError` if there is none."""
        return _found(self._addons, project, f"Project '{project}'")

    def backups(self, project: str, addon: str) -> list[Item]:
        """Return the backups of an addon as served; raise `NotFoundError` if there is none."""
        return _found(self._backups, (project, addon), f"Addon '{addon}'")

    def schedules(self, project: str, addon: str) -> list[Item]:
        """Return the backup schedules of an addon; raise `NotFoundError` if there is none."""
        return _found(self._schedules, (project, addon), f"Addon '{addon}'")

    def restores(self, project: str, addon: str) -> list[Item]:
        """Return the restores of an addon as served; raise `NotFoundError` if there is none."""
        with self.lock:
            items = self._stored_restores(project, addon)
            if isinstance(items, Generated):
                items = self._restores[project, addon] = items[:]
            return items

    def listed(
        self, kind: ListKind, project: str = "", addon: str = "", backup: str = ""
    ) -> Sequence[Item]:
        """Return the items of one list of the API, for reading only.

        Raises:
            NotFoundError: if a project, addon or backup in the path does not exist.
        """
        if kind == "projects":
            return self._projects
        addons = self.addons(project)
        if kind == "addons":
            return addons
        if kind == "addon-details":
            return [self.detail(project, addon)]
        if kind in {"backups", "backup-schedules"}:
            listed = self.backups if kind == "backups" else self.schedules
            return listed(project, addon)
        restores = self._stored_restores(project, addon)
        if kind == "restores":
            return restores
        if all(item["id"] != backup for item in self.backups(project, addon)):
            message = f"Backup '{backup}' not found"
            raise NotFoundError(message)
        return [
            {key: value for key, value in item.items() if key != "backupId"}
            for item in restores
            if item.get("backupId") == backup
        ]

    def _stored_restores(self, project: str, addon: str) -> list[Item] | Generated:
        return _found(self._restores, (project, addon), f"Addon '{addon}'")

    def detail(self, project: str, addon: str) -> Item:
        """Return an addon with all that is known of it; raise `NotFoundError` if there is none."""
        more = _found(self._details, (project, addon), f"Addon '{addon}'")
        for item in self.addons(project):
            if item["id"] == addon:
                return {**item, **more, "spec": {**item["spec"], **more["spec"]}}
        message = f"Addon '{addon}' not found"
        raise NotFoundError(message)

    def truth(self, project: str, addon: str, restore: str) -> Truth:
        """Return what really happened in a restore, also if its addon is gone by now.

        Raises:
            NotFoundError: if `add_restore` has never made it, as those of `fan_out`.
        """
        return _found(self._truth, (project, addon, restore), f"Restore '{restore}'")

    def dated_by_backup(self, project: str, addon: str, restore: Item) -> Item:
        """Return a restore with its backup's `createdAt` as its `restoreTimestamp`, if known."""
        truth = self._truth.get((project, addon, restore["id"]))
        if truth is None or truth.backup_created is None:
            return restore
        return {**restore, "restoreTimestamp": timestamp(truth.backup_created)}

    def is_fork(self, project: str, addon: str, restore: Item) -> bool:
        """Tell whether a restore is the one that made its addon."""
        truth = self._truth.get((project, addon, restore["id"]))
        return truth is not None and truth.is_fork

    def has_addon(self, project: str, addon: str) -> bool:
        """Tell whether an addon exists."""
        return (project, addon) in self._restores

    def addon_keys(self) -> list[tuple[str, str]]:
        """Return (project id, addon id) of every addon that exists."""
        return list(self._restores)

    def all_restores(self) -> list[Item]:
        """Return copies of all restores, each with `projectId` and `addonId` added."""
        return list(self.each_restore())

    def each_restore(self) -> Iterator[Item]:
        """Yield what `all_restores` returns, one at a time: for large worlds."""
        for (project, addon), items in list(self._restores.items()):
            for item in items:
                yield {"projectId": project, "addonId": addon, **item}

    def restore_count(self) -> int:
        """Count the restores of all addons."""
        return sum(map(len, self._restores.values()))

    # Making and removing ----------------------------------------------------------------------

    def add_project(
        self, project: str, name: str | None = None, description: str | None = None
    ) -> Item:
        """Add a project; without `description` the field is absent."""
        item = _present(id=project, name=name or _title(project), description=description)
        with self.lock:
            self._projects.append(item)
            self._addons[project] = []
        return item

    def add_addon(
        self,
        project: str,
        addon: str,
        type: str = "postgresql",  # noqa: A002 - the API's name
        *,
        config: Item | None = None,
        **fields: object,
    ) -> Item:
        """Add an addon to a project.

        Args:
            project: id of an existing project.
            addon: id of the addon.
            type: its type.
            config: overrides of `spec.config`, which only the addon's detail shows.
            **fields: override or add to the item; None leaves one out.
        """
        item = _present(
            **{
                "id": addon,
                "name": _title(addon),
                "appId": f"/{self.team}/{project}/{addon}",
                "tags": [],
                "spec": {"type": type},
                "status": "running",
                **fields,
            }
        )
        with self.lock:
            self.addons(project).append(item)
            self._backups[project, addon] = []
            self._restores[project, addon] = []
            self._schedules[project, addon] = []
            self._details[project, addon] = self._detail(project, config or {})
            self.lives.append(Life(Key(project, addon), item["spec"]["type"], self.now))
        return item

    def _detail(self, project: str, config: Item) -> Item:
        networking = {"tlsEnabled": True, "externalAccessEnabled": False}
        deployment = {
            "replicas": 1,
            "storageClass": "nvme",
            "storageSize": 4096,
            "planId": "nf-compute-20",
            "region": "europe-west",
        }
        defaults = {
            "versionTag": "1.0.0",
            "lifecycleStatus": "active",
            "deployment": deployment,
            "networking": networking,
        }
        return {
            "createdAt": timestamp(self.now),
            "spec": {"config": {**defaults, **config}, "pendingActions": []},
            "cluster": {"id": "nf-europe-west", "name": "nf-europe-west", "namespace": project},
        }

    def add_backup(
        self,
        project: str,
        addon: str,
        id: str | None = None,  # noqa: A002 - the API's name
        **fields: object,
    ) -> Item:
        """Add a backup, completed now; `fields` override or add to it, None leaves one out."""
        name = id or f"backup-{len(self.backups(project, addon)) + 1}"
        item = _present(
            **{
                "id": name,
                "name": _title(name),
                "uid": fields.get("uid") or self.new_id(),
                "status": "completed",
                "createdAt": timestamp(self.now - timedelta(minutes=2)),
                "completedAt": timestamp(self.now),
                "config": {"source": {"type": "liveInstance"}, "size": "1048576"},
                **fields,
            }
        )
        with self.lock:
            self.backups(project, addon).append(item)
        return item

    def add_restore(
        self,
        project: str,
        addon: str,
        id: str | None = None,  # noqa: A002 - the API's name
        status: str = "completed",
        *,
        takes: timedelta = timedelta(minutes=30),
        ends: str = "completed",
        source: tuple[str, str] | None = None,
        is_fork: bool = False,
        backup_created: datetime | None = None,
        **fields: object,
    ) -> Item:
        """Add a restore and return the dict that is served.

        A completed one has its `completedAt` now. A scheduled one starts after a minute and
        then, like one in progress, ends after `takes`, when the clock is moved that far.

        Args:
            project: id of an existing project.
            addon: id of an existing addon in it.
            id: 24 hex digits are made up without it.
            status: any status, also one that the API does not document.
            takes: how long it runs.
            ends: the status at its end; only "completed" sets `completedAt`.
            source: project and addon that the backup is of, if it is not this one's own.
            is_fork: whether the addon was made out of the backup; see `Truth`.
            backup_created: when the backup was made; the source's backups say it without.
            **fields: other fields in the API's names; None leaves one out.
        """
        item = _present(
            **{
                "id": id or self.new_id(),
                "status": status,
                "restoreTimestamp": timestamp(
                    self.now if status in UNFINISHED else self.now - takes
                ),
                "completedAt": timestamp(self.now) if status == "completed" else None,
                "backupId": "backup-0",
                **fields,
            }
        )
        with self.lock:
            self.restores(project, addon).append(item)
            origin = Key(*(source or (project, addon)))
            if backup_created is None:
                backup_created = self._backup_created(origin, item.get("backupId"))
            self._remember(
                Truth(
                    target=Key(project, addon),
                    source=origin,
                    started=_started(item, self.now),
                    backup=item.get("backupId"),
                    backup_created=backup_created,
                    is_fork=is_fork,
                    item=item,
                )
            )
            if status == "scheduled":
                begins = self.now + timedelta(minutes=1)
                self.at(begins, partial(_moves, item, "in-progress"))
                self.ends_at(begins + takes, item, ends)
            elif status in UNFINISHED:
                self.ends_at(self.now + takes, item, ends)
        return item

    def _backup_created(self, key: Key, backup: str | None) -> datetime | None:
        backups = self._backups.get(key, ())
        return next((instant(b["createdAt"]) for b in backups if b["id"] == backup), None)

    def _remember(self, truth: Truth) -> None:
        self.truths.append(truth)
        self._truth[(*truth.target, truth.item["id"])] = truth

    def remove_restore(self, project: str, addon: str, restore: str) -> None:
        """Remove a restore by its id; raise `NotFoundError` if there is none."""
        with self.lock:
            _remove(self.restores(project, addon), restore, "Restore")

    def remove_addon(self, project: str, addon: str) -> None:
        """Remove an addon with all that it has; raise `NotFoundError` if there is none."""
        with self.lock:
            self._stored_restores(project, addon)
            del self._restores[project, addon]
            del self._backups[project, addon]
            del self._schedules[project, addon]
            del self._details[project, addon]
            for life in self.lives:
                if life.key == (project, addon) and life.deleted is None:
                    life.deleted = self.now
            self._addons[project] = [a for a in self._addons[project] if a["id"] != addon]

    def remove_project(self, project: str) -> None:
        """Remove a project with all that it has; raise `NotFoundError` if there is none."""
        with self.lock:
            for item in list(self.addons(project)):
                self.remove_addon(project, item["id"])
            del self._addons[project]
            self._projects[:] = [p for p in self._projects if p["id"] != project]

    def new_id(self) -> str:
        """Make an id as the API has them: 24 hex digits that start with the time."""
        return f"{int(self.now.timestamp()):08x}5eed{next(self._ids):012x}"

    # The clock --------------------------------------------------------------------------------

    def advance(self, *, days: float = 0, hours: float = 0, seconds: float = 0) -> None:
        """Move the clock on; what was to happen by then happens, in its order."""
        with self.lock:
            before = self.now
            target = before + timedelta(days=days, hours=hours, seconds=seconds)
            if self.grow:
                self.grow(before, target)
            while self._events and self._events[0][0] <= target:
                moment, _, happen = heapq.heappop(self._events)
                self.now = max(before, moment)
                happen()
            self.now = target

    def at(self, moment: datetime, happen: Callable[[], None]) -> None:
        """Call `happen` when the clock reaches `moment`."""
        heapq.heappush(self._events, (moment, next(self._order), happen))

    def ends_at(self, moment: datetime, item: Item, status: str) -> None:
        """Let a restore or backup come to its end when the clock reaches `moment`.

        Nothing happens if it has another status by then than an unfinished one.
        """
        if status == "aborted":
            self.at(moment - timedelta(seconds=20), partial(_moves, item, "aborting"))
        completed = timestamp(moment) if status == "completed" else None
        self.at(moment, partial(_moves, item, status, completed))


class Generated(Sequence[Item]):
    """The restores of one addon of a regular world, made anew each time that they are read."""

    def __init__(
        self, addon: int, length: int, now: datetime, shift: int, failed_every: int | None
    ) -> None:
        """Describe the restores of the `addon`-th addon: `length` of them, older than `now`."""
        self._length = length
        self._failed_every = failed_every
        self._id = f"66859{addon:07x}%012x"
        # Spread over an hour, as a scheduler does it; all times of all addons would tie without.
        self._first = int((now - timedelta(days=540)).timestamp()) + addon * 7 % HOUR
        self._step = 539 * DAY // max(length, 1)
        self._fraction = f".{shift:03}Z"

    def __len__(self) -> int:
        """Return the number of restores."""
        return self._length

    @overload
    def __getitem__(self, which: int) -> Item: ...
    @overload
    def __getitem__(self, which: slice) -> list[Item]: ...
    def __getitem__(self, which: int | slice) -> Item | list[Item]:
        """Return one restore, or those of a slice."""
        indices = range(self._length)[which]
        return self._make(indices) if isinstance(indices, int) else list(map(self._make, indices))

    def _make(self, index: int) -> Item:
        started = self._first + index * self._step
        item = {
            "id": self._id % index,
            "status": "completed",
            "restoreTimestamp": self._time(started),
            "completedAt": self._time(started + 60 + index * 7919 % 5400),
            "backupId": f"daily-{index // 10}",
        }
        if self._failed_every and index % self._failed_every == self._failed_every - 1:
            item["status"] = "failed"
            del item["completedAt"]
        return item

    def _time(self, seconds: int) -> str:
        # From tables: half of a page's cost would otherwise be in writing its times.
        day, rest = divmod(seconds, DAY)
        minute, second = divmod(rest, 60)
        return DATES[day] + MINUTES[minute] + SECONDS[second] + self._fraction


class _Dates(dict[int, str]):
    def __missing__(self, day: int) -> str:
        moment = datetime.fromtimestamp(day * DAY, timezone.utc)
        return self.setdefault(day, f"{moment:%Y-%m-%dT}")


HOUR = 60 * 60
DAY = 24 * HOUR
DATES = _Dates()
MINUTES = [f"{minute // 60:02}:{minute % 60:02}:" for minute in range(24 * 60)]
SECONDS = [f"{second:02}" for second in range(60)]


def _present(**fields: object) -> Item:
    return {key: value for key, value in fields.items() if value is not None}


def _title(slug: str) -> str:
    return slug.replace("-", " ").capitalize()


def _started(item: Item, now: datetime) -> datetime:
    try:
        return instant(item["restoreTimestamp"])
    except (KeyError, ValueError):  # None, or what a test puts there
        return now


def _moves(item: Item, status: str, completed_at: str | None = None) -> None:
    if item["status"] in UNFINISHED:
        item["status"] = status
        if completed_at:
            item["completedAt"] = completed_at


def _found(lists: Mapping[K, V], key: K, what: str) -> V:
    try:
        return lists[key]
    except KeyError:
        message = f"{what} not found"
        raise NotFoundError(message) from None


def _remove(items: list[Item], name: str, what: str) -> None:
    for index, item in enumerate(items):
        if item["id"] == name:
            del items[index]
            return
    message = f"{what} '{name}' not found"
    raise NotFoundError(message)
