"""What is new in an addon's restores since its bookmark. Pure: no I/O, no clock.

The API cannot filter, so every sync reads an addon's whole list. That makes two things possible
together: to send only what is new or changed, and to prove that all the rest was delivered before.

A `Reading` takes the pages of one pass over the list. It sends a restore that has no `completedAt`
and is not the one delivered, that was delivered without one and has one now, or that completed
after the bookmark. It holds the others back; at the end, their count and digest must be the
bookmark's. If they are not (a restore became visible late, was skipped by a list that shifted
between two pages, ties with the bookmark, was deleted), the parts of the history that differ are
sent again. The loader merges on the key, so nothing is lost and nothing is doubled. No clock is
read and no look-back window guesses.
"""

from __future__ import annotations

from array import array
from functools import cache
from itertools import compress, islice
from typing import TYPE_CHECKING, Any

from tap_northflank_restores.bookmark import (
    PARTS,
    REPLICATION_KEY,
    Bookmark,
    Restore,
    divide,
    fingerprints,
    history_entries,
    tag,
    total,
)
from tap_northflank_restores.instants import instant, instants
from tap_northflank_restores.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from typing import TypeGuard

HOLD = 10_000
_RESTORES_AT_ONCE = 1000

# What became of a restore in this pass, as flags. A version that a later one has replaced has none.
_GONE = 0
_SENT = 1
_IN_HISTORY = 2  # it has a completedAt, not before the start
_LEFT_OUT = 4  # it has a completedAt, before the start
_BEFORE_SINCE = 8  # it has a completedAt, before the start of the last sync
_PENDING = 16


@cache
def _with(flag: int, *, but: int = 0) -> bytes:
    """Return a table for `bytes.translate`: 1 for each fate that has the flag, 0 for others."""
    return bytes(bool(fate & flag) and not fate & but for fate in range(256))


_ALL_OF_HISTORY = _with(_IN_HISTORY)
_HELD_BACK = _with(_IN_HISTORY, but=_SENT)

# What was left out before the start: a part beside those of the digest.
_OUTSIDE = -1


