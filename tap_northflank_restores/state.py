"""The state of `restores`: one bookmark an addon, and when it is to be written.

    {"partitions": [{"context": {"projectId": "shop", "addonId": "orders"}, …}, …],
     "interrupted_after": "shop/orders",
     "replication_key": "completedAt", "replication_key_value": null}

A state may be merged in depth with an older one, which brings back each key that was left out. So
no key is ever left out: what no longer holds is null.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tap_northflank_restores.account import Addon
from tap_northflank_restores.bookmark import REPLICATION_KEY, Bookmark, UnreadableBookmarkError
from tap_northflank_restores.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

STREAM = "restores"

# In the state of a sync that has not come to its end: the last addon that it was done with.
INTERRUPTED_AFTER = "interrupted_after"

# STATE goes out at most this often, in seconds, and then only if a good part of it is new …
STATE_INTERVAL = 10.0
STATE_PART = 10
# … or if it is this old, so that its volume stays a small multiple of the final state.
STATE_AGE = 300.0


class _Partition(dict[str, Any]):
    """An addon's part of the state; one that changes is replaced, and never changed in place.

    So it is its own copy: the SDK copies the whole state in depth for each STATE message, which
    would take longer than all else that a sync does for an addon without restores.
    """

    def __deepcopy__(self, memo: object) -> _Partition:
        return self


class RestoresState:
    """What the stream's state says, and what a sync makes of it.

    A sync says which addons it is `done_with`. `keep` takes that into the state, once the records
    are out.
    """

    def __init__(self, state: dict[str, Any]) -> None:
        """Take over the stream's state, which `keep` will change.

        Args:
            state: `{"partitions": […], …}`, checked by `check_state`; empty before the first sync.
        """
        self._state = state
        partitions = [
            each if "progress_markers" in each else _Partition(each)  # The SDK takes these out.
            for each in state.get("partitions", [])
        ]
        state["partitions"] = partitions
        self._places = {_addon(each): place for place, each in enumerate(partitions)}
        self._finished: list[tuple[Addon, Bookmark]] = []
        self._reached: Addon | None = None
        self._complete = False
        self._changed = 0
        self._written = time.monotonic()
        state.setdefault("replication_key", REPLICATION_KEY)
        state.setdefault("replication_key_value", None)
        state.setdefault(INTERRUPTED_AFTER, None)

    @property
    def _partitions(self) -> list[dict[str, Any]]:
        partitions: list[dict[str, Any]] = self._state["partitions"]
        return partitions

    def _partition(self, addon: Addon) -> dict[str, Any] | None:
        place = self._places.get(addon)
        return None if place is None else self._partitions[place]

    def forget_all_but(self, addons: Iterable[Addon]) -> None:
        """Drop the bookmarks of addons that are gone.

        Args:
            addons: All addons of the account.
        """
        kept = set(addons)
        places = {addon: place for addon, place in self._places.items() if addon in kept}
        self._state["partitions"] = [self._partitions[place] for place in places.values()]
        self._places = {addon: place for place, addon in enumerate(places)}

    def in_turn(self, addons: list[Addon]) -> list[Addon]:
        """Return the addons, first those that the last sync did not reach.

        One short quota after the other then reaches all of them.
        """
        names = [str(addon) for addon in addons]
        after = interrupted_after(self._state)
        begin = names.index(after) + 1 if after in names else 0
        return addons[begin:] + addons[:begin]

    def bookmark(self, addon: Addon) -> Bookmark:
        """Return what was delivered of an addon."""
        # A bookmark for the stream as a whole, as other tools write it, serves until each addon
        # has its own.
        return Bookmark.from_state(self._partition(addon) or self._state)

    def done_with(self, addon: Addon, bookmark: Bookmark | None = None) -> None:
        """Note that a sync is done with an addon.

        Args:
            addon: The addon.
            bookmark: What is delivered once all records so far are out; None if the addon could
                not be read to its end.
        """
        self._reached = addon
        if bookmark is not None:
            self._finished.append((addon, bookmark))

    def complete(self) -> None:
        """Note that all addons were read: each has a bookmark of its own now."""
        self._complete = True

    def keep(self) -> None:
        """Take what is delivered into the state. Called only when all records so far are out."""
        for addon, bookmark in self._finished:
            before = self._partition(addon)
            if before is None:
                if bookmark.is_empty and self._state["replication_key_value"] is None:
                    continue  # Nothing was delivered, and without state nothing is held back.
                self._places[addon] = len(self._partitions)
                self._partitions.append({})
            context = {"projectId": addon.project_id, "addonId": addon.id}
            partition = _Partition(
                context=before["context"] if before else context, **bookmark.to_state()
            )
            if partition != before:
                self._partitions[self._places[addon]] = partition
                self._changed += 1
        self._finished.clear()
        if self._complete:
            self._state["replication_key_value"] = None
            self._state[INTERRUPTED_AFTER] = None
        elif self._reached is not None:
            self._state[INTERRUPTED_AFTER] = str(self._reached)

    def is_due(self) -> bool:
        """Tell whether a STATE message is to be written now; if so, it counts as written."""
        age = time.monotonic() - self._written
        due = self._changed > 0 and (
            age >= STATE_AGE
            or (age >= STATE_INTERVAL and self._changed * STATE_PART >= len(self._places))
        )
        if due:
            self._changed = 0
            self._written = time.monotonic()
        return due


def interrupted_after(state: dict[str, Any]) -> str | None:
    """Return the addon after which the last sync ended early, as `projectId/addonId`.

    Args:
        state: The stream's state.
    """
    after = state.get(INTERRUPTED_AFTER)
    return after if isinstance(after, str) else None


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
    bookmark = bookmarks.get(STREAM, {})
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
