"""What a sync says of each list that it read to its end: how many items, and a digest. Pure.

A warehouse can be compared with it: what the list showed must be there. The digest is made so that
SQL can make it of the rows too: for each item the first 32 bits of the MD5 of
`id|status|microseconds of completedAt since 1970`, summed.
"""

from __future__ import annotations

from hashlib import md5
from typing import TYPE_CHECKING, Any

from tap_northflank_restores.fitting import as_text
from tap_northflank_restores.instants import instants

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

Item = dict[str, Any]


class ListRead:
    """What a list showed in one pass over its pages, each item once, as it was seen last.

    Attributes:
        read_at: When the first page was answered; None before. Whatever was in the list by then
            and stayed has been seen, unless the API's cursors count places: of a list that shifts
            between two pages, such a one may skip an item.
    """

    def __init__(self, read_at: datetime | None = None) -> None:
        """Start with nothing read.

        Args:
            read_at: When the first page was answered, if the pages do not say.
        """
        self.read_at = read_at
        self._parts: dict[str, int] = {}
        self._pending: set[str] = set()

    def watch(self, pages: Iterable[list[Item]]) -> Iterator[list[Item]]:
        """Yield the pages, and take note of them."""
        for page in pages:
            self.add(page)
            yield page

    def add(self, page: Sequence[Item]) -> None:
        """Take note of a page."""
        if self.read_at is None:
            self.read_at = getattr(page, "read_at", None)
        times = instants([item.get("completedAt") for item in page])
        for item, time in zip(page, times, strict=True):
            completed = time if isinstance(time, int) else ""
            status = "" if item.get("status") is None else as_text(item["status"])
            text = f"{item['id']}|{status}|{completed}"
            digest = md5(text.encode(), usedforsecurity=False).digest()
            self._parts[item["id"]] = int.from_bytes(digest[:4], "big")
            if completed == "":
                self._pending.add(item["id"])
            else:
                self._pending.discard(item["id"])

    @property
    def listed(self) -> int:
        """How many items the list has."""
        return len(self._parts)

    @property
    def pending(self) -> int:
        """How many of them have no `completedAt` that is a time."""
        return len(self._pending)

    @property
    def digest(self) -> int:
        """The sum over all items; the same for the same items in any order."""
        return sum(self._parts.values())
