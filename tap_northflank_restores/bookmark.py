"""What was delivered of one addon's restores before, so what is new now. Pure: no I/O, no clock.

The API cannot filter, so every sync reads an addon's whole list. That makes two things possible
together: to send only what is new or changed, and to prove that all the rest was delivered before.

A `Bookmark` is what the state keeps for an addon:

- the greatest `completedAt` delivered (Singer's `replication_key_value`);
- for the restores delivered with a `completedAt`: how many they are, and an order-free digest of
  them, in eight parts, so that a difference sends an eighth of the history again and not all of it;
- for the restores delivered without one: their ids, by status.

A `Reading` takes the pages of one pass over the list. It sends a restore that has no `completedAt`
and is not the one delivered, that was delivered without one and has one now, or that completed
after the bookmark. It holds the others back; at the end, their count and digest must be the
bookmark's. If they are not (a restore became visible late, was skipped by a list that shifted
between two pages, ties with the bookmark, was deleted), what differs is sent again. The loader
merges on the key, so nothing is lost and nothing is doubled. No clock is read and no look-back
window guesses.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from tap_northflank_restores.instants import instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

REPLICATION_KEY = "completedAt"
PROOF_VERSION = 1

_PARTS = 8
_MODULUS = 1 << 64
_TAG_LENGTH = 4
_TAGS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

Restore = dict[str, Any]


class UnreadableBookmarkError(ValueError):
    """A partition of the state that is neither a Singer bookmark nor this tap's own."""


class UnreadableTimeError(ValueError):
    """A restore whose `completedAt` is not a date and time."""


@dataclass(frozen=True)
class Bookmark:
    """What was delivered of one addon's restores.

    Attributes:
        value: The greatest `completedAt` delivered, as the API wrote it; None before the first.
        completed: How many restores with a `completedAt` were delivered; None when the state does
            not say, as in a plain Singer bookmark, which is then trusted.
        digest: The sums of their fingerprints, in eight parts.
        pending: What was delivered without `completedAt`: `{id: (status, tag)}`.
    """

    value: str | None = None
    completed: int | None = 0
    digest: tuple[int, ...] = (0,) * _PARTS
    pending: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def from_state(cls, partition: Mapping[str, Any]) -> Bookmark:
        """Read the partition of an addon from the state.

        Args:
            partition: `{"replication_key": "completedAt", "replication_key_value": "2026-…Z",
                "proof": {…}}`; each may be missing.

        Raises:
            UnreadableBookmarkError: It cannot be understood; the text says what is wrong.
        """
        key = partition.get("replication_key", REPLICATION_KEY)
        value = partition.get("replication_key_value")
        if value is not None:
            if key != REPLICATION_KEY:
                reason = f"its replication_key is {key!r}, not {REPLICATION_KEY!r}"
                raise UnreadableBookmarkError(reason)
            if not isinstance(value, str) or not _is_time(value):
                reason = f"its replication_key_value {value!r} is not a date and time"
                raise UnreadableBookmarkError(reason)
        if (proof := partition.get("proof")) is None:
            return cls(value, completed=0 if value is None else None)
        if not isinstance(proof, dict) or proof.get("version") != PROOF_VERSION:
            reason = f"its proof is not of version {PROOF_VERSION}, the one this release writes"
            raise UnreadableBookmarkError(reason)
        try:
            return cls(
                value,
                _count(proof["completed"]),
                _unpack_digest(proof["digest"]),
                dict(_unpack_pending(proof["pending"])),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"its proof is damaged ({type(error).__name__}: {error})"
            raise UnreadableBookmarkError(reason) from error

    def to_state(self) -> dict[str, Any]:
        """Write what `from_state` reads; at most 190 bytes and 31 for each pending restore."""
        pending: dict[str, list[str]] = {}
        for id_, (status, tag) in self.pending.items():
            pending.setdefault(status, []).append(id_ + tag)
        state: dict[str, Any] = {}
        if self.value is not None:
            state = {"replication_key": REPLICATION_KEY, "replication_key_value": self.value}
        packed = b"".join(part.to_bytes(8, "big") for part in self.digest)
        state["proof"] = {
            "version": PROOF_VERSION,
            "completed": self.completed,
            "digest": urlsafe_b64encode(packed).decode().rstrip("="),
            "pending": pending,
        }
        return state


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
        everything: bool = False,
        hold: int = 10_000,
    ) -> None:
        """Start a pass.

        Args:
            before: What was delivered before.
            start: Leave out restores completed before this instant (microseconds since 1970).
            everything: Hold nothing back.
            hold: How many restores held back are kept in memory, to send them again without
                reading the list again.
        """
        self._before = before
        self._latest = None if before.value is None else instant(before.value)
        self._latest_text = before.value
        # A plain bookmark proves nothing, so what ties with it is sent rather than held back.
        self._after = self._latest
        if self._after is not None and before.completed is None:
            self._after -= 1
        self._start = start
        self._everything = everything
        self._hold = hold
        # Fingerprints by id, to count an item once that a shifting list shows twice;
        # inverted (so negative) for what was sent in this pass.
        self._seen: dict[str, int] = {}
        self._held: dict[str, Restore] | None = {}
        self._held_count = 0
        self._held_digest = [0] * _PARTS
        self._count = 0
        self._digest = [0] * _PARTS
        self._pending: dict[str, tuple[str, str]] = {}

    def take(self, page: Iterable[Restore]) -> list[Restore]:
        """Return the restores of a page that are to be sent now, in the page's order.

        Args:
            page: Restores as the API gives them; each has a string `id`.

        Raises:
            UnreadableTimeError: A `completedAt` is not a date and time.
        """
        return [restore for restore in page if self._is_new(restore)]

    def _is_new(self, restore: Restore) -> bool:
        id_ = restore["id"]
        completed_at = restore.get("completedAt") or None
        try:
            completed = None if completed_at is None else instant(completed_at)
        except (TypeError, ValueError) as error:
            reason = f"restore {id_} has the completedAt {completed_at!r}, which is not a time"
            raise UnreadableTimeError(reason) from error
        mark = _fingerprint(restore, completed)
        sent_before = False
        if (seen := self._seen.get(id_)) is not None:
            if mark in (seen, ~seen):
                return False
            self._forget(id_, seen)
            sent_before = seen < 0
        # The warehouse has a version of it that is no longer true: the new one must follow.
        outdated = sent_before or id_ in self._before.pending
        if completed is None:
            entry = (str(restore.get("status")), _tag(mark))
            self._pending[id_] = entry
            new = self._everything or sent_before or self._before.pending.get(id_) != entry
            self._seen[id_] = ~mark if new else mark
            return new
        if self._start is not None and completed < self._start:
            return outdated
        if self._latest is None or completed > self._latest:
            self._latest, self._latest_text = completed, completed_at
        self._count += 1
        self._digest[mark % _PARTS] += mark
        if self._everything or outdated or self._after is None or completed > self._after:
            self._seen[id_] = ~mark
            return True
        self._seen[id_] = mark
        self._hold_back(restore, mark)
        return False

    def _hold_back(self, restore: Restore, mark: int) -> None:
        self._held_count += 1
        self._held_digest[mark % _PARTS] += mark
        if self._held is not None:
            self._held[restore["id"]] = restore
            if len(self._held) > self._hold:
                self._held = None

    def _forget(self, id_: str, seen: int) -> None:
        """Take an item's earlier version in this pass out of the sums."""
        del self._seen[id_]
        if self._pending.pop(id_, None) is not None:
            return
        mark = ~seen if seen < 0 else seen
        self._count -= 1
        self._digest[mark % _PARTS] -= mark
        if seen >= 0:
            self._held_count -= 1
            self._held_digest[mark % _PARTS] -= mark
            if self._held is not None:
                del self._held[id_]

    @property
    def held_back(self) -> int:
        """How many restores with a `completedAt` were held back as delivered before."""
        return self._held_count

    @property
    def proven(self) -> bool:
        """Whether what was held back is exactly what was delivered before."""
        return not self._differing_parts()

    @property
    def must_read_again(self) -> bool:
        """Whether what differs is too much to have been kept: read the list again, for all."""
        return self._held is None and not self.proven

    def finish(self) -> Iterator[Restore]:
        """Yield what was held back and cannot be proven to have been delivered."""
        if self._held and (parts := self._differing_parts()):
            for id_, restore in self._held.items():
                if self._seen[id_] % _PARTS in parts:
                    yield restore

    @property
    def delivered(self) -> Bookmark:
        """The new bookmark, once all that `take` and `finish` gave is out."""
        return Bookmark(
            self._latest_text,
            self._count,
            tuple(part % _MODULUS for part in self._digest),
            self._pending,
        )

    def _differing_parts(self) -> set[int]:
        before = self._before
        if before.completed is None:
            return set()
        parts = {
            part
            for part in range(_PARTS)
            if self._held_digest[part] % _MODULUS != before.digest[part]
        }
        if not parts and self._held_count != before.completed:
            return set(range(_PARTS))
        return parts