class Reading:
    """One pass over an addon's list, compared with what was delivered before.

    Feed it each page with `take`, in the order read, and send what it returns; then call `finish`,
    and send that too. `delivered` is then the addon's new bookmark.
    """

    def __init__(
        self,
        before: Bookmark,
        *,
        start: int | None = None,
        shape: bytes | None = None,
        everything: bool = False,
        hold: int = HOLD,
        after: Reading | None = None,
    ) -> None:
        """Start a pass.

        Args:
            before: What was delivered before.
            start: Leave out restores completed before this instant (microseconds since 1970).
                Where earlier ones were delivered before, their start stays in force.
            shape: What a row looks like now, for the new bookmark.
            everything: Hold nothing back.
            hold: How many restores held back are kept in memory, to send them again without
                reading the list again.
            after: An earlier pass over the same list. The parts in which it found a difference are
                sent, and what it sent is not sent again.
        """
        self._before = before
        self._latest = None if before.value is None else instant(before.value)
        self._latest_text = before.value
        # A plain bookmark proves nothing, so what ties with it is sent rather than held back.
        self._hold_back_until = self._latest
        if self._hold_back_until is not None and before.completed is None:
            self._hold_back_until -= 1
        # A plain bookmark and version 1 do not say what was left out: as much as now.
        self._since = before.since if before.says_since else start
        self._resend: frozenset[int] = after.differing if after else frozenset()
        whole = start is None or self._since is None or _OUTSIDE in self._resend
        self._start = None if whole else min(start or 0, self._since or 0)
        self._shape = shape
        self._everything = everything
        self._hold = hold
        self._sent_before = after.sent if after else {}
        # The place of each id in the arrays below, to count an item once that a shifting list
        # shows twice. Should two ids have the same hash, both are sent, and the next sync, with
        # other hashes, sends their part again.
        self._places = Places()
        self._marks = array("Q")
        self._instants = array("q")
        self._fates = bytearray()
        self._held: dict[int, Restore] | None = {}  # by place
        self._pending: dict[str, tuple[int, tuple[str, str]]] = {}  # with their places
        self._differing: frozenset[int] | None = None

    def take(self, page: Iterable[Restore]) -> list[Restore]:
        """Return the restores of a page that are to be sent now, in the page's order.

        Args:
            page: Restores as the API gives them; each has a string `id`.
        """
        self._differing = None
        restores = list(page)
        completed = instants([restore.get(REPLICATION_KEY) for restore in restores])
        marks = fingerprints(restores, completed)
        ids = [restore["id"] for restore in restores]
        hashes = [*map(hash, ids)]
        if self._are_usual(completed, ids, hashes):
            return self._take_usual(restores, ids, hashes, completed, marks)
        each = zip(restores, completed, marks, strict=True)
        return [restore for restore, time, mark in each if self._is_new(restore, time, mark)]

    def _are_usual(
        self, completed: list[int | str | None], ids: list[str], hashes: list[int]
    ) -> TypeGuard[list[int]]:
        """Tell whether each restore of a page has completed since the start, and is here once."""
        if {*map(type, completed)} != {int}:
            return False
        earliest: Any = min(completed)  # type: ignore[type-var]
        return (
            not self._sent_before
            and not self._resend
            # The start is never later than `_since`.
            and (self._since is None or earliest >= self._since)
            and self._places.are_new(hashes)
            and self._before.pending.keys().isdisjoint(ids)
            and len({*ids}) == len(ids)
        )

    def _take_usual(
        self,
        restores: list[Restore],
        ids: list[str],
        hashes: list[int],
        completed: list[int],
        marks: list[int],
    ) -> list[Restore]:
        """Return what `_is_new` would of each of a page's restores, at a fifth of its CPU."""
        latest = max(completed)
        if self._latest is None or latest > self._latest:
            self._latest = latest
            self._latest_text = restores[completed.index(latest)][REPLICATION_KEY]
        until = self._hold_back_until
        if until is None or self._everything:
            news = [True] * len(ids)
        else:
            news = [time > until for time in completed]
        places = range(len(self._marks), len(self._marks) + len(ids))
        self._places.add(hashes)
        self._marks.extend(marks)
        self._instants.extend(completed)
        self._fates += bytes([_IN_HISTORY | _SENT if new else _IN_HISTORY for new in news])
        if all(news):
            return restores
        if self._held is not None:
            held = [not new for new in news]
            self._held.update(zip(compress(places, held), compress(restores, held), strict=True))
            if len(self._held) > self._hold:
                self._held = None
        return list(compress(restores, news))

    # One function: another call for each restore would show in the CPU time of a sync.
    def _is_new(self, restore: Restore, time: int | str | None, mark: int) -> bool:  # noqa: C901
        id_ = restore["id"]
        hash_ = hash(id_)
        # One that is no time counts as one that has not completed, until it is mended.
        completed = time if isinstance(time, int) else None
        sent = is_as_sent = False
        if (place := self._places.find(hash_)) is not None:
            if self._marks[place] == mark:
                return False
            sent = bool(self._fates[place] & _SENT)
            self._forget(id_, place)
        elif self._sent_before and (sent_mark := self._sent_before.get(hash_)) is not None:
            sent, is_as_sent = True, sent_mark == mark
        known = self._before.pending.get(id_)
        if completed is not None and (self._start is None or completed >= self._start):
            fate = _IN_HISTORY
            if self._latest is None or completed > self._latest:
                self._latest, self._latest_text = completed, restore[REPLICATION_KEY]
            # What was sent before, in another version or as pending, must follow in this one.
            new = (
                self._hold_back_until is None
                or completed > self._hold_back_until
                or sent
                or known is not None
                or self._is_to_send(completed, mark)
            )
        else:
            fate = _PENDING if completed is None else _LEFT_OUT
            entry = (str(restore.get("status")), tag(mark))
            is_apart = completed is None or known is not None
            new = sent or (is_apart and (self._everything or known != entry))
            if is_apart or sent:
                self._pending[id_] = len(self._marks), entry
        if completed is not None:
            if self._since is not None and completed < self._since:
                fate |= _BEFORE_SINCE
            if not new and self._held is not None:
                self._held[len(self._marks)] = restore
                if len(self._held) > self._hold:
                    self._held = None
        self._places.add([hash_])
        self._marks.append(mark)
        self._instants.append(completed or 0)
        self._fates.append(fate | _SENT if new else fate)
        return new and not is_as_sent

    def _is_to_send(self, completed: int, mark: int) -> bool:
        return (
            self._everything
            or (self._since is not None and completed < self._since)
            or (bool(self._resend) and self._part(completed, mark) in self._resend)
        )

    def _part(self, completed: int, mark: int) -> int:
        (entry,) = history_entries([completed], [mark])
        return self._before.part(entry)

    def _forget(self, id_: str, place: int) -> None:
        """Take an item's earlier version in this pass out of the sums."""
        self._fates[place] = _GONE
        self._pending.pop(id_, None)
        if self._held is not None:
            self._held.pop(place, None)

    def _history(self, select: bytes) -> list[int]:
        """Return the entries of the restores with a fate for which the table has a 1."""
        chosen = self._fates.translate(select)
        return history_entries(compress(self._instants, chosen), compress(self._marks, chosen))

    def _outside(self, flag: int) -> int:
        """Return the sum over the restores with a flag, as a bookmark has it."""
        return total(sum(compress(self._marks, self._fates.translate(_with(flag)))))

    @property
    def held_back(self) -> int:
        """How many restores with a `completedAt` were held back as delivered before."""
        return self._fates.count(_IN_HISTORY)

    @property
    def sent(self) -> dict[int, int]:
        """The fingerprint of each restore that was sent, by the hash of its id."""
        each = zip(self._places.hashes, self._marks, strict=True)
        return dict(compress(each, self._fates.translate(_with(_SENT))))

    @property
    def count_sent(self) -> int:
        """How many restores of the list were sent by `take`, in this pass or an earlier one."""
        return self._fates.translate(_with(_SENT)).count(1)

    @property
    def left_out(self) -> int:
        """How many restores completed before the start, and so are in no bookmark and not sent."""
        if _OUTSIDE in self.differing:
            return 0
        apart = sum(bool(self._fates[place] & _LEFT_OUT) for place, _ in self._pending.values())
        return self._fates.translate(_with(_LEFT_OUT)).count(1) - apart

    @property
    def proven(self) -> bool:
        """Whether what was held back is exactly what was delivered before."""
        return not self.differing

    @property
    def must_read_again(self) -> bool:
        """Whether what differs is too much to have been kept: read the list again, for that."""
        if self._held is not None or self.proven:
            return False
        # A part whose restores are all gone by retention has nothing to send.
        if _OUTSIDE in self.differing:
            return True
        return any(self._before.part(each) in self.differing for each in self._history(_HELD_BACK))

    @property
    def differing(self) -> frozenset[int]:
        """The parts of the history that are not as they were delivered."""
        if self._differing is None:
            self._differing = self._compare()
        return self._differing

    def _compare(self) -> frozenset[int]:
        before = self._before
        nothing = before.completed == 0 and not any(before.digest) and not self.held_back
        if nothing or before.completed is None or self._everything:
            return frozenset()
        parts = before.differing_parts(self._history(_HELD_BACK)) - self._resend
        if not parts and not self._resend and self.held_back != before.completed:
            parts = set(range(PARTS))
        # A restore whose completedAt moved before the start is missing in its part, and is now
        # among those that are left out, of which only the sum is known.
        if parts and before.since is not None and self._outside(_BEFORE_SINCE) != before.left_out:
            parts.add(_OUTSIDE)
        return frozenset(parts)

    def finish(self) -> Iterator[Restore]:
        """Yield what was held back and cannot be proven to have been delivered."""
        if not self._held or self.proven:
            return
        for place, restore in self._held.items():
            left_out = self._fates[place] & _LEFT_OUT
            part = _OUTSIDE if left_out else self._part(self._instants[place], self._marks[place])
            if part in self.differing:
                yield restore

    @property
    def delivered(self) -> Bookmark:
        """The new bookmark, once all that `take` and `finish` gave is out."""
        # If `finish` gave what was left out too, nothing was: from now on all of it is kept up to
        # date.
        whole = _OUTSIDE in self.differing
        history = self._history(_with(_IN_HISTORY | _LEFT_OUT) if whole else _ALL_OF_HISTORY)
        bounds, digest = divide(history)
        return Bookmark(
            value=self._latest_text,
            completed=len(history),
            digest=digest,
            bounds=bounds,
            pending={
                id_: entry
                for id_, (place, entry) in self._pending.items()
                if not whole or self._fates[place] & _PENDING
            },
            since=None if whole else self._start,
            left_out=0 if whole else self._outside(_LEFT_OUT),
            shape=self._shape,
        )


