"""What the state keeps of one addon's restores, and how it is written. Pure: no I/O, no clock.

A `Bookmark` says what was delivered of an addon's restores, in some 130 bytes however many they
are:

- the greatest `completedAt` delivered (Singer's `replication_key_value`);
- for the restores delivered with a `completedAt`: how many they are, and an order-free digest of
  them, in eight parts that follow `completedAt`. A difference sends its part again and not the
  whole history;
- for the restores delivered without one: their ids, by status;
- from when on restores were delivered (`start_date`), and a digest of what was left out before;
- a fingerprint of what a delivered row looks like.
"""

from __future__ import annotations

import sys
from array import array
from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tap_northflank_restores.instants import instant, instants

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

REPLICATION_KEY = "completedAt"
PROOF_VERSION = 2

PARTS = 8
SHAPE_LENGTH = 4

# Release 0.1.0 wrote version 1: its parts follow the fingerprint, and it has no start, no shape.
_VERSION_1 = 1
_MODULUS = {_VERSION_1: 1 << 64, PROOF_VERSION: 1 << 48}
_SUM_LENGTH = 6
_BOUND_LENGTH = 5
_SINCE_LENGTH = 8
_PACKED = SHAPE_LENGTH + (PARTS - 1) * _BOUND_LENGTH + PARTS * _SUM_LENGTH
_PACKED_WITH_START = _PACKED + _SINCE_LENGTH + _SUM_LENGTH

# The oldest part is small, as retention takes its restores away, one after the other. Each of the
# others has 5 of 36, so that one late restore sends less than a seventh.
_OLDEST, _OTHERS, _ALL = 1, 5, 36

_LAST_KEY = (1 << 8 * _BOUND_LENGTH) - 1
# A key is a time in steps of 2^16 microseconds since 1970, until 2112, and four bits for ties.
_STEP_BITS = 16
_TIE_BITS = 4
_TIES = (1 << _TIE_BITS) - 1
_MARK_BITS = 63
_MARK = (1 << _MARK_BITS) - 1
_LATEST = (_LAST_KEY >> _TIE_BITS) << _STEP_BITS
_TAG_LENGTH = 4
_TAGS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

Restore = dict[str, Any]

_empty_digest = blake2b(digest_size=8)


class UnreadableBookmarkError(ValueError):
    """A partition of the state that is neither a Singer bookmark nor this tap's own."""