def _fingerprint(restore: Restore, completed: int | None) -> int:
    """Return 63 bits over all that the warehouse holds of a restore, its times as instants."""
    started = restore.get("restoreTimestamp")
    try:
        started = instant(started) if started else None
    except (TypeError, ValueError):
        started = str(started)  # Nothing is built on it: as a text it still shows a change.
    text = (
        f"{restore['id']}\0{restore.get('status')}\0{started}\0{completed}"
        f"\0{restore.get('backupId')}"
    )
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def _tag(mark: int) -> str:
    """Return 24 bits of a fingerprint as four letters; the status beside it is kept whole."""
    return "".join(_TAGS[mark >> (6 * place) & 63] for place in range(_TAG_LENGTH))


def _is_time(text: str) -> bool:
    try:
        instant(text)
    except ValueError:
        return False
    return True


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        reason = f"completed is {value!r}, not a count"
        raise ValueError(reason)
    return value


def _unpack_digest(text: str) -> tuple[int, ...]:
    packed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if len(packed) != 8 * _PARTS:
        reason = f"digest has {len(packed)} bytes, not {8 * _PARTS}"
        raise ValueError(reason)
    return tuple(int.from_bytes(packed[at : at + 8], "big") for at in range(0, len(packed), 8))


def _unpack_pending(by_status: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    for status, entries in by_status.items():
        if not isinstance(entries, list):
            reason = f"pending {status!r} is not a list"
            raise TypeError(reason)
        for entry in entries:
            if len(entry) <= _TAG_LENGTH:
                reason = f"pending {status!r} holds {entry!r}"
                raise ValueError(reason)
            yield entry[:-_TAG_LENGTH], (status, entry[-_TAG_LENGTH:])
