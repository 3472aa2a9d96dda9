"""Switches for all that the API's documents leave open, and for limits and permissions."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import TYPE_CHECKING, Literal

from simulator.world import instant, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from simulator.request_log import Request
    from simulator.world import Item, ListKind

TIMES = ("createdAt", "completedAt", "restoreTimestamp")


@dataclass
class Behaviour:
    """How the simulated API behaves. Each attribute may be changed while it serves."""

    # Pages
    cursor_on_last_page: Literal["absent", "null", "present"] = "absent"
    empty_pages: int | Callable[[int], bool] | None = None
    """Which pages of a listing are empty though more follows: every n-th (n of 2 or more), or
    those for which the callable, given the page's number from 0, returns true."""
    trailing_empty_page: bool = False
    """The last page with items says that there is more, and an empty page follows."""
    more_without_cursor: bool = False
    """A page that has more after it carries no cursor."""
    repeat_cursor: bool = False
    """From the second page on, a page with more after it carries the cursor that it came by."""
    endless: bool = False
    """Each page says that there is more: past the end, empty pages with fresh cursors."""
    round_again: bool = False
    """At its end a list begins anew, with fresh cursors, for ever."""
    only_lists: Collection[ListKind] | None = None
    """The lists that the six switches above concern; None for all."""
    order: Literal["stable", "reversed", "shuffled", "newest_first"] = "stable"
    """`shuffled` is another order for each listing, and the same within one."""
    cursor_kind: Literal["position", "after_id"] = "position"
    """What a cursor points at: a position, so that items shift between two pages when the list
    changes before it, or the item after which to go on."""

    # Items
    completed_at_null: bool = False
    """A restore or backup that has not completed has a null `completedAt`, not an absent one."""
    failed_have_completed_at: bool = False
    """Failed and aborted restores have a `completedAt`, ten minutes after they began."""
    id_kind: Literal["hex24", "number13", "json-number"] = "hex24"
    """The ids of restores: as in the world, 13 digits in a string, or those as a number."""
    time_format: Literal["ms-Z", "no-fraction", "offset", "microseconds"] = "ms-Z"

    restore_timestamp: Literal["started", "backup_created"] = "started"
    """What the `restoreTimestamp` of a restore is: when the restore began, or when its backup was
    made."""

    forks_leave_restores: bool = True
    """Whether an addon that was made out of a backup lists that among its restores."""

    # Rate limit
    rate_limit: int | None = None
    """Requests in a window; None for no limit, and then no headers."""
    rate_window: float = 3600
    """Length of the window in seconds, from its first request."""
    rate_headers: bool = True
    rate_others: int = 0
    """Requests that others on the account spend with each of ours."""
    rate_rounding: Literal["up", "down", "nearest"] = "up"
    """How the seconds until the reset are made whole."""
    retry_after: Literal["absent", "seconds", "date"] = "absent"
    """How a 429 carries the header `Retry-After`."""
    clock_ahead: float = 0
    """Seconds by which the server's clock is ahead: seen in `Date` and in a date to retry after."""

    # Access
    team_id: str | None = None
    """Set: the token is an organisation's, and only `/v1/teams/{team_id}/…` is there. None: a
    team's token, good for `/v1/…` and for `/v1/teams/{the world's team}/…`."""
    may_list_projects: bool = True
    may_read_addons: bool = True
    token_projects: Collection[str] | None = None
    """The projects that the token is restricted to: others are not listed, and answer 403."""
    token_expired: bool = False

    # Speed
    latency: float | Callable[[Request], float] = 0
    """Seconds before each answer."""

    def concerns(self, kind: ListKind) -> bool:
        """Tell whether the switches for odd pages concern this list."""
        return self.only_lists is None or kind in self.only_lists

    def is_empty(self, page: int) -> bool:
        """Tell whether the page with this number, from 0, is empty though more follows."""
        if self.empty_pages is None:
            return False
        if callable(self.empty_pages):
            return self.empty_pages(page)
        return page % self.empty_pages == self.empty_pages - 1

    def delay(self, request: Request) -> float:
        """Return the seconds to wait before this request is answered."""
        return self.latency(request) if callable(self.latency) else self.latency

    def on_the_wire(self, kind: ListKind, items: list[Item]) -> list[Item]:
        """Return items of the world as a response carries them; the world's stay as they are."""
        if kind in {"projects", "addons"} or not self._changes_items:
            return items
        return [self._changed(kind, item) for item in items]

    @property
    def _changes_items(self) -> bool:
        return (
            self.completed_at_null
            or self.failed_have_completed_at
            or self.id_kind != "hex24"
            or self.time_format != "ms-Z"
        )

    def _changed(self, kind: ListKind, item: Item) -> Item:
        item = dict(item)
        if kind in {"restores", "backup-restores"}:
            ended = item["status"] in {"failed", "aborted"}
            if self.failed_have_completed_at and ended and not item.get("completedAt"):
                end = instant(item["restoreTimestamp"]) + timedelta(minutes=10)
                item["completedAt"] = timestamp(end)
            if self.id_kind != "hex24":
                number = thirteen_digits(item["id"])
                item["id"] = number if self.id_kind == "json-number" else str(number)
        if self.completed_at_null and kind in {"restores", "backup-restores", "backups"}:
            item.setdefault("completedAt", None)
        if self.time_format != "ms-Z":
            for key in TIMES:
                if item.get(key):
                    item[key] = self._time(item[key])
        return item

    def _time(self, text: str) -> str:
        moment = instant(text)
        if self.time_format == "offset":
            return moment.astimezone(timezone(timedelta(hours=2))).isoformat(
                timespec="milliseconds"
            )
        precision = "seconds" if self.time_format == "no-fraction" else "microseconds"
        return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def thirteen_digits(name: str) -> int:
    """Return the number that stands for an id, the same one for the same id."""
    high, low = zlib.crc32(name.encode()), zlib.adler32(name[::-1].encode())
    return 10**12 + (high << 32 | low) % (9 * 10**12)
