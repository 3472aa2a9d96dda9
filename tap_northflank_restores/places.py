"""The place of each id in the order in which a list showed them, in few bytes an id. Pure.

A list shows an id twice only where it shifts between two pages. Until it does, a set of what was
shown is enough, and takes a third less memory than the place of each. An id is known by its hash,
which takes less memory than its text.
"""

from __future__ import annotations

from array import array
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Places:
    """The places of the ids that were added: 0 for the first, and so on."""

    def __init__(self) -> None:
        """Start with none."""
        self.hashes = array("q")
        """Of all ids that were added, in their order."""
        self._shown: set[int] = set()
        self._by_hash: dict[int, int] | None = None

    def are_new(self, hashes: Iterable[int]) -> bool:
        """Tell whether none of the ids was added before."""
        shown = self._shown if self._by_hash is None else self._by_hash.keys()
        return shown.isdisjoint(hashes)

    def find(self, hash_: int) -> int | None:
        """Return the place where an id was added last, None if it was not."""
        if self._by_hash is None:
            if hash_ not in self._shown:
                return None
            self._by_hash = dict(zip(self.hashes, count()))
            self._shown = set()
        return self._by_hash.get(hash_)

    def add(self, hashes: Sequence[int]) -> None:
        """Give each id the next place."""
        if self._by_hash is None:
            self._shown.update(hashes)
        else:
            self._by_hash.update(zip(hashes, count(len(self.hashes))))
        self.hashes.extend(hashes)
