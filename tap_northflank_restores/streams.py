"""The streams: projects, addons, backups and restores."""

from __future__ import annotations

import logging
from functools import cached_property
from importlib import resources
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import SchemaDirectory, StreamSchema, metrics
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_northflank_restores import schemas
from tap_northflank_restores.account import Addon, VanishedError
from tap_northflank_restores.bookmark import REPLICATION_KEY
from tap_northflank_restores.errors import (
    AccessError,
    APIError,
    ConfigurationError,
    InterruptedSyncError,
    QuotaExhaustedError,
    shown,
)
from tap_northflank_restores.instants import instant
from tap_northflank_restores.ledger import ListRead
from tap_northflank_restores.reading import Changes
from tap_northflank_restores.records import TIME, chunks, shaper
from tap_northflank_restores.sdk import PagedStream
from tap_northflank_restores.shape import shape_of
from tap_northflank_restores.state import STREAM, RestoresState, interrupted_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from singer_sdk.helpers.types import Record

    from tap_northflank_restores.client import Item
    from tap_northflank_restores.records import Shape
    from tap_northflank_restores.tap import TapNorthflankRestores

SCHEMAS = SchemaDirectory(resources.files(schemas))


class NorthflankStream(PagedStream):
    """A list of the API as a stream.

    Attributes:
        name: The stream's name.
        list_name: The list's name in the body, if it is not the stream's.
    """

    name: str
    schema = StreamSchema(SCHEMAS)
    primary_keys: ClassVar[Sequence[str]]
    replication_key: ClassVar[str | None] = None
    list_name: ClassVar[str | None] = None

    def __init__(self, tap: TapNorthflankRestores) -> None:
        """Start with nothing told."""
        super().__init__(tap)
        self._told: set[str] = set()
        self._list_reads: list[Record] = []
        # The same for all addons of a sync, of which there may be thousands.
        self._shapes: dict[tuple[str, ...], Shape] = {}

    @property
    @override
    def tap(self) -> TapNorthflankRestores:
        return super().tap  # type: ignore[return-value]

    @override
    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        # What ends a sync is told once, in one line, by the command.
        if message.startswith("An unhandled error occurred"):
            level = logging.DEBUG
        super().log(message, *args, level=level, **kwargs)

    @override
    def begin(self) -> None:
        self._told.clear()
        self._list_reads.clear()
        self._shapes.clear()
        self.tap.begin(self.name)

    @override
    def log_sync_costs(self) -> None:
        self.tap.end()
        # Once, at the end of the sync: how many requests this stream's list took, for itself or
        # for others.
        if requests := self.tap.responses[self.list_name or self.name]:
            tags = {"stream": self.name, "endpoint": self.name}
            metric = metrics.Metric.HTTP_REQUEST_COUNT
            metrics.log(self.metrics_logger, metrics.Point("counter", metric, requests, tags))

    @override
    def give_up(self) -> None:
        self.tap.account.stop()
        if not self.is_sample:  # `--test` cuts each stream off, and goes on with the next.
            self.tap.end()

    def list_read(self, read_at: datetime | None = None) -> ListRead | None:
        """Return what takes note of a list that is to be read; None where nobody wants to know.

        Args:
            read_at: When the list was read, if its pages do not say.
        """
        wanted = self.tap.list_reads.is_wanted and not self.is_sample
        return ListRead(read_at) if wanted else None

    def say_read(
        self, read: ListRead | None, project_id: str = "", addon_id: str = "", **counts: int | None
    ) -> None:
        """Say that a list was read to its end. Called once all its records were yielded.

        Args:
            read: What was taken note of.
            project_id: The project that the list is of, if it is of one.
            addon_id: The addon that the list is of, if it is of one.
            counts: Counts of the record; without them all items were sent.
        """
        if read is None:
            return
        team_id = self.config.get("team_id") or ""
        record: Record = {
            "id": f"{self.name}/{team_id}/{project_id}/{addon_id}",
            "teamId": team_id or None,
            "projectId": project_id or None,
            "addonId": addon_id or None,
            "stream": self.name,
            "readAt": f"{read.read_at:%Y-%m-%dT%H:%M:%SZ}",
            "listed": read.listed,
            "completed": None,
            "pending": None,
            "leftOut": 0,
            "sent": read.listed,
            "heldBack": 0,
            "digest": read.digest,
            "tapVersion": self.tap.list_reads.tap_version,
        }
        self._list_reads.append(record | counts)
        if not self.writes_batches:
            self._write_list_reads()

    def _write_list_reads(self) -> None:
        """Write what was said of lists. Called once all records so far are out."""
        rows, self._list_reads = self._list_reads, []  # They are tried once.
        if rows:
            self.tap.list_reads.write(rows)

    @override
    def keep_state(self) -> None:
        self._write_list_reads()

    def shaper(self, **ids: str) -> Callable[[Sequence[Item]], list[Record]]:
        """Return what makes records of items of the API.

        Args:
            ids: What the path says and the item does not: `projectId`, `addonId`.
        """
        constants = {"teamId": self.config.get("team_id"), **ids}

        def tell(item: Item, path: str, what: str, value: object) -> None:
            if what != TIME:  # An API that has changed has it in each item.
                if path in self._told:
                    return
                self._told.add(path)
            self.logger.warning(
                "%s: %s is not %s: %s. Null is sent in its place%s.",
                "/".join([self.name, *ids.values(), str(item["id"])]),
                path,
                what,
                shown(value),
                "" if what == TIME else ", here and in others",
            )

        names = tuple(constants)
        if names not in self._shapes:
            self._shapes[names] = shaper(self.schema["properties"], self.mask, names)
        shape = self._shapes[names]
        return lambda items: shape(items, constants, tell)