class Changes:
    """What is to be sent of an addon: its list is read once, and again where that is not enough.

    Iterate over it to get the restores, in lists. `delivered` is then the addon's new bookmark.
    """

    def __init__(
        self,
        before: Bookmark,
        read: Callable[[], Iterable[Iterable[Restore]]],
        *,
        start: int | None = None,
        shape: bytes | None = None,
        everything: bool = False,
        hold: int = HOLD,
        on_difference: Callable[[int], None] = lambda _held_back: None,
    ) -> None:
        """Read nothing yet.

        Args:
            before: What was delivered before.
            read: Gives the pages of the list; called once for each pass.
            start: See `Reading`.
            shape: See `Reading`.
            everything: See `Reading`.
            hold: See `Reading`.
            on_difference: Called with the number of restores held back, if these are not those
                that were delivered.
        """
        self.delivered = before
        self._last: Reading | None = None
        self._again = 0
        self._before = before
        self._read = read
        self._start = start
        self._shape = shape
        self._everything = everything
        self._hold = hold
        self._on_difference = on_difference

    def __iter__(self) -> Iterator[list[Restore]]:
        """Yield restores that are to be sent."""
        reading = yield from self._pass(everything=self._everything)
        if not reading.proven:
            self._on_difference(reading.held_back)
        if reading.must_read_again:
            reading = yield from self._pass(after=reading)
        if reading.must_read_again:  # The list has changed meanwhile.
            reading = yield from self._pass(everything=True, after=reading)
        again = reading.finish()
        while some := list(islice(again, _RESTORES_AT_ONCE)):
            self._again += len(some)
            yield some
        self.delivered = reading.delivered
        self._last = reading

    @property
    def sent(self) -> int:
        """How many restores of the list were sent."""
        return self._again + (self._last.count_sent if self._last else 0)

    @property
    def left_out(self) -> int:
        """How many restores of the list completed before the start, and were not sent."""
        return self._last.left_out if self._last else 0

    def _pass(
        self, *, everything: bool = False, after: Reading | None = None
    ) -> Generator[list[Restore], None, Reading]:
        reading = Reading(
            self._before,
            start=self._start,
            shape=self._shape,
            everything=everything,
            hold=self._hold,
            after=after,
        )
        for page in self._read():
            if new := reading.take(page):
                yield new
        return reading
