"""The streams: projects, addons, backups and restores."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from importlib import resources
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import SchemaDirectory, StreamSchema, metrics
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_northflank_restores import schemas
from tap_northflank_restores.account import Addon, VanishedError
from tap_northflank_restores.bookmark import (
    REPLICATION_KEY,
    Bookmark,
    Reading,
    UnreadableBookmarkError,
    UnreadableTimeError,
)
from tap_northflank_restores.errors import AccessError, APIError, ConfigurationError
from tap_northflank_restores.instants import in_utc, instant
from tap_northflank_restores.sdk import PagedStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from singer_sdk.helpers.types import Record
    from singer_sdk.singerlib import Catalog

    from tap_northflank_restores.client import Item
    from tap_northflank_restores.tap import TapNorthflankRestores

SCHEMAS = SchemaDirectory(resources.files(schemas))

# In the state of a sync that has not come to its end: the last addon that it was done with.
INTERRUPTED_AFTER = "interrupted_after"

# STATE goes out at most this often, in seconds, and then only if a good part of it is new …
STATE_INTERVAL = 10.0
STATE_PART = 10
# … or if it is this old, so that its volume stays a small multiple of the final state.
STATE_AGE = 300.0
RECORDS_A_WRITE = 1000


class NorthflankStream(PagedStream):
    """A list of the API as a stream.

    Attributes:
        name: The stream's name.
        list_name: The list's name in the body, if it is not the stream's.
    """

    name: str
    schema = StreamSchema(SCHEMAS)
    list_name: ClassVar[str | None] = None

    @property
    def tap(self) -> TapNorthflankRestores:
        """The tap that this stream belongs to."""
        return self._tap  # type: ignore[return-value]

    @override
    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        # What ends a sync is told once, in one line, by the command.
        if message.startswith("An unhandled error occurred"):
            level = logging.DEBUG
        super().log(message, *args, level=level, **kwargs)

    @override
    def log_sync_costs(self) -> None:
        # Once, at the end of the sync: how many requests this stream's list took, for itself or
        # for others.
        if requests := self.tap.responses[self.list_name or self.name]:
            tags = {"stream": self.name, "endpoint": self.name}
            metric = metrics.Metric.HTTP_REQUEST_COUNT
            metrics.log(self.metrics_logger, metrics.Point("counter", metric, requests, tags))

    @override
    def give_up(self) -> None:
        self.tap.account.stop()

    def shaper(self, **ids: str) -> Callable[[Item], Record]:
        """Return what makes a record of an item of the API.

        Each selected property of the schema is in the record, null if the API leaves it out;
        what the schema does not know is left out. A time with an offset is written in UTC.

        Args:
            ids: What the path says and the item does not: `projectId`, `addonId`.
        """
        constants: Record = {"teamId": self.config.get("team_id"), **ids}
        names = [name for name in self.schema["properties"] if self.mask["properties", name]]
        constants = {name: value for name, value in constants.items() if name in names}
        fields = [name for name in names if name not in constants]
        times = [
            name for name in fields if self.schema["properties"][name].get("format") == "date-time"
        ]

        def shape(item: Item) -> Record:
            record = {**constants, **{name: item.get(name) for name in fields}}
            for name in times:
                text = record[name]
                if isinstance(text, str) and text[-1:] != "Z":
                    # What is no time is for the loader to refuse; no text is no time at all.
                    with suppress(ValueError, OverflowError):
                        record[name] = in_utc(text) if text else None
            return record

        return shape


class ProjectsStream(NorthflankStream):
    """The projects that the token may see."""

    name = "projects"
    primary_keys: ClassVar = ["id"]

    @override
    def get_pages(self) -> Iterator[list[Record]]:
        shape = self.shaper()
        yield from _chunks(shape(item) for item in self.tap.account.projects())


class AddonsStream(NorthflankStream):
    """The databases and other addons of each project."""

    name = "addons"
    primary_keys: ClassVar = ["projectId", "id"]

    @override
    def get_pages(self) -> Iterator[list[Record]]:
        for project_id, addons in groupby(self.tap.account.addons(), itemgetter(0)):
            shape = self.shaper(projectId=project_id)
            yield from _chunks(shape(item) for _, item in addons)


class AddonListStream(NorthflankStream):
    """A list that each addon has, read in full.

    The stream's name is the last part of the list's path, with underscores for its hyphens.
    Deselected by default, as it takes a request or more for each addon.
    """

    primary_keys: ClassVar = ["projectId", "addonId", "id"]
    selected_by_default = False

    @override
    def get_pages(self) -> Iterator[list[Record]]:
        account = self.tap.account
        segment = self.name.replace("_", "-")
        for addon, pages in account.read(account.to_read(), segment, self.list_name):
            shape = self.shaper(projectId=addon.project_id, addonId=addon.id)
            try:
                for page in pages:
                    yield [shape(item) for item in page]
            except VanishedError:
                continue


class BackupsStream(AddonListStream):
    """The backups of each addon."""

    name = "backups"


class BackupSchedulesStream(AddonListStream):
    """The backup schedules of each addon."""

    name = "backup_schedules"
    list_name = "schedules"


class AddonDetailsStream(NorthflankStream):
    """When each addon was created, its version, plan, storage and region.

    Deselected by default, as it takes a request for each addon.
    """

    name = "addon_details"
    primary_keys: ClassVar = ["projectId", "id"]
    selected_by_default = False

    @override
    def get_pages(self) -> Iterator[list[Record]]:
        account = self.tap.account
        for addon, pages in account.read(account.to_read(), "", self.name):
            shape = self.shaper(projectId=addon.project_id)
            try:
                for page in pages:
                    yield [shape(item) for item in page]
            except VanishedError:
                continue


class RestoresStream(NorthflankStream):
    """The restores of each addon: exactly what is new or changed, see `bookmark.py`."""

    name = "restores"
    primary_keys: ClassVar = ["projectId", "addonId", "id"]
    replication_key = REPLICATION_KEY

    def __init__(self, tap: TapNorthflankRestores) -> None:
        """Start with nothing to keep."""
        super().__init__(tap)
        self._partitions: dict[Addon, dict[str, Any]] = {}
        self._finished: list[tuple[Addon, Bookmark]] = []
        self._reached: Addon | None = None
        self._changed = 0
        self._state_written = time.monotonic()

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        super().apply_catalog(catalog)
        if self.replication_key not in {None, REPLICATION_KEY}:
            raise ConfigurationError(
                f"The catalog sets the replication-key of restores to {self.replication_key}: "
                f"it takes {REPLICATION_KEY}, or the replication-method FULL_TABLE."
            )

    @property
    def _is_incremental(self) -> bool:
        return self.replication_method == REPLICATION_INCREMENTAL

    @property
    def interrupted_after(self) -> str | None:
        """The addon after which the last sync ended early, as `projectId/addonId`."""
        bookmark = self.tap_state.get("bookmarks", {}).get(self.name, {})
        return bookmark.get(INTERRUPTED_AFTER) if self._is_incremental else None

    @property
    def begins_early(self) -> bool:
        """Whether to read lists while the addons are being listed, which is in that order."""
        return self.selected and not self.is_dropped and self.interrupted_after is None

    @override
    def get_pages(self) -> Iterator[list[Record]]:
        try:
            yield from self._read_addons()
        except GeneratorExit:
            raise  # Nobody takes the output any more.
        except BaseException:
            self._put_state()
            raise
        self._put_state()

    def _put_state(self) -> None:
        if not self.writes_batches:  # The last records may wait for their batch.
            self.keep_state()
            self.write_state()

    def _read_addons(self) -> Iterator[list[Record]]:
        account, progress = self.tap.account, self.tap.progress
        self._partitions = {
            _addon(partition): partition for partition in self.stream_state.get("partitions", [])
        }
        addons = self._those_not_reached_first(account.to_read())
        progress.addons = len(addons)
        for addon, pages in account.read(addons, self.name):
            try:
                for page in self._read_addon(addon, pages):
                    progress.sent += len(page)
                    yield page
            except VanishedError:
                pass
            except (APIError, AccessError, ConfigurationError):
                self._reached = addon  # Or it would keep the next sync from all the others.
                raise
            self._reached = addon
            progress.done += 1
            self.keep_state_in_time()
        self._reached = None
        if self._is_incremental:
            # Each addon that has restores has a bookmark of its own now.
            for name in ("replication_key", "replication_key_value", INTERRUPTED_AFTER):
                self.stream_state.pop(name, None)

    def _those_not_reached_first(self, addons: list[Addon]) -> list[Addon]:
        """Begin where the last sync ended, so that one short quota after the other reaches all."""
        names = [str(addon) for addon in addons]
        after = self.interrupted_after
        begin = names.index(after) + 1 if after in names else 0
        return addons[begin:] + addons[:begin]

    def _read_addon(self, addon: Addon, pages: Iterable[list[Item]]) -> Iterator[list[Record]]:
        before = self._bookmark(addon) if self._is_incremental else Bookmark()
        start_date = self.config.get("start_date")
        start = instant(start_date) if start_date else None
        shape = self.shaper(projectId=addon.project_id, addonId=addon.id)

        reading = Reading(before, start=start, everything=not self._is_incremental)
        yield from self._take(reading, addon, pages, shape)
        if not reading.proven:
            self.logger.info(
                "%s: %d restores held back as delivered before, where the state knows %s; sending "
                "again what differs.",
                addon,
                reading.held_back,
                before.completed,
            )
            if reading.must_read_again:
                reading = Reading(before, start=start, everything=True)
                again = self.tap.account.read_again(addon, self.name)
                yield from self._take(reading, addon, again, shape)
            else:
                yield from _chunks(shape(restore) for restore in reading.finish())
        if self._is_incremental:
            self._finished.append((addon, reading.delivered))

    def _take(
        self,
        reading: Reading,
        addon: Addon,
        pages: Iterable[list[Item]],
        shape: Callable[[Item], Record],
    ) -> Iterator[list[Record]]:
        for page in pages:
            self.tap.progress.read += len(page)
            try:
                new = reading.take(page)
            except UnreadableTimeError as error:
                msg = f"{addon}: {error}. It cannot be placed; report it to Northflank."
                raise APIError(msg) from error
            if new:
                yield [shape(restore) for restore in new]

    def _bookmark(self, addon: Addon) -> Bookmark:
        if (partition := self._partitions.get(addon)) is not None:
            return Bookmark.from_state(partition)
        # A bookmark for the stream as a whole, as other tools write it, serves until each addon
        # has its own.
        return Bookmark.from_state(self.stream_state)

    @override
    def keep_state(self) -> None:
        for addon, bookmark in self._finished:
            partition = self._partitions.get(addon)
            if partition is None:
                if not bookmark.completed and not bookmark.pending:
                    continue  # Nothing was delivered, and without state nothing is held back.
                partition = {"context": {"projectId": addon.project_id, "addonId": addon.id}}
                self.stream_state.setdefault("partitions", []).append(partition)
                self._partitions[addon] = partition
            state = {"context": partition["context"], **bookmark.to_state()}
            if state != partition:
                partition.clear()
                partition.update(state)
                self._changed += 1
        self._finished.clear()
        if self._reached and self._is_incremental:
            self.stream_state[INTERRUPTED_AFTER] = str(self._reached)

    def keep_state_in_time(self) -> None:
        """Write a STATE message if one is due. Called between pages and while one is waited for."""
        if self.writes_batches:
            return  # `keep_state` follows each batch instead.
        self.keep_state()
        age = time.monotonic() - self._state_written
        if self._changed and (
            age >= STATE_AGE
            or (age >= STATE_INTERVAL and self._changed * STATE_PART >= len(self._partitions))
        ):
            self.write_state()
            self._changed = 0
            self._state_written = time.monotonic()

    @override
    def log_sync_costs(self) -> None:
        super().log_sync_costs()
        self.tap.progress.summarise()


STREAMS: tuple[type[NorthflankStream], ...] = (
    AddonDetailsStream,
    AddonsStream,
    BackupSchedulesStream,
    BackupsStream,
    ProjectsStream,
    RestoresStream,
)


def check_state(state: dict[str, Any]) -> None:
    """Check the bookmarks: those of the restores stream in full, the others for their shape.

    Args:
        state: The tap's state: `{"bookmarks": {stream: {…}}}`.

    Raises:
        ConfigurationError: One cannot be read; the text says which, and what to do.
    """
    if state and "bookmarks" not in state:
        raise ConfigurationError(
            'The state is not a Singer state: it takes {"bookmarks": {…}}. Give the state that the '
            "last run wrote, or none to send everything again."
        )
    bookmarks = state.get("bookmarks", {})
    if not isinstance(bookmarks, dict) or not all(
        isinstance(bookmark, dict) for bookmark in bookmarks.values()
    ):
        raise ConfigurationError(
            "The state's bookmarks are not an object of objects by stream. Give the state that "
            "the last run wrote, or none to send everything again."
        )
    bookmark = bookmarks.get(RestoresStream.name, {})
    _check_bookmark(bookmark, "the stream")
    partitions = bookmark.get("partitions", [])
    if not isinstance(partitions, list):
        raise ConfigurationError(_unreadable("its partitions", "they are not a list"))
    seen = set()
    for partition in partitions:
        try:
            addon = _addon(partition)
        except (KeyError, TypeError) as error:
            reason = "its context has no projectId and addonId"
            raise ConfigurationError(_unreadable(f"the partition {partition}", reason)) from error
        if addon in seen:
            raise ConfigurationError(_unreadable(f"the partition {addon}", "it is there twice"))
        seen.add(addon)
        _check_bookmark(partition, f"the partition {addon}")
    for stream, bookmark in bookmarks.items():
        if not _has_singers_shape(bookmark):
            raise ConfigurationError(
                f"The state of {stream} cannot be read: its partitions or its progress_markers are "
                "not as Singer has them. Mend or remove it: nothing is lost."
            )


def _has_singers_shape(bookmark: dict[str, Any]) -> bool:
    """Tell whether the SDK can walk through a stream's bookmark."""
    partitions = bookmark.get("partitions", [])
    return isinstance(partitions, list) and all(
        isinstance(each, dict) and isinstance(each.get("progress_markers", {}), dict)
        for each in (bookmark, *partitions)
    )


def _check_bookmark(bookmark: dict[str, Any], whose: str) -> None:
    try:
        Bookmark.from_state(bookmark)
    except UnreadableBookmarkError as error:
        raise ConfigurationError(_unreadable(whose, str(error))) from error


def _unreadable(what: str, reason: str) -> str:
    return (
        f"The state of restores cannot be read: {what} is at fault: {reason}. Mend or remove it: "
        "what it stood for is sent again, nothing is lost."
    )


def _addon(partition: dict[str, Any]) -> Addon:
    context = partition["context"]
    ids = context["projectId"], context["addonId"]
    if not all(isinstance(id_, str) for id_ in ids):
        raise TypeError(ids)
    return Addon(*ids)


def _chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    chunk: list[Record] = []
    for record in records:
        chunk.append(record)
        if len(chunk) == RECORDS_A_WRITE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
