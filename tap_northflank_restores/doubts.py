"""What Northflank's documents leave open, and which reading answers of the API show. Pure.

A finding holds nothing of the account: no id, name or time, only words that stand in this file, and
names of properties and statuses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_northflank_restores.instants import instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Item = dict[str, Any]

DOCUMENTED_STATUSES = {
    "scheduled",
    "in-progress",
    "completed",
    "aborting",
    "aborted",
    "failed",
    "not-supported",
}
UNFINISHED = {"scheduled", "in-progress", "aborting"}
NEAR = 3_600_000_000  # An addon is made, and filled from a backup, within an hour; in microseconds.
LONGEST_WINDOW = 31 * 86_400  # A reset that is further away is no number of seconds.
ENOUGH = 3  # With fewer items a list has no order to speak of.

_STATUS = re.compile(r"[a-z][a-z-]{0,29}", re.ASCII)
_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(?P<fraction>\d+))?(?P<zone>Z|[+-]\d\d:?\d\d)?", re.ASCII
)


@dataclass(frozen=True)
class Page:
    """A page of a list as the API sent it: its items, and its `pagination`."""

    items: list[Item]
    pagination: dict[str, Any]

    @property
    def says_more(self) -> bool:
        """Whether another page is said to follow."""
        return self.pagination.get("hasNextPage") is True


@dataclass
class Listing:
    """A list that was read, perhaps not to its end.

    Attributes:
        kind: The stream that has its items, or `backup-restores`.
        addon: Project and addon that it is of, if any.
        backup: The backup that it is of, if any.
        pages: What came, in order.
    """

    kind: str
    addon: tuple[str, str] | None = None
    backup: str = ""
    pages: list[Page] = field(default_factory=list)

    @property
    def items(self) -> list[Item]:
        """The items of all pages that were read."""
        return [item for page in self.pages for item in page.items]

    @property
    def is_whole(self) -> bool:
        """Whether it was read to its end."""
        return bool(self.pages) and not self.pages[-1].says_more


@dataclass
class Seen:
    """All that the API answered.

    Attributes:
        listings: The lists, those that were read twice too.
        details: The details of addons, by project and addon.
        answers: Status and headers of each answer.
    """

    listings: list[Listing] = field(default_factory=list)
    details: dict[tuple[str, str], Item] = field(default_factory=dict)
    answers: list[tuple[int, Mapping[str, str]]] = field(default_factory=list)

    def of(self, *kinds: str) -> Iterator[Listing]:
        """Yield the lists of these kinds."""
        return (each for each in self.listings if each.kind in kinds)

    def items(self, *kinds: str) -> list[Item]:
        """Return the items of the lists of these kinds; one that came twice is there twice."""
        return [item for listing in self.of(*kinds) for item in listing.items]


@dataclass(frozen=True)
class Finding:
    """What was found on a doubt.

    Attributes:
        reading: The reading that holds here; None if it was not seen.
        why_not: Why it was not seen.
    """

    reading: str | None
    why_not: str = ""


@dataclass(frozen=True)
class Doubt:
    """Something that the documents leave open.

    Attributes:
        name: In a word or two, stable.
        about: What is open.
        tap: What the tap does about it, whichever reading holds.
        find: Tells what the answers show.
    """

    name: str
    about: str
    tap: str
    find: Callable[[Seen], Finding]


def _not_seen(why: str) -> Finding:
    return Finding(None, why)


def _found(readings: Iterable[str], why_not: str) -> Finding:
    distinct = sorted(set(readings))
    return Finding("; and also: ".join(distinct)) if distinct else _not_seen(why_not)


# Pages --------------------------------------------------------------------------------------


def _last_cursor(seen: Seen) -> Finding:
    ends = (page for listing in seen.listings for page in listing.pages if not page.says_more)
    return _found((_cursor(page) for page in ends), "no list was read to its last page")


def _cursor(page: Page) -> str:
    if "cursor" not in page.pagination:
        return "absent"
    return "null" if page.pagination["cursor"] is None else "present"


def _empty_pages(seen: Seen) -> Finding:
    followed = any(
        page.says_more and not page.items for each in seen.listings for page in each.pages
    )
    last = any(
        len(each.pages) > 1 and not each.pages[-1].items and each.is_whole for each in seen.listings
    )
    readings = ["an empty page says that more follows"] * followed
    readings += ["an empty page follows the last item"] * last
    several = any(len(each.pages) > 1 for each in seen.listings)
    if several and not readings:
        return Finding("no page is empty")
    return _found(readings, "no list with more than one page")


def _next_cursor(seen: Seen) -> Finding:
    readings = set()
    for listing in seen.listings:
        cursors = [page.pagination.get("cursor") for page in listing.pages if page.says_more]
        if len(listing.pages) > 1 or cursors:
            readings.add("a new one on each page")
        if any(cursor in {None, ""} for cursor in cursors):
            readings.add("a page says that more follows, and has none")
        given = [cursor for cursor in cursors if cursor not in {None, ""}]
        if len(set(given)) < len(given):
            readings.add("one comes a second time")
    if len(readings) > 1:
        readings.discard("a new one on each page")
    return _found(readings, "no list with more than one page")


def _end(seen: Seen) -> Finding:
    readings = set()
    for listing in seen.listings:
        pages = listing.pages
        if len(pages) > 1:
            ids = [str(item.get("id")) for item in listing.items]
            if len(set(ids)) < len(ids):
                return Finding("items come a second time within a list")
            if pages[-1].says_more and not (pages[-1].items or pages[-2].items):
                readings.add("empty pages follow each other, each says that more follows")
            elif listing.is_whole:
                readings.add("hasNextPage is false at the end, and each item comes once")
    return _found(readings, "no list with more than one page was read to its end")


def _order(seen: Seen) -> Finding:
    orders, read = set(), dict[Any, list[str]]()
    for listing in seen.of("restores", "backups"):
        ids = [str(item.get("id")) for item in listing.items]
        before = read.setdefault((listing.kind, listing.addon), ids)
        in_both = set(before) & set(ids)
        if _once(before, in_both) != _once(ids, in_both):
            return Finding("another order with each reading of the list")
        times = [_instant(_began(item)) for item in listing.items]
        known = [time for time in times if time is not None]
        if len(set(known)) >= ENOUGH:
            orders.add(_order_of(known))
    return _found(orders, f"no list of restores or backups with {ENOUGH} times")


def _once(ids: list[str], among: set[str]) -> list[str]:
    return [each for each in dict.fromkeys(ids) if each in among]


def _order_of(times: list[int]) -> str:
    if times == sorted(times):
        return "the oldest first"
    return "the newest first" if times == sorted(times, reverse=True) else "not by time"


def _began(item: Item) -> object:
    return item.get("restoreTimestamp") or item.get("createdAt")


def _cursor_kind(_seen: Seen) -> Finding:
    return _not_seen("it shows only where a list changes between two of its pages")


# Items --------------------------------------------------------------------------------------


def _while_running(seen: Seen) -> Finding:
    items = (i for i in seen.items("restores", "backups") if str(i.get("status")) in UNFINISHED)
    return _found(map(_completed, items), "no restore or backup is running")


def _after_failure(seen: Seen) -> Finding:
    items = (i for i in seen.items("restores") if str(i.get("status")) in {"failed", "aborted"})
    return _found(map(_completed, items), "no restore that failed or was aborted")


def _completed(item: Item) -> str:
    if "completedAt" not in item:
        return "absent"
    return "null" if item["completedAt"] is None else "a time"


def _ids(seen: Seen) -> Finding:
    return _found(map(_id_kind, seen.items("restores")), "no restore")


def _id_kind(item: Item) -> str:
    id_ = item.get("id")
    if isinstance(id_, int):
        return "a JSON number"
    if re.fullmatch(r"[0-9a-f]{24}", str(id_)):
        return "24 hex digits in a string"
    return "13 digits in a string" if re.fullmatch(r"\d{13}", str(id_)) else "another string"


def _times(seen: Seen) -> Finding:
    keys = ("restoreTimestamp", "createdAt", "completedAt")
    items = seen.items("restores", "backups")
    values = (item[key] for item in items for key in keys if item.get(key) is not None)
    return _found(map(_time_form, values), "no restore and no backup")


def _time_form(value: object) -> str:
    if (match := _TIME.fullmatch(str(value))) is None:
        return "not as ISO 8601 writes a time"
    digits = len(match["fraction"] or "")
    fraction = {0: "whole seconds", 3: "milliseconds", 6: "microseconds"}
    zones = {None: "without a zone", "Z": "with Z"}
    return (
        f"ISO 8601, {fraction.get(digits, f'{digits} digits after the second')}, "
        f"{zones.get(match['zone'], 'with an offset')}"
    )


def _restore_timestamp(seen: Seen) -> Finding:
    created = _backups(seen)
    readings = []
    for listing in seen.of("restores"):
        for item in listing.items:
            backup = created.get(listing.addon, {}).get(str(item.get("backupId")))
            begun = _instant(item.get("restoreTimestamp"))
            if backup is not None and begun is not None:
                same = begun == backup
                readings.append("when the backup was made" if same else "when the restore began")
    return _found(readings, "no restore whose backup is still in the list of backups")


def _backups(seen: Seen) -> dict[tuple[str, str] | None, dict[str, int | None]]:
    """Return when each backup was made, by its addon and its id."""
    found: dict[tuple[str, str] | None, dict[str, int | None]] = {}
    for listing in seen.of("backups"):
        made = {str(item.get("id")): _instant(item.get("createdAt")) for item in listing.items}
        found.setdefault(listing.addon, {}).update(made)
    return found


def _forks(seen: Seen) -> Finding:
    own = _backups(seen)
    for listing in seen.of("restores"):
        addon = listing.addon
        born = _instant(seen.details.get(addon, {}).get("createdAt")) if addon else None
        for item in listing.items:
            ends = (_instant(item.get(key)) for key in ("restoreTimestamp", "completedAt"))
            is_near = any(born and end and abs(end - born) <= NEAR for end in ends)
            if is_near and addon in own and str(item.get("backupId")) not in own[addon]:
                return Finding("a fork has an entry among its restores")
    return _not_seen("no addon with a foreign restore as old as itself; no answer names a fork")


def _point_in_time(seen: Seen) -> Finding:
    restores = seen.items("restores")
    if any(not item.get("backupId") for item in restores):
        return Finding("restores without a backupId are listed, perhaps these")
    why = "each restore that was seen names a backup" if restores else "no restore"
    return _not_seen(why)


def _of_backup(seen: Seen) -> Finding:
    for listing in seen.of("backup-restores"):
        own = [each for each in seen.of("restores") if each.addon == listing.addon]
        ids = {str(item.get("id")) for each in own for item in each.items}
        if any(each.is_whole for each in own):
            if any(str(item.get("id")) not in ids for item in listing.items):
                return Finding("shown under the backup's own addon")
            return _not_seen("the backup that was asked for has restores of its own addon only")
    return _not_seen("no backup that was restored, or a list of restores with several pages")


def _kept(seen: Seen) -> Finding:
    if not (backups := seen.items("backups")):
        return _not_seen("no backup")
    words = ("expir", "retain", "retention", "keep", "kept", "protect", "permanent")
    names = {name for item in backups for name in item if any(w in name.lower() for w in words)}
    if names:
        return Finding("the list has properties that may say it, see the differences below")
    return Finding("the list does not say it")


def _statuses(seen: Seen) -> Finding:
    if not (items := seen.items("restores", "backups")):
        return _not_seen("no restore and no backup")
    others = {str(item.get("status")) for item in items} - DOCUMENTED_STATUSES
    if not others:
        return Finding("only those that are documented")
    shown = sorted(s if _STATUS.fullmatch(s) else "one that is no word" for s in others)
    return Finding(f"others than documented: {', '.join(shown)}")


def _instant(value: object) -> int | None:
    try:
        return instant(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


# The rate limit -----------------------------------------------------------------------------


def _quota_headers(seen: Seen) -> Finding:
    names = [f"x-ratelimit-{name}" for name in ("limit", "remaining", "reset")]
    counts = [sum(name in headers for name in names) for _, headers in seen.answers]
    if not counts:
        return _not_seen("no answer")
    if not any(counts):
        return Finding("on no answer")
    where = "on each answer" if all(count == len(names) for count in counts) else "not all on each"
    resets = (headers.get(names[2], "") for _, headers in seen.answers)
    odd = any(r.isdecimal() and int(r) > LONGEST_WINDOW for r in resets)
    return Finding(f"{where}, the reset {'perhaps a date' if odd else 'in seconds'}")


def _retry_after(seen: Seen) -> Finding:
    refused = [headers.get("retry-after") for status, headers in seen.answers if status == 429]  # noqa: PLR2004
    return _found(map(_retry_form, refused), "no request was refused (429); none is provoked")


def _retry_form(value: str | None) -> str:
    if value is None:
        return "absent"
    return "a number of seconds" if re.fullmatch(r"[\d.]+", value.strip()) else "a date"


DOUBTS = (
    Doubt(
        "last cursor",
        "The cursor of the last page of a list",
        "Asks only hasNextPage whether a page follows.",
        _last_cursor,
    ),
    Doubt(
        "empty pages",
        "Pages without items though more is said to follow",
        "Reads on. After 50 pages with nothing new it ends with code 5.",
        _empty_pages,
    ),
    Doubt(
        "next cursor",
        "The cursor of a page that another one follows",
        "Ends with code 5 where it is missing or came before: never a silent end.",
        _next_cursor,
    ),
    Doubt(
        "end of a list",
        "Whether a list comes to an end",
        "Ends with code 5 after 50 pages with nothing new: never an endless loop.",
        _end,
    ),
    Doubt(
        "order",
        "The order of the items of a list",
        "Relies on none: it reads each list to its end.",
        _order,
    ),
    Doubt(
        "kind of cursor",
        "Whether a cursor points at a position or at an item",
        "A restore that shifts behind a cursor is sent by the next sync.",
        _cursor_kind,
    ),
    Doubt(
        "completedAt, running",
        "completedAt of what has not ended",
        "Sends null for both, absent and null.",
        _while_running,
    ),
    Doubt(
        "completedAt, failed",
        "completedAt of restores that failed or were aborted",
        "Needs none. A restore that gets one later is sent again.",
        _after_failure,
    ),
    Doubt(
        "ids of restores",
        "The form of the id of a restore",
        "Takes any, and sends it as text. The key is projectId, addonId, id.",
        _ids,
    ),
    Doubt(
        "times",
        "The form of times",
        "Takes all of ISO 8601, compares instants, and sends UTC.",
        _times,
    ),
    Doubt(
        "restoreTimestamp",
        "What the restoreTimestamp of a restore is",
        "Sends it as it is, and decides nothing by it. A duration from it is "
        "right only if it is when the restore began.",
        _restore_timestamp,
    ),
    Doubt(
        "forks",
        "Whether an addon made out of a backup lists that among its restores",
        "Sends what is listed. What is not listed cannot be sent.",
        _forks,
    ),
    Doubt(
        "point in time",
        "Whether restores to a point in time are listed",
        "Sends what is listed; backupId may be null.",
        _point_in_time,
    ),
    Doubt(
        "restores of a backup",
        "Where a restore into another addon is listed under its backup",
        "Does not ask for that list. It reads the restores of each addon.",
        _of_backup,
    ),
    Doubt(
        "kept backups",
        "Whether the list of backups says which are kept for ever",
        "Sends the properties of its schema, which has none for this.",
        _kept,
    ),
    Doubt(
        "statuses",
        "The statuses of restores and backups",
        "Sends any status as it is.",
        _statuses,
    ),
    Doubt(
        "rate limit headers",
        "The headers x-ratelimit-limit, -remaining and -reset",
        "Waits as they say. Without them it counts, and waits after a 429.",
        _quota_headers,
    ),
    Doubt(
        "Retry-After",
        "The header Retry-After of a refusal (429)",
        "Waits as it says, in either form; else until the reset.",
        _retry_after,
    ),
)