class ProjectsStream(NorthflankStream):
    """The projects that the token may see."""

    name = "projects"
    primary_keys: ClassVar = ["id"]

    @override
    def get_pages(self) -> Iterator[list[Record]]:
        account = self.tap.account
        shape, read = self.shaper(), self.list_read()
        pages = chunks(account.projects())
        yield from map(shape, read.watch(pages) if read else pages)
        if read and (read_at := account.read_at.get("")):
            read.read_at = read_at
            self.say_read(read)


class AddonsStream(NorthflankStream):
    """The databases and other addons of each project."""

    name = "addons"
    primary_keys: ClassVar = ["projectId", "id"]

    @override
    def get_pages(self) -> Iterator[list[Record]]:
        account = self.tap.account
        reads: dict[str, ListRead] = {}
        for project_id, addons in groupby(account.addons(), itemgetter(0)):
            shape = self.shaper(projectId=project_id)
            pages = chunks(item for _, item in addons)
            if read := self.list_read():
                reads[project_id] = read
                pages = read.watch(pages)
            yield from map(shape, pages)
        for project_id, read_at in account.read_at.items():
            if project_id:  # Also of a project without addons.
                read = reads.get(project_id) or self.list_read()
                if read:
                    read.read_at = read_at
                self.say_read(read, project_id)


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
            shape, read = (
                self.shaper(projectId=addon.project_id, addonId=addon.id),
                self.list_read(),
            )
            try:
                yield from map(shape, read.watch(pages) if read else pages)
            except VanishedError:
                continue
            self.say_read(read, addon.project_id, addon.id, **self.counts(read))

    def counts(self, read: ListRead | None) -> dict[str, int | None]:
        """Return what is counted of a list beside its items."""
        del read
        return {}


class BackupsStream(AddonListStream):
    """The backups of each addon."""

    name = "backups"

    @override
    def counts(self, read: ListRead | None) -> dict[str, int | None]:
        return _completed(read)


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
                yield from map(shape, pages)
            except VanishedError:
                continue


