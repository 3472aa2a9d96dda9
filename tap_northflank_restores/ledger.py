"""What a sync says of each list that it read to its end: how many items, and a digest. Pure.

A warehouse can be compared with it: what the list showed must be there. The digest is made so that
SQL can make it of the rows too: for each item the first 32 bits of the MD5 of
`id|status|microseconds of completedAt since 1970`, summed.
"""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from hashlib import md5
from typing import TYPE_CHECKING, Any

from tap_northflank_restores.instants import instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Item = dict[str, Any]


class Page(list[Item]):
    """A page of a list.

    Attributes:
        date: The `Date` of the response, by the server's clock; None where there was none.
    """

    __slots__ = ("date",)

    def __init__(self, items: Iterable[Item], date: str | None) -> None:
        """Take over the items."""
        super().__init__(items)
        self.date = date


class ListRead:
    """What a list showed in one pass over its pages, each item once, as it was seen last.

    Attributes:
        read_at: When the first page was answered, by the server's clock, or else by this machine's;
            None before. Whatever was in the list by then and stayed has been seen.
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
            self.read_at = moment(getattr(page, "date", None))
        for item in page:
            completed = _instant(item.get("completedAt"))
            text = f"{item['id']}|{_text(item.get('status'))}|{completed}"
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


def moment(date: str | None) -> datetime:
    """Return the time of a `Date` header; now, if it is none."""
    try:
        return parsedate_to_datetime(date or "").astimezone(timezone.utc)
    except (ValueError, OverflowError, TypeError):
        return datetime.now(timezone.utc).replace(microsecond=0)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _instant(text: Any) -> int | str:  # noqa: ANN401 - of the API
    try:
        return instant(text) if text else ""
    except (TypeError, ValueError):
        return ""
