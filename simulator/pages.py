"""Which items are on a page of a list, and the cursor to the next one."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import TYPE_CHECKING, NamedTuple, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.behaviour import Behaviour
    from simulator.world import Item, ListKind

MAX_PER_PAGE = 100
DEFAULT_PER_PAGE = 50


class BadQueryError(Exception):
    """A parameter of the query is not one that the API takes; the message says which."""


class Cursor(msgspec.Struct, array_like=True, frozen=True):
    """Where a page starts; opaque to clients."""

    offset: int
    """Items before it."""
    page: int
    """Pages before it, empty ones too."""
    listing: int
    """Number of the listing, which decides a shuffled order."""
    given: int = 0
    """Items that the listing has given so far."""

    def encode(self) -> str:
        """Write it as it stands in a response."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """Read it from a request; raise `BadQueryError` if it is none of ours."""
        try:
            padded = text + "=" * (-len(text) % 4)
            return msgspec.json.decode(base64.urlsafe_b64decode(padded), type=cls)
        except (ValueError, binascii.Error):
            message = "The cursor is not valid"
            raise BadQueryError(message) from None


class Place(NamedTuple):
    """What a request asks for: a cursor and how many items."""

    cursor: Cursor
    size: int
    sent: str | None
    """The cursor as the request had it."""


class Page(NamedTuple):
    """What a response holds."""

    items: list[Item]
    has_more: bool
    cursor: str | None
    cursor_is_null: bool = False

    def body(self, name: str) -> Item:
        """Return the response's body, with the items under `name`."""
        pagination: Item = {"hasNextPage": self.has_more}
        if self.cursor is not None or self.cursor_is_null:
            pagination["cursor"] = self.cursor
        pagination["count"] = len(self.items)
        return {"data": {name: self.items}, "pagination": pagination}


def place(query: dict[str, str], listing: int) -> Place:
    """Read `per_page`, `cursor` and `page` from a query.

    Args:
        query: the parameters; others are ignored.
        listing: number of the listing that begins if there is no cursor.

    Raises:
        BadQueryError: if one of them is out of its range or unreadable.
    """
    size = _whole(query, "per_page", DEFAULT_PER_PAGE, MAX_PER_PAGE)
    if sent := query.get("cursor"):
        return Place(Cursor.decode(sent), size, sent)
    before = _whole(query, "page", 1, 2**31) - 1
    return Place(Cursor(before * size, before, listing), size, None)


def page(
    items: Sequence[Item], at: Place, kind: ListKind, behaviour: Behaviour, given: list[str]
) -> Page:
    """Return the page of `items` at a place, with the doubts that `behaviour` switches on.

    Args:
        items: the whole list, as it is now.
        at: where the page starts, and how long it is.
        kind: which list it is.
        behaviour: the switches.
        given: ids that the listing has given so far, to which this page's are added; kept only
            where cursors point at ids.
    """
    cursor, size, sent = at
    items = _ordered(items, cursor.listing, behaviour)
    start = cursor.offset
    if behaviour.cursor_kind == "after_id" and sent:
        del given[cursor.given :]  # of a later page, if this one is asked for again
        start = _after(items, start, given)
    odd = behaviour.concerns(kind)
    if odd and start < len(items) and behaviour.is_empty(cursor.page):
        size = 0
    end = start + size
    shown = list(items[start:end])
    if behaviour.cursor_kind == "after_id":
        given.extend(item["id"] for item in shown)
    more = end < len(items)
    if odd:
        more |= behaviour.endless or bool(behaviour.trailing_empty_page and shown)
    if odd and more and behaviour.more_without_cursor:
        return Page(shown, more, None)
    if odd and more and behaviour.repeat_cursor and sent:
        return Page(shown, more, sent)
    if odd and not more and behaviour.round_again:
        again = Cursor(0, cursor.page + 1, cursor.listing)
        return Page(shown, has_more=True, cursor=again.encode())
    if not more and behaviour.cursor_on_last_page != "present":
        return Page(shown, more, None, behaviour.cursor_on_last_page == "null")
    following = Cursor(min(end, len(items)), cursor.page + 1, cursor.listing, len(given))
    return Page(shown, more, following.encode())


def _ordered(items: Sequence[Item], listing: int, behaviour: Behaviour) -> Sequence[Item]:
    if behaviour.order == "stable":
        return items
    if behaviour.order == "reversed":
        return items[::-1]
    if behaviour.order == "shuffled":
        return sorted(items, key=lambda item: zlib.crc32(f"{listing}/{item['id']}".encode()))
    return sorted(items[:], key=_began, reverse=True)


def _began(item: Item) -> str:
    return cast("str", item.get("restoreTimestamp") or item.get("createdAt") or "")


def _after(items: Sequence[Item], offset: int, given: list[str]) -> int:
    """Return the position after the last item given that is still there."""
    if given and 0 < offset <= len(items) and items[offset - 1]["id"] == given[-1]:
        return offset
    positions = {item["id"]: position for position, item in enumerate(items)}
    return next((positions[name] + 1 for name in reversed(given) if name in positions), 0)


def _whole(query: dict[str, str], name: str, default: int, greatest: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= greatest):
        message = f"'{name}' must be a whole number from 1 to {greatest}"
        raise BadQueryError(message)
    return int(text)