class RestoresStream(NorthflankStream):
    """The restores of each addon: exactly what is new or changed, see `reading.py`."""

    name = STREAM
    primary_keys: ClassVar = ["projectId", "addonId", "id"]
    replication_key = REPLICATION_KEY

    def __init__(self, tap: TapNorthflankRestores) -> None:
        """Start with nothing read."""
        super().__init__(tap)
        self._addon_states: RestoresState | None = None
        self._read: ListRead | None = None

    @property
    def begins_early(self) -> bool:
        """Whether to read lists while the addons are being listed, which is in that order."""
        return self.selected and not self.is_dropped and not interrupted_after(self.stream_state)

    @override
    def count_written(self, records: int) -> None:
        self.tap.progress.sent += records

    @override
    def get_pages(self) -> Iterator[list[Record]]:
        self._addon_states = RestoresState(self.stream_state)
        try:
            yield from self._read_addons(self._addon_states)
        except GeneratorExit:
            raise  # The last page is not out, and perhaps nobody takes the output any more.
        except BaseException:
            self._put_state()
            raise
        self._put_state()

    def _put_state(self) -> None:
        if not self.writes_batches:  # The last records may wait for their batch.
            self.keep_state()
            self.write_state()

    def _read_addons(self, state: RestoresState) -> Iterator[list[Record]]:
        account, progress = self.tap.account, self.tap.progress
        addons = account.to_read()
        progress.addons = len(addons)
        if addons and account.is_whole:
            state.forget_all_but(addons)
        changes_of = self._changes_of(state)
        for addon, pages in account.read(state.in_turn(addons), self.name):
            changes = changes_of(addon, pages)
            shape = self.shaper(projectId=addon.project_id, addonId=addon.id)
            try:
                yield from map(shape, changes)
            except VanishedError:
                state.done_with(addon)
            except (APIError, AccessError, ConfigurationError):
                # The failed addon counts as reached, so that the next sync starts behind it and
                # reads the other addons first.
                state.done_with(addon)
                raise
            except (QuotaExhaustedError, InterruptedSyncError):
                # So does one that takes more than a whole sync has. Otherwise no sync would ever
                # reach those behind it.
                if not progress.done:
                    state.done_with(addon)
                raise
            else:
                state.done_with(addon, changes.delivered)
                self._say_read(addon, changes)
            progress.done += 1
            self.keep_state_in_time()
        state.complete()

    def _say_read(self, addon: Addon, changes: Changes) -> None:
        if read := self._read:
            counts = _completed(read) | {
                "leftOut": changes.left_out,
                "sent": changes.sent,
                "heldBack": read.listed - changes.left_out - changes.sent,
            }
            self.say_read(read, addon.project_id, addon.id, **counts)

    def _changes_of(self, state: RestoresState) -> Callable[[Addon, Iterator[list[Item]]], Changes]:
        """Return what gives the changes of an addon, from its first pages on."""
        start_date = self.config.get("start_date")
        start = instant(start_date) if start_date else None
        shape = shape_of(self, others=self.tap.streams.keys() - {self.name})
        full_table = self.replication_method != REPLICATION_INCREMENTAL
        told = False

        def changes(addon: Addon, pages: Iterator[list[Item]]) -> Changes:
            nonlocal told
            before = state.bookmark(addon)
            reshaped = before.shape not in {None, shape}
            if reshaped and not told and not full_table:
                told = True
                self.logger.info(
                    "What a record of %s looks like has changed since it was sent: sending all "
                    "again, once.",
                    self.name,
                )
            return Changes(
                before,
                self._passes(addon, pages),
                start=start,
                shape=shape,
                everything=full_table or reshaped,
                on_difference=lambda held_back: self.logger.info(
                    "%s: %d restores held back as delivered before, where the state knows %s; "
                    "sending again what differs.",
                    addon,
                    held_back,
                    before.completed,
                ),
            )

        return changes

    def _passes(
        self, addon: Addon, pages: Iterator[list[Item]]
    ) -> Callable[[], Iterator[list[Item]]]:
        """Return what gives the pages of an addon: the first time those that are being read."""
        first = [pages]

        def read() -> Iterator[list[Item]]:
            # Of several passes over the list, the last counts.
            self._read = seen = self.list_read()
            for page in first.pop() if first else self.tap.account.read_again(addon, self.name):
                self.tap.progress.read += len(page)
                if seen is not None:
                    seen.add(page)
                yield page

        return read

    @override
    def keep_state(self) -> None:
        super().keep_state()
        if self._addon_states is not None:
            self._addon_states.keep()

    def keep_state_in_time(self) -> None:
        """Write a STATE message if one is due. Called between pages and while one is waited for."""
        if self._addon_states is None or self.writes_batches:
            return  # `keep_state` follows each batch instead.
        self._addon_states.keep()
        if self._addon_states.is_due():
            self.write_state()

    @override
    def log_sync_costs(self) -> None:
        super().log_sync_costs()
        self.tap.progress.summarise()


def _completed(read: ListRead | None) -> dict[str, int | None]:
    """Return how many items of a list have a `completedAt`, and how many have none."""
    return {"completed": read.listed - read.pending, "pending": read.pending} if read else {}


class ListReadsStream(NorthflankStream):
    """Each list that a sync read to its end: how many items it had, and how many were sent.

    It costs no request: the other streams write it, each once the records of a list are out. The
    key has no time, so a loader that merges keeps the last read of each list. The key is one text,
    as loaders by way of CSV make null of the empty text that a project's list has for its addon.
    Deselected by default.
    """

    name = "list_reads"
    primary_keys: ClassVar = ["id"]
    selected_by_default = False

    def __init__(self, tap: TapNorthflankRestores) -> None:
        """Start with nothing written."""
        super().__init__(tap)
        self._account: object = None

    @property
    def is_wanted(self) -> bool:
        """Whether the other streams are to say what they read."""
        return self.selected and not self.is_dropped

    @cached_property
    def tap_version(self) -> str:
        """Version of the tap, which the SDK would look up in the environment for each row."""
        return str(self.tap.plugin_version)

    @override
    def get_pages(self) -> Iterator[list[Record]]:
        """Yield nothing: the other streams write it."""
        yield from ()

    def write(self, records: list[Record]) -> None:
        """Write what was read.

        Args:
            records: With all properties of the schema.
        """
        if self._account is not self.tap.account:  # The first of a sync, perhaps before its turn.
            self._account = self.tap.account
            self.write_schema()
        names = [name for name in self.schema["properties"] if self.mask["properties", name]]
        self.write_beside([{name: record[name] for name in names} for record in records])


STREAMS: tuple[type[NorthflankStream], ...] = (
    AddonDetailsStream,
    AddonsStream,
    BackupSchedulesStream,
    BackupsStream,
    ListReadsStream,
    ProjectsStream,
    RestoresStream,
)