@dataclass(frozen=True)
class Bookmark:
    """What was delivered of one addon's restores.

    Attributes:
        value: The greatest `completedAt` delivered, as the API wrote it; None before the first.
        completed: How many restores with a `completedAt` were delivered; None when the state does
            not say, as in a plain Singer bookmark, which is then trusted.
        digest: The sums of their fingerprints, in eight parts.
        bounds: The least time of the second to the eighth part, as `history_entries` has it above
            the fingerprint; None for the parts of version 1, which follow the fingerprint.
        pending: What was delivered without `completedAt`, or with one before `since`:
            `{id: (status, tag)}`.
        since: Restores completed before this instant (microseconds since 1970) were left out;
            None if none were.
        left_out: The sum of the fingerprints of these.
        shape: What a delivered row looks like, in four bytes; None when the state does not say.
    """

    value: str | None = None
    completed: int | None = 0
    digest: Sequence[int] = (0,) * PARTS
    bounds: Sequence[int] | None = (_LAST_KEY,) * (PARTS - 1)
    pending: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    since: int | None = None
    left_out: int = 0
    shape: bytes | None = None

    @classmethod
    def from_state(cls, partition: Mapping[str, Any]) -> Bookmark:
        """Read the partition of an addon from the state.

        Args:
            partition: `{"replication_key": "completedAt", "replication_key_value": "2026-…Z",
                "proof": {…}}`; each may be missing or null.

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
        if not isinstance(proof, dict) or proof.get("version") not in (_VERSION_1, PROOF_VERSION):
            reason = f"its proof is not of version {PROOF_VERSION}, the one this release writes"
            raise UnreadableBookmarkError(reason)
        try:
            completed = _count(proof["completed"])
            if proof["version"] == _VERSION_1:
                digest = _unpack_sums(_unpack(proof["digest"], 8 * PARTS), 8)
                pending = dict(_unpack_pending(proof["pending"].items()))
                return cls(value, completed, digest, None, pending)
            packed = _unpack(proof["digest"], _PACKED, _PACKED_WITH_START)
            by_status = ((entries[0], entries[1:]) for entries in proof["pending"])
            pending = dict(_unpack_pending(by_status))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            reason = f"its proof is damaged ({type(error).__name__}: {error})"
            raise UnreadableBookmarkError(reason) from error
        shape, packed = packed[:SHAPE_LENGTH], packed[SHAPE_LENGTH:]
        at = (PARTS - 1) * _BOUND_LENGTH
        bounds, packed = _unpack_sums(packed[:at], _BOUND_LENGTH), packed[at:]
        at = PARTS * _SUM_LENGTH
        digest, packed = _unpack_sums(packed[:at], _SUM_LENGTH), packed[at:]
        since, left_out = None, 0
        if packed:
            since = int.from_bytes(packed[:_SINCE_LENGTH], "big", signed=True)
            left_out = int.from_bytes(packed[_SINCE_LENGTH:], "big")
        known = shape if any(shape) else None
        return cls(value, completed, digest, bounds, pending, since, left_out, known)

    def to_state(self) -> dict[str, Any]:
        """Return the partition that `from_state` reads; what is not known is null.

        A key that is left out would come back when the state is merged with an older one.
        At most 260 bytes and 31 for each pending restore.
        """
        pending: dict[str, list[str]] = {}
        for id_, (status, tag) in self.pending.items():
            pending.setdefault(status, []).append(id_ + tag)
        packed = self.shape or bytes(SHAPE_LENGTH)
        packed += b"".join(bound.to_bytes(_BOUND_LENGTH, "big") for bound in self.bounds or ())
        packed += b"".join(part.to_bytes(_SUM_LENGTH, "big") for part in self.digest)
        if self.since is not None:
            packed += self.since.to_bytes(_SINCE_LENGTH, "big", signed=True)
            packed += self.left_out.to_bytes(_SUM_LENGTH, "big")
        return {
            "replication_key_value": self.value,
            "proof": {
                "version": PROOF_VERSION,
                "completed": self.completed,
                "digest": urlsafe_b64encode(packed).decode().rstrip("="),
                "pending": [[status, *ids] for status, ids in pending.items()],
            },
        }

    @property
    def is_empty(self) -> bool:
        """Whether nothing was delivered."""
        return self.value is None and not self.pending

    @property
    def says_since(self) -> bool:
        """Whether it says from when on restores were delivered: version 2 does."""
        return self.bounds is not None and self.completed is not None and not self.is_empty

    def part(self, entry: int) -> int:
        """Return the part of the digest that a restore belongs to, by its `history_entries`."""
        return (
            entry % PARTS if self.bounds is None else bisect_right(self.bounds, entry >> _MARK_BITS)
        )

    def differing_parts(self, entries: Sequence[int]) -> set[int]:
        """Return the parts whose restores are not those that were delivered.

        Args:
            entries: The `history_entries` of the restores held back.
        """
        if self.bounds is None:
            sums = [0] * PARTS
            for entry in entries:
                sums[entry % PARTS] += entry & _MARK
            modulus = _MODULUS[_VERSION_1]
        else:
            sums = _sums(entries, self.bounds)
            modulus = _MODULUS[PROOF_VERSION]
        return {part for part in range(PARTS) if (sums[part] - self.digest[part]) % modulus}


def divide(entries: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Divide a history into parts.

    Args:
        entries: The `history_entries` of all its restores.

    Returns:
        The `bounds` and the `digest` of a bookmark.
    """
    bounds = tuple(
        entries[len(entries) * (_OLDEST + _OTHERS * part) // _ALL] >> _MARK_BITS
        if entries
        else _LAST_KEY
        for part in range(PARTS - 1)
    )
    return bounds, tuple(map(total, _sums(entries, bounds)))


def _sums(entries: Sequence[int], bounds: Sequence[int]) -> list[int]:
    cuts = [0, *(bisect_left(entries, bound << _MARK_BITS) for bound in bounds), len(entries)]
    # The keys above the fingerprints are multiples of the modulus, so they add nothing.
    return [sum(entries[begin:end]) for begin, end in pairwise(cuts)]


def history_entries(times: Iterable[int], marks: Iterable[int]) -> list[int]:
    """Return what orders restores in their history: time, what tells ties apart, fingerprint.

    Args:
        times: Their `completedAt`, as instants. Before 1970 all count as the same time, and after
            2112.
        marks: Their fingerprints.

    Returns:
        A number for each, sorted: the key of 40 bits above the 63 bits of the fingerprint.
    """
    entries = [
        (((time >> _STEP_BITS) << _TIE_BITS) | (mark & _TIES)) << _MARK_BITS | mark
        if 0 <= time < _LATEST
        else (_LAST_KEY - _TIES + (mark & _TIES) if time > 0 else mark & _TIES) << _MARK_BITS | mark
        for time, mark in zip(times, marks, strict=True)
    ]
    entries.sort()
    return entries


def total(marks: int) -> int:
    """Return a sum of fingerprints as it is kept."""
    return marks % _MODULUS[PROOF_VERSION]


def fingerprints(restores: Sequence[Restore], completed: Sequence[int | str | None]) -> list[int]:
    """Return of each restore 63 bits over all that the warehouse holds of it, times as instants.

    Args:
        restores: Restores as the API gives them.
        completed: Of each the instant of its `completedAt`, or the text if it is no time.
    """
    # Of a start that is no time, the text still shows a change: nothing is built on it.
    started = instants([restore.get("restoreTimestamp") for restore in restores])
    digests = []
    for restore, began, ended in zip(restores, started, completed, strict=True):
        text = (
            f"{restore['id']}\0{restore.get('status')}\0{began}\0{ended}\0{restore.get('backupId')}"
        )
        digest = _empty_digest.copy()  # in less time than a new one
        digest.update(text.encode())
        digests.append(digest.digest())
    marks = array("Q", b"".join(digests))
    if sys.byteorder == "little":
        marks.byteswap()
    return [mark >> 1 for mark in marks]


def tag(mark: int) -> str:
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


def _unpack(text: str, *lengths: int) -> bytes:
    packed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if len(packed) not in lengths:
        reason = f"digest has {len(packed)} bytes, not {' or '.join(map(str, lengths))}"
        raise ValueError(reason)
    return packed


def _unpack_sums(packed: bytes, length: int) -> tuple[int, ...]:
    return tuple(
        int.from_bytes(packed[at : at + length], "big") for at in range(0, len(packed), length)
    )


def _unpack_pending(by_status: Any) -> Iterator[tuple[str, tuple[str, str]]]:  # noqa: ANN401 - as JSON has it
    for status, entries in by_status:
        if not isinstance(entries, list) or not isinstance(status, str):
            reason = f"pending {status!r} is not a list"
            raise TypeError(reason)
        for entry in entries:
            if len(entry) <= _TAG_LENGTH:
                reason = f"pending {status!r} holds {entry!r}"
                raise ValueError(reason)
            yield entry[:-_TAG_LENGTH], (status, entry[-_TAG_LENGTH:])
