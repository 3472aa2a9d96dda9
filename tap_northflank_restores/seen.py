"""Which ids a list has shown before, in a few bytes an id: to see that a list has no end. Pure.

A set of a million ids takes 100 MB. Here each id sets one byte of a table (a Bloom filter with one
hash); a table that is a quarter full gets a larger one beside it. So some ids pass for one that was
seen. That is harmless, as the list only ends when many pages in a row show nothing new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_FIRST_TABLE = 1 << 12  # bytes: for a thousand ids
_GROWTH = 4
_FILLING = 4  # bytes for an id


class Seen:
    """The ids that were added; some four bytes for each."""

    def __init__(self) -> None:
        """Start with none."""
        self._tables: list[bytearray] = []
        self._room = 0

    def add(self, ids: Iterable[str]) -> bool:
        """Add ids, and tell whether one of them is new.

        Args:
            ids: Those of a page.
        """
        numbers = [hash(id_) for id_ in ids]
        # It stops at the first that is new, with most pages their first.
        any_new = not all(
            any(table[number & len(table) - 1] for table in self._tables) for number in numbers
        )
        if self._room < len(numbers):
            size = _FIRST_TABLE * _GROWTH ** len(self._tables)
            self._tables.append(bytearray(size))
            self._room = size // _FILLING
        self._room -= len(numbers)
        table = self._tables[-1] if self._tables else bytearray(1)
        last = len(table) - 1
        for number in numbers:
            table[number & last] = 1
        return any_new
