"""Which projects and addons to read, listed once for all streams, and how to read each addon."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from tap_northflank_restores.errors import ConfigurationError, NotFoundError
from tap_northflank_restores.prefetch import ReadAhead, read_ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from tap_northflank_restores.client import Client, Item, Page

# `--test` looks at no more than this many projects and addons, however large the account.
SAMPLE = 3
PAGES_AHEAD = 4

logger = logging.getLogger("tap-northflank-restores")

T = TypeVar("T")


@dataclass(frozen=True)
class Addon:
    """An addon to read.

    Attributes:
        project_id: The id of its project.
        id: Its id within the project.
    """

    project_id: str
    id: str

    def __str__(self) -> str:
        """Return it as the setting `addons` has it."""
        return f"{self.project_id}/{self.id}"


class VanishedError(Exception):
    """An addon was deleted after it was listed."""


class CachedIterator(Generic[T]):
    """An iterable that takes each item of an iterator once, and keeps it for the next time."""

    def __init__(self, items: Iterator[T]) -> None:
        """Take nothing yet."""
        self._items = items
        self._kept: list[T] = []

    def __iter__(self) -> Iterator[T]:
        """Yield the items from the first on."""
        at = 0
        while True:
            if at == len(self._kept):
                item = next(self._items, None)
                if item is None:
                    return
                self._kept.append(item)
            yield self._kept[at]
            at += 1


class Account:
    """The projects and addons of a sync.

    Attributes:
        read_at: When the first page of each listing that was read to its end was answered, by the
            project whose addons it has; the listing of projects is under an empty id.
    """

    def __init__(
        self,
        client: Client,
        *,
        project_ids: Iterable[str] | None = None,
        addons: Iterable[str] | None = None,
        concurrency: int = 1,
        sample: bool = False,
        early: str | None = None,
        idle: Callable[[], None] = lambda: None,
    ) -> None:
        """Ask nothing yet.

        Args:
            client: Gives the pages of a list.
            project_ids: Read these projects only, and list no others.
            addons: Read these addons only, as `projectId/addonId`, and list nothing.
            concurrency: How many pages are fetched at once.
            sample: Read one page at a time of a few projects and addons only.
            early: A list of each addon to begin reading while the addons are being listed; `read`
                must then be called for it.
            idle: Called about twice a second while a page is waited for.
        """
        self._client = client
        self._project_ids = list(dict.fromkeys(project_ids or ()))
        self._named = [_named(name) for name in dict.fromkeys(addons or ())]
        self._workers = 0 if sample else concurrency
        self._sample = SAMPLE if sample else None
        self._idle = idle
        self._early = None if self._named or self._workers <= 1 else early
        self.read_at: dict[str, datetime] = {}
        self._projects = CachedIterator(self._list_projects())
        self._addons = CachedIterator(self._list_addons())

    def projects(self) -> Iterator[Item]:
        """Yield the projects that had to be listed: none when settings name what to read."""
        if not self._named and not self._project_ids:
            yield from islice(self._projects, self._sample)

    def addons(self) -> Iterator[tuple[str, Item]]:
        """Yield the addons that had to be listed, each with its project's id."""
        if not self._named:
            yield from islice(self._addons, self._sample)

    @property
    def is_whole(self) -> bool:
        """Whether `to_read` has all addons of the account, so that no others exist."""
        return not self._named and not self._project_ids and self._sample is None

    def to_read(self) -> list[Addon]:
        """Return the addons to read, in the order of the listing."""
        if self._named:
            return self._named[: self._sample]
        return [Addon(project_id, item["id"]) for project_id, item in self.addons()]

    def read(
        self, addons: Iterable[Addon], segment: str, name: str | None = None
    ) -> Iterator[tuple[Addon, Iterator[list[Item]]]]:
        """Read a list of each addon, or its detail, several at once.

        Args:
            addons: The addons as from `to_read`, read in this order.
            segment: Last part of the list's path: `restores`, `backup-schedules`; empty for the
                addon itself, which is then the only item of the only page.
            name: The list's name in the body, if it is another: `schedules`.

        Yields:
            Each addon and the pages of its list. Reading them raises `VanishedError` if the addon
            was listed and is gone, and ConfigurationError if it was named and does not exist.
        """
        if segment == self._early:
            for addon, pages in self._early_reader.hand_on():
                yield addon, self._watched(pages)
        else:
            sources = ((addon, self._pages(addon, segment, name)) for addon in addons)
            yield from self._read_ahead(sources)

    def read_again(self, addon: Addon, segment: str) -> Iterator[list[Item]]:
        """Read a list of one addon once more; see `read`."""
        yield from self._read_one(self._pages(addon, segment))

    def _pages(self, addon: Addon, segment: str, name: str | None = None) -> Iterator[list[Item]]:
        path, name = ("projects", addon.project_id, "addons", addon.id), name or segment
        try:
            if segment:
                yield from self._client.pages(*path, segment, name=name)
            else:
                yield from self._client.item(*path, name=name)
        except NotFoundError as error:
            if self._named:
                msg = f"Setting addons names {addon}, which is not there: {error}"
                raise ConfigurationError(msg) from error
            logger.warning("Addon %s was deleted after it was listed; skipped.", addon)
            raise VanishedError from error

    def stop(self) -> None:
        """Stop reading ahead. Called when the sync has failed."""
        if self._early:
            self._early_reader.stop()

    def _list_projects(self) -> Iterator[Item]:
        seen = set()
        pages = self._dated("", self._client.pages("projects", name="projects"))
        for page in self._read_one(pages):
            for item in page:
                if item["id"] not in seen:
                    seen.add(item["id"])
                    yield item

    def _list_addons(self) -> Iterator[tuple[str, Item]]:
        ids = self._project_ids or [item["id"] for item in islice(self._projects, self._sample)]
        sources = ((id_, self._pages_of_project(id_)) for id_ in ids[: self._sample])
        for project_id, pages in self._read_ahead(sources):
            seen = set()
            for page in pages:
                for item in page:
                    # A list that shifts between two pages, or is read from its start once more
                    # after a refused cursor, shows an item twice.
                    if item["id"] not in seen:
                        seen.add(item["id"])
                        self._begin(Addon(project_id, item["id"]))
                        yield project_id, item

    def _begin(self, addon: Addon) -> None:
        if self._early:
            self._early_reader.add(addon, self._pages(addon, self._early))

    @cached_property
    def _early_reader(self) -> ReadAhead[Addon, list[Item]]:
        return ReadAhead(
            workers=self._workers, pages_ahead=PAGES_AHEAD * self._workers, idle=self._idle
        )

    def _pages_of_project(self, project_id: str) -> Iterator[list[Item]]:
        try:
            pages = self._client.pages("projects", project_id, "addons", name="addons")
            yield from self._dated(project_id, pages)
        except NotFoundError as error:
            if self._project_ids:
                msg = f"Setting project_ids names {project_id}, which is not there: {error}"
                raise ConfigurationError(msg) from error
            logger.warning("Project %s was deleted after it was listed; skipped.", project_id)

    def _dated(self, project_id: str, pages: Iterator[Page]) -> Iterator[list[Item]]:
        first: Page | None = None
        for page in pages:
            first = page if first is None else first
            yield page
        if first is not None:
            self.read_at[project_id] = first.read_at

    def _read_ahead(
        self, sources: Iterable[tuple[T, Iterator[list[Item]]]], workers: int | None = None
    ) -> Iterator[tuple[T, Iterator[list[Item]]]]:
        workers = self._workers if workers is None else workers
        for key, pages in read_ahead(
            sources, workers=workers, pages_ahead=PAGES_AHEAD * workers, idle=self._idle
        ):
            yield key, self._watched(pages)

    def _read_one(self, pages: Iterator[list[Item]]) -> Iterator[list[Item]]:
        # In a thread as well, so that an interruption is noticed while no response comes.
        for _, watched in self._read_ahead([((), pages)], min(1, self._workers)):
            yield from watched

    def _watched(self, pages: Iterator[list[Item]]) -> Iterator[list[Item]]:
        for page in pages:
            self._idle()
            yield page


def _named(name: str) -> Addon:
    project_id, id_ = name.split("/")
    return Addon(project_id, id_)
